"""SplitMix64 on tensors: random numbers that depend on a counter and a key alone.

Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195. In torch, not NumPy, so that draws are
made on the device of the batch, without a copy to the CPU and back; integer arithmetic gives
the same bits on every device.
"""

from __future__ import annotations

import zlib
from typing import Final

import torch
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
    >>> mix(torch.tensor([0, GOLDEN]))
    tensor([                   0, -2152535657050944081])
    """
    # torch has no unsigned shift, so the sign bits that >> copies are masked out.
    value = (value ^ ((value >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    value = (value ^ ((value >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return value ^ ((value >> 31) & 0x1FFFFFFFF)


def uniform(index: Tensor, count: int, *, seed: int, epoch: int, purpose: str) -> Tensor:
    """Draw random numbers that depend on window, seed, epoch and purpose only.

    Parameters
    ----------
    index : Tensor of int64, shape (batch,)
        Window numbers.
    count : int
        Draws per window.
    seed, epoch : int
        Of the random numbers.
    purpose : str
        Draws for different purposes are independent.

    Returns
    -------
    Tensor of float32, shape (batch, count)
        In [0, 1).

    Examples
    --------
    >>> uniform(torch.tensor([7]), 2, seed=0, epoch=0, purpose="crop")
    tensor([[0.8148, 0.4564]])
    """
    salt = torch.tensor(
        [zlib.crc32(purpose.encode()), seed, epoch], dtype=torch.int64, device=index.device
    )
    state = torch.zeros((), dtype=torch.int64, device=index.device)
    for part in salt:
        state = mix(state + part)
    state = mix(state + index)
    draw = torch.arange(1, count + 1, dtype=torch.int64, device=index.device)
    bits = mix(state[:, None] + draw * GOLDEN)
    return ((bits >> 40) & 0xFFFFFF).to(torch.float32) / 2**24
