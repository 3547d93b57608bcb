"""Which patches are hidden, and which are answered for: by a dual mask, or by leads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from physiomodels.model.masking import DualMask
from physiomodels.model.patches import Patches, hide
from physioprep.lead_views import LeadView
from physioprep.stream.leads import INPUT, TARGET, draw_leads


@dataclass(frozen=True)
class LeadTask:
    """What an encoder is given of a window, and what it is to answer.

    Parameters
    ----------
    inputs : LeadView or None
        Leads that it sees; the others are hidden whole. None: a dual mask hides.
    targets : LeadView or None
        Leads whose error counts. None: all.
    seed : int
        Of the draws, which are those of `ShardStream` with this seed.
    """

    inputs: LeadView | None = None
    targets: LeadView | None = None
    seed: int = 0


def hide_leads(
    task: LeadTask,
    mask: DualMask,
    patches: Patches,
    sample: Tensor,
    window: Tensor,
    channels: Sequence[str],
    epoch: int = 0,
) -> tuple[Tensor, Tensor | None]:
    """Return which patches are hidden, and which count.

    Parameters
    ----------
    task : LeadTask
        Without any lead: the dual mask alone.
    mask : DualMask
        Of windows whose leads are all given.
    patches : Patches
        From `physiomodels.model.patches.to_patches`.
    sample : Tensor of int64, shape (batch,)
        Number of each row, for the dual mask.
    window : Tensor of int64, shape (batch,)
        Number of its window, for the draw of leads.
    channels : sequence of str
        Of the signal, all of them.
    epoch : int
        For the dual mask.

    Returns
    -------
    hidden : Tensor of bool, shape (batch, channel, patch)
        Of a window without any of its leads nothing is hidden.
    counted : Tensor of bool, shape (batch, channel, patch), or None
        None: all.
    """
    used = slice(None) if patches.leads is None else patches.leads
    shape = patches.x.shape[:3]

    def of(view: LeadView, purpose: str) -> Tensor:
        drawn = draw_leads(view, channels, window, seed=task.seed, purpose=purpose)
        return drawn[:, used, None].expand(shape)

    counted = None if task.targets is None else of(task.targets, TARGET)
    if task.inputs is None:
        return hide(mask, patches, sample, epoch), counted
    given = of(task.inputs, INPUT)
    present = torch.ones_like(given) if patches.present is None else patches.present
    some = (given & present).flatten(1).any(1)
    return ~given & present & some[:, None, None], counted
