"""One pass over the signals: the few numbers of each recording that every check reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from physioprep.audit.beats import LOOK_HZ, find_beats, median_beat, to_look_rate
from physioprep.audit.fingerprint import WAVE, fingerprint
from physioprep.audit.inputs import Key, Signal
from physioprep.audit.leads import LimbMisfit, limb_misfit
from physioprep.harmonise.units import UnknownUnitError, factor

#: A run of equal samples at least this long is a dead stretch, not a quiet one.
FLAT_RUN_S = 0.5


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
    step : ndarray of float64, shape (channel,)
        Resolution in the same unit; NaN where unknown.
    beats_per_min : float
        Median; NaN where no beats were found or it is no ECG.
    beat : ndarray of float32, shape (channel, 80), or None
        Median beat in mV at 100 Hz.
    limb : LimbMisfit or None
        How far the limb leads are from Einthoven's relations.
    waves : structured array
        Fingerprint; see `physioprep.audit.fingerprint`.
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
    step: NDArray[np.float64]
    beats_per_min: float = float("nan")
    beat: NDArray[np.float32] | None = None
    limb: LimbMisfit | None = None
    waves: NDArray[np.void] = field(default_factory=lambda: np.empty(0, WAVE))


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
    out = np.full(values.shape[0], np.nan)
    for place, row in enumerate(values):
        row = row[np.isfinite(row)]
        if row.size < 2:
            continue
        edges = np.flatnonzero(np.diff(row)) + 1
        runs = np.diff(np.concatenate(([0], edges, [row.size])))
        out[place] = runs[runs >= min(least, row.size)].sum() / row.size
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
    for place, row in enumerate(values):
        row = row[np.isfinite(row)]
        if row.size < 3 or row.min() == row.max():
            continue
        for rail in (row.min(), row.max()):
            at = np.concatenate(([False], row == rail, [False]))
            edges = np.flatnonzero(np.diff(at.astype(np.int8)))
            runs = edges[1::2] - edges[::2]
            out[place] += runs[runs >= 3].sum() / row.size
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
    spread = np.full(len(values), np.nan)
    there = np.flatnonzero(missing < 1)
    if there.size:
        low, high = np.nanpercentile(values[there], [0.5, 99.5], axis=1)
        spread[there] = (high - low) * to_mv[there]
    step = np.full(len(values), np.nan) if signal.step is None else signal.step * to_mv
    flat = flat_share(values, signal.rate_hz)
    base = {
        "key": signal.key, "modality": signal.modality, "channels": signal.channels,
        "units": signal.units, "rate_hz": signal.rate_hz, "n_samples": values.shape[1],
        "duration_s": values.shape[1] / signal.rate_hz, "missing": missing, "flat": flat,
        "clipped": clipped_share(values), "spread": spread, "step": step,
    }  # fmt: skip
    if signal.modality not in ("ecg", "eeg") or signal.rate_hz < 50 or values.shape[1] < 3:
        return Measured(**base)
    look = to_look_rate(values, signal.rate_hz)
    alive = (missing < 0.5) & (np.nan_to_num(flat, nan=1.0) < 0.5)
    waves = fingerprint(look, signal.channels, alive)
    waves["time_s"] += signal.start_s
    if signal.modality != "ecg":
        return Measured(**base, waves=waves)
    beats = find_beats(look[alive])
    rate = 60 * LOOK_HZ / float(np.median(np.diff(beats))) if beats.size > 3 else float("nan")
    beat = median_beat(look * np.nan_to_num(to_mv, nan=1.0)[:, None].astype(np.float32), beats)
    limb = limb_misfit(
        values * to_mv[:, None], signal.channels, alive, np.nan_to_num(step), signal.rate_hz
    )
    return Measured(**base, waves=waves, beats_per_min=rate, beat=beat, limb=limb)


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

    def average(name: str) -> NDArray[np.float64]:
        table = np.array([getattr(piece, name) for piece in pieces])
        weights = np.where(np.isfinite(table), weight[:, None], 0)
        total = weights.sum(axis=0)
        mean = (np.nan_to_num(table) * weights).sum(axis=0) / np.where(total > 0, total, 1)
        return np.where(total > 0, mean, np.nan)

    def middle(table: NDArray[np.float64]) -> NDArray[np.float64]:
        known = np.isfinite(table).any(axis=0)
        out = np.full(table.shape[1:], np.nan)
        if known.any():
            out[known] = np.nanmedian(table[:, known], axis=0)
        return out

    beats = [piece.beat for piece in pieces if piece.beat is not None]
    limbs = [piece.limb for piece in pieces if piece.limb is not None]
    order = np.concatenate([piece.waves for piece in pieces])
    order = order[np.lexsort((order["time_s"], order["channel"]))]
    return Measured(
        first.key, first.modality, first.channels, first.units, first.rate_hz,
        int(weight.sum()), sum(piece.duration_s for piece in pieces),
        average("missing"), average("flat"), average("clipped"),
        middle(np.array([piece.spread for piece in pieces])), first.step,
        float(middle(np.array([[piece.beats_per_min] for piece in pieces]))[0]),
        np.median(beats, axis=0).astype(np.float32) if beats else None,
        min(limbs, key=lambda limb: limb.misfit_mv) if limbs else None,
        order,
    )  # fmt: skip
