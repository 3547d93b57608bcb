"""Inputs and targets out of one window: some of its leads are given, others are to be answered."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from physioprep.errors import ShardError
from physioprep.lead_views import LeadView
from physioprep.stream.random_numbers import uniform

Batch = dict[str, Tensor]
#: What is drawn for: inputs and targets of a window are drawn apart.
INPUT, TARGET = "input leads", "target leads"


def draw_leads(
    view: LeadView, channels: Sequence[str], index: Tensor, *, seed: int, purpose: str = INPUT
) -> Tensor:
    """Return which channels a view has of each window.

    Parameters
    ----------
    view : LeadView
        One subset, or several to draw from.
    channels : sequence of str
        Of the window.
    index : Tensor of int64, shape (batch,)
        Numbers of the windows. With `seed` the number alone decides: a window has the same leads
        in any batch, epoch, rank or worker.
    seed : int
        Of the draw.
    purpose : str
        `INPUT` or `TARGET`, which are drawn apart.

    Returns
    -------
    Tensor of bool, shape (batch, channel)

    Examples
    --------
    >>> view = LeadView.of({"I": 0.5, "II V1": 0.5})
    >>> draw_leads(view, ["I", "II", "V1"], torch.arange(4), seed=0).tolist()
    [[False, True, True], [False, True, True], [True, False, False], [True, False, False]]
    """
    table = torch.tensor(
        [[channel in leads for channel in channels] for leads in view.subsets],
        dtype=torch.bool, device=index.device,
    )  # fmt: skip
    if len(view.subsets) == 1:
        return table.expand(len(index), -1)
    draw = uniform(index, 1, seed=seed, epoch=0, purpose=purpose)[:, 0].contiguous()
    ends = torch.tensor(view.shares[:-1], device=index.device).cumsum(0)
    return table[torch.searchsorted(ends, draw, right=True)]


def split_leads(
    batch: Batch,
    modality: str,
    channels: Sequence[str],
    inputs: LeadView | None,
    targets: LeadView | None,
    *,
    seed: int,
) -> Batch:
    """Return a batch whose inputs hold some leads, and its targets others of the same windows.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ...: shape (batch, channel, time) or (batch, epoch, channel, time).
    channels : sequence of str
        Of the modality.
    inputs, targets : LeadView or None
        None: the inputs hold all leads; there are no targets.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to Tensor
        ``<modality>`` and ``present_<modality>`` are the inputs, ``target_<modality>`` and
        ``present_target_<modality>`` the targets. Their channels are those that a view names, in
        its order; of subsets that are drawn those of all, and what a window did not draw is
        absent in it: 0, and not present.

    Raises
    ------
    ShardError
        A view names a channel that there is not.

    Examples
    --------
    >>> batch = {"ecg": torch.tensor([[[1.0], [2.0], [3.0]]]), "index": torch.tensor([0]),
    ...          "present_ecg": torch.ones(1, 3, dtype=torch.bool)}
    >>> split = split_leads(batch, "ecg", ["I", "II", "V1"], LeadView.of("II"),
    ...                     LeadView.of("V1 I"), seed=0)
    >>> split["ecg"].flatten().tolist(), split["target_ecg"].flatten().tolist()
    ([2.0], [3.0, 1.0])
    """
    parts = ((targets, TARGET, f"target_{modality}"), (inputs, INPUT, modality))
    changed = dict(batch)
    for view, purpose, name in parts:
        if view is None:
            continue
        unknown = [lead for lead in view.leads if lead not in channels]
        if unknown:
            raise ShardError(f"no channel {', '.join(unknown)} in {', '.join(channels)}")
        slots = torch.tensor([channels.index(lead) for lead in view.leads])
        slots = slots.to(batch["index"].device)
        drawn = draw_leads(view, view.leads, batch["index"], seed=seed, purpose=purpose)
        present = batch[f"present_{modality}"][:, slots] & drawn
        signal = batch[modality].index_select(-2, slots)
        if len(view.subsets) > 1:
            absent = ~drawn[:, None, :, None] if signal.dim() == 4 else ~drawn[..., None]
            signal = signal.masked_fill(absent, 0)
        changed[name], changed[f"present_{name}"] = signal, present
        if f"{modality}_scale" in batch:
            changed[f"{name}_scale"] = batch[f"{modality}_scale"][:, slots]
        if name == modality and "present" in batch:
            changed["present"] = present
    return changed
