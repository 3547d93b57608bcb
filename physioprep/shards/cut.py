"""First pass: read each store once, in sequence, measure every window, keep the good ones.

Good windows stay in memory, or are spilled uncompressed into the working folder (see
`physioprep.shards.spill`). The second pass gathers the shuffled windows from there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import TEMPORARY, give_name, move
from physioprep.samples import MISSING_INT16
from physioprep.shards.checksums import seal, sums_of, unchanged
from physioprep.shards.job import Job, plan_of, work_of
from physioprep.shards.modality import ModalityPlan, slots_of, window_bytes
from physioprep.shards.order import random_permutation
from physioprep.shards.plan import Plan
from physioprep.shards.pulses import lag_of
from physioprep.shards.quality import REASONS, Quality, judge, measure, to_int16
from physioprep.shards.source import SourceGroup, read_samples
from physioprep.shards.spec import BEYOND_MAXIMUM
from physioprep.shards.spill import Piece, are_held, folder_of, hold, spill

_log = logging.getLogger(__name__)
#: Size and CRC-32C of each file of a spill; of another name than before ``sums`` of windows were
#: among them, so that a run that an earlier version began is cut again.
_SUMS = "files.json"
#: Bytes of samples that are read at a time.
_SPAN_BYTES = 8 << 20


@dataclass(frozen=True, eq=False)
class Windows:
    """Some windows of one modality.

    Parameters
    ----------
    signal : ndarray of int16, shape (window, channel, sample)
        ``physical = signal * scale``; -32768 where missing, and in absent channels.
    scale : ndarray of float32, shape (window, channel)
    present : ndarray of bool, shape (window, channel)
    """

    signal: NDArray[np.int16]
    scale: NDArray[np.float32]
    present: NDArray[np.bool_]


def cut_run(job: Job, run: int) -> None:
    """Cut one run of records and keep its good windows; a no-op where an earlier run spilled them.

    Parameters
    ----------
    job : mapping
        From `make_job`; the plan is in its working folder.
    run : int
        Number of the run.

    Raises
    ------
    ShardError
        If a store is not the one that was planned with.
    OSError
        If the disk is full, or the working folder is gone.
    """
    work = work_of(job)
    target = folder_of(work, run)
    if not are_held(work) and is_spilled(target):
        return
    plan = plan_of(job)
    candidates = np.arange(plan.runs[run], plan.runs[run + 1])
    left_out: dict[str, int] = {}
    if plan.spec.max_per_record is not None:
        candidates = _choose(plan, candidates, left_out)
    pieces = _pieces(plan, candidates, left_out)
    if are_held(work):
        hold(work, run, pieces, len(candidates), left_out)
        return
    # A worker that outlives its run may do the same task as the next run's worker: each works
    # in a folder of its own, and the first to finish renames it. The parent is not made: the
    # working folder is gone once the shards are in their place.
    temporary = target.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}{TEMPORARY}")
    temporary.mkdir()
    spill(temporary, pieces, left_out)
    sums = sums_of(temporary, [path.name for path in temporary.iterdir()])
    (temporary / _SUMS).write_text(seal({"files": sums}))
    try:
        give_name(temporary, target)  # the journal entry: a spill under this name is whole
    except OSError:
        if not target.exists():
            raise
        shutil.rmtree(temporary)


def _choose(
    plan: Plan, candidates: NDArray[np.int64], left_out: dict[str, int]
) -> NDArray[np.int64]:
    """Keep at most `max_per_record` good windows of each record, at random."""
    good = [
        some[_good(plan, windows, quality, left_out)]
        for some, windows, quality in _read(plan, candidates)
    ]
    kept = np.concatenate(good) if good else candidates[:0]
    records = plan.record[kept]
    limit = plan.spec.max_per_record
    chosen = []
    for record in np.unique(records):
        own = kept[records == record]
        row = plan.records.iloc[int(record)]
        name = f"{row['corpus']}\0{row['record_id']}".encode()
        # From the record's name, so that other records do not change the choice.
        key = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
        chosen.append(np.sort(own[random_permutation(len(own), plan.spec.seed, key)[:limit]]))
    few = np.concatenate(chosen) if chosen else kept
    left_out[BEYOND_MAXIMUM] = len(kept) - len(few)
    return few


def _pieces(plan: Plan, candidates: NDArray[np.int64], left_out: dict[str, int]) -> Iterator[Piece]:
    """Cut and measure candidates, and give the good windows; count the others."""
    for some, windows, quality in _read(plan, candidates):
        good = _good(plan, windows, quality, left_out)
        kept = slice(None) if good.all() else good  # all: nothing is copied
        small: dict[str, NDArray[Any]] = {}
        for name, cut in windows.items():
            small[f"{name}.scale"] = cut.scale[kept]
            small[f"{name}.present"] = cut.present[kept]
            for each in ("valid", "max_abs", "min_std", "sums"):
                small[f"{name}.{each}"] = getattr(quality[name], each)[kept]
        signal = {name: cut.signal[kept] for name, cut in windows.items()}
        yield Piece(some[kept], signal, small)


def is_spilled(folder: Path) -> bool:
    """Return whether an earlier run spilled windows here; remove them where they are damaged.

    Parameters
    ----------
    folder : Path
        Of one run of records.

    Returns
    -------
    bool
        True only where every file is what its checksum says.
    """
    if not folder.exists():
        return False
    differ = unchanged(folder, folder / _SUMS)
    if differ is None:
        differ = [f"{_SUMS}: missing or damaged"]
    if differ:
        _log.warning("%s: %s; it is cut again", folder, differ[0])
        gone = folder.with_suffix(f".{os.urandom(4).hex()}{TEMPORARY}")
        move(folder, gone)
        shutil.rmtree(gone)
    return not differ


def _good(
    plan: Plan,
    windows: dict[str, Windows],
    quality: dict[str, Quality],
    left_out: dict[str, int],
) -> NDArray[np.bool_]:
    """Return which windows are good, and count the others by reason."""
    spec = plan.spec
    reason = judge(
        quality,
        {name: np.any(cut.present, axis=1) for name, cut in windows.items()},
        complete=spec.pairs == "complete",
        min_valid=spec.min_valid,
        max_abs=spec.max_abs,
        min_std=spec.min_std,
    )
    for number, count in enumerate(np.bincount(reason, minlength=len(REASONS)).tolist()):
        if number and count:
            left_out[REASONS[number]] = left_out.get(REASONS[number], 0) + count
    return np.asarray(reason == 0)


def _read(
    plan: Plan, candidates: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], dict[str, Windows], dict[str, Quality]]]:
    """Read candidates in order, some MiB of the store at a time."""
    for some in _spans(plan, candidates):
        record, start_s = plan.record[some], plan.start_s[some]
        windows = {m.name: cut_candidates(plan, m, record, start_s) for m in plan.modalities}
        quality = {
            name: measure(cut.signal, cut.scale, cut.present) for name, cut in windows.items()
        }
        yield some, windows, quality


def _spans(plan: Plan, candidates: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Group neighbouring candidates of one store, to read their samples at once."""
    store = plan.records["store"].to_numpy()[plan.record[candidates]]
    n_bytes = window_bytes(plan.modalities)
    begin = 0
    for end in range(1, len(candidates) + 1):
        full = (end - begin) * n_bytes >= _SPAN_BYTES
        if end == len(candidates) or full or store[end] != store[begin]:
            yield candidates[begin:end]
            begin = end


