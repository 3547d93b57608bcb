"""Fingerprints of signals that survive resampling, filtering, scaling, inversion and cropping.

The times of a signal's largest waves between 3 and 20 Hz change by about a millisecond only when a
copy has another sampling rate, gain, polarity or pass band. Successive intervals between them make
a token. Two recordings that share tokens at the same lag are candidates; then their samples are
compared. The idea of matching by pairs of landmarks in time is A. Wang's ("An
industrial-strength audio search algorithm", ISMIR 2003).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.measure.beats import ANALYSIS_HZ, band
from physioprep.auditing.measure.medians import middle_of, quantile
from physioprep.auditing.measure.peaks import peaks_of_rows

#: Resolution of an interval; the waves of a copy are shifted by about 1 ms.
STEP_S = 0.008
#: Least distance of waves: one per heart beat, two or three per second of EEG.
MIN_DISTANCE_S = 0.3
#: Tokens shared by more signals are not specific (a paced rhythm), and their pairs are many.
MAX_SHARED = 40
#: Tokens a pair must share at one lag (10 s of a slow heart have about five per channel).
MIN_TOKENS = 2
#: Resolution of a lag, s.
DELAY_S = 0.06
#: Share of the waves in the overlap that must coincide for a candidate, and the tolerance, s.
MIN_COINCIDENT, COINCIDENT_S = 0.6, 0.012
#: Channels per recording; the leads of one heart give nearly the same tokens.
CHANNELS = 3
#: Waves kept per channel, from the beginning: some 100 minutes of ECG.
MAX_WAVES = 8192
_PREFERRED = ("II", "V2", "V5", "I", "MLII", "V1", "ECG", "Cz", "O1", "F3")

#: A wave: the recording, which of its chosen channels, and the time (s).
WAVE = np.dtype([("signal", np.int32), ("channel", np.int32), ("time_s", np.float32)])


def choose_channels(channels: Sequence[str], alive: NDArray[np.bool_]) -> list[int]:
    """Choose up to three channels that a copy of the recording probably has, too.

    Parameters
    ----------
    channels : sequence of str
        Canonical names.
    alive : ndarray of bool, shape (channel,)
        False where a channel is flat or absent.

    Returns
    -------
    list of int
        Channel numbers, the preferred first.

    Examples
    --------
    >>> choose_channels(("I", "II", "V1", "V2"), np.array([True, True, True, False]))
    [1, 0, 2]
    """
    live = [place for place in range(len(channels)) if alive[place]]
    rank = {name: place for place, name in enumerate(_PREFERRED)}
    live.sort(key=lambda place: (rank.get(channels[place], len(rank)), place))
    return live[:CHANNELS]


def landmarks(trace: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the times of the largest waves of a band-passed signal.

    Parameters
    ----------
    trace : ndarray of float32, shape (sample,)
        At 100 Hz, 3 to 20 Hz.

    Returns
    -------
    ndarray of float64, shape (wave,)
        s, with sub-sample precision (a parabola through the top of the wave).
    """
    return _waves(trace[None])[1] if trace.size >= ANALYSIS_HZ else np.empty(0)


