"""Measure a signal: the few numbers of each recording that the checks read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.measure.beat_durations import rate_fit
from physioprep.auditing.measure.beats import (
    ANALYSIS_HZ,
    band,
    find_beats,
    median_beat,
    to_analysis_rate,
)
from physioprep.auditing.measure.fingerprint import WAVE, fingerprint
from physioprep.auditing.measure.limb_leads import LIMB, LimbMisfit, limb_misfit
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.measure.quality import ecg_indices, eeg_indices
from physioprep.auditing.measure.spectrum import lines, spectrum
from physioprep.auditing.signals import Signal
from physioprep.harmonise.units import UnknownUnitError, factor

#: Equal samples for at least this long are a flat stretch, s.
FLAT_RUN_S = 0.5
#: Percentiles are computed from about this many samples per channel, evenly spread.
PERCENTILE_SAMPLES = 2500
#: A value is a sentinel if it is this many amplitude ranges from the median, and occurs this often.
SENTINEL_SPREADS, SENTINEL_COUNT = 8.0, 3


def flat_share(values: NDArray[np.float32], rate_hz: float) -> NDArray[np.float64]:
    """Return the share of valid samples in runs of equal values of 0.5 s or more.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        NaN where missing.
    rate_hz : float
        Hz.

    Returns
    -------
    ndarray of float64, shape (channel,)
        NaN where a channel has no valid sample.

    Examples
    --------
    >>> dead = np.zeros(1000, np.float32)
    >>> flat_share(np.stack([dead, np.arange(1000, dtype=np.float32)]), 100.0)
    array([1., 0.])
    """
    least = max(2, round(FLAT_RUN_S * rate_hz))
    n, length = values.shape
    if length < 2 or not np.isfinite(values).all():
        rows = (row[np.isfinite(row)] for row in values)
        return np.array(
            [flat_share(row[None], rate_hz)[0] if row.size >= 2 else np.nan for row in rows]
        )
    least = min(least, length)
    moves = values[:, 1:] != values[:, :-1]
    # such a run covers one of these stretches, so that most channels need no further look
    part = max(1, (least - 1) // 2)
    whole = (length - 1) // part * part
    rests = ~moves[:, :whole].reshape(n, -1, part).any(axis=2)
    out = np.zeros(n)
    for place in np.flatnonzero(rests.any(axis=1)):
        runs = np.diff(np.flatnonzero(moves[place]), prepend=-1, append=length - 1)
        out[place] = runs[runs >= least].sum() / length
    return out


def clipped_share(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of valid samples in runs of three or more at the channel's extremes.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        NaN where missing.

    Returns
    -------
    ndarray of float64, shape (channel,)

    Examples
    --------
    >>> wave = np.sin(np.linspace(0, 20, 1000)).astype(np.float32)
    >>> clipped_share(np.stack([wave, np.clip(wave, -0.5, 0.5)])).round(1)
    array([0. , 0.7])
    """
    out = np.zeros(values.shape[0])
    if values.shape[1] < 3:
        return out
    whole = np.isfinite(values).all()
    low, high = (
        (values.min(axis=1), values.max(axis=1)) if whole
        else (np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1))
    )  # fmt: skip
    for rail in (low, high):
        reached = values == rail[:, None]
        if whole:  # else two samples may be neighbours once what is missing is left out
            suspects = (reached[:, 2:] & reached[:, 1:-1] & reached[:, :-2]).any(axis=1)
        else:
            suspects = np.count_nonzero(reached, axis=1) >= 3
        for place in np.flatnonzero(suspects & (low < high)):  # else flat or empty
            row, at = values[place], reached[place]
            edges = np.flatnonzero(np.diff(at[np.isfinite(row)], prepend=False, append=False))
            runs = edges[1::2] - edges[::2]
            out[place] += runs[runs >= 3].sum() / np.count_nonzero(np.isfinite(row))
    return out


def millivolts(unit: str) -> float:
    """Return the factor from `unit` to mV.

    Parameters
    ----------
    unit : str

    Returns
    -------
    float
        NaN where `unit` is no voltage.

    Examples
    --------
    >>> millivolts("uV"), millivolts("mmHg")
    (0.001, nan)
    """
    try:
        return factor(unit, "mV")
    except UnknownUnitError:
        return float("nan")


