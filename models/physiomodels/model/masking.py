"""Dual masking: hide whole leads, whole patches across the leads, and single patches at random.

The paper (arXiv 2512.15250) names intra- and inter-lead masking and publishes no ratios; what the
three ratios mean here is our choice, and docs/models.md shows it drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from physioprep.bounds import SEED, check_bounds
from physioprep.errors import ModelError
from physioprep.stream.random_numbers import GOLDEN, mix


@dataclass(frozen=True)
class DualMask:
    """Draw which patches of each sample are hidden, from its own seed.

    First leads, then patches in time, then single patches among those still visible.

    Parameters
    ----------
    spatial_ratio : float
        Share of a sample's leads to hide over all patches (inter-lead). A single lead is never
        hidden: nothing would be left.
    temporal_ratio : float
        Share of a sample's patches to hide across all leads (intra-lead, in time).
    patch_ratio : float
        Share of what is then still visible to hide patch by patch (CBraMod: 0.5).
    span : int
        Patches in time are hidden in runs of this length; the last one of a sample may be shorter.
    exact : bool
        Hide the nearest whole number to each share (halves up); False: draw each one independently.
    seed : int
        Seed of the masks.

    Raises
    ------
    ModelError
        If a ratio is outside 0 to 1, all are 0, or `span` is below 1.

    Examples
    --------
    >>> import torch
    >>> mask = DualMask(spatial_ratio=0.5, temporal_ratio=0.3)(torch.arange(4), channels=12,
    ...                                                        patches=10)
    >>> mask.shape, mask.dtype
    (torch.Size([4, 12, 10]), torch.bool)
    >>> mask.all(2).sum(1)                                  # leads hidden per sample
    tensor([6, 6, 6, 6])
    >>> mask.all(1).sum(1)                                  # patches hidden across leads
    tensor([3, 3, 3, 3])
    """

    spatial_ratio: float = 0.0
    temporal_ratio: float = 0.0
    patch_ratio: float = 0.5
    span: int = 1
    exact: bool = True
    seed: Annotated[int, SEED] = 0

    def __post_init__(self) -> None:
        ratios = (self.spatial_ratio, self.temporal_ratio, self.patch_ratio)
        if not all(0 <= ratio <= 1 for ratio in ratios) or not any(ratios):
            raise ModelError(f"mask ratios {ratios}: each within 0 to 1, and one above 0")
        if self.span < 1:
            raise ModelError(f"mask span {self.span}: at least 1 patch")
        check_bounds(DualMask, vars(self), "mask", ModelError)

    def __call__(
        self,
        sample: Tensor,
        channels: int,
        patches: int,
        *,
        present: Tensor | None = None,
        epoch: int = 0,
    ) -> Tensor:
        """Return the mask of a batch.

        Parameters
        ----------
        sample : Tensor of int64, shape (batch,)
            Each sample's own number (``batch["index"]``): with `seed` and `epoch` it determines
            the sample's mask, whichever batch it is in.
        channels, patches : int
            Of the batch.
        present : Tensor of bool, shape (batch, channel) or (batch, channel, patch), optional
            What exists; shares are shares of this, and nothing else is hidden.
        epoch : int
            Another epoch gives other masks.

        Returns
        -------
        Tensor of bool, shape (batch, channel, patch)
            True where hidden. In every sample something stays visible, and something is hidden
            where more than one patch exists.
        """
        if present is None:
            present = torch.ones(len(sample), channels, patches, dtype=torch.bool)
        elif present.ndim == 2:
            present = present[..., None].expand(-1, -1, patches)
        present = present.bool().to(sample.device)
        single = channels * patches
        draw = _draws(sample, self.seed, epoch, channels + patches + 1 + 2 * single)
        lead_draw, time_draw, patch_draw, spare_draw = torch.tensor_split(
            draw, (channels, channels + patches + 1, channels + patches + 1 + single), dim=1
        )
        leads = self._choose(lead_draw, present.any(2), self.spatial_ratio)
        runs = self._runs(time_draw, patches)
        times = self._choose(runs, present.any(1), self.temporal_ratio)
        mask = (leads[:, :, None] | times[:, None, :]) & present
        visible = (present & ~mask).flatten(1)
        mask = mask.flatten(1) | self._choose(patch_draw, visible, self.patch_ratio)
        return _neither_all_nor_none(mask, present.flatten(1), spare_draw).view(present.shape)

    def _runs(self, draw: Tensor, patches: int) -> Tensor:
        """Give the patches of one run one draw; where runs begin is drawn too."""
        offset = (draw[:, -1:] * self.span).long()
        run = (torch.arange(patches, device=draw.device) + offset) // self.span
        return draw[:, :-1].gather(1, run)

    def _choose(self, draw: Tensor, candidates: Tensor, ratio: float) -> Tensor:
        """Choose a share of the candidates along the last axis, never the last one left."""
        count = candidates.sum(1, keepdim=True)
        if self.exact:
            wanted = torch.floor(count * ratio + 0.5).long()
        else:
            wanted = (candidates & (draw < ratio)).sum(1, keepdim=True)
        wanted = torch.minimum(wanted, (count - 1).clamp(min=0))
        order = torch.where(candidates, draw, 2.0).argsort(dim=1, stable=True)
        chosen = torch.zeros_like(candidates)
        ranks = torch.arange(draw.shape[1], device=draw.device).expand_as(order)
        return chosen.scatter(1, order, ranks < wanted)


def _neither_all_nor_none(mask: Tensor, present: Tensor, draw: Tensor) -> Tensor:
    """Show one patch where all are hidden; hide one where none is and another one exists."""
    everything = (mask | ~present).all(1, keepdim=True)
    nothing = ~mask.any(1, keepdim=True) & (present.sum(1, keepdim=True) > 1)
    one = torch.where(present, draw, -1.0).argmax(1, keepdim=True)
    only = torch.zeros_like(mask).scatter(1, one, True) & present
    return (mask & ~(everything & only)) | (nothing & only)


def _draws(sample: Tensor, seed: int, epoch: int, count: int) -> Tensor:
    """Return uniform numbers (batch, count) in [0, 1) that depend on the arguments alone.

    SplitMix64 (Steele, Lea, Flood, 2014) as a counter-based generator: no state, any device.
    """
    key = torch.tensor([seed, epoch], dtype=torch.int64, device=sample.device)
    key = _mix(_mix(key[:1]) + key[1:])
    state = _mix(_mix(sample.long()) + key)
    counter = torch.arange(1, count + 1, dtype=torch.int64, device=sample.device)
    bits = _mix(state[:, None] + counter * GOLDEN)
    return (bits >> 11 & (1 << 53) - 1).double() * 2.0**-53


def _mix(x: Tensor) -> Tensor:
    """Take one step of SplitMix64 from the state `x`."""
    return mix(x + GOLDEN)
