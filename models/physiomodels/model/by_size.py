"""Samples of a batch that have as many leads and patches are computed together, without padding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cutting:
    """How batches are cut into parts on a device.

    Parameters
    ----------
    part_cost : int
        What a part costs beside its patches, in patches.
    rounded : bool
        Whether samples, leads and patches of a part are rounded up to 1, 2, 3, 4, 6, 8, 12, 16,
        24 ..., so that few shapes occur.
    """

    part_cost: int
    rounded: bool = False


#: By device. On a CPU a part costs as much as this many patches more (measured,
#: benchmarks/mixed_leads.py) and any shape will do. Elsewhere the cost is estimated (a GPU's time
#: to start some hundred kernels, 24 million operations a patch), and a shape that was not there
#: before is dear: kernels are chosen, or even compiled, for it.
CUTTING: Final = {"cpu": Cutting(100), "other": Cutting(4000, rounded=True)}


@dataclass(frozen=True)
class Part:
    """Samples of a batch that are encoded in one go.

    Parameters
    ----------
    cells : Tensor of int64, shape (row, channel, patch)
        Flat indices into the batch's (sample, channel, patch): what the part holds.
    samples : int
        Rows that count; those after them repeat the first one, to have a common shape.
    whole : bool
        Whether all of it exists.
    """

    cells: Tensor
    samples: int
    whole: bool


def sizes(present: Tensor) -> Tensor:
    """Return the size of each sample, those leads and patches left out that it lacks whole.

    Parameters
    ----------
    present : Tensor of bool, shape (batch, channel, patch)
        What exists.

    Returns
    -------
    Tensor of int64, shape (batch, 2)
        Leads and patches.

    Examples
    --------
    >>> import torch
    >>> sizes(torch.tensor([[[0, 1, 0], [0, 1, 1]], [[0, 0, 0], [0, 0, 1]]]).bool()).tolist()
    [[2, 2], [1, 1]]
    """
    return torch.stack((present.any(2).sum(1), present.any(1).sum(1)), 1)


def parts_by_size(present: Tensor, cutting: Cutting | None = None) -> list[Part]:
    """Split a batch so that what does not exist is hardly computed.

    A sample's size is its leads times its patches, those left out that it lacks whole. Samples are
    sorted by size and cut where this makes the sum of all parts cheapest: (samples x most leads x
    most patches + cost of a part) each. Samples without anything are in no part.

    Parameters
    ----------
    present : Tensor of bool, shape (batch, channel, patch)
        What exists.
    cutting : Cutting, optional
        By default that of the device, in `CUTTING`.

    Returns
    -------
    list of Part
        Leads and patches keep their order; in a sample that has fewer than its part, those that it
        lacks come last.

    Examples
    --------
    >>> import torch
    >>> present = torch.tensor([[1, 1, 1], [0, 1, 0], [0, 0, 1]]).bool()[:, :, None]
    >>> [part.cells.flatten(1).tolist() for part in parts_by_size(present, Cutting(1))]
    [[[4], [8]], [[0, 1, 2]]]
    """
    if cutting is None:
        cutting = CUTTING["cpu" if present.device.type == "cpu" else "other"]
    channels, patches = present.shape[1:]
    counts = torch.cat((sizes(present), present.flatten(1).sum(1, keepdim=True)), 1)
    held: list[tuple[int, int, int]] = [tuple(row) for row in counts.tolist()]
    lead_order = torch.argsort((~present.any(2)).to(torch.int8), dim=1, stable=True)
    time_order = torch.argsort((~present.any(1)).to(torch.int8), dim=1, stable=True)
    parts = []
    for samples in _cheapest([size[:2] for size in held], present.shape, cutting):
        shape = _shape(
            (len(samples), max(held[n][0] for n in samples), max(held[n][1] for n in samples)),
            present.shape,
            cutting,
        )
        repeated = samples + samples[:1] * (shape[0] - len(samples))
        rows = torch.tensor(repeated, device=present.device)
        cells = (rows[:, None] * channels + lead_order[rows, : shape[1]])[:, :, None] * patches
        cells = cells + time_order[rows, : shape[2]][:, None, :]
        n_held = sum(held[n][2] for n in samples)
        parts.append(Part(cells, len(samples), n_held == len(samples) * shape[1] * shape[2]))
    return parts


def _shape(
    wanted: tuple[int, int, int], batch: tuple[int, ...], cutting: Cutting
) -> tuple[int, ...]:
    """Return the samples, leads and patches that a part is computed with."""
    if not cutting.rounded:
        return wanted
    return tuple(min(_rounded(n), most) for n, most in zip(wanted, batch, strict=True))


def _rounded(n: int) -> int:
    """Round up to a power of two, or one and a half of it."""
    power = 1 << (n.bit_length() - 1)
    return next(size for size in (power, power * 3 // 2, power * 2) if size >= n)


def _cheapest(
    held: list[tuple[int, int]], batch: tuple[int, ...], cutting: Cutting
) -> list[list[int]]:
    """Cut samples, sorted by (leads, patches), into the runs whose summed cost is least."""
    by_size: dict[tuple[int, int], list[int]] = {}
    for sample, size in enumerate(held):
        if min(size):
            by_size.setdefault(size, []).append(sample)
    kinds = sorted(by_size)
    # of the first n kinds: least cost, and where the last run of them starts
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(kinds) + 1):
        options, n_samples, leads, times = [], 0, 0, 0
        for start in range(end - 1, -1, -1):
            n_samples += len(by_size[kinds[start]])
            leads, times = max(leads, kinds[start][0]), max(times, kinds[start][1])
            n_patches = math.prod(_shape((n_samples, leads, times), batch, cutting))
            options.append((best[start][0] + n_patches + cutting.part_cost, start))
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
    cells : Tensor of int64, shape (row, channel, patch)
        Of a `Part`.

    Returns
    -------
    Tensor, shape (row, channel, patch, ...)
    """
    return values.flatten(0, 2)[cells]


def put_together(encoded: list[Tensor], parts: list[Part], present: Tensor) -> Tensor:
    """Return the batch of which each part was encoded.

    Parameters
    ----------
    encoded : list of Tensor, shape (row, channel, patch, width)
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
    pairs = list(zip(encoded, parts, strict=True))
    rows = torch.cat([each[: part.samples].flatten(0, 2) for each, part in pairs])
    cells = torch.cat([part.cells[: part.samples].flatten() for part in parts])
    batch = rows.new_zeros(present.numel(), rows.shape[-1]).index_copy(0, cells, rows)
    return batch.view(*present.shape, -1)
