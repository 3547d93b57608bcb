"""Resampling and all filters in one pass: a multiplication between two Fourier transforms.

All of a recipe's filters are finite symmetric kernels (`filters.kernel`), and so is the anti-alias
filter (`anti_alias`). Together they multiply each frequency by one real gain. A stretch of signal
is cut into blocks on a fixed grid; each block is transformed at the source's rate with as much
context as the kernels reach, multiplied, and transformed back at the target's rate (overlap-save;
Borgerding 2006, doi 10.1109/MSP.2006.1598092). A block's result depends on its context only, so
that processing a record block by block, in any order and in any process, gives the same bits as
processing it whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from physioprep.harmonise.chain import Chain, block_source, blocks, gain_of, target_range
from physioprep.harmonise.drift import transform_drifting
from physioprep.harmonise.padding import pad_circular, pad_reflect

#: Target samples per transform, where a block has more: short enough for the cache.
PIECE = 16_384
#: Rows that a transform takes in the time of one; those left over take as long one by one.
_LANES = 4


def transform(x: ArrayLike, chain: Chain) -> NDArray[np.float32]:
    """Apply a chain to a whole signal.

    Parameters
    ----------
    x : array_like, shape (channel, sample) or (sample,)
        Any real dtype; NaN marks missing samples.
    chain : Chain
        Resampling and filters.

    Returns
    -------
    ndarray of float32, shape (channel, n) or (n,)
        ``n = ceil(sample * target_hz / rate_hz)``; NaN in gaps.

    Examples
    --------
    >>> from physioprep.harmonise.chain import design_chain
    >>> transform([[1, 2, np.nan, 4]], design_chain(200.0, 200.0, ()))
    array([[ 1.,  2., nan,  4.]], dtype=float32)
    """
    source = np.asarray(x)
    signal = np.atleast_2d(source)
    n = signal.shape[1]
    length = target_range(chain, 0, n)[1]
    result = np.empty((signal.shape[0], length), np.float32)
    for start, stop in blocks(length):
        low, high = block_source(chain, start, stop)
        low, high = max(low, 0), min(high, n)
        part = signal[:, low:high].astype(np.float32)
        valid = ~np.isnan(part) if np.isnan(part).any() else None
        result[:, start:stop] = transform_gappy(part, valid, low, chain, start, stop)
    return result if source.ndim > 1 else result[0]


def transform_gappy(
    x: NDArray[np.generic],
    valid: NDArray[np.bool_] | None,
    first: int,
    chain: Chain,
    start: int,
    stop: int,
    cuts: Sequence[int] = (),
    *,
    any_zero: bool = False,
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of a signal with gaps.

    Parameters
    ----------
    x : ndarray of int16 or float32, shape (channel, sample)
        At least the part that `block_source` names, as far as the record has it.
    valid : ndarray of bool, shape (channel, sample), or None
        False where a sample is missing; None where no sample is.
    first, chain, start, stop
        As in `transform_block`.
    cuts : sequence of int
        Source samples that do not go on where the one before ended: a stretch ends there, too.
    any_zero : bool
        As in `transform_block`.

    Returns
    -------
    ndarray of float32, shape (channel, stop - start)
        NaN in gaps, and beyond the samples given.

    Examples
    --------
    >>> from physioprep.harmonise.chain import design_chain
    >>> x = np.array([[1, 1, 9, 1]], np.float32)
    >>> transform_gappy(x, x < 5, 0, design_chain(200.0, 200.0, ()), 0, 4)
    array([[ 1.,  1., nan,  1.]], dtype=float32)
    """
    stretches: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for channel in range(x.shape[0]):
        found = [(0, x.shape[1])] if valid is None else valid_runs(valid[channel])
        if cuts:
            found = split_runs(found, [cut - first for cut in cuts])
        stretches.setdefault(tuple(found), []).append(channel)
    result: NDArray[np.float32] | None = None
    for runs, channels in stretches.items():
        for run_start, run_stop in runs:
            run = target_range(chain, first + run_start, first + run_stop)
            low, high = max(run[0], start), min(run[1], stop)
            if low >= high:
                continue
            # A stretch that is cut off where `x` ends continues there, so it is not whole.
            whole = run == (low, high)
            every_channel = len(channels) == x.shape[0]
            part = x[:, run_start:run_stop] if every_channel else x[channels, run_start:run_stop]
            at = first + run_start
            block = transform_block(part, at, chain, low, high, whole=whole, any_zero=any_zero)
            if every_channel and (low, high) == (start, stop):
                return block
            if result is None:
                result = np.full((x.shape[0], stop - start), np.nan, np.float32)
            result[channels, low - start : high - start] = block
    if result is None:
        result = np.full((x.shape[0], stop - start), np.nan, np.float32)
    return result


