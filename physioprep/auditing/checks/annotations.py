"""Checks of annotations: outside their recording, or overlapping another of the same group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Input, Key, Name
from physioprep.auditing.measure.measured import Measured
from physioprep.store.damage import named

if TYPE_CHECKING:
    import pandas as pd

#: An annotation may end this long after the last sample, or overlap the next by this, s.
TOLERANCE_S = 1.0


def annotation_faults(
    onset: NDArray[np.float64],
    duration: NDArray[np.float64],
    group: Sequence[object],
    end_s: float,
) -> dict[str, int]:
    """Count annotations before the start, past the end, and overlapping others of their group.

    Parameters
    ----------
    onset, duration : ndarray of float64, shape (annotation,)
        s; duration is NaN where a format states none.
    group : sequence of hashable, length annotation
        Annotations are compared within their group: source, channel and text.
    end_s : float
        End of the recording, s.

    Returns
    -------
    dict of str to int
        By kind of fault: number of annotations; only faults that occur.

    Examples
    --------
    >>> annotation_faults(np.array([-2.0, 1.0, 2.0, 99.0]), np.array([1.0, 5.0, 1.0, 1.0]),
    ...                   ["a"] * 4, 30.0)
    {'before the start': 1, 'past the end': 1, 'overlapping': 1}
    """
    lasts = np.nan_to_num(duration)
    counts = {
        "before the start": int((onset < -TOLERANCE_S).sum()),
        "past the end": int((onset + lasts > end_s + TOLERANCE_S).sum()),
        "overlapping": 0,
    }
    for kind in set(group):
        own = np.flatnonzero([kind == other for other in group] & (lasts > 0))
        own = own[np.argsort(onset[own], kind="stable")]
        ends = np.maximum.accumulate(onset[own] + lasts[own])
        counts["overlapping"] += int((onset[own][1:] < ends[:-1] - TOLERANCE_S).sum())
    return {what: n for what, n in counts.items() if n}


def check_annotations(
    key: Key, annotations: pd.DataFrame, measured: Sequence[Measured], name: Name
) -> list[Finding]:
    """Find annotations of a file outside their recording, or overlapping one of the same group.

    Parameters
    ----------
    key : tuple of str
        (corpus, record id).
    annotations : pandas.DataFrame
        ``onset, duration`` (s), ``source, channel, text``.
    measured : sequence of Measured
        The modalities of this recording.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``annotation-time``, at most one.
    """
    if not len(annotations) or not measured:
        return []
    end = max(one.duration_s for one in measured)
    group = list(
        zip(annotations["source"], annotations["channel"], annotations["text"], strict=True)
    )
    onset, duration = (annotations[c].to_numpy(np.float64) for c in ("onset", "duration"))
    faults = annotation_faults(onset, duration, group, end)
    if not faults:
        return []
    detail = "annotations " + ", ".join(f"{what}: {n}" for what, n in faults.items())
    evidence = {"counts": faults, "annotations": len(annotations), "duration_s": round(end, 3)}
    return [Finding("annotation-time", "warning", (name(key),), detail, evidence)]


def store_annotations(one: Input, name: Name) -> list[Finding]:
    """Find annotations of a store outside their recording, all recordings at once.

    Parameters
    ----------
    one : Input
        A store.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``annotation-time``, one per recording.
    """
    assert one.store is not None
    with named(one.store.path):
        group = one.store.group["annotations"]
        start, length = (np.asarray(group[part][...]) for part in ("start", "length"))
    if not int(length.sum()):
        return []
    with named(one.store.path):
        onset, duration = (np.asarray(group[name][...], float) for name in ("onset", "duration"))
    ends = one.records["duration_s"].to_numpy(np.float64)
    out = []
    for row in np.flatnonzero(length):
        at = slice(int(start[row]), int(start[row] + length[row]))
        late = onset[at] + np.nan_to_num(duration[at]) > ends[row] + TOLERANCE_S
        early = onset[at] < -TOLERANCE_S
        if late.any() or early.any():
            counts = {"before the start": int(early.sum()), "past the end": int(late.sum())}
            faults = {what: n for what, n in counts.items() if n}
            detail = "annotations " + ", ".join(f"{what}: {n}" for what, n in faults.items())
            evidence = {"counts": faults, "duration_s": round(float(ends[row]), 3)}
            names = (name(one.keys[row]),)
            out.append(Finding("annotation-time", "warning", names, detail, evidence))
    return out
