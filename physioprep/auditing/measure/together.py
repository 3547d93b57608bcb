"""Measure short ECGs of one shape many at a time: the same numbers as `measure`, in fewer calls.

A ten-second recording is some hundred calls on small arrays, whose cost is the call. Records with
the same channels, units, rate and length are one array (record, channel, sample) here, and most
measures are of rows, whatever record they belong to.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.measure.beat_durations import rate_fits
from physioprep.auditing.measure.beats import (
    ANALYSIS_HZ,
    band,
    bands,
    beats_of_band,
    median_beats,
    median_gap,
    to_analysis_rate,
)
from physioprep.auditing.measure.fingerprint import choose_channels, fingerprints
from physioprep.auditing.measure.limb_leads import LIMB, LimbMisfit, limb_misfits
from physioprep.auditing.measure.measure import (
    clipped_share,
    far_off,
    flat_share,
    measure,
    millivolts,
    sentinels_of,
    spread_of,
)
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.measure.quality import STRETCH_S, ecg_indices
from physioprep.auditing.measure.spectrum import lines_of, spectrum
from physioprep.auditing.signals import Signal

#: Values of a recording that is short, and of all that are measured at once: their arrays should
#: stay in the processor's cache.
SHORT, AT_ONCE = 200_000, 400_000
#: Least length of what is measured together, s.
LEAST_S = 2.0


def measure_all(signals: Sequence[Signal]) -> list[Measured]:
    """Measure signals as `measure` does, short ECGs of one shape together.

    Parameters
    ----------
    signals : sequence of Signal

    Returns
    -------
    list of Measured
        One per signal, in their order.
    """
    out: dict[int, Measured] = {}
    groups: dict[Hashable, list[int]] = {}
    for number, signal in enumerate(signals):
        if _fits(signal):
            shape = (signal.channels, signal.units, signal.rate_hz, signal.values.shape)
            groups.setdefault(shape, []).append(number)
    for numbers in groups.values():
        parts = -(-len(numbers) * signals[numbers[0]].values.size // AT_ONCE)
        for part in np.array_split(numbers, parts):  # equal parts, so that none is alone
            found = _measure_equal([signals[number] for number in part])
            out |= {int(part[place]): one for place, one in found.items()}
    return [out[n] if n in out else measure(signal) for n, signal in enumerate(signals)]


def _fits(signal: Signal) -> bool:
    """Return whether a signal may be measured together with others."""
    channels, n = signal.values.shape
    return (
        signal.modality == "ecg"
        and signal.rate_hz >= 50
        and 0 < channels * n <= SHORT
        and n >= LEAST_S * signal.rate_hz
    )


def _measure_equal(signals: Sequence[Signal]) -> dict[int, Measured]:
    """Measure ECGs of one shape; those with missing samples or dead channels are left out."""
    first = signals[0]
    values = np.stack([signal.values for signal in signals])
    rows = values.reshape(-1, values.shape[2])
    whole = np.isfinite(values).all(axis=(1, 2))
    flat = np.ones(values.shape[:2])
    if whole.all():
        flat = flat_share(rows, first.rate_hz).reshape(flat.shape)
    else:  # their missing samples would take the slow way with all others
        for record in np.flatnonzero(whole).tolist():
            flat[record] = flat_share(values[record], first.rate_hz)
    kept = np.flatnonzero(whole & (flat < 0.5).all(axis=1)).tolist()
    if len(kept) < 2:
        return {}
    if len(kept) < len(signals):
        values, flat = values[kept], flat[kept]
    chosen = [signals[place] for place in kept]
    to_mv = np.array([millivolts(unit) for unit in first.units])
    base = _base(chosen, values, flat, to_mv)
    waves = _waves(chosen, values, to_mv)
    return {
        place: Measured(**one, **more) for place, one, more in zip(kept, base, waves, strict=True)
    }


def _base(
    signals: Sequence[Signal],
    values: NDArray[np.float32],
    flat: NDArray[np.float64],
    to_mv: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Return what `measure` finds of any signal, of each record."""
    records, channels, n = values.shape
    rows = values.reshape(-1, n)
    steps = [one.step for one in signals if one.step is not None]
    step = np.concatenate(steps) if len(steps) == records else None
    spread, middle = spread_of(rows, np.ones(len(rows), np.bool_), step)
    far = far_off(rows.min(axis=1), spread, middle) | far_off(rows.max(axis=1), spread, middle)
    shape = (records, channels)
    clipped, spread, middle = (x.reshape(shape) for x in (clipped_share(rows), spread, middle))
    suspect = [bool(far[r * channels : (r + 1) * channels].any()) for r in range(records)]
    unknown = np.full(channels, np.nan)
    return [
        {
            "key": one.key, "modality": one.modality, "channels": one.channels,
            "units": one.units, "rate_hz": one.rate_hz, "n_samples": n,
            "duration_s": n / one.rate_hz, "missing": np.zeros(channels), "flat": flat[r],
            "clipped": clipped[r], "spread": spread[r] * to_mv, "middle": middle[r] * to_mv,
            "step": unknown if one.step is None else one.step * to_mv,
            "uncalibrated": one.uncalibrated, "source_rate_hz": one.source_rate_hz,
            "sources": one.sources,
            "sentinels": (
                sentinels_of(values[r], one.channels, spread[r], middle[r]) if suspect[r] else ()
            ),
        }
        for r, one in enumerate(signals)
    ]  # fmt: skip