def cut_candidates(
    plan: Plan, modality: ModalityPlan, record: NDArray[np.int32], start_s: NDArray[np.float64]
) -> Windows:
    """Cut windows of one modality out of records of one store.

    Parameters
    ----------
    plan : Plan
    modality : ModalityPlan
    record : ndarray of int32, shape (window,)
        Rows of ``plan.records``.
    start_s : ndarray of float64, shape (window,)
        From each record's start, s.

    Returns
    -------
    Windows
        With the channels in the order of `modality`.
    """
    source = plan.sources[int(plan.records["store"].iloc[int(record[0])])]
    own = plan.records["store_record"].to_numpy()[record]
    shape = (len(record), len(modality.channels), modality.n_samples)
    signal = np.full(shape, MISSING_INT16, np.int16)
    scale = np.ones(shape[:2], np.float32)
    present = np.zeros(shape[:2], bool)
    group = source.groups.get(modality.name)
    if group is not None:
        lag_s = lag_of(plan.spec.pulses, modality.name, plan.records, record)
        begin_s = start_s if lag_s is None else start_s + np.nan_to_num(lag_s)
        first = np.round(begin_s * modality.rate_hz).astype(np.int64)
        fits = _can_be_cut(first, modality.n_samples, group.length[own], plan)
        if lag_s is not None:
            fits &= np.isfinite(lag_s) & ((first >= 0) | (plan.spec.pad is not None))
        inside = np.flatnonzero(fits)
        slots = slots_of(modality, group.channels)
        place = np.array([modality.channels.index(group.channels[slot]) for slot in slots], int)
        size, pad = modality.n_samples, plan.spec.pad
        cut = _cut_group(group, slots, own[inside], first[inside], size, pad)
        for target, values in ((signal, cut.signal), (scale, cut.scale), (present, cut.present)):
            target[np.ix_(inside, place)] = values
    signal[~present], scale[~present] = MISSING_INT16, 1.0
    return Windows(signal, scale, present)