def transform_block(
    x: NDArray[np.generic],
    first: int,
    chain: Chain,
    start: int,
    stop: int,
    *,
    whole: bool = False,
    any_zero: bool = False,
) -> NDArray[np.float32]:
    """Return target samples [`start`, `stop`) of one stretch without gaps.

    The ends of the stretch have reflect padding, the padding with the smallest errors
    (docs/harmonise.md has the figures).

    Parameters
    ----------
    x : ndarray of int16 or float32, shape (channel, sample)
        The stretch, or at least the part that `block_source` names.
    first : int
        Source sample number of ``x[:, 0]``.
    chain : Chain
        Resampling and filters.
    start, stop : int
        Target samples, counted from the record's start like `first`.
    whole : bool
        All target samples of the stretch are wanted. They are then computed in one circular
        transform, in which the padding of both ends shares one gap and is blended there.
    any_zero : bool
        Zeros may be -0.0: faster, and no matter for whole steps. For finite samples only.

    Returns
    -------
    ndarray of float32, shape (channel, stop - start)
        In the unit of `x`.

    Examples
    --------
    >>> from physioprep.harmonise.chain import design_chain
    >>> x = np.ones((1, 1000), np.float32)
    >>> transform_block(x, 0, design_chain(500.0, 200.0, ()), 0, 3)
    array([[1., 1., 1.]], dtype=float32)
    """
    if chain.drifts:
        return transform_drifting(x, first, chain, start, stop)
    if not whole:
        return _transform_line(x, first, chain, start, stop, any_zero=any_zero)
    begin = first // chain.down * chain.down
    needed = first - begin + x.shape[1] + -(-chain.gap * chain.down // chain.up)
    periods = _periods(-(-needed // chain.down))
    rows = x.shape[0]
    filled = _buffer(rows, chain.down * periods)
    buffer = filled[:rows]
    pad_circular(buffer, x, first - begin)
    anchor = x[:, :1].astype(
        np.float32
    )  # subtracted, so that float32 keeps the digits of the signal
    buffer -= anchor
    offset = start - begin // chain.down * chain.up
    result = _multiply(filled, chain, periods, any_zero=any_zero)
    result = result[:rows, offset : offset + stop - start]
    if not chain.blocks_dc:
        result += anchor
    return result


def _transform_line(
    x: NDArray[np.generic], first: int, chain: Chain, start: int, stop: int, *, any_zero: bool
) -> NDArray[np.float32]:
    """Transform part of a stretch with its context, `PIECE` target samples at a time."""
    pieces = [(low, min(low + PIECE, stop)) for low in range(start, stop, PIECE)]
    begins, ends = zip(*(block_source(chain, *piece) for piece in pieces), strict=True)
    longest = max(end - begin for begin, end in zip(begins, ends, strict=True))
    periods = _periods(longest // chain.down)
    anchor = x[:, :1].astype(np.float32)
    result = np.empty((x.shape[0], stop - start), np.float32)
    n_rows, width = x.shape[0], chain.down * periods
    together = max(1, _LANES // n_rows)
    for at in range(0, len(pieces), together):
        batch = range(at, min(at + together, len(pieces)))
        filled = _buffer(len(batch) * n_rows, width)
        buffer = filled[: len(batch) * n_rows].reshape(len(batch), n_rows, width)
        for row, piece in enumerate(batch):
            pad_reflect(buffer[row], x, first - begins[piece])
        buffer -= anchor
        transformed = _multiply(filled, chain, periods, any_zero=any_zero)
        for row, piece in enumerate(batch):
            low, high = pieces[piece]
            offset = low - begins[piece] // chain.down * chain.up
            found = transformed[row * n_rows : (row + 1) * n_rows, offset : offset + high - low]
            result[:, low - start : high - start] = found
    if not chain.blocks_dc:
        result += anchor
    return result


def _buffer(rows: int, width: int) -> NDArray[np.float32]:
    """Return room for rows to transform, with a row or two of zeros below if that saves time."""
    left_over = rows % _LANES
    more = _LANES - left_over if left_over > 1 else 0
    buffer = np.empty((rows + more, width), np.float32)
    buffer[rows:] = 0
    return buffer


def _multiply(
    buffer: NDArray[np.float32], chain: Chain, periods: int, *, any_zero: bool
) -> NDArray[np.float32]:
    """Filter and resample along the last axis, circularly."""
    spectrum = fft.rfft(buffer, axis=-1, overwrite_x=True)
    if any_zero:  # real and imaginary parts by themselves: a complex product takes four times that
        twice = _gain_twice(chain, periods)
        parts = spectrum.view(np.float32)[..., : len(twice)]
        parts *= twice
        spectrum = spectrum[..., : len(twice) // 2]
    else:
        gain = gain_of(chain, periods)
        spectrum = spectrum[..., : len(gain)]
        spectrum *= gain
    result: NDArray[np.float32]
    result = fft.irfft(spectrum, chain.up * periods, axis=-1, overwrite_x=True)
    return result


@lru_cache(maxsize=32)
def _gain_twice(chain: Chain, periods: int) -> NDArray[np.float32]:
    """Return each gain of `gain_of` twice, for a real and an imaginary part."""
    return np.repeat(gain_of(chain, periods), 2)


@lru_cache(maxsize=4096)
def _periods(needed: int) -> int:
    """Return the next length at which a transform is fast."""
    return int(fft.next_fast_len(needed, real=True))


def split_runs(runs: Sequence[tuple[int, int]], cuts: Sequence[int]) -> list[tuple[int, int]]:
    """Split stretches.

    Parameters
    ----------
    runs : sequence of tuple of int
        (start, stop) of each, in order.
    cuts : sequence of int
        Where to split, in order; those outside the stretches count for nothing.

    Returns
    -------
    list of tuple of int

    Examples
    --------
    >>> split_runs([(0, 5), (7, 9)], [-1, 3, 7])
    [(0, 3), (3, 5), (7, 9)]
    """
    found = []
    for start, stop in runs:
        edges = [start, *[cut for cut in cuts if start < cut < stop], stop]
        found += list(pairwise(edges))
    return found


def valid_runs(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the stretches of True.

    Parameters
    ----------
    valid : ndarray of bool, shape (sample,)
        True where a sample is valid.

    Returns
    -------
    list of tuple of int
        (start, stop) of each stretch, in order.

    Examples
    --------
    >>> valid_runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(valid, prepend=False, append=False))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