def _waves(
    signals: Sequence[Signal], values: NDArray[np.float32], to_mv: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return what `measure` finds of an ECG whose channels are all alive, of each record."""
    first, (records, channels, n) = signals[0], values.shape
    rows = values.reshape(-1, n)
    resampled = to_analysis_rate(rows, first.rate_hz)
    frequencies, power = spectrum(rows, first.rate_hz)
    shape = (records, channels, resampled.shape[1])
    if shape[2] <= STRETCH_S * ANALYSIS_HZ:  # one stretch: both detectors see the whole
        filtered = bands(resampled, (5, 20), (1, 35))
    else:
        filtered = bands(resampled, (5, 20))
    quality = ecg_indices(resampled, frequencies, power, filtered)
    chosen = choose_channels(first.channels, np.ones(channels, np.bool_))
    traces = resampled.reshape(shape)[:, chosen]
    traces = band(traces.reshape(-1, shape[2]), 3, 20).reshape(traces.shape)
    marks = fingerprints(traces)
    beats = beats_of_band(filtered[0].reshape(shape))
    resampled_mv = resampled.reshape(shape) * np.nan_to_num(to_mv, nan=1.0)[:, None].astype(
        np.float32
    )
    beat = median_beats(resampled_mv, beats)
    fits = rate_fits(values, first.rate_hz, beat, beats)
    limbs = _limbs(signals, resampled_mv, to_mv)
    lines = lines_of_live(frequencies, power.reshape(records, channels, -1))
    out = []
    for r, one in enumerate(signals):
        marks[r]["time_s"] += one.start_s
        rate = 60 * ANALYSIS_HZ / median_gap(beats[r]) if beats[r].size > 3 else float("nan")
        own = slice(r * channels, (r + 1) * channels)
        out.append(
            {
                "waves": marks[r],
                "lines_hz": lines[r],
                "beats_per_min": rate,
                "beat": beat[r],
                "rate_fit": fits[r],
                "limb": limbs[r],
                "quality": {name: each[own] for name, each in quality.items()},
            }
        )
    return out


def lines_of_live(
    frequencies: NDArray[np.float64], power: NDArray[np.float32]
) -> list[tuple[float, ...]]:
    """Return the spectral lines of each record; a channel without any power counts nowhere.

    Parameters
    ----------
    frequencies, power : ndarray
        See `lines_of`.

    Returns
    -------
    list of tuple of float
        See `lines_of`.
    """
    if (power.sum(axis=2) > 0).all():
        return lines_of(frequencies, power)
    from physioprep.auditing.measure.spectrum import lines

    return [lines(frequencies, one) for one in power]


def _limbs(
    signals: Sequence[Signal], resampled_mv: NDArray[np.float32], to_mv: NDArray[np.float64]
) -> list[LimbMisfit | None]:
    """Test the limb leads of each record, at 100 Hz."""
    channels = signals[0].channels
    places = [place for place, name in enumerate(channels) if name in LIMB]
    # samples of a lead without a voltage are unknown, and so is every relation
    if len(places) < 3 or not np.isfinite(to_mv[places]).all():
        return [None] * len(signals)
    steps = [
        0.0 if one.step is None else float(np.nan_to_num(one.step * to_mv)[places].max())
        for one in signals
    ]
    x = resampled_mv[:, places].astype(np.float64)
    names = [channels[place] for place in places]
    return list(limb_misfits(x, names, steps, float(ANALYSIS_HZ)))
