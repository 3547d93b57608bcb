"""Early and late within each person: a split by time, whose parts never overlap."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.manifest import natural_key
from physioprep.splits.assign import Assignment, Windows

if TYPE_CHECKING:
    import pandas as pd

#: Far shorter than a sample, and longer than the rounding error of seconds.
_TINY_S: Final = 1e-6


def chronological(
    records: pd.DataFrame, windows: Windows, fractions: Mapping[str, float]
) -> tuple[Assignment, int]:
    """Cut the windows of each subject into parts by time, the first part earliest.

    Records follow each other by their start times where all of a subject's have one, else by
    session and record id, as natural order has them; recordings of one session that last equally
    long, such as one recording at two rates, then run side by side. Windows of a later part that
    overlap one of an earlier part are in none.

    Parameters
    ----------
    records : pandas.DataFrame
        ``corpus``, ``record_id``, ``subject_id``, and where known ``session``, ``start_time``,
        ``duration_s``. A record of unknown subject is a subject of its own.
    windows : Windows
    fractions : mapping of str to float
        Share of a subject's windows by part, in the order of time.

    Returns
    -------
    found : Assignment
        One part per window.
    n_border : int
        Windows in no part because they overlap an earlier one.

    Examples
    --------
    >>> import pandas as pd
    >>> records = pd.DataFrame({"corpus": ["x"], "record_id": ["a"], "subject_id": ["p"]})
    >>> start = np.arange(6) * 1.0
    >>> windows = Windows(np.zeros(6, np.int64), start, 2.0, np.full(6, -1))
    >>> found, n_border = chronological(records, windows, {"train": 0.5, "test": 0.5})
    >>> found.part.tolist(), n_border
    ([0, 0, 0, -1, 1, 1], 1)
    """
    names = tuple(fractions)
    shares = np.cumsum(list(fractions.values()))[:-1]
    offset = _offsets(records, windows)
    time = offset[windows.record] + windows.start_s
    subject = _subjects(records)[windows.record]
    codes = np.full(len(time), -1, np.int8)
    n_border = 0
    order = np.lexsort((time, subject))
    bounds = np.flatnonzero(np.diff(subject[order], prepend=-1, append=-2))
    for low, high in itertools.pairwise(bounds):
        own = order[low:high]
        inner = np.round(shares * len(own)).astype(int)
        # Windows that begin together, of recordings side by side, go together.
        before = time[own[np.maximum(inner, 1) - 1]] + _TINY_S
        inner = np.where(inner > 0, np.searchsorted(time[own], before, "right"), 0)
        edges = np.concatenate(([0], inner, [len(own)]))
        closed = -np.inf  # end of all that earlier parts hold
        for code, (first, stop) in enumerate(itertools.pairwise(edges)):
            some = own[first:stop]
            free = time[some] >= closed - _TINY_S
            codes[some[free]] = code
            n_border += int((~free).sum())
            if free.any():
                closed = max(closed, float(time[some[free]].max()) + windows.window_s)
    return Assignment(names, codes, per_window=True), n_border


def _subjects(records: pd.DataFrame) -> NDArray[np.int64]:
    """Return a number for each record's subject."""
    known = records["subject_id"].notna()
    keys = [
        (str(corpus), str(subject) if there else f"\0{record}")
        for corpus, subject, record, there in zip(
            records["corpus"], records["subject_id"], records["record_id"], known, strict=True
        )
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.int64)


def _offsets(records: pd.DataFrame, windows: Windows) -> NDArray[np.float64]:
    """Return when each record begins on its subject's line of time, s."""
    subject = _subjects(records)
    last = np.zeros(len(records))
    np.maximum.at(last, windows.record, windows.start_s + windows.window_s)
    length = last
    if "duration_s" in records:
        stated = records["duration_s"].to_numpy(np.float64, na_value=np.nan)
        length = np.fmax(stated, last)
    offset = np.zeros(len(records))
    rows_of: dict[int, list[int]] = {}
    for row, number in enumerate(subject.tolist()):
        rows_of.setdefault(number, []).append(row)
    times = _start_times(records)
    for rows in rows_of.values():
        begun = times[rows]
        if np.isfinite(begun).all() and len(set(begun.tolist())) == len(rows):
            offset[rows] = begun - begun.min()
        else:
            _one_after_another(records, rows, length, offset)
    return offset


def _start_times(records: pd.DataFrame) -> NDArray[np.float64]:
    """Return the start times of the headers, s since 1970; NaN where unknown."""
    import pandas as pd

    if "start_time" not in records:
        return np.full(len(records), np.nan)
    times = pd.to_datetime(records["start_time"], errors="coerce")
    seconds: Any = (times - pd.Timestamp(0)).dt.total_seconds()
    return np.asarray(seconds, np.float64)


def _one_after_another(
    records: pd.DataFrame,
    rows: list[int],
    length: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> None:
    """Lay the records of a subject along time by session and name."""
    import pandas as pd

    session = records["session"] if "session" in records else pd.Series([None] * len(records))
    keyed = []
    for row in rows:
        named = session.iloc[row]
        visit = str(named) if isinstance(named, str) else ""
        keyed.append((natural_key(visit), natural_key(str(records["record_id"].iloc[row])), row))
    at, before = 0.0, None
    for visit_key, _, row in sorted(keyed):
        same = (visit_key, round(float(length[row]), 3)) if visit_key else None
        if before is not None and same == before[0]:  # the same minutes at another rate
            offset[row] = before[1]
            continue
        offset[row] = at
        before = (same, at) if same is not None else None
        at += float(length[row])
