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

from physioprep.harmonise.anti_alias import anti_alias_gain, half_length_s, ratio
from physioprep.harmonise.filters import Filter, kernel
from physioprep.harmonise.padding import pad_circular, pad_reflect

#: Target samples a block: what is read, transformed and handed on at once.
BLOCK = 65_536
#: Target samples a transform, where a block has more: short enough for the cache.
PIECE = 16_384


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
    gap : int
        Target samples between the end and the start of a stretch that is transformed whole.
        A high-pass reaches far with little weight: half its reach errs no more than all.
    blocks_dc : bool
        The gain at 0 Hz is exactly 0 (a high-pass is among the filters), not exactly 1.
    """

    rate_hz: float
    target_hz: float
    up: int
    down: int
    filters: tuple[Filter, ...]
    reach: int
    gap: int
    blocks_dc: bool


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
    (5, 9, 777)
    """
    up_down = ratio(rate_hz, target_hz)
    reach = math.ceil(half_length_s(rate_hz, target_hz) * target_hz)
    reach += sum(len(kernel(spec, target_hz)) // 2 for spec in filters)
    if up_down != 1:
        reach += 2  # the context of a fractional position
    blocks_dc = any(spec.low_hz is not None for spec in filters)
    return Chain(
        rate_hz=rate_hz,
        target_hz=target_hz,
        up=up_down.numerator,
        down=up_down.denominator,
        filters=filters,
        reach=reach,
        gap=-(-reach // 2) if blocks_dc else reach,
        blocks_dc=blocks_dc,
    )


@lru_cache(maxsize=32)
def _gain(chain: Chain, periods: int) -> NDArray[np.float32]:
    """Return the gain of each common frequency of two transforms `periods` long."""
    n_in, n_out = chain.down * periods, chain.up * periods
    count = min(n_in, n_out) // 2 + 1
    frequency = np.arange(count, dtype=np.float64) * (chain.target_hz / n_out)
    gain = anti_alias_gain(frequency, chain.rate_hz, chain.target_hz)
    for spec in chain.filters:
        taps = kernel(spec, chain.target_hz)
        lag = np.arange(len(taps)) - len(taps) // 2
        circular = np.bincount(lag % n_out, taps, n_out)  # a short circle is gone round often
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
    (-295, 545)
    """
    first = (start - chain.reach) // chain.up * chain.down
    last = -(-(stop + chain.reach) // chain.up) * chain.down
    return first, last


def transform_block(
    x: NDArray[np.generic], first: int, chain: Chain, start: int, stop: int, *, whole: bool = False
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of one unbroken stretch.

    Beyond its ends the stretch is continued by its mirror image. (Of ways to continue, this
    errs least: docs/harmonise.md has the figures.)

    Parameters
    ----------
    x : ndarray of int16 or float32, shape (channel, sample)
        The stretch, or as much of it as `block_source` asks for.
    first : int
        Source sample number of ``x[:, 0]``.
    chain : Chain
    start, stop : int
        Target samples, counted on the record's clock like `first`.
    whole : bool
        All of the stretch's target samples are asked for. One transform then serves both
        ends: on the circle that a transform is, its mirror images share one gap and blend
        into each other there.

    Returns
    -------
    ndarray of float32, shape (channel, stop - start)

    Examples
    --------
    >>> x = np.ones((1, 1000), np.float32)
    >>> transform_block(x, 0, design_chain(500.0, 200.0, ()), 0, 3)
    array([[1., 1., 1.]], dtype=float32)
    """
    if not whole:
        return _transform_line(x, first, chain, start, stop)
    begin = first // chain.down * chain.down
    needed = first - begin + x.shape[1] + -(-chain.gap * chain.down // chain.up)
    periods = _periods(-(-needed // chain.down))
    buffer = np.empty((x.shape[0], chain.down * periods), np.float32)
    pad_circular(buffer, x, first - begin)
    anchor = x[:, :1].astype(np.float32)  # near the signal, so that float32 rounds what matters
    buffer -= anchor
    offset = start - begin // chain.down * chain.up
    result = _multiply(buffer, chain, periods)[:, offset : offset + stop - start]
    if not chain.blocks_dc:
        result += anchor
    return result


def _transform_line(
    x: NDArray[np.generic], first: int, chain: Chain, start: int, stop: int
) -> NDArray[np.float32]:
    """Transform part of a stretch, transforms of `PIECE` samples, with its context."""
    pieces = [(low, min(low + PIECE, stop)) for low in range(start, stop, PIECE)]
    begins, ends = zip(*(block_source(chain, *piece) for piece in pieces), strict=True)
    longest = max(end - begin for begin, end in zip(begins, ends, strict=True))
    periods = _periods(longest // chain.down)
    anchor = x[:, :1].astype(np.float32)
    result = np.empty((x.shape[0], stop - start), np.float32)
    together = max(1, 4 // x.shape[0])  # a transform does four rows at once or one: fill the four
    for at in range(0, len(pieces), together):
        batch = range(at, min(at + together, len(pieces)))
        buffer = np.empty((len(batch), x.shape[0], chain.down * periods), np.float32)
        for row, piece in enumerate(batch):
            pad_reflect(buffer[row], x, first - begins[piece])
        buffer -= anchor
        transformed = _multiply(buffer, chain, periods)
        for row, piece in enumerate(batch):
            low, high = pieces[piece]
            offset = low - begins[piece] // chain.down * chain.up
            found = transformed[row, :, offset : offset + high - low]
            result[:, low - start : high - start] = found
    if not chain.blocks_dc:
        result += anchor
    return result


def _multiply(buffer: NDArray[np.float32], chain: Chain, periods: int) -> NDArray[np.float32]:
    """Filter and resample along the last axis, as on a circle."""
    gain = _gain(chain, periods)
    spectrum = fft.rfft(buffer, axis=-1, overwrite_x=True)[..., : len(gain)]
    spectrum *= gain
    result: NDArray[np.float32]
    result = fft.irfft(spectrum, chain.up * periods, axis=-1, overwrite_x=True)
    return result


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
    x: NDArray[np.generic],
    valid: NDArray[np.bool_] | None,
    first: int,
    chain: Chain,
    start: int,
    stop: int,
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of a signal with gaps.

    Parameters
    ----------
    x : ndarray of int16 or float32, shape (channel, sample)
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
            run = target_range(chain, first + run_start, first + run_stop)
            low, high = max(run[0], start), min(run[1], stop)
            if low >= high:
                continue
            # A stretch cut off where `x` ends goes on beyond the block, so it is not whole.
            whole = run == (low, high)
            everything = len(channels) == x.shape[0]
            part = x[:, run_start:run_stop] if everything else x[channels, run_start:run_stop]
            block = transform_block(part, first + run_start, chain, low, high, whole=whole)
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
    >>> list(blocks(70_000))
    [(0, 65536), (65536, 70000)]
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
