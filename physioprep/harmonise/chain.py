"""Resampling and all filters in one pass: a multiplication between two Fourier transforms.

All of a recipe's filters are finite symmetric kernels (`filters.kernel`), the anti-alias filter
too (`resample`). Their common effect on a stretch of signal is one real gain a frequency. A
stretch is cut into blocks on a fixed grid; each block is transformed at the source's rate with
as much context as the kernels reach, multiplied, and transformed back at the target's rate
(overlap-save; Borgerding 2006, doi 10.1109/MSP.2006.1598092). A block's result depends on nothing
beyond its context, so that a record processed block by block, in any order and in any process, is
the record processed whole, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from physioprep.harmonise.filters import Filter, kernel
from physioprep.harmonise.resample import anti_alias_gain, half_length_s, ratio

#: Target samples a block. A multiple of every usual window, small enough for the cache.
BLOCK = 16_384


@dataclass(frozen=True)
class Chain:
    """What happens between a source's samples and the recipe's.

    Parameters
    ----------
    rate_hz, target_hz : float
        Hz.
    up, down : int
        ``target_hz / rate_hz`` in lowest terms.
    filters : tuple of Filter
        Applied at the target's rate.
    reach : int
        Target samples that the kernels reach to each side.
    """

    rate_hz: float
    target_hz: float
    up: int
    down: int
    filters: tuple[Filter, ...]
    reach: int


@lru_cache(maxsize=256)
def design_chain(rate_hz: float, target_hz: float, filters: tuple[Filter, ...]) -> Chain:
    """Return the chain from one rate to another with filters at the latter.

    Parameters
    ----------
    rate_hz, target_hz : float
        Hz.
    filters : tuple of Filter

    Returns
    -------
    Chain

    Raises
    ------
    RecipeError
        Rates that do not relate, filters that the target rate cannot carry.

    Examples
    --------
    >>> chain = design_chain(360.0, 200.0, (Filter(0.5, 40.0),))
    >>> chain.up, chain.down, chain.reach
    (5, 9, 720)
    """
    up_down = ratio(rate_hz, target_hz)
    reach = math.ceil(half_length_s(rate_hz, target_hz) * target_hz)
    reach += sum(len(kernel(spec, target_hz)) // 2 for spec in filters)
    if up_down != 1:
        reach += 2  # the context of a fractional position
    return Chain(rate_hz, target_hz, up_down.numerator, up_down.denominator, filters, reach)


@lru_cache(maxsize=32)
def _gain(chain: Chain, periods: int) -> NDArray[np.float32]:
    """Return the gain of each common frequency of two transforms `periods` long."""
    n_in, n_out = chain.down * periods, chain.up * periods
    count = min(n_in, n_out) // 2 + 1
    frequency = np.arange(count, dtype=np.float64) * (chain.target_hz / n_out)
    gain = anti_alias_gain(frequency, chain.rate_hz, chain.target_hz)
    for spec in chain.filters:
        taps = kernel(spec, chain.target_hz)
        half = len(taps) // 2
        circular = np.zeros(n_out)
        circular[: half + 1] = taps[half:]
        if half:
            circular[-half:] = taps[:half]
        gain = gain * fft.rfft(circular).real[:count]
    return (gain * (n_out / n_in)).astype(np.float32)


@lru_cache(maxsize=4096)
def _periods(needed: int) -> int:
    """Return the next length whose transform is fast."""
    return int(fft.next_fast_len(needed, real=True))


def block_source(chain: Chain, start: int, stop: int) -> tuple[int, int]:
    """Return the range of source samples that target samples [`start`, `stop`) depend on.

    Parameters
    ----------
    chain : Chain
    start, stop : int
        Target samples.

    Returns
    -------
    tuple of int
        First source sample and one past the last; may lie outside the record.

    Examples
    --------
    >>> block_source(design_chain(500.0, 200.0, ()), 0, 100)
    (-150, 400)
    """
    first = (start - chain.reach) // chain.up * chain.down
    last = -(-(stop + chain.reach) // chain.up) * chain.down
    return first, last


def transform_block(
    x: NDArray[np.float32], first: int, chain: Chain, start: int, stop: int
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of one unbroken stretch.

    Parameters
    ----------
    x : ndarray of float32, shape (channel, sample)
        The stretch, or as much of it as `block_source` asks for. Beyond its ends it is
        continued by its point reflection, beyond that as a constant.
    first : int
        Source sample number of ``x[:, 0]``.
    chain : Chain
    start, stop : int
        Target samples, counted on the record's clock like `first`.

    Returns
    -------
    ndarray of float32, shape (channel, stop - start)

    Examples
    --------
    >>> x = np.ones((1, 1000), np.float32)
    >>> transform_block(x, 0, design_chain(500.0, 200.0, ()), 0, 3)
    array([[1., 1., 1.]], dtype=float32)
    """
    begin, end = block_source(chain, start, stop)
    periods = _periods((end - begin) // chain.down)
    anchor = x[:, :1].copy()  # near the signal, so that float32 rounds what matters
    buffer = np.zeros((x.shape[0], chain.down * periods), np.float32)
    _fill(buffer[:, : end - begin], x, anchor, first - begin)
    gain = _gain(chain, periods)
    spectrum = fft.rfft(buffer, axis=1, overwrite_x=True)[:, : len(gain)]
    spectrum *= gain
    result: NDArray[np.float32]
    result = fft.irfft(spectrum, chain.up * periods, axis=1, overwrite_x=True)
    offset = start - begin // chain.down * chain.up
    result = result[:, offset : offset + stop - start]
    dc = _dc_gain(chain)
    return np.add(result, anchor * np.float32(dc)) if dc else result


@lru_cache(maxsize=256)
def _dc_gain(chain: Chain) -> float:
    """Gain at 0 Hz: exactly 0 with a high-pass in the chain, exactly 1 without."""
    return 0.0 if any(spec.low_hz is not None for spec in chain.filters) else 1.0


def _fill(
    buffer: NDArray[np.float32], x: NDArray[np.float32], anchor: NDArray[np.float32], at: int
) -> None:
    """Put `x` less `anchor` at `at` of `buffer` and continue it to both sides, odd."""
    n, width = x.shape[1], buffer.shape[1]
    left, right = max(at, 0), min(at + n, width)
    np.subtract(x[:, left - at : right - at], anchor, out=buffer[:, left:right])
    if left > 0:  # point reflection about the first sample, which is 0 now
        k = min(left, n - 1)
        np.negative(x[:, k:0:-1] - anchor, out=buffer[:, left - k : left])
        buffer[:, : left - k] = buffer[:, left - k : left - k + 1]
    if right < width:
        k = min(width - right, n - 1)
        last = x[:, -1:] - anchor
        mirrored = x[:, n - 1 - k : n - 1][:, ::-1] - anchor
        np.subtract(2 * last, mirrored, out=buffer[:, right : right + k])
        buffer[:, right + k :] = buffer[:, right + k - 1 : right + k]


def target_range(chain: Chain, start: int, stop: int) -> tuple[int, int]:
    """Return which target samples lie within source samples [`start`, `stop`).

    Each source sample lasts one period, so that neighbouring ranges share none and miss none.

    Examples
    --------
    >>> chain = design_chain(500.0, 200.0, ())
    >>> target_range(chain, 0, 4), target_range(chain, 4, 1000)
    ((0, 2), (2, 400))
    """
    return -(-start * chain.up // chain.down), -(-stop * chain.up // chain.down)


def valid_runs(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the stretches of True as (start, stop).

    Examples
    --------
    >>> valid_runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(valid, prepend=False, append=False))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def transform_gappy(
    x: NDArray[np.float32],
    valid: NDArray[np.bool_] | None,
    first: int,
    chain: Chain,
    start: int,
    stop: int,
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of a signal with gaps.

    Parameters
    ----------
    x : ndarray of float32, shape (channel, sample)
        At least what `block_source` asks for, as far as the record has it.
    valid : ndarray of bool, shape (channel, sample), or None
        False where a sample is missing; None where none is.
    first, chain, start, stop
        As in `transform_block`.

    Returns
    -------
    ndarray of float32, shape (channel, stop - start)
        NaN in gaps, and beyond the samples given.

    Examples
    --------
    >>> x = np.array([[1, 1, 9, 1]], np.float32)
    >>> transform_gappy(x, x < 5, 0, design_chain(200.0, 200.0, ()), 0, 4)
    array([[ 1.,  1., nan,  1.]], dtype=float32)
    """
    stretches: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for channel in range(x.shape[0]):
        found = [(0, x.shape[1])] if valid is None else valid_runs(valid[channel])
        stretches.setdefault(tuple(found), []).append(channel)
    result: NDArray[np.float32] | None = None
    for runs, channels in stretches.items():
        for run_start, run_stop in runs:
            low, high = target_range(chain, first + run_start, first + run_stop)
            low, high = max(low, start), min(high, stop)
            if low >= high:
                continue
            everything = len(channels) == x.shape[0]
            part = x[:, run_start:run_stop] if everything else x[channels, run_start:run_stop]
            block = transform_block(part, first + run_start, chain, low, high)
            if everything and (low, high) == (start, stop):
                return block
            if result is None:
                result = np.full((x.shape[0], stop - start), np.nan, np.float32)
            result[channels, low - start : high - start] = block
    if result is None:
        result = np.full((x.shape[0], stop - start), np.nan, np.float32)
    return result


def blocks(n_samples: int) -> Iterator[tuple[int, int]]:
    """Yield the fixed grid of target blocks (start, stop) of a record.

    Examples
    --------
    >>> list(blocks(20_000))
    [(0, 16384), (16384, 20000)]
    """
    for start in range(0, n_samples, BLOCK):
        yield start, min(start + BLOCK, n_samples)


def transform(x: ArrayLike, chain: Chain) -> NDArray[np.float32]:
    """Apply a chain to a whole signal.

    Parameters
    ----------
    x : array_like, shape (channel, sample) or (sample,)
        Any real dtype; NaN marks missing samples.
    chain : Chain

    Returns
    -------
    ndarray of float32, shape (channel, n) or (n,)
        ``n = ceil(sample * target_hz / rate_hz)``; NaN in gaps.

    Examples
    --------
    >>> transform([[1, 2, np.nan, 4]], design_chain(200.0, 200.0, ()))
    array([[ 1.,  2., nan,  4.]], dtype=float32)
    """
    source = np.asarray(x)
    signal = np.atleast_2d(source)
    n = signal.shape[1]
    length = -(-n * chain.up // chain.down)
    result = np.empty((signal.shape[0], length), np.float32)
    for start, stop in blocks(length):
        low, high = block_source(chain, start, stop)
        low, high = max(low, 0), min(high, n)
        part = signal[:, low:high].astype(np.float32)
        valid = ~np.isnan(part) if np.isnan(part).any() else None
        result[:, start:stop] = transform_gappy(part, valid, low, chain, start, stop)
    return result if source.ndim > 1 else result[0]
