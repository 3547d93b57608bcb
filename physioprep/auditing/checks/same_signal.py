"""Compare two recordings sample by sample: whether they are the same signal, and at which lag."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.inputs import Key
from physioprep.auditing.measure.beats import (
    ANALYSIS_HZ,
    band,
    resample,
    to_analysis_rate,
)
from physioprep.auditing.measure.medians import middle_of
from physioprep.auditing.signals import Signal

#: Correlation (median over shared channels, 3 to 20 Hz) of copies, and of affine copies.
SAME, IDENTICAL = 0.95, 0.9999
#: Least overlap of two signals to be judged, s.
MIN_OVERLAP_S = 4.5
#: Range of the search around the fingerprints' lag, s, and its resolution, Hz.
_SEARCH_S, _FINE_HZ = 0.1, 500
#: Signals kept at that rate, and their values at most: 26 MB.
_KEPT, _KEPT_VALUES = 64, 100_000


@dataclass(frozen=True)
class Pair:
    """Two recordings with the same signal.

    Parameters
    ----------
    one, two : tuple of str
        (corpus, record id).
    modality : str
    correlation : float
        Median of its absolute value over channels, at the best lag.
    delay_s : float
        Lag: time in `two` minus time in `one`.
    overlap_s : float
    inverted : bool
    rates_hz, read_hz : tuple of float
        As the sources state them, and as the signals were read (a store has its own rate).
    identical : bool
        Whether one is an affine copy of the other: equal up to gain and offset.
    """

    one: Key
    two: Key
    modality: str
    correlation: float
    delay_s: float
    overlap_s: float
    inverted: bool
    rates_hz: tuple[float, float]
    read_hz: tuple[float, float]
    identical: bool


def fine_of(signal: Signal, places: tuple[int, ...]) -> NDArray[np.float32]:
    """Return channels from 3 to 20 Hz, at 500 Hz.

    Parameters
    ----------
    signal : Signal
    places : tuple of int
        Numbers of the channels.

    Returns
    -------
    ndarray of float32, shape (channel, sample)
    """
    resampled = band(to_analysis_rate(signal.values[list(places)], signal.rate_hz), 3, 20)
    return resample(resampled, _FINE_HZ // ANALYSIS_HZ, 1)


def kept_fine() -> Callable[[Signal, tuple[int, ...]], NDArray[np.float32]]:
    """Return `fine_of` that keeps the last results of short signals: one may be in many pairs.

    Returns
    -------
    callable
    """
    keep = lru_cache(maxsize=_KEPT)(fine_of)

    def fine(signal: Signal, places: tuple[int, ...]) -> NDArray[np.float32]:
        short = len(places) * signal.values.shape[1] / signal.rate_hz * _FINE_HZ <= _KEPT_VALUES
        return keep(signal, places) if short else fine_of(signal, places)

    return fine


def compare(
    one: Signal,
    two: Signal,
    delay_s: float,
    fine_of: Callable[[Signal, tuple[int, ...]], NDArray[np.float32]] = fine_of,
) -> Pair | None:
    """Compare two signals near a given lag.

    Parameters
    ----------
    one, two : Signal
    delay_s : float
        Expected lag, s, accurate to 0.1 s: time in `two` minus time in `one`.
    fine_of : callable, optional
        `fine_of`, or what `kept_fine` returns.

    Returns
    -------
    Pair or None
        None where they are not the same recording.
    """
    shared = [
        (one.channels.index(c), two.channels.index(c)) for c in one.channels if c in two.channels
    ]
    if not shared and min(len(one.channels), len(two.channels)) > 1:
        return None
    shared = (shared or [(0, 0)])[:8]
    ours, theirs = zip(*shared, strict=True)
    fine = fine_of(one, ours), fine_of(two, theirs)
    centre, reach = round(delay_s * _FINE_HZ), round(_SEARCH_S * _FINE_HZ)
    lag = _best_lag(fine[0], fine[1], range(centre - reach, centre + reach + 1, 2))
    correlations = _correlations(fine[0], fine[1], lag)
    overlap = (min(fine[0].shape[1], fine[1].shape[1] - lag) - max(0, -lag)) / _FINE_HZ
    if not correlations.size or overlap < MIN_OVERLAP_S:
        return None
    middle = float(np.median(np.abs(correlations)))
    if middle < SAME:
        return None
    read = (one.rate_hz, two.rate_hz)
    rates = (one.source_rate_hz or read[0], two.source_rate_hz or read[1])
    identical = one.rate_hz == two.rate_hz and _affine_copy(one, two, shared, lag / _FINE_HZ)
    inverted = bool(np.median(correlations) < 0)
    return Pair(
        one.key, two.key, one.modality, middle, lag / _FINE_HZ, overlap, inverted, rates, read,
        identical,
    )  # fmt: skip


def _correlations(
    a: NDArray[np.floating], b: NDArray[np.floating], lag: int
) -> NDArray[np.float64]:
    """Return the correlation of ``a[t]`` with ``b[t + lag]`` per channel; live channels only."""
    first, last = max(0, -lag), min(a.shape[1], b.shape[1] - lag)
    if last - first < 2:
        return np.empty(0)
    x, y = a[:, first:last], b[:, first + lag : last + lag]
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean(axis=1, keepdims=True)
    size = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    live = size > 1e-12
    return np.asarray((x * y).sum(axis=1)[live] / size[live], np.float64)


def _best_lag(a: NDArray[np.float32], b: NDArray[np.float32], lags: range) -> int:
    """Return the lag at which the channels' median absolute `_correlations` is largest.

    Sums over the overlap of each lag are differences of running sums; only products are summed
    anew.
    """
    lag = np.asarray(lags)
    first, last = np.maximum(0, -lag), np.minimum(a.shape[1], b.shape[1] - lag)
    n = last - first
    (x, xx), (y, yy) = _overlap_sums(a, first, last), _overlap_sums(b, first + lag, last + lag)
    xy = np.zeros(x.shape)
    for k in np.flatnonzero(n >= 2).tolist():
        f, g = first[k], last[k]
        xy[:, k] = np.vecdot(a[:, f:g], b[:, f + lag[k] : g + lag[k]])
    n = np.maximum(n, 1)
    size = np.sqrt(np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0))
    live = size > 1e-12
    each = np.abs((xy - x * y / n) / np.where(live, size, 1))
    if live.all():
        found = middle_of(np.ascontiguousarray(each.T))
    else:
        found = np.array([
            np.median(each[ok, k]) if ok.any() else 0.0 for k, ok in enumerate(live.T)
        ])  # fmt: skip
    return lags[int(np.argmax(found))]


def _overlap_sums(
    x: NDArray[np.float32], first: NDArray[np.intp], last: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums of values and of squares from each `first` to before each `last`."""
    n = x.shape[1]
    ends = np.clip(np.stack([first, np.maximum(first, last)]), 0, n)
    low, high = int(ends.min()), int(ends.max())
    whole = int(ends[0].max()), int(ends[1].min())  # this part is in every overlap
    wide = x.astype(np.float64)
    out = []
    for each in (wide, wide * wide):
        if whole[0] < whole[1]:
            edges = np.concatenate([each[:, low : whole[0]], each[:, whole[1] : high]], axis=1)
            held = each[:, whole[0] : whole[1]].sum(axis=1, keepdims=True)
            places = ends - low - np.array([[0], [whole[1] - whole[0]]])
        else:
            edges, held, places = each[:, low:high], np.zeros((len(x), 1)), ends - low
        running = np.zeros((len(x), edges.shape[1] + 1))
        np.cumsum(edges, axis=1, out=running[:, 1:])
        out.append(running[:, places[1]] - running[:, places[0]] + held)
    return out[0], out[1]


def _affine_copy(
    one: Signal, two: Signal, shared: Sequence[tuple[int, int]], delay_s: float
) -> bool:
    """Return whether the raw samples are equal up to gain and offset, at a lag of whole samples."""
    ours, theirs = (
        signal.values[list(places)]
        for signal, places in zip((one, two), zip(*shared, strict=True), strict=True)
    )

    def correlations(channels: slice, lag: int) -> NDArray[np.float64]:
        a, b = (np.nan_to_num(x[channels].astype(np.float64)) for x in (ours, theirs))
        return np.abs(_correlations(a, b, lag))

    for lag in (round(delay_s * one.rate_hz) + shift for shift in (0, 1, -1)):
        if (correlations(slice(1), lag) < IDENTICAL).any():  # one that differs is enough
            continue
        found = correlations(slice(None), lag)
        if found.size and float(np.min(found)) >= IDENTICAL:
            return True
    return False
