"""Checks of when: annotations, start times, recordings that overlap, modalities that drift."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.checks.leads import Name
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Input, Key
from physioprep.auditing.measure.measure import Measured

if TYPE_CHECKING:
    import pandas as pd

#: An annotation may end so much after the last sample, or overlap the next, s.
TOLERANCE_S = 1.0
#: Nobody recorded digitally before this year.
FIRST_YEAR = 1960
#: Lag between two modalities' beats may wander by this in a recording, s.
DRIFT_S = 0.12
#: Windows whose lag must be clear.
KNOWN = 0.6
#: Beats of one window, reach and bins of the search for their lag.
BEATS, REACH_S, BIN_S = 40, 2.0, 0.02


def annotation_faults(
    onset: NDArray[np.float64],
    duration: NDArray[np.float64],
    group: Sequence[object],
    end_s: float,
) -> dict[str, int]:
    """Count annotations before the start, past the end, and overlapping others of their kind.

    Parameters
    ----------
    onset, duration : ndarray of float64, shape (annotation,)
        s; NaN where a format states no duration.
    group : sequence
        Annotations are compared within their group (source and channel).
    end_s : float
        Of the recording.

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
    """Find annotations outside their recording, or overlapping one of the same source."""
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
    """Find annotations of a store past the end of their recording, all records at once."""
    assert one.store is not None
    group = one.store.group["annotations"]
    start, length = (np.asarray(group[part][...]) for part in ("start", "length"))
    if not int(length.sum()):
        return []
    onset, duration = (np.asarray(group[part][...], np.float64) for part in ("onset", "duration"))
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


def check_start_times(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find recordings that start in the future or before there was digital recording."""
    import pandas as pd

    if "start_time" not in records or not records["start_time"].notna().any():
        return []
    started = pd.to_datetime(records["start_time"], errors="coerce")
    limit = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)
    bad = records[(started > limit) | (started.dt.year < FIRST_YEAR)]
    out = []
    for corpus, rows in bad.groupby("corpus"):
        years = started[rows.index].dt.year
        detail = f"{len(rows)} recordings start in {years.min():.0f} to {years.max():.0f}"
        names = tuple(name((str(corpus), str(record))) for record in rows["record_id"])
        evidence = {"years": [int(years.min()), int(years.max())]}
        out.append(Finding("start-time", "warning", names, detail, evidence))
    return out


def check_overlaps(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find recordings of one person, at one rate, that overlap in time."""
    import pandas as pd

    if "start_time" not in records or "duration_s" not in records:
        return []
    kept = records.dropna(subset=["start_time", "duration_s", "subject_id"])
    if len(kept) < 2:
        return []
    rates = [str(list(value)) for value in kept["sampling_rate"]]
    begin = pd.to_datetime(kept["start_time"])
    own = pd.DataFrame({
        "corpus": kept["corpus"], "subject": kept["subject_id"], "rate": rates, "begin": begin,
        "end": begin + pd.to_timedelta(kept["duration_s"], unit="s"), "record": kept["record_id"],
    })  # fmt: skip
    # one and the same minute for everybody is no time of day
    common = own.groupby("corpus")["begin"].transform("nunique") > 1
    own = own[common].sort_values(["corpus", "subject", "rate", "begin"], kind="stable")
    same = (own[["corpus", "subject", "rate"]] == own[["corpus", "subject", "rate"]].shift()).all(
        axis=1
    )
    overlap = (own["end"].shift() - own["begin"]).dt.total_seconds()
    out = []
    for place in np.flatnonzero(same & (overlap > TOLERANCE_S)).tolist():
        pair = own.iloc[[place - 1, place]]
        names = tuple(sorted(name((str(c), str(r))) for c, r in pair[["corpus", "record"]].values))
        seconds = round(float(overlap.iloc[place]), 1)
        detail = f"two recordings of subject {pair['subject'].iloc[0]} overlap by {seconds:g} s"
        out.append(Finding("overlap", "warning", names, detail, {"overlap_s": seconds}))
    return out


def lag(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Return how much later, s, the beats `two` come than the beats `one`; NaN where unclear."""
    differences = (two[None] - one[:, None]).ravel()
    differences = differences[np.abs(differences) <= REACH_S]
    counts, edges = np.histogram(differences, np.arange(-REACH_S, REACH_S + BIN_S, BIN_S))
    smooth = np.convolve(counts, np.ones(3), "same")
    best = int(smooth.argmax())
    if smooth[best] < 0.5 * len(one):
        return float("nan")
    return float(edges[best] + BIN_S / 2)


def check_drift(measured: Sequence[Measured], name: Name) -> list[Finding]:
    """Find pulse waves (PPG, arterial pressure) whose lag behind the ECG wanders: two clocks."""
    out = []
    for ecg in (one for one in measured if one.modality == "ecg"):
        for pulse in (one for one in measured if one.modality in ("ppg", "abp")):
            a, b = (
                np.sort(one.waves["time_s"][one.waves["channel"] == 0].astype(np.float64))
                for one in (ecg, pulse)
            )
            if ecg.key != pulse.key or min(a.size, b.size) < 2 * BEATS:
                continue
            lags = np.array([lag(a[k : k + BEATS], b) for k in range(0, a.size - BEATS, BEATS)])
            known = lags[np.isfinite(lags)]
            if len(known) < max(2, KNOWN * len(lags)):
                continue
            at = np.flatnonzero(np.isfinite(lags)) / (len(lags) - 1)
            slope, start = np.polyfit(at, known, 1)
            stray = float(np.median(np.abs(known - start - slope * at)))
            moved = float(slope)
            if abs(moved) <= max(DRIFT_S, 4 * stray):
                continue
            detail = (
                f"{pulse.modality.upper()} moves by {1e3 * moved:.0f} ms against the ECG "
                f"in {ecg.duration_s:.0f} s"
            )
            evidence = {"modality": pulse.modality, "drift_s": round(moved, 3),
                        "lags_s": [round(float(x), 3) for x in known[:50]]}  # fmt: skip
            out.append(Finding("modality-drift", "warning", (name(ecg.key),), detail, evidence))
    return out