def measure(signal: Signal) -> Measured:
    """Measure one signal, or a piece of one.

    Parameters
    ----------
    signal : Signal
        All of one modality of a recording, or a piece of it.

    Returns
    -------
    Measured
    """
    values = signal.values
    electric = signal.modality in ("ecg", "eeg", "eog", "emg")
    to_mv = np.array([millivolts(unit) if electric else 1.0 for unit in signal.units])
    missing = 1 - np.isfinite(values).mean(axis=1) if values.shape[1] else np.ones(len(values))
    spread, middle = spread_of(values, missing < 1)
    step = np.full(len(values), np.nan) if signal.step is None else signal.step * to_mv
    flat = flat_share(values, signal.rate_hz)
    base: dict[str, Any] = {
        "key": signal.key, "modality": signal.modality, "channels": signal.channels,
        "units": signal.units, "rate_hz": signal.rate_hz, "n_samples": values.shape[1],
        "duration_s": values.shape[1] / signal.rate_hz, "missing": missing, "flat": flat,
        "clipped": clipped_share(values), "spread": spread * to_mv,
        "middle": middle * to_mv, "step": step, "uncalibrated": signal.uncalibrated,
        "source_rate_hz": signal.source_rate_hz,
        "sources": signal.sources,
        "sentinels": sentinels_of(values, signal.channels, spread, middle),
        **_gap(signal, missing),
    }  # fmt: skip
    if signal.modality in ("ppg", "abp") and signal.rate_hz >= 20 and values.shape[1] > 100:
        return Measured(**base, waves=_pulses(signal))
    if signal.modality not in ("ecg", "eeg") or signal.rate_hz < 50 or values.shape[1] < 3:
        return Measured(**base)
    resampled = to_analysis_rate(values, signal.rate_hz)
    alive = (missing < 0.5) & (np.nan_to_num(flat, nan=1.0) < 0.5)
    waves = fingerprint(resampled, signal.channels, alive)
    waves["time_s"] += signal.start_s
    frequencies, power = spectrum(values, signal.rate_hz)
    base |= {"waves": waves, "lines_hz": lines(frequencies, power[alive])}
    if signal.modality == "eeg":
        fast = (
            band(resampled, 1, 45).astype(np.float64) * np.nan_to_num(to_mv * 1e3, nan=1.0)[:, None]
        )
        covariance = fast @ fast.T / resampled.shape[1]
        quality = eeg_indices(frequencies, power, covariance, alive)
        return Measured(**base, covariance=covariance, quality=quality)
    beats = find_beats(resampled[alive])
    rate = 60 * ANALYSIS_HZ / float(np.median(np.diff(beats))) if beats.size > 3 else float("nan")
    resampled_mv = resampled * np.nan_to_num(to_mv, nan=1.0)[:, None].astype(np.float32)
    quality = ecg_indices(resampled, frequencies, power)
    limb = _limb(signal, resampled_mv, to_mv, alive, np.nan_to_num(step))
    beat = median_beat(resampled_mv, beats)
    scale = rate_fit(values, signal.rate_hz, beat, beats)
    return Measured(
        **base, beats_per_min=rate, beat=beat, rate_fit=scale, limb=limb, quality=quality
    )


def _pulses(signal: Signal) -> NDArray[np.void]:
    """Return the times of the steepest rise of each pulse of the first channel, as waves."""
    from scipy.signal import find_peaks

    resampled = band(to_analysis_rate(signal.values[:1], signal.rate_hz), 0.5, 8)[0]
    rise = np.diff(resampled)
    top = float(np.percentile(rise, 98)) if rise.size else 0.0
    peaks = find_peaks(rise, distance=35, height=0.4 * top)[0] if top > 0 else np.empty(0, int)
    out = np.zeros(len(peaks), WAVE)
    out["time_s"] = signal.start_s + peaks / ANALYSIS_HZ
    return out


