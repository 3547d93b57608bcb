"""Processes share a global batch by what its windows cost, not by their number."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor

from physiomodels.model.by_size import sizes
from physiomodels.training import distributed as ranks

#: Moving windows ends where one more would relieve a process by less than this share of the mean.
_LEAST_GAIN: Final = 0.01


def balance(
    rows: dict[str, Tensor], modality: str, patch_size: int, most: int, device: str
) -> dict[str, Tensor]:
    """Hand windows of a batch over until all processes have about the same to compute.

    Each process has read its own windows; some of them then move. All processes take part.

    Parameters
    ----------
    rows : dict of str to Tensor
        Of this process, from `physiomodels.training.data.pretraining_rows`.
    modality : str
        The signal in it.
    patch_size : int
        Samples per patch.
    most : int
        Rows that a process can have read, at most.
    device : str
        Where to put them: NCCL moves what is on GPUs.

    Returns
    -------
    dict of str to Tensor
        The rows to compute here.
    """
    rows = {name: values.to(device) for name, values in rows.items()}
    costs = _costs(rows[modality], rows[f"present_{modality}"], patch_size)
    table = torch.full((most,), -1, dtype=torch.int64, device=costs.device)
    table[: len(costs)] = costs
    tables = [torch.empty_like(table) for _ in range(ranks.world_size())]
    dist.all_gather(tables, table)
    homes = [[cost for cost in held.tolist() if cost >= 0] for held in tables]
    goals = shared_evenly(homes)
    if all(goal == home for home, held in enumerate(goals) for goal in held):
        return rows
    return _moved(rows, goals)


def shared_evenly(homes: list[list[int]]) -> list[list[int]]:
    """Choose who computes each window of a batch.

    Again and again the process with most to do gives one window to the one with least, the window
    that brings the two nearest to each other.

    Parameters
    ----------
    homes : list of list of int
        What each window costs, by the process that has read it.

    Returns
    -------
    list of list of int
        The number of the process that computes it.

    Examples
    --------
    >>> shared_evenly([[12, 12, 1], [1, 1, 1]]), shared_evenly([[3, 3], [3, 3]])
    ([[1, 0, 0], [0, 1, 1]], [[0, 0], [1, 1]])
    """
    goals = [[home] * len(costs) for home, costs in enumerate(homes)]
    loads = [sum(costs) for costs in homes]
    held: list[dict[int, list[tuple[int, int]]]] = [defaultdict(list) for _ in homes]
    for home, costs in enumerate(homes):
        for number in reversed(range(len(costs))):
            held[home][costs[number]].append((home, number))
    while True:
        busy, idle = loads.index(max(loads)), loads.index(min(loads))
        gap = loads[busy] - loads[idle]
        gains = {min(cost, gap - cost): cost for cost in sorted(held[busy]) if held[busy][cost]}
        gain = max(gains, default=0)
        if gain <= _LEAST_GAIN * sum(loads) / len(loads):
            return goals
        cost = gains[gain]
        home, number = held[busy][cost].pop()
        held[idle][cost].append((home, number))
        goals[home][number] = idle
        loads[busy] -= cost
        loads[idle] += cost


def _costs(signal: Tensor, present: Tensor, patch_size: int) -> Tensor:
    """Return leads times patches of each row, as it is encoded."""
    valid = torch.isfinite(signal).view(*present.shape, -1, patch_size).all(-1)
    return sizes(valid & present.bool()[..., None]).prod(1)


def _moved(rows: dict[str, Tensor], goals: list[list[int]]) -> dict[str, Tensor]:
    """Keep, send and receive rows; those kept come first."""
    here = ranks.rank()
    own = torch.tensor(goals[here], device=next(iter(rows.values())).device)
    sent = Counter(goals[here])
    n_sent = [0 if other == here else sent[other] for other in range(len(goals))]
    n_got = [0 if other == here else held.count(here) for other, held in enumerate(goals)]
    order = torch.argsort(own, stable=True)
    order = order[own[order] != here]
    moved = {}
    for name, values in rows.items():
        arriving = values.new_empty((sum(n_got), *values.shape[1:]))
        dist.all_to_all_single(arriving, values[order], n_got, n_sent)
        moved[name] = torch.cat((values[own == here], arriving))
    return moved
