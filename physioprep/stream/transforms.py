"""Transforms of whole batches in torch, on the device, the same again after a resume.

Each is a plain function ``batch -> batch`` on the tensors of `ShardStream`. Random ones draw
from (seed, epoch, window number), so that a window gets the same treatment in whatever batch,
rank or run it comes, and another in the next epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Batch = dict[str, Tensor]
Transform = Callable[[Batch], Batch]

_MISSING = -32768


def physical(batch: Batch) -> Batch:
    """Scale the int16 samples of a raw batch, on the device they are on.

    Parameters
    ----------
    batch : dict of str to Tensor
        From ``ShardStream(..., raw=True)``.

    Returns
    -------
    dict of str to Tensor
        What the stream yields without `raw`.

    Examples
    --------
    >>> raw = {"ecg": torch.tensor([[[2, -32768]]], dtype=torch.int16),
    ...        "ecg_scale": torch.tensor([[0.5]]), "present_ecg": torch.tensor([[True]])}
    >>> physical(raw)["ecg"]
    tensor([[[1., nan]]])
    """
    scaled = dict(batch)
    for name in [name for name in batch if f"{name}_scale" in batch]:
        digital, present = batch[name], batch[f"present_{name}"][..., None]
        scale = scaled.pop(f"{name}_scale")[..., None]
        value = digital.to(torch.float32) * scale
        value = value.masked_fill(digital == _MISSING, math.nan)
        scaled[name] = value.masked_fill(~present, 0.0)
    return scaled


def modalities(batch: Batch) -> list[str]:
    """Return the modalities of a batch."""
    return [name.removeprefix("present_") for name in batch if name.startswith("present_")]
