"""Samples of a batch that have as many leads and patches are computed together, without padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

#: Passing one more part through an encoder costs about as much as this many patches more, on a
#: CPU (measured, benchmarks/mixed_leads.py) and on any other device (estimated: a GPU's time to
#: start some hundred kernels against 24 million operations a patch).
PART_COST: Final = {"cpu": 100, "other": 4000}


@dataclass(frozen=True)
class Part:
    """Samples of a batch that are encoded in one go.

    Parameters
    ----------
    cells : Tensor of int64, shape (sample, channel, patch)
        Flat indices into the batch's (sample, channel, patch): what the part holds.
    whole : bool
        Whether all of it exists.
    """

    cells: Tensor
    whole: bool


def parts_by_size(present: Tensor, part_cost: int | None = None) -> list[Part]:
    """Split a batch so that what does not exist is hardly computed.

    A sample's size is its leads times its patches, those left out that it lacks whole. Samples are
    sorted by size and cut where this makes the sum of all parts cheapest: (samples x most leads x
    most patches + `part_cost`) each. Samples without anything are in no part.

    Parameters
    ----------
    present : Tensor of bool, shape (batch, channel, patch)
        What exists.
    part_cost : int, optional
        What a part costs beside its patches, in patches. By default `PART_COST` of the device.

    Returns
    -------
    list of Part
        Leads and patches keep their order; in a sample that has fewer than its part, those that it
        lacks come last.

    Examples
    --------
    >>> import torch
    >>> present = torch.tensor([[1, 1, 1], [0, 1, 0], [0, 0, 1]]).bool()[:, :, None]
    >>> [part.cells.flatten(1).tolist() for part in parts_by_size(present, 1)]
    [[[4], [8]], [[0, 1, 2]]]
    """
    if part_cost is None:
        part_cost = PART_COST["cpu" if present.device.type == "cpu" else "other"]
    has_lead, has_time = present.any(2), present.any(1)
    counts = (has_lead.sum(1), has_time.sum(1), present.flatten(1).sum(1))
    sizes: list[tuple[int, int, int]] = [tuple(row) for row in torch.stack(counts, 1).tolist()]
    lead_order = torch.argsort((~has_lead).to(torch.int8), dim=1, stable=True)
    time_order = torch.argsort((~has_time).to(torch.int8), dim=1, stable=True)
    channels, patches = present.shape[1:]
    parts = []
    for samples in _cheapest([size[:2] for size in sizes], part_cost):
        leads = max(sizes[n][0] for n in samples)
        times = max(sizes[n][1] for n in samples)
        rows = torch.tensor(samples, device=present.device)
        cells = (rows[:, None] * channels + lead_order[rows, :leads])[:, :, None] * patches
        cells = cells + time_order[rows, :times][:, None, :]
        parts.append(Part(cells, sum(sizes[n][2] for n in samples) == cells.numel()))
    return parts


def _cheapest(sizes: list[tuple[int, int]], part_cost: int) -> list[list[int]]:
    """Cut samples, sorted by (leads, patches), into the runs whose summed cost is least."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for sample, size in enumerate(sizes):
        if min(size):
            by_size.setdefault(size, []).append(sample)
    kinds = sorted(by_size)
    best: list[tuple[int, int]] = [
        (0, 0)
    ]  # of the first n kinds: least cost, where its last starts
    for end in range(1, len(kinds) + 1):
        options, n_samples, leads, times = [], 0, 0, 0
        for start in range(end - 1, -1, -1):
            n_samples += len(by_size[kinds[start]])
            leads, times = max(leads, kinds[start][0]), max(times, kinds[start][1])
            options.append((best[start][0] + n_samples * leads * times + part_cost, start))
        best.append(min(options))
    runs, end = [], len(kinds)
    while end:
        start = best[end][1]
        runs.append(sorted(n for kind in kinds[start:end] for n in by_size[kind]))
        end = start
    return runs[::-1]


def take(values: Tensor, cells: Tensor) -> Tensor:
    """Return a part of a batch.

    Parameters
    ----------
    values : Tensor, shape (batch, channel, patch, ...)
        Of the batch.
    cells : Tensor of int64, shape (sample, channel, patch)
        Of a `Part`.

    Returns
    -------
    Tensor, shape (sample, channel, patch, ...)
    """
    return values.flatten(0, 2)[cells]


def put_together(encoded: list[Tensor], parts: list[Part], present: Tensor) -> Tensor:
    """Return the batch of which each part was encoded.

    Parameters
    ----------
    encoded : list of Tensor, shape (sample, channel, patch, width)
        A part's vectors each.
    parts : list of Part
        At least one.
    present : Tensor of bool, shape (batch, channel, patch)
        Of the batch.

    Returns
    -------
    Tensor, shape (batch, channel, patch, width)
        Zero where no part is.
    """
    rows = torch.cat([each.flatten(0, 2) for each in encoded])
    cells = torch.cat([part.cells.flatten() for part in parts])
    batch = rows.new_zeros(present.numel(), rows.shape[-1]).index_copy(0, cells, rows)
    return batch.view(*present.shape, -1)
