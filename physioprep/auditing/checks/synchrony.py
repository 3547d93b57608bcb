"""Checks of modalities recorded together: different lengths, a lag that drifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.arrow_columns import flattened, numbers
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Key, Name
from physioprep.auditing.measure.measured import Measured

if TYPE_CHECKING:
    import pandas as pd

#: Modalities of one recording may differ in length by this, s.
LENGTH_S = 1.5
#: The lag between the beats of two modalities may drift by this during a recording, s.
DRIFT_S = 0.12
#: Share of the windows whose lag must be clear.
KNOWN = 0.6
#: Beats per window; largest lag searched, s; bin width of the search, s.
BEATS, REACH_S, BIN_S = 40, 2.0, 0.02


def check_durations(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find recordings whose modalities differ in length, and recordings without samples.

    Signals of one modality may differ: of a strip beside a whole recording, the whole counts.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording. With ``n_samples`` and ``sampling_rate``.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``duration-mismatch`` and ``empty-record``.
    """
    import pandas as pd

    rows, counts = flattened(records["n_samples"])
    lasts = numbers(counts)
    rates = numbers(flattened(records["sampling_rate"])[1])
    known = np.isfinite(lasts) & (rates > 0)
    table = pd.DataFrame({"row": rows[known], "s": lasts[known] / rates[known]})
    spans = table.groupby("row")["s"].agg(["min", "max"])
    empty = spans["min"] == 0
    # of a strip beside the whole, or several series of a modality, the longest counts
    unlike = table["row"].isin(spans.index[spans["max"] - spans["min"] > LENGTH_S])
    kinds = flattened(records["modality"])[1].to_pandas().to_numpy()[known]
    longest = table[unlike].groupby(["row", kinds[unlike]])["s"].max()
    spans.loc[spans.index[spans["max"] - spans["min"] > LENGTH_S], "min"] = longest.groupby(
        "row"
    ).min()
    refused = records["error"].notna().to_numpy()[spans.index]
    out = []
    for row, low, high in spans[
        ((spans["max"] - spans["min"] > LENGTH_S) | empty) & ~refused
    ].itertuples():
        key: Key = (records["corpus"].iloc[row], records["record_id"].iloc[row])
        if high - low > LENGTH_S:
            detail = f"signals of one recording last {low:.1f} s and {high:.1f} s"
            evidence = {
                "modality": list(records["modality"].iloc[row]),
                "duration_s": table.loc[table["row"] == row, "s"].round(3).tolist(),
            }
            out.append(Finding("duration-mismatch", "warning", (name(key),), detail, evidence))
        if empty[row]:
            out.append(Finding("empty-record", "error", (name(key),), "no samples"))
    return out


def lag(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Return the lag of the beats `two` behind the beats `one`.

    Parameters
    ----------
    one, two : ndarray of float64, shape (beat,)
        Times, s.

    Returns
    -------
    float
        s; NaN where no lag is clear.

    Examples
    --------
    >>> beats = np.arange(40) + np.sin(np.arange(40))
    >>> round(lag(beats, beats + 0.2), 1)
    0.2
    """
    differences = (two[None] - one[:, None]).ravel()
    differences = differences[np.abs(differences) <= REACH_S]
    counts, edges = np.histogram(differences, np.arange(-REACH_S, REACH_S + BIN_S, BIN_S))
    smooth = np.convolve(counts, np.ones(3), "same")
    best = int(smooth.argmax())
    if smooth[best] < 0.5 * len(one):
        return float("nan")
    return float(edges[best] + BIN_S / 2)


def check_drift(measured: Sequence[Measured], name: Name) -> list[Finding]:
    """Find pulse waves (PPG, arterial pressure) whose lag behind the ECG drifts: two clocks.

    Parameters
    ----------
    measured : sequence of Measured
        What was measured, one item per recording and modality.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``modality-drift``.
    """
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
                f"{pulse.modality.upper()} drifts by {1e3 * moved:.0f} ms against the ECG "
                f"in {ecg.duration_s:.0f} s"
            )
            evidence = {"modality": pulse.modality, "drift_s": round(moved, 3),
                        "lags_s": [round(float(x), 3) for x in known[:50]]}  # fmt: skip
            out.append(Finding("modality-drift", "warning", (name(ecg.key),), detail, evidence))
    return out
