"""SplitMix64 on tensors: random bits that depend on a counter and a key alone.

Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195. In torch, not NumPy, so that draws are
made on the device of the batch, without a copy to the CPU and back; integer arithmetic gives
the same bits on every device.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor

#: 2**64 divided by the golden ratio, 0x9E3779B97F4A7C15, as int64: the step of the counter.
GOLDEN: Final = -0x61C8864680B583EB


def mix(value: Tensor) -> Tensor:
    """Turn 64-bit states into random bits, as SplitMix64 does; one to one.

    Parameters
    ----------
    value : Tensor of int64
        States: a key plus multiples of `GOLDEN`.

    Returns
    -------
    Tensor of int64
        Of the same shape.

    Examples
    --------
    >>> import torch
    >>> mix(torch.tensor([0, GOLDEN]))
    tensor([                   0, -2152535657050944081])
    """
    # torch has no unsigned shift, so the sign bits that >> copies are masked out.
    value = (value ^ ((value >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    value = (value ^ ((value >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return value ^ ((value >> 31) & 0x1FFFFFFFF)
