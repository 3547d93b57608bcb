"""Checks of start times: implausible years, recordings of one person that overlap in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Name

if TYPE_CHECKING:
    import pandas as pd

#: Digital recording begins about here; an earlier start is a placeholder.
FIRST_YEAR = 1960
#: Recordings may overlap by this (rounded start times), s.
TOLERANCE_S = 1.0


def check_start_times(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find recordings that start in the future or before digital recording existed.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording. Nothing is found without ``start_time``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``start-time``, one per corpus.
    """
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
    """Find recordings of one person at one sampling rate that overlap in time.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording. Nothing is found without ``start_time`` and
        ``duration_s``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``overlap``, one per pair.
    """
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
    # the same start for all recordings is a placeholder
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