def _waves(traces: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the waves of band-passed signals: of which row, and the time (s)."""
    size = np.abs(traces)
    row, peaks = peaks_of_rows(
        size, round(MIN_DISTANCE_S * ANALYSIS_HZ), 0.3 * quantile(size, 0.98)
    )
    before, top, after = size[row, peaks - 1], size[row, peaks], size[row, peaks + 1]
    curve = before - 2 * top + after
    shift = np.where(curve < 0, 0.5 * (before - after) / np.where(curve < 0, curve, 1), 0.0)
    return row, np.asarray((peaks + np.clip(shift, -0.5, 0.5)) / ANALYSIS_HZ, np.float64)


def fingerprint(
    resampled: NDArray[np.float32],
    channels: Sequence[str],
    alive: NDArray[np.bool_],
    signal: int = 0,
) -> NDArray[np.void]:
    """Return the waves of a recording's chosen channels: its fingerprint.

    Parameters
    ----------
    resampled : ndarray of float32, shape (channel, sample)
        At 100 Hz.
    channels : sequence of str
        Names.
    alive : ndarray of bool, shape (channel,)
        False where a channel is flat or absent.
    signal : int
        Number of the recording, kept with each wave.

    Returns
    -------
    structured array of `WAVE`
        By channel, then time.
    """
    chosen = choose_channels(channels, alive)
    return _table([landmarks(band(resampled[p : p + 1], 3, 20)[0]) for p in chosen], signal)


def fingerprints(filtered: NDArray[np.float32]) -> list[NDArray[np.void]]:
    """Return the fingerprint of each record, as `fingerprint` does of one.

    Parameters
    ----------
    filtered : ndarray of float32, shape (record, channel, sample)
        The chosen channels (`choose_channels`) at 100 Hz, from 3 to 20 Hz; a second or more.

    Returns
    -------
    list of structured array of `WAVE`
        By channel, then time; of signal 0.
    """
    records, channels, n = filtered.shape
    row, times = _waves(filtered.reshape(-1, n))
    ends = np.searchsorted(row, np.arange(records * channels + 1)).tolist()
    each = [times[first:last] for first, last in pairwise(ends)]
    return [_table(each[r * channels : (r + 1) * channels], 0) for r in range(records)]


def _table(times: Sequence[NDArray[np.float64]], signal: int) -> NDArray[np.void]:
    """Return the waves of the channels of a recording."""
    times = [each[:MAX_WAVES] for each in times]
    counts = [each.size for each in times]
    out = np.empty(sum(counts), WAVE)
    out["signal"] = signal
    out["channel"] = np.repeat(np.arange(len(counts)), counts)
    out["time_s"] = np.concatenate(times) if times else 0
    return out


def intervals_per_token(n_waves: int) -> int:
    """Return how many intervals make a token: more in larger sets, where short ones are common.

    Parameters
    ----------
    n_waves : int
        Of all recordings.

    Returns
    -------
    int
        From 4 to 7.

    Examples
    --------
    >>> [intervals_per_token(n) for n in (10_000, 1_000_000, 30_000_000)]
    [4, 6, 7]
    """
    return 4 if n_waves < 500_000 else 6 if n_waves < 5_000_000 else 7


def tokens_of(
    waves: NDArray[np.void], intervals: int
) -> tuple[NDArray[np.uint64], NDArray[np.intp]]:
    """Return the tokens of waves: successive intervals, each rounded to 8 ms.

    Parameters
    ----------
    waves : structured array of `WAVE`
        By signal, channel and time.
    intervals : int
        Per token; at most 8.

    Returns
    -------
    tokens : ndarray of uint64, shape (token,)
        One byte per interval.
    first : ndarray of int, shape (token,)
        Index of the wave that each begins at.

    Examples
    --------
    >>> waves = np.zeros(5, WAVE)
    >>> waves["time_s"] = [0.0, 0.8, 1.6, 2.5, 3.3]
    >>> tokens, first = tokens_of(waves, 4)
    >>> [int(tokens[0]) >> shift & 255 for shift in (24, 16, 8, 0)]  # 800, 800, 900, 800 ms
    [100, 100, 112, 100]
    """
    if waves.size <= intervals:
        return np.empty(0, np.uint64), np.empty(0, np.intp)
    same = (np.diff(waves["signal"]) == 0) & (np.diff(waves["channel"]) == 0)
    gaps = np.floor(np.diff(waves["time_s"].astype(np.float64)) / STEP_S + 0.5)
    usable = same & (gaps < 256)  # over 2 s: a pause, or missing samples
    codes = np.where(usable, gaps, 0).astype(np.uint64)
    n = gaps.size - intervals + 1
    token, good = np.zeros(n, np.uint64), np.ones(n, np.bool_)
    for place in range(intervals):
        token = token << np.uint64(8) | codes[place : place + n]
        good &= usable[place : place + n]
    return token[good], np.flatnonzero(good)


def candidates(waves: NDArray[np.void]) -> list[tuple[int, int, float, int]]:
    """Return pairs of recordings whose waves coincide at one lag.

    Takes the time of one sort of all waves; memory: some 40 bytes per wave, and the pairs.

    Parameters
    ----------
    waves : structured array of `WAVE`
        Of all recordings, each from `fingerprint`, by signal.

    Returns
    -------
    list of (first, second, delay_s, shared)
        Numbers of two recordings, the lag (time in second minus time in first) and the number of
        shared tokens; the best first.
    """
    value, first = tokens_of(waves, intervals_per_token(waves.size))
    order = np.argsort(value, kind="stable")
    value, first = value[order], first[order]
    edges = np.flatnonzero(np.diff(value)) + 1
    starts = np.concatenate(([0], edges)) if value.size else np.empty(0, np.intp)
    sizes = np.diff(np.append(starts, value.size))
    pairs: list[NDArray[np.int64]] = []
    for size in range(2, MAX_SHARED + 1):
        begin = starts[sizes == size]
        left, right = np.triu_indices(size, 1)
        step = max(1, (1 << 20) // left.size)
        for block in (begin[at : at + step, None] for at in range(0, begin.size, step)):
            a, b = first[(block + left).ravel()], first[(block + right).ravel()]
            pairs.append(_pairs(waves[a], waves[b]))
    if not pairs:
        return []
    return _coincident(waves, _count(np.concatenate(pairs)))


def _coincident(
    waves: NDArray[np.void], pairs: list[tuple[int, int, float, int]]
) -> list[tuple[int, int, float, int]]:
    """Keep pairs with most waves of the overlap coincident, in some channel of each."""
    if not pairs:
        return []
    key = waves["signal"].astype(np.int64) * CHANNELS + waves["channel"]
    bounds = np.searchsorted(key, np.arange(0, (int(key.max()) // CHANNELS + 1) * CHANNELS + 1))
    times = waves["time_s"].astype(np.float64)

    def channels(signal: int) -> list[NDArray[np.float64]]:
        rows = range(signal * CHANNELS, (signal + 1) * CHANNELS)
        return [times[bounds[row] : bounds[row + 1]] for row in rows]

    return [
        (one, two, delay, n)
        for one, two, delay, n in pairs
        if any(_share(a + delay, b) >= MIN_COINCIDENT for a in channels(one) for b in channels(two))
    ]


def _share(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the share of coincident waves in the overlap, after the best common shift.

    0 where it is certainly less than `MIN_COINCIDENT`. Times ascend.
    """
    if a.size < 3 or b.size < 3:
        return 0.0
    low, high = max(a[0], b[0]) - DELAY_S, min(a[-1], b[-1]) + DELAY_S
    a = a[a.searchsorted(low) : a.searchsorted(high, "right")]
    b = b[b.searchsorted(low) : b.searchsorted(high, "right")]
    longer = max(a.size, b.size)
    if min(a.size, b.size) < max(3, MIN_COINCIDENT * longer):
        return 0.0
    place = np.minimum(np.maximum(b.searchsorted(a), 1), b.size - 1)
    before, after = a - b[place - 1], a - b[place]
    miss = np.where(before < -after, before, after)
    far = np.abs(miss)
    near = miss[far <= 2 * DELAY_S]
    # no hit is farther than this, wherever the middle is
    if not near.size or (far <= 2 * DELAY_S + COINCIDENT_S).sum() < MIN_COINCIDENT * longer:
        return 0.0
    hits = np.abs(miss - middle_of(near)) <= COINCIDENT_S
    return float(hits.sum() / longer)


def _pairs(a: NDArray[np.void], b: NDArray[np.void]) -> NDArray[np.int64]:
    """Return (pair of recordings, lag in units of `DELAY_S`), the smaller number first."""
    turn = a["signal"] > b["signal"]
    first = np.where(turn, b["signal"], a["signal"]).astype(np.int64)
    second = np.where(turn, a["signal"], b["signal"]).astype(np.int64)
    delay = np.where(turn, a["time_s"] - b["time_s"], b["time_s"] - a["time_s"])
    keep = first != second
    bins = np.round(delay / DELAY_S).astype(np.int64)
    return np.stack([(first << 32 | second)[keep], bins[keep]], axis=1)


def _count(pairs: NDArray[np.int64]) -> list[tuple[int, int, float, int]]:
    """Count tokens per pair and lag; neighbouring lags count together."""
    unique, counts = np.unique(pairs, axis=0, return_counts=True)
    pair, delay = unique[:, 0], unique[:, 1]
    joined = counts.copy()
    near = (pair[1:] == pair[:-1]) & (delay[1:] == delay[:-1] + 1)
    joined[:-1][near] += counts[1:][near]
    order = np.lexsort((-joined, pair))
    _, best = np.unique(pair[order], return_index=True)
    chosen = order[best]
    chosen = chosen[joined[chosen] >= MIN_TOKENS]
    chosen = chosen[np.argsort(-joined[chosen], kind="stable")]
    return [
        (int(p >> 32), int(p & 0xFFFFFFFF), float(d * DELAY_S), int(n))
        for p, d, n in zip(pair[chosen], delay[chosen], joined[chosen], strict=True)
    ]
