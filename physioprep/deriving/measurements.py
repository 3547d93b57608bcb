"""Measurements of beats, leads and records out of fiducial points."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.pieces import Lead
from physioprep.deriving.variability import rr_intervals, variability

Floats = NDArray[np.float64]

#: The median beat: before and after the R peak, s; the first is shorter in fast rhythms.
BEFORE_S: Final = 0.3
AFTER_S: Final = 0.5
#: Of more beats, the median beat is that of so many.
MOST_BEATS: Final = 10_000


def median_beat(
    lead: Lead, r_peaks: NDArray[np.int64], baseline: Floats
) -> tuple[Floats, Floats, int]:
    """Return the median of the beats of one lead, and how much each is like it.

    Parameters
    ----------
    lead : Lead
        mV, NaN where missing.
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks.
    baseline : ndarray of float64, shape (beat,)
        Level of each beat, mV.

    Returns
    -------
    median : ndarray of float64, shape (sample,)
        mV; NaN where no beat has a sample.
    quality : ndarray of float64, shape (beat,)
        Correlation with the median; NaN where a beat lacks samples or does not vary.
    n_beats : int
        Whole beats whose median it is: of more than `MOST_BEATS` beats so many, evenly spread.
    """
    chosen = np.arange(len(r_peaks))
    if len(r_peaks) > MOST_BEATS:
        chosen = np.linspace(0, len(r_peaks) - 1, MOST_BEATS).round().astype(np.int64)
    cuts = [
        cut
        for own, low, signal in lead.around(r_peaks[chosen])
        for cut in [_cut(signal, lead.rate_hz, r_peaks[chosen][own] - low, baseline[chosen][own])]
    ]
    every = np.concatenate(cuts) if cuts else _cut(np.empty(0), lead.rate_hz, r_peaks, baseline)
    every = every[np.isfinite(every).all(axis=1)]
    quality = np.full(len(r_peaks), np.nan)
    if not len(every):
        return np.full(every.shape[1], np.nan), quality, 0
    median = np.median(every, axis=0)
    for own, low, signal in lead.around(r_peaks):
        quality[own] = correlations(
            _cut(signal, lead.rate_hz, r_peaks[own] - low, baseline[own]), median
        )
    return median, quality, len(every)


def _cut(signal: Floats, rate_hz: float, r_peaks: NDArray[np.int64], baseline: Floats) -> Floats:
    """Cut beats out, each less its baseline; NaN where a beat reaches beyond the signal."""
    at = r_peaks[:, None] + np.arange(-round(BEFORE_S * rate_hz), round(AFTER_S * rate_hz))
    inside = (at >= 0) & (at < len(signal))
    if not len(signal):
        return np.full(at.shape, np.nan)
    cut: Floats = np.where(inside, signal[np.clip(at, 0, len(signal) - 1)], np.nan)
    return cut - baseline[:, None]


def correlations(rows: Floats, with_row: Floats) -> Floats:
    """Correlate each row with another.

    Parameters
    ----------
    rows : ndarray of float64, shape (row, sample)
    with_row : ndarray of float64, shape (sample,)

    Returns
    -------
    ndarray of float64, shape (row,)
        NaN where either does not vary, or a sample is missing.
    """
    centred = rows - rows.mean(axis=1, keepdims=True)
    other = with_row - with_row.mean()
    size = np.sqrt((centred**2).sum(axis=1) * (other**2).sum())
    out = np.full(len(rows), np.nan)
    np.divide(centred @ other, size, out=out, where=size > 0)
    return out


def of_lead(
    rate_hz: float, points: Mapping[str, Floats], found: Mapping[str, Floats], quality: Floats
) -> dict[str, float | int]:
    """Summarise the beats of a lead.

    Parameters
    ----------
    rate_hz : float
        Sampling rate, Hz.
    points : mapping of str to ndarray of float64, shape (beat,)
        Samples, from `delineate`.
    found : mapping of str to ndarray of float64, shape (beat,)
        From `physioprep.deriving.amplitudes.amplitudes`.
    quality : ndarray of float64, shape (beat,)
        From `median_beat`.

    Returns
    -------
    dict of str to float
        The columns of `physioprep.deriving.quantities.LEADS` after the lead's name; NaN where
        no beat has the value.
    """
    ms = 1000 / rate_hz
    spans = {
        "p_ms": points["p_offset"] - points["p_onset"],
        "pr_ms": points["qrs_onset"] - points["p_onset"],
        "qrs_ms": points["qrs_offset"] - points["qrs_onset"],
        "qt_ms": points["t_offset"] - points["qrs_onset"],
    }
    known = np.isfinite(points["qrs_onset"]) | np.isfinite(points["qrs_offset"])
    out: dict[str, float | int] = {"n_beats": len(quality), "n_delineated": int(known.sum())}
    out |= {name: middle(values) * ms for name, values in spans.items()}
    out |= {name: middle(values) for name, values in found.items() if name != "baseline_mv"}
    s = abs(out["s_mv"])
    out["r_s_ratio"] = out["r_mv"] / s if s > 0 else math.nan
    out["quality"] = middle(quality)
    return out


def middle(values: Floats) -> float:
    """Return the median of what is known; NaN where nothing is.

    Parameters
    ----------
    values : ndarray of float64
        NaN where unknown.

    Returns
    -------
    float
    """
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else math.nan


def without_values(measured: Mapping[str, float | int]) -> dict[str, float | int]:
    """Return measurements that count for nothing: numbers of leads and beats, and quality.

    Parameters
    ----------
    measured : mapping of str to float
        From `of_lead` or `of_record`.

    Returns
    -------
    dict of str to float
        All else is NaN.
    """
    kept = ("n_leads", "n_beats", "n_rr_left_out", "n_delineated", "quality")
    return {name: value if name in kept else math.nan for name, value in measured.items()}


def of_record(
    rate_hz: float,
    r_peaks: NDArray[np.int64],
    n_samples: int,
    leads: Mapping[str, Mapping[str, Any]],
    qrs_ms: float,
    gaps: NDArray[np.int64] | None = None,
) -> dict[str, float | int]:
    """Measure a record out of its leads' measurements.

    Parameters
    ----------
    rate_hz : float
        Sampling rate, Hz.
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks.
    n_samples : int
        Of the record.
    leads : mapping of str to mapping
        From `of_lead`, by name of the lead.
    qrs_ms : float
        From `physioprep.deriving.qrs_end.duration_ms`.
    gaps : ndarray of int64, shape (gap, 2), optional
        Missing samples of the lead with the R peaks, from `Lead.gaps`: RR intervals across them
        are left out.

    Returns
    -------
    dict of str to float
        The columns of `physioprep.deriving.quantities.RECORDS` after the record's id, but the
        reason; NaN where a value is unknown, or a lead that it needs is absent.
    """
    rr = rr_intervals(r_peaks, rate_hz, gaps)
    known = bool(len(rr))
    out: dict[str, float | int] = {
        "n_leads": len(leads),
        "n_beats": len(r_peaks),
        "n_rr_left_out": max(0, len(r_peaks) - 1) - len(rr),
        "heart_rate_bpm": 60_000 / float(np.median(rr)) if known else math.nan,
        "rr_ms": middle(rr),
        "rr_shortest_ms": float(rr.min()) if known else math.nan,
        "rr_longest_ms": float(rr.max()) if known else math.nan,
    }
    out["qrs_ms"] = qrs_ms
    for name in ("p_ms", "pr_ms", "qt_ms"):
        out[name] = middle(np.array([lead[name] for lead in leads.values()], np.float64))
    rr_s = out["rr_ms"] / 1000
    out["qtc_bazett_ms"] = out["qt_ms"] / math.sqrt(rr_s)
    out["qtc_fridericia_ms"] = out["qt_ms"] / rr_s ** (1 / 3)
    out["qtc_framingham_ms"] = out["qt_ms"] + 154 * (1 - rr_s)
    out["p_axis_deg"] = _axis(leads, "p_mv")
    out["qrs_axis_deg"] = _axis(leads, "q_mv", "r_mv", "s_mv")
    out["t_axis_deg"] = _axis(leads, "t_mv")
    larger_r = np.fmax(_of(leads, "V5", "r_mv"), _of(leads, "V6", "r_mv"))
    out["sokolow_lyon_mv"] = _depth_of_s(leads, "V1") + float(larger_r)
    out["cornell_mv"] = _of(leads, "aVL", "r_mv") + _depth_of_s(leads, "V3")
    return out | variability(r_peaks, rate_hz, n_samples, gaps)


def _of(leads: Mapping[str, Mapping[str, Any]], lead: str, name: str) -> float:
    return float(leads[lead][name]) if lead in leads else math.nan


def _depth_of_s(leads: Mapping[str, Mapping[str, Any]], lead: str) -> float:
    """Return the depth of S: 0 where the lead has none, NaN where there is no such lead."""
    depth = -_of(leads, lead, "s_mv")
    return depth if lead not in leads or depth > 0 else 0.0


def _axis(leads: Mapping[str, Mapping[str, Any]], *names: str) -> float:
    """Return the axis of a wave in the frontal plane, degrees.

    A wave that is found in one lead only is too small in the other, at a right angle to it: 0.
    """
    parts = np.array([[_of(leads, lead, name) for name in names] for lead in ("I", "aVF")])
    if "I" not in leads or "aVF" not in leads or not np.isfinite(parts).any():
        return math.nan
    across, down = np.nansum(parts, axis=1).tolist()
    return math.degrees(math.atan2(2 * down, math.sqrt(3) * across))
