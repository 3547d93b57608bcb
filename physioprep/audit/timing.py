"""Checks of time: hearts that no one has, modalities of one recording that disagree."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from physioprep.audit.findings import Finding
from physioprep.audit.inputs import Key
from physioprep.audit.lead_checks import Name
from physioprep.audit.measure import Measured

#: Median heart rates outside are not a resting or exercising person's, 1/min.
HEART_RATE = (25.0, 220.0)
#: Modalities of one recording may differ in length by this, s.
DRIFT_S = 1.5


def check_heart_rate(measured: Iterable[Measured], name: Name) -> list[Finding]:
    """Find heart rates that a wrong sampling rate would explain."""
    low, high = HEART_RATE
    out = []
    for one in measured:
        rate = one.beats_per_min
        if not math.isfinite(rate) or low <= rate <= high:
            continue
        detail = f"median heart rate {rate:.0f}/min at {one.rate_hz:g} Hz: is the rate right?"
        evidence = {"beats_per_min": round(rate, 1), "sampling_rate_hz": one.rate_hz}
        out.append(Finding("heart-rate", "warning", (name(one.key),), detail, evidence))
    return out


def check_durations(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find recordings whose signal groups differ in length, and such as last no time at all."""
    out = []
    columns = ("corpus", "record_id", "n_samples", "sampling_rate", "modality", "error")
    for corpus, record, counts, rates, modalities, error in zip(
        *(records[column] for column in columns), strict=True
    ):
        if isinstance(error, str):
            continue
        key: Key = (corpus, record)
        lasts = [
            int(n) / float(rate)
            for n, rate in zip(counts, rates, strict=True)
            if not pd.isna(n) and rate > 0
        ]
        if lasts and max(lasts) - min(lasts) > DRIFT_S:
            detail = f"signals of one recording last {min(lasts):.1f} s and {max(lasts):.1f} s"
            evidence = {"modality": list(modalities), "duration_s": [round(s, 3) for s in lasts]}
            out.append(Finding("duration-mismatch", "warning", (name(key),), detail, evidence))
        if lasts and min(lasts) == 0:
            out.append(Finding("empty-record", "error", (name(key),), "no samples at all"))
    return out