def spread_of(
    values: NDArray[np.float32],
    there: NDArray[np.bool_],
    step: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return amplitude range (0.5th to 99.5th percentile) and median per channel.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        NaN where missing.
    there : ndarray of bool, shape (channel,)
        Channels that have samples.
    step : ndarray of float64, shape (channel,), optional
        Smallest step of the values, if it is known.

    Returns
    -------
    spread, middle : ndarray of float64, shape (channel,)
        NaN where there are no samples.
    """
    few = values[:, :: max(1, values.shape[1] // PERCENTILE_SAMPLES)]
    out, middle = np.full((2, len(values)), np.nan)
    if not few.shape[1]:
        return out, middle
    if np.isfinite(few).all():
        n = few.shape[1] - 1
        low, middle[:], high = _ordered(few, [round(0.005 * n), n // 2, round(0.995 * n)], step).T
        out[:] = high - low
        return out, middle
    for place in np.flatnonzero(there):
        row = values[place][np.isfinite(values[place])]
        low, middle[place], high = np.percentile(row, [0.5, 50, 99.5])
        out[place] = high - low
    return out, middle


def _ordered(
    rows: NDArray[np.float32], places: Sequence[int], step: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Return values by their places in the sorted rows.

    Multiples of a step are sorted as whole numbers of 16 bit, in half the time: they are in the
    same order, and a multiple is the same value again.
    """
    if step is not None:
        steps = step.astype(np.float32)[:, None]
        whole = rows / np.where(steps > 0, steps, np.nan)
        np.rint(whole, out=whole)
        if (np.abs(whole) <= 32767).all() and np.array_equal(whole * steps, rows):
            numbers = np.sort(whole.astype(np.int16), axis=1, kind="stable")
            return numbers[:, places] * steps
    return np.sort(rows, axis=1)[:, places]


def sentinels_of(
    values: NDArray[np.float32],
    channels: Sequence[str],
    spread: NDArray[np.float64],
    middle: NDArray[np.float64],
) -> tuple[tuple[str, float, int], ...]:
    """Return values far from all others of their channel that occur three times or more.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        NaN where missing.
    channels : sequence of str
        Names.
    spread, middle : ndarray of float64, shape (channel,)
        From `spread_of`.

    Returns
    -------
    tuple of (channel, value, count)
    """
    found = []
    with np.errstate(invalid="ignore"):
        for pick in (np.fmin, np.fmax) if values.shape[1] else ():
            extreme = pick.reduce(values, axis=1)
            far = far_off(extreme, spread, middle)
            for place in np.flatnonzero(far).tolist():
                at = values[place] == extreme[place]
                rest = np.where(at | ~np.isfinite(values[place]), middle[place], values[place])
                gap = abs(float(extreme[place] - pick.reduce(rest)))
                if at.sum() >= SENTINEL_COUNT and gap > SENTINEL_SPREADS / 2 * spread[place]:
                    found.append((channels[place], float(extreme[place]), int(at.sum())))
    return tuple(found)


def far_off(
    extreme: NDArray[np.float32], spread: NDArray[np.float64], middle: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which extremes of channels are so far from all else that they may be sentinels.

    Parameters
    ----------
    extreme : ndarray of float32, shape (channel,)
        Smallest or largest value.
    spread, middle : ndarray of float64, shape (channel,)
        Amplitude range and median, in the same unit.

    Returns
    -------
    ndarray of bool, shape (channel,)
    """
    return np.asarray(
        np.abs(extreme - middle) > SENTINEL_SPREADS * np.where(spread > 0, spread, np.inf)
    )


def _gap(signal: Signal, missing: NDArray[np.float64]) -> dict[str, float]:
    """Return begin and length, s, of the longest stretch with all channels missing."""
    if not len(signal.values) or not missing.min() > 0:
        return {}
    gone = ~np.isfinite(signal.values).any(axis=0)
    edges = np.flatnonzero(np.diff(gone, prepend=False, append=False))
    lengths = edges[1::2] - edges[::2]
    if not lengths.size:
        return {}
    longest = int(lengths.argmax())
    begin, length = edges[2 * longest], lengths[longest]
    return {
        "gap_s": length / signal.rate_hz,
        "gap_start_s": signal.start_s + begin / signal.rate_hz,
    }


def _limb(
    signal: Signal,
    resampled_mv: NDArray[np.float32],
    to_mv: NDArray[np.float64],
    alive: NDArray[np.bool_],
    step: NDArray[np.float64],
) -> LimbMisfit | None:
    """Test the limb leads at 100 Hz: resampling is linear, so the relations hold there, too."""
    limb = [place for place, name in enumerate(signal.channels) if name in LIMB and alive[place]]
    if np.isfinite(signal.values[limb]).all() and np.isfinite(to_mv[limb]).all():
        return limb_misfit(resampled_mv, signal.channels, alive, step, ANALYSIS_HZ)
    values = signal.values * to_mv[:, None]
    return limb_misfit(values, signal.channels, alive, step, signal.rate_hz)
