"""Absent leads and patches in a batch are left out: each sample is encoded as if alone."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from physioprep.errors import ModelError

#: More than leads or patches that there are.
_LAST: Final = 1 << 31


def present_patches(x: Tensor, present: Tensor | None) -> Tensor | None:
    """Return flags of presence in full shape.

    Parameters
    ----------
    x : Tensor, shape (batch, channel, patch, sample)
        Patches.
    present : Tensor, shape (batch, channel) or (batch, channel, patch), or None
        Non-zero where a lead or patch exists.

    Returns
    -------
    Tensor of bool, shape (batch, channel, patch), or None
        None where `present` is.

    Raises
    ------
    ModelError
        If the shapes do not fit.
    """
    if present is None:
        return None
    if present.shape not in (x.shape[:2], x.shape[:3]):
        raise ModelError(f"present has shape {tuple(present.shape)} beside x {tuple(x.shape)}")
    present = present.bool()
    return present if present.ndim == 3 else present[..., None].expand(x.shape[:3])


def key_mask(present: Tensor) -> Tensor:
    """Return which elements may attend to which along the last axis.

    What is absent attends to itself only, since a row without any key would be NaN.

    Parameters
    ----------
    present : Tensor of bool, shape (..., element)
        Which exist.

    Returns
    -------
    Tensor of bool, shape (..., query, key)

    Examples
    --------
    >>> import torch
    >>> key_mask(torch.tensor([True, False]))
    tensor([[ True, False],
            [ True,  True]])
    """
    itself = torch.eye(present.shape[-1], dtype=torch.bool, device=present.device)
    return present[..., None, :] | (itself & ~present[..., :, None])


def close_gaps(present: Tensor) -> tuple[Tensor, Tensor]:
    """Return indices that move whole absent leads and patches to the end, and those that undo it.

    The positional convolution then sees a sample's leads as neighbours, as they would be alone.

    Parameters
    ----------
    present : Tensor of bool, shape (batch, channel, patch)
        Which exist.

    Returns
    -------
    together, back : Tensor of int64, shape (batch, channel * patch)
        Flat indices.
    """
    leads, times = _absent_last(present.any(2)), _absent_last(present.any(1))
    batch, channels, patches = present.shape
    cells = torch.arange(channels * patches, device=present.device).reshape(1, channels, patches)
    cells = cells.expand(batch, -1, -1)
    cells = torch.gather(cells, 1, leads[:, :, None].expand(-1, -1, patches))
    together = torch.gather(cells, 2, times[:, None, :].expand(-1, channels, -1)).flatten(1)
    return together, torch.argsort(together, dim=1)


def _absent_last(there: Tensor) -> Tensor:
    """Return the order of each row that puts what is absent last; no two keys are equal."""
    place = torch.arange(there.shape[1], device=there.device)
    return torch.argsort(torch.where(there, place, place + _LAST), dim=1)


def group_norm(x: Tensor, present: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Normalise by groups, with the statistics of what is present.

    Parameters
    ----------
    x : Tensor, shape (batch, width, patch, sample)
        To be normalised.
    present : Tensor of bool, shape (batch, 1, patch, 1)
        What the statistics are taken over.
    norm : GroupNorm
        Groups, weights, epsilon.

    Returns
    -------
    Tensor, shape (batch, width, patch, sample)
    """
    grouped = x.reshape(x.shape[0], norm.num_groups, -1, *x.shape[2:])
    weight = present[:, None].to(x.dtype)
    count = weight.sum((2, 3, 4), keepdim=True).clamp(min=1) * grouped.shape[2] * x.shape[-1]
    mean = (grouped * weight).sum((2, 3, 4), keepdim=True) / count
    centred = grouped - mean
    variance = (centred.square() * weight).sum((2, 3, 4), keepdim=True) / count
    normed = (centred * torch.rsqrt(variance + norm.eps)).flatten(1, 2)
    return torch.addcmul(norm.bias[:, None, None], normed, norm.weight[:, None, None])
