"""Heart rate variability of a record, without RR intervals across missing samples."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.quantities import HRV

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HOUR_MS: Final = 3_600_000
#: Fewest beats of an hour whose powers count.
_FEWEST: Final = 100
#: Fewest RR intervals of any figure, and of the sample entropy.
_FEWEST_RR: Final = 4
_ENTROPY_RR: Final = 100
#: Shortest stretch without missing samples whose powers count, s: as we remember the Task Force,
#: whose text was not at hand.
_LF_S: Final = 120.0
_HF_S: Final = 60.0
#: An R peak this near before missing samples may be one side of a QRS complex that is cut, and
#: one this near behind them the T wave of a beat that is missing, s.
_BEFORE_S: Final = 0.05
_BEHIND_S: Final = 0.4


def rr_intervals(r_peaks: Ints, rate_hz: float, gaps: Ints | None = None) -> Floats:
    """Return the RR intervals with all their samples.

    Parameters
    ----------
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks, ascending.
    rate_hz : float
        Sampling rate, Hz.
    gaps : ndarray of int64, shape (gap, 2), optional
        Missing samples, from `physioprep.deriving.pieces.Lead.gaps`.

    Returns
    -------
    ndarray of float64
        ms.

    Notes
    -----
    The NN intervals of the Task Force are of successive beats: one across missing samples may hide
    beats. One that ends within 50 ms before them (a cut QRS complex) or begins within 400 ms behind
    them (maybe a T wave) is left out, too.

    Examples
    --------
    >>> rr_intervals(np.array([100, 200, 400, 500]), 100.0, np.array([[250, 350]])).tolist()
    [1000.0, 1000.0]
    """
    return np.asarray(np.diff(r_peaks)[_whole(r_peaks, rate_hz, gaps)] * 1000 / rate_hz)


def _whole(r_peaks: Ints, rate_hz: float, gaps: Ints | None) -> NDArray[np.bool_]:
    """Return which intervals have all their samples, and surely two R peaks."""
    if gaps is None or not len(gaps) or not len(r_peaks):
        return np.ones(max(0, len(r_peaks) - 1), bool)
    stretch = np.searchsorted(gaps[:, 0], r_peaks, "right")
    before = np.concatenate(([-np.inf], gaps[:, 1]))[stretch]
    after = np.concatenate((gaps[:, 0], [np.inf]))[stretch]
    sure = r_peaks - before >= _BEHIND_S * rate_hz
    sure &= after - r_peaks >= _BEFORE_S * rate_hz
    return np.asarray((np.diff(stretch) == 0) & sure[:-1] & sure[1:])


def variability(
    r_peaks: Ints, rate_hz: float, n_samples: int, gaps: Ints | None = None
) -> dict[str, float]:
    """Return the heart rate variability, by NeuroKit2.

    Parameters
    ----------
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks.
    rate_hz : float
        Sampling rate, Hz.
    n_samples : int
        Of the record.
    gaps : ndarray of int64, shape (gap, 2), optional
        Missing samples: intervals across them are left out, and differences across these. Powers
        are of the stretches between, none interpolated; sample entropy is of the one with the
        most intervals.

    Returns
    -------
    dict of str to float
        The columns of `HRV`; NaN where the stretches are too short for one: by the Task Force of
        the ESC and NASPE (Circulation 93, 1996) powers need 2 min (LF) and 1 min (HF).

    Notes
    -----
    Intervals are of all beats: ectopic ones are not taken out, so that in arrhythmia these
    figures describe the rhythm and not the autonomic tone.
    """
    out = dict.fromkeys((quantity.name for quantity in HRV), math.nan)
    whole = _whole(r_peaks, rate_hz, gaps)
    if whole.sum() < _FEWEST_RR:
        return out
    # at 1000 Hz, so that powers are of ms2 and a rate that is no whole number does no harm
    peaks = np.rint(r_peaks / rate_hz * 1000).astype(np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of short records; those are left out here
        out |= _of_intervals(peaks, whole)
        runs = _runs(r_peaks, whole)
        longest = max(runs, key=lambda run: run.stop - run.start)
        out["hrv_sampen"] = _entropy(peaks[longest])
        seconds = [_samples(r_peaks[run], n_samples, gaps) / rate_hz for run in runs]
        out |= _of_stretches([peaks[run] for run in runs], np.array(seconds))
    return out


def _of_intervals(peaks_ms: Ints, whole: NDArray[np.bool_]) -> dict[str, float]:
    import neurokit2

    every = np.diff(peaks_ms).astype(np.float64)
    held = {"RRI": every[whole], "RRI_Time": peaks_ms[1:][whole] / 1000}
    time = neurokit2.hrv_time(held, sampling_rate=1000).iloc[0]
    step = np.diff(every)[whole[:-1] & whole[1:]]
    across = float(np.std(step, ddof=1) / math.sqrt(2)) if len(step) > 1 else math.nan
    total = 2 * float(np.var(every[whole], ddof=1)) - across**2
    return {
        "hrv_mean_nn_ms": float(time["HRV_MeanNN"]),
        "hrv_sdnn_ms": float(time["HRV_SDNN"]),
        "hrv_rmssd_ms": float(time["HRV_RMSSD"]) if len(step) else math.nan,
        "hrv_pnn50_pct": float(time["HRV_pNN50"]) if len(step) else math.nan,
        "hrv_sd1_ms": across,
        "hrv_sd2_ms": math.sqrt(max(0.0, total)) if len(step) > 1 else math.nan,
    }


def _runs(r_peaks: Ints, whole: NDArray[np.bool_]) -> list[slice]:
    """Return the beats of each run of intervals, one or more of them."""
    cuts = np.concatenate(([0], np.flatnonzero(~whole) + 1, [len(r_peaks)])).tolist()
    return [slice(first, stop) for first, stop in pairwise(cuts) if stop - first > 1]


def _samples(r_peaks: Ints, n_samples: int, gaps: Ints | None) -> int:
    """Return the samples of the stretch without a gap around some beats."""
    if gaps is None or not len(gaps):
        return n_samples
    number = int(np.searchsorted(gaps[:, 0], r_peaks[0], "right"))
    first = int(gaps[number - 1, 1]) if number else 0
    return (int(gaps[number, 0]) if number < len(gaps) else n_samples) - first


def _entropy(peaks_ms: Ints) -> float:
    import neurokit2

    every = np.diff(peaks_ms).astype(np.float64)
    if len(every) < _ENTROPY_RR:
        return math.nan
    return float(neurokit2.entropy_sample(every, dimension=2, tolerance="sd")[0])


def _of_stretches(runs: list[Ints], seconds: Floats) -> dict[str, float]:
    """Return the powers: means over stretches that are long enough, by their length."""
    found = [
        _powers(run) if long >= _HF_S and len(run) > _FEWEST_RR else (math.nan, math.nan)
        for run, long in zip(runs, seconds.tolist(), strict=True)
    ]
    low, high = np.array(found).T
    low, same = (np.where(seconds >= _LF_S, each, math.nan) for each in (low, high))
    low_ms2 = _mean(low, seconds)
    ratio = low_ms2 / (_mean(same, seconds) or math.nan)
    return {"hrv_lf_ms2": low_ms2, "hrv_hf_ms2": _mean(high, seconds), "hrv_lf_hf": ratio}


def _mean(values: Floats, weights: Floats) -> float:
    known = np.isfinite(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else math.nan


def _powers(peaks_ms: Ints) -> tuple[float, float]:
    """Return the powers of LF and HF: of more than an hour the mean over hours.

    NeuroKit2 needs 2 GB for a day at once.
    """
    import neurokit2

    count = max(1, round(int(peaks_ms[-1] - peaks_ms[0]) / _HOUR_MS))
    hour = (peaks_ms - peaks_ms[0]) * count // (peaks_ms[-1] - peaks_ms[0] + 1)
    found = []
    for number in range(count):
        own = peaks_ms[hour == number]
        if count == 1 or (len(own) >= _FEWEST and own[-1] - own[0] >= _HOUR_MS / 2):
            power = neurokit2.hrv_frequency(own, sampling_rate=1000, normalize=False).iloc[0]
            found.append((float(power["HRV_LF"]), float(power["HRV_HF"])))
    low, high = np.array(found or [(math.nan, math.nan)]).mean(axis=0).tolist()
    return low, high
