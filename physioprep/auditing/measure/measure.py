"""One pass over the signals: the few numbers of each recording that every check reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.inputs import Key, Signal
from physioprep.auditing.measure.beats import LOOK_HZ, band, find_beats, median_beat, to_look_rate
from physioprep.auditing.measure.fingerprint import WAVE, fingerprint
from physioprep.auditing.measure.limb_leads import LIMB, LimbMisfit, limb_misfit
from physioprep.auditing.measure.quality import ecg_indices, eeg_indices
from physioprep.auditing.measure.spectrum import lines, spectrum
from physioprep.auditing.measure.timescale import TimeScale, time_scale
from physioprep.harmonise.units import UnknownUnitError, factor

#: A run of equal samples at least this long is a dead stretch, not a quiet one.
FLAT_RUN_S = 0.5
#: Percentiles are taken of about so many samples a channel, evenly spread.
PERCENTILE_SAMPLES = 2500
#: A value is a mark and no sample where it stands three times, this many spreads from the rest.
MARK_SPREADS, MARK_TIMES = 8.0, 3


@dataclass(frozen=True, eq=False)
class Measured:
    """What the checks know of one modality of one recording.

    Parameters
    ----------
    key : tuple of str
        (corpus, record id).
    modality : str
    channels, units : tuple of str
    rate_hz : float
    n_samples : int
    duration_s : float
    missing, flat, clipped : ndarray of float64, shape (channel,)
        Share of samples that are missing, in dead stretches, at a rail.
    spread : ndarray of float64, shape (channel,)
        From the 0.5th to the 99.5th percentile, in mV (ECG, EEG, EOG, EMG; else in `units`).
    middle : ndarray of float64, shape (channel,)
        Median, in the same unit.
    step : ndarray of float64, shape (channel,)
        Resolution in the same unit; NaN where unknown.
    beats_per_min : float
        Median; NaN where no beats were found or it is no ECG.
    beat : ndarray of float32, shape (channel, 80), or None
        Median beat in mV at 100 Hz.
    time_scale : TimeScale or None
        How well its durations fit its sampling rate.
    limb : LimbMisfit or None
        How far the limb leads are from Einthoven's relations.
    waves : structured array
        Fingerprint; see `physioprep.auditing.measure.fingerprint`.
    sources : tuple of str
        Channel names as the file has them; empty where unknown.
    quality : mapping of str to ndarray of float64, shape (channel,)
        Indices of `physioprep.auditing.measure.quality`.
    covariance : ndarray of float64, shape (channel, channel), or None
        Of EEG between 1 and 45 Hz, µV².
    lines_hz : tuple of float
        Narrow lines of the spectrum that most channels share.
    marks : tuple of (channel, value, count)
        Values far from all others that stand three times or more: sentinels in the samples.
    gap_s : float
        Longest stretch in which all channels are missing.
    uncalibrated : tuple of str
        Channels whose header states no gain.
    """

    key: Key
    modality: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    n_samples: int
    duration_s: float
    missing: NDArray[np.float64]
    flat: NDArray[np.float64]
    clipped: NDArray[np.float64]
    spread: NDArray[np.float64]
    middle: NDArray[np.float64]
    step: NDArray[np.float64]
    beats_per_min: float = float("nan")
    beat: NDArray[np.float32] | None = None
    time_scale: TimeScale | None = None
    limb: LimbMisfit | None = None
    waves: NDArray[np.void] = field(default_factory=lambda: np.empty(0, WAVE))
    sources: tuple[str, ...] = ()
    quality: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    covariance: NDArray[np.float64] | None = None
    lines_hz: tuple[float, ...] = ()
    marks: tuple[tuple[str, float, int], ...] = ()
    gap_s: float = 0.0
    uncalibrated: tuple[str, ...] = ()


def flat_share(values: NDArray[np.float32], rate_hz: float) -> NDArray[np.float64]:
    """Return the share of valid samples that lie in runs of one value of 0.5 s or more.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        NaN where missing.
    rate_hz : float

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
    rested = length - 1 - np.count_nonzero(moves, axis=1)
    out = np.zeros(n)
    for place in np.flatnonzero(rested >= least - 1):  # too few equal neighbours make no run
        runs = np.diff(np.flatnonzero(moves[place]), prepend=-1, append=length - 1)
        out[place] = runs[runs >= least].sum() / length
    return out


