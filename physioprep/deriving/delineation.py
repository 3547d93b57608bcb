"""Fiducial points of the heart beats of one lead: onset, peak and offset of P, QRS and T."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.own_method import is_own, own_method
from physioprep.deriving.pieces import Lead, lead_of
from physioprep.errors import PhysioprepError
from physioprep.suggest import did_you_mean

#: The points of a beat, in the order of a normal one.
POINTS: Final = (
    "p_onset", "p_peak", "p_offset", "qrs_onset", "q_peak", "s_peak", "qrs_offset",
    "t_onset", "t_peak", "t_offset",
)  # fmt: skip
#: Fewer beats than this: the methods find no mean heart rate.
FEWEST_BEATS: Final = 3
#: A point this far from its R peak belongs to no beat, s before and after.
_REACH_S: Final = (0.45, 0.85)
#: Cleaned samples, rate and R peaks to samples of each point, in any order.
Method = Callable[[NDArray[np.float64], int, NDArray[np.int64]], Mapping[str, NDArray[np.float64]]]

_NAMES: Final = {
    "ECG_P_Onsets": "p_onset", "ECG_P_Peaks": "p_peak", "ECG_P_Offsets": "p_offset",
    "ECG_R_Onsets": "qrs_onset", "ECG_Q_Peaks": "q_peak", "ECG_S_Peaks": "s_peak",
    "ECG_R_Offsets": "qrs_offset", "ECG_T_Onsets": "t_onset", "ECG_T_Peaks": "t_peak",
    "ECG_T_Offsets": "t_offset",
}  # fmt: skip


def _by_neurokit(method: str) -> Method:
    def found(
        cleaned: NDArray[np.float64], rate_hz: int, r_peaks: NDArray[np.int64]
    ) -> Mapping[str, NDArray[np.float64]]:
        import neurokit2

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # empty means of beats without a wave
            _, waves = neurokit2.ecg_delineate(
                cleaned, r_peaks, sampling_rate=rate_hz, method=method
            )
        return {
            name: np.asarray(waves[key], np.float64) for key, name in _NAMES.items() if key in waves
        }

    return found


#: Methods by name. Another one is any function with the signature of `Method`.
METHODS: Final[Mapping[str, Method]] = {
    name: _by_neurokit(name) for name in ("prominence", "dwt", "cwt", "peak")
}


def method_named(name: str) -> Method:
    """Return a method of delineation.

    Parameters
    ----------
    name : str
        A key of `METHODS`: ``"prominence"`` (Emrich et al. 2024), ``"dwt"`` and ``"cwt"``
        (discrete and continuous wavelet transform, Martinez et al. 2004), ``"peak"``; or a
        function with the signature of `Method`, ``"module:function"``, which is imported.

    Returns
    -------
    callable

    Raises
    ------
    PhysioprepError
        There is none of this name.
    """
    if is_own(name):
        return own_method(name, POINTS)
    if name not in METHODS:
        hint = did_you_mean(name, METHODS) or f": {', '.join(METHODS)}, or module:function"
        raise PhysioprepError(f"no method of delineation {name!r}{hint}")
    return METHODS[name]


def delineate(
    signal: NDArray[np.floating[Any]] | Lead,
    rate_hz: float,
    r_peaks: NDArray[np.int64],
    method: str | Method = "prominence",
) -> dict[str, NDArray[np.float64]]:
    """Find the fiducial points of each beat of one lead.

    Parameters
    ----------
    signal : ndarray of float, shape (sample,), or Lead
        mV, NaN where missing: gaps are interpolated, and a point in a gap is not found. It is
        delineated in pieces of ten minutes, with ten seconds more on either side.
    rate_hz : float
        Sampling rate, Hz.
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks, ascending.
    method : str or callable
        A key of `METHODS` or ``"module:function"``, or a function of (cleaned signal, rate in Hz,
        R peaks) that returns samples of each of `POINTS`, in any order.

    Returns
    -------
    dict of str to ndarray of float64, shape (beat,)
        Sample of each of `POINTS`; NaN where it was not found. Within a beat onsets, offsets and
        the peaks of P and T that are found ascend: one that does not is NaN.

    Raises
    ------
    PhysioprepError
        There is no such method.

    Notes
    -----
    By NeuroKit2 (Makowski et al., Behav. Res. Methods 53, 2021), after its `ecg_clean`. It drops
    what it finds before the first sample from its lists, so its points are joined to beats by
    time and not by place.

    Examples
    --------
    >>> points = delineate(np.zeros(2000), 500.0, np.array([500, 1000, 1500]))
    >>> sorted(points) == sorted(POINTS), bool(np.isnan(points["p_peak"]).all())
    (True, True)
    """
    chosen = method_named(method) if isinstance(method, str) else method
    lead = signal if isinstance(signal, Lead) else lead_of(signal, rate_hz)
    out = {name: np.full(len(r_peaks), np.nan) for name in POINTS}
    if len(r_peaks) < FEWEST_BEATS or not lead.varies():
        return out
    rate = max(1, round(rate_hz))
    for own, low, samples in lead.around(r_peaks):
        inside = (r_peaks >= low) & (r_peaks < low + len(samples))
        if inside.sum() < FEWEST_BEATS:
            continue
        found = _run(chosen, cleaned_lead(samples, rate), rate, r_peaks[inside] - low)
        there = np.isfinite(samples)
        for name, values in _by_beat(found, r_peaks[inside] - low, rate_hz).items():
            known = np.flatnonzero(np.isfinite(values))
            values[known[~there[values[known].astype(np.int64)]]] = np.nan
            out[name][own] = values[own[inside]] + low
    return _ascending(out, r_peaks)


def cleaned_lead(signal: NDArray[np.floating[Any]], rate_hz: int) -> NDArray[np.float64]:
    """Return a lead after NeuroKit2's `ecg_clean`, gaps interpolated.

    Parameters
    ----------
    signal : ndarray of float, shape (sample,)
        mV, NaN where missing.
    rate_hz : int
        Sampling rate, Hz.

    Returns
    -------
    ndarray of float64, shape (sample,)
        0 where there is no sample at all.
    """
    import neurokit2

    at = np.arange(len(signal))
    there = np.isfinite(signal)
    if not there.any():
        return np.zeros(len(signal))
    whole = np.interp(at, at[there], np.asarray(signal[there], np.float64))
    return np.asarray(neurokit2.ecg_clean(whole, sampling_rate=rate_hz), np.float64)


def _run(
    method: Method, cleaned: NDArray[np.float64], rate_hz: int, r_peaks: NDArray[np.int64]
) -> Mapping[str, NDArray[np.float64]]:
    """Call a method; what it cannot do with these beats is nothing found."""
    try:
        return method(cleaned, rate_hz, r_peaks)
    except (ValueError, IndexError, ZeroDivisionError, TypeError):  # raised where waves lack
        return {}


def _by_beat(
    found: Mapping[str, NDArray[np.float64]], r_peaks: NDArray[np.int64], rate_hz: float
) -> dict[str, NDArray[np.float64]]:
    """Join points to beats: what comes before the R peak to the next, the rest to the last."""
    before, after = (reach * rate_hz for reach in _REACH_S)
    out = {}
    for name in POINTS:
        joined = np.full(len(r_peaks), np.nan)
        values = found.get(name, np.empty(0))
        values = np.unique(values[np.isfinite(values)])
        if name in ("p_onset", "p_peak", "p_offset", "qrs_onset", "q_peak"):
            beat = np.searchsorted(r_peaks, values)
            ok = beat < len(r_peaks)
            beat, values = beat[ok], values[ok]
            near = r_peaks[beat] - values <= before
            joined[beat[near]] = values[near]  # the last one before the R peak
        else:
            beat = np.searchsorted(r_peaks, values, "right") - 1
            ok = beat >= 0
            beat, values = beat[ok][::-1], values[ok][::-1]
            near = values - r_peaks[beat] <= after
            joined[beat[near]] = values[near]  # the first one after it
        out[name] = joined
    return out


def _ascending(
    points: dict[str, NDArray[np.float64]], r_peaks: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Leave out points that are not on their side of the points nearer to the R peak.

    Peaks of Q and S do not count: the R peak is that of another lead, and may be one of them.
    """
    latest = np.asarray(r_peaks, np.float64).copy()
    for name in ("qrs_onset", "p_offset", "p_peak", "p_onset"):
        values = points[name]
        values[values > latest] = np.nan
        latest = np.fmin(latest, values)
    earliest = np.asarray(r_peaks, np.float64).copy()
    for name in ("qrs_offset", "t_onset", "t_peak", "t_offset"):
        values = points[name]
        values[values < earliest] = np.nan
        earliest = np.fmax(earliest, values)
    return points
