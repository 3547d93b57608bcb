"""What a batch of mixed lead sets leaves out, so that each sample is encoded as if alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from physioprep.errors import ModelError


def present_patches(x: Tensor, present: Tensor | None) -> Tensor | None:
    """Return `present` as bool (batch, channel, patch)."""
    if present is None:
        return None
    if present.shape not in (x.shape[:2], x.shape[:3]):
        raise ModelError(f"present has shape {tuple(present.shape)} beside x {tuple(x.shape)}")
    present = present.bool()
    return present if present.ndim == 3 else present[..., None].expand(x.shape[:3])


def key_mask(present: Tensor) -> Tensor:
    """Return who may attend to whom along the last axis: (..., query, key).

    What is absent attends to itself alone, for a row without any key is NaN.
    """
    itself = torch.eye(present.shape[-1], dtype=torch.bool, device=present.device)
    return present[..., None, :] | (itself & ~present[..., :, None])


def close_gaps(present: Tensor) -> tuple[Tensor, Tensor]:
    """Return flat indices that move whole absent leads and patches to the end, and the way back.

    The positional convolution then sees a sample's leads as neighbours, as they would be alone.
    """
    leads = torch.argsort((~present.any(2)).to(torch.int8), dim=1, stable=True)
    times = torch.argsort((~present.any(1)).to(torch.int8), dim=1, stable=True)
    together = (leads[:, :, None] * present.shape[2] + times[:, None, :]).flatten(1)
    return together, torch.argsort(together, dim=1)


def group_norm(x: Tensor, there: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group normalisation of (batch, width, patch, sample) with statistics of what is there."""
    grouped = x.reshape(x.shape[0], norm.num_groups, -1, *x.shape[2:])
    weight = there[:, None].to(x.dtype)
    count = weight.sum((2, 3, 4), keepdim=True).clamp(min=1) * grouped.shape[2] * x.shape[-1]
    mean = (grouped * weight).sum((2, 3, 4), keepdim=True) / count
    centred = grouped - mean
    variance = (centred.square() * weight).sum((2, 3, 4), keepdim=True) / count
    normed = (centred * torch.rsqrt(variance + norm.eps)).flatten(1, 2)
    return torch.addcmul(norm.bias[:, None, None], normed, norm.weight[:, None, None])