def clipped_share(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of samples in runs of three or more at the channel's own extremes.

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
    for place, row in enumerate(values):
        if not low[place] < high[place]:  # flat, or nothing there
            continue
        for rail in (low[place], high[place]):
            at = row == rail
            if np.count_nonzero(at) < 3:
                continue
            edges = np.flatnonzero(np.diff(at[np.isfinite(row)], prepend=False, append=False))
            runs = edges[1::2] - edges[::2]
            out[place] += runs[runs >= 3].sum() / np.count_nonzero(np.isfinite(row))
    return out


def millivolts(unit: str) -> float:
    """Return what numbers in `unit` are multiplied with to be mV; NaN of no voltage.

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

    Returns
    -------
    Measured
    """
    values = signal.values
    electric = signal.modality in ("ecg", "eeg", "eog", "emg")
    to_mv = np.array([millivolts(unit) if electric else 1.0 for unit in signal.units])
    missing = 1 - np.isfinite(values).mean(axis=1) if values.shape[1] else np.ones(len(values))
    spread, middle = _spread(values, missing < 1)
    step = np.full(len(values), np.nan) if signal.step is None else signal.step * to_mv
    flat = flat_share(values, signal.rate_hz)
    base: dict[str, Any] = {
        "key": signal.key, "modality": signal.modality, "channels": signal.channels,
        "units": signal.units, "rate_hz": signal.rate_hz, "n_samples": values.shape[1],
        "duration_s": values.shape[1] / signal.rate_hz, "missing": missing, "flat": flat,
        "clipped": clipped_share(values), "spread": spread * to_mv,
        "middle": middle * to_mv, "step": step, "uncalibrated": signal.uncalibrated,
        "sources": signal.sources, "marks": _marks(values, signal.channels, spread, middle),
        "gap_s": _gap(values, missing) / signal.rate_hz,
    }  # fmt: skip
    if signal.modality in ("ppg", "abp") and signal.rate_hz >= 20 and values.shape[1] > 100:
        return Measured(**base, waves=_pulses(signal))
    if signal.modality not in ("ecg", "eeg") or signal.rate_hz < 50 or values.shape[1] < 3:
        return Measured(**base)
    look = to_look_rate(values, signal.rate_hz)
    alive = (missing < 0.5) & (np.nan_to_num(flat, nan=1.0) < 0.5)
    waves = fingerprint(look, signal.channels, alive)
    waves["time_s"] += signal.start_s
    frequencies, power = spectrum(values, signal.rate_hz)
    base |= {"waves": waves, "lines_hz": lines(frequencies, power[alive])}
    if signal.modality == "eeg":
        fast = band(look, 1, 45).astype(np.float64) * np.nan_to_num(to_mv * 1e3, nan=1.0)[:, None]
        covariance = fast @ fast.T / look.shape[1]
        quality = eeg_indices(frequencies, power, covariance, alive)
        return Measured(**base, covariance=covariance, quality=quality)
    beats = find_beats(look[alive])
    rate = 60 * LOOK_HZ / float(np.median(np.diff(beats))) if beats.size > 3 else float("nan")
    look_mv = look * np.nan_to_num(to_mv, nan=1.0)[:, None].astype(np.float32)
    quality = ecg_indices(look, frequencies, power)
    limb = _limb(signal, look_mv, to_mv, alive, np.nan_to_num(step))
    beat = median_beat(look_mv, beats)
    scale = time_scale(values, signal.rate_hz, beat, beats)
    return Measured(
        **base, beats_per_min=rate, beat=beat, time_scale=scale, limb=limb, quality=quality
    )


def _pulses(signal: Signal) -> NDArray[np.void]:
    """Return when the pulse of the first channel rises most, as waves of that channel."""
    from scipy.signal import find_peaks

    look = band(to_look_rate(signal.values[:1], signal.rate_hz), 0.5, 8)[0]
    rise = np.diff(look)
    top = float(np.percentile(rise, 98)) if rise.size else 0.0
    peaks = find_peaks(rise, distance=35, height=0.4 * top)[0] if top > 0 else np.empty(0, int)
    out = np.zeros(len(peaks), WAVE)
    out["time_s"] = signal.start_s + peaks / LOOK_HZ
    return out


def _spread(
    values: NDArray[np.float32], there: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each channel spans (0.5th to 99.5th percentile) and its middle; NaN of none."""
    few = values[:, :: max(1, values.shape[1] // PERCENTILE_SAMPLES)]
    out, middle = np.full((2, len(values)), np.nan)
    if not few.shape[1]:
        return out, middle
    if np.isfinite(few).all():
        ordered = np.sort(few, axis=1)
        n = ordered.shape[1] - 1
        out[:] = ordered[:, round(0.995 * n)] - ordered[:, round(0.005 * n)]
        middle[:] = ordered[:, n // 2]
        return out, middle
    for place in np.flatnonzero(there):
        row = values[place][np.isfinite(values[place])]
        low, middle[place], high = np.percentile(row, [0.5, 50, 99.5])
        out[place] = high - low
    return out, middle


def _marks(
    values: NDArray[np.float32],
    channels: Sequence[str],
    spread: NDArray[np.float64],
    middle: NDArray[np.float64],
) -> tuple[tuple[str, float, int], ...]:
    """Return values that stand thrice or more and far from all others of their channel."""
    found = []
    with np.errstate(invalid="ignore"):
        for pick in (np.fmin, np.fmax) if values.shape[1] else ():
            extreme = pick.reduce(values, axis=1)
            far = np.abs(extreme - middle) > MARK_SPREADS * np.where(spread > 0, spread, np.inf)
            for place in np.flatnonzero(far).tolist():
                at = values[place] == extreme[place]
                rest = np.where(at | ~np.isfinite(values[place]), middle[place], values[place])
                gap = abs(float(extreme[place] - pick.reduce(rest)))
                if at.sum() >= MARK_TIMES and gap > MARK_SPREADS / 2 * spread[place]:
                    found.append((channels[place], float(extreme[place]), int(at.sum())))
    return tuple(found)


def _gap(values: NDArray[np.float32], missing: NDArray[np.float64]) -> int:
    """Return the samples of the longest stretch in which every channel is missing."""
    if not len(values) or not missing.min() > 0:
        return 0
    gone = ~np.isfinite(values).any(axis=0)
    edges = np.flatnonzero(np.diff(gone, prepend=False, append=False))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _limb(
    signal: Signal,
    look_mv: NDArray[np.float32],
    to_mv: NDArray[np.float64],
    alive: NDArray[np.bool_],
    step: NDArray[np.float64],
) -> LimbMisfit | None:
    """Test the limb leads at 100 Hz: what holds sample by sample holds of what is linear in it."""
    limb = [place for place, name in enumerate(signal.channels) if name in LIMB and alive[place]]
    if np.isfinite(signal.values[limb]).all() and np.isfinite(to_mv[limb]).all():
        return limb_misfit(look_mv, signal.channels, alive, step, LOOK_HZ)
    values = signal.values * to_mv[:, None]
    return limb_misfit(values, signal.channels, alive, step, signal.rate_hz)


def join(pieces: Iterable[Measured]) -> list[Measured]:
    """Join the pieces of each recording and modality.

    Shares are averaged by length, spreads and beats are medians over the pieces.

    Parameters
    ----------
    pieces : iterable of Measured
        In order of time.

    Returns
    -------
    list of Measured
        One a recording and modality.
    """
    groups: dict[tuple[Key, str, float], list[Measured]] = {}
    for piece in pieces:
        groups.setdefault((piece.key, piece.modality, piece.rate_hz), []).append(piece)
    return [group[0] if len(group) == 1 else _joined(group) for group in groups.values()]


def _joined(pieces: list[Measured]) -> Measured:
    first = pieces[0]
    weight = np.array([piece.n_samples for piece in pieces], np.float64)

    nothing = np.full(len(first.channels), np.nan)

    def average(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        table = np.array(rows)
        weights = np.where(np.isfinite(table), weight[:, None], 0)
        total = weights.sum(axis=0)
        mean = (np.nan_to_num(table) * weights).sum(axis=0) / np.where(total > 0, total, 1)
        return np.where(total > 0, mean, np.nan)

    def middle(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        table = np.array(rows)
        known = np.isfinite(table).any(axis=0)
        out = np.full(table.shape[1:], np.nan)
        if known.any():
            out[known] = np.nanmedian(table[:, known], axis=0)
        return out

    beats = [piece.beat for piece in pieces if piece.beat is not None]
    limbs = [piece.limb for piece in pieces if piece.limb is not None]
    covariances = [piece.covariance for piece in pieces if piece.covariance is not None]
    order = np.concatenate([piece.waves for piece in pieces])
    order = order[np.lexsort((order["time_s"], order["channel"]))]
    seen = [line for piece in pieces for line in piece.lines_hz]
    return replace(
        first,
        n_samples=int(weight.sum()),
        duration_s=sum(piece.duration_s for piece in pieces),
        missing=average([piece.missing for piece in pieces]),
        flat=average([piece.flat for piece in pieces]),
        clipped=average([piece.clipped for piece in pieces]),
        spread=middle([piece.spread for piece in pieces]),
        middle=middle([piece.middle for piece in pieces]),
        beats_per_min=float(middle([np.array([p.beats_per_min]) for p in pieces])[0]),
        beat=np.median(beats, axis=0).astype(np.float32) if beats else None,
        limb=min(limbs, key=lambda limb: limb.misfit_mv) if limbs else None,
        waves=order,
        quality={
            name: average([p.quality.get(name, nothing) for p in pieces]) for name in first.quality
        },
        covariance=np.mean(covariances, axis=0) if covariances else None,
        lines_hz=tuple(x for x in dict.fromkeys(seen) if 2 * seen.count(x) >= len(pieces)),
        marks=tuple(dict.fromkeys(mark for piece in pieces for mark in piece.marks)),
        gap_s=max(piece.gap_s for piece in pieces),
    )