def _can_be_cut(
    first: NDArray[np.int64], n_samples: int, length: NDArray[np.int64], plan: Plan
) -> NDArray[np.bool_]:
    """Return which windows lie in their records, or can be padded."""
    inside: NDArray[np.bool_] = first + n_samples <= length
    return inside if plan.spec.pad is None else length > 0


def _cut_group(
    group: SourceGroup,
    slots: list[int],
    record: NDArray[Any],
    first: NDArray[np.int64],
    n_samples: int,
    pad: str | None,
) -> Windows:
    whole_group = len(slots) == len(group.channels)
    taken = slice(None) if whole_group else slots  # all: nothing is copied
    digital = np.empty((len(record), len(slots), n_samples), group.dtype)
    beyond = (first < 0) | (first + n_samples > group.length[record])
    for row in np.flatnonzero(beyond).tolist():
        place = padded(int(first[row]), n_samples, int(group.length[record[row]]), str(pad))
        digital[row] = _gather(group, int(group.start[record[row]]), place)[taken]
    whole = np.flatnonzero(~beyond)
    begin = group.start[record[whole]] + first[whole]
    for low, high in _stretches(begin, n_samples, len(group.channels) * digital.itemsize):
        origin = int(begin[low])
        samples = read_samples(group.path, origin, int(begin[high - 1]) + n_samples)
        for row in range(low, high):
            offset = int(begin[row]) - origin
            digital[whole[row]] = samples[taken, offset : offset + n_samples]
    scale, offset_, invalid, present = (
        values[record][:, taken]
        for values in (group.scale, group.offset, group.invalid, group.present)
    )
    signal, kept = to_int16(digital, scale, offset_, invalid)
    return Windows(signal, kept, present)


def padded(first: int, n_samples: int, length: int, pad: str) -> NDArray[np.int64]:
    """Return which samples of a record a window holds that reaches beyond its ends.

    Parameters
    ----------
    first : int
        Where the window begins; negative before the record.
    n_samples, length : int
        Samples of the window, and of the record.
    pad : {"wrap", "reflect", "edge"}
        As by `numpy.pad`.

    Returns
    -------
    ndarray of int64, shape (sample,)

    Examples
    --------
    >>> padded(-2, 4, 5, "wrap").tolist(), padded(-2, 4, 5, "reflect").tolist()
    ([3, 4, 0, 1], [2, 1, 0, 1])
    """
    place = np.arange(first, first + n_samples)
    if pad == "wrap":
        return place % length
    if pad == "edge" or length == 1:
        return np.clip(place, 0, length - 1)
    folded = place % (2 * length - 2)
    return np.minimum(folded, 2 * length - 2 - folded)


def _gather(group: SourceGroup, start: int, place: NDArray[np.int64]) -> NDArray[Any]:
    """Read samples of a record one by one, neighbours together."""
    parts = []
    for piece in np.split(place, np.flatnonzero(np.abs(np.diff(place)) != 1) + 1):
        low = int(piece.min())
        samples = read_samples(group.path, start + low, start + int(piece.max()) + 1)
        parts.append(samples[:, piece - low])
    return np.concatenate(parts, axis=1)


def _stretches(begin: NDArray[np.int64], n_samples: int, width: int) -> Iterator[tuple[int, int]]:
    """Group windows that are near each other: the samples between them are read too."""
    low = 0
    for row in range(1, len(begin) + 1):
        far = row < len(begin) and (
            not 0 <= begin[row] - begin[row - 1] <= 4 * n_samples
            or (begin[row] + n_samples - begin[low]) * width > 2 * _SPAN_BYTES
        )
        if row == len(begin) or far:
            if row > low:
                yield low, row
            low = row
