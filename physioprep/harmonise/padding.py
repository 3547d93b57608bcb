"""Reflect padding: continue a stretch of signal beyond its ends, as `numpy.pad` can."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def pad_reflect(buffer: NDArray[np.float32], x: NDArray[np.generic], at: int) -> None:
    """Write `x` into a buffer, with reflect padding on both sides.

    Parameters
    ----------
    buffer : ndarray of float32, shape (channel, width)
        Filled in place.
    x : ndarray, shape (channel, sample)
        The stretch of signal.
    at : int
        Column of ``x[:, 0]``. May be negative, and `x` may end beyond the buffer: only what
        falls inside is written.

    Examples
    --------
    >>> buffer = np.empty((1, 6), np.float32)
    >>> pad_reflect(buffer, np.array([[1, 2, 3]]), 2)
    >>> buffer
    array([[3., 2., 1., 2., 3., 2.]], dtype=float32)
    """
    n, width = x.shape[1], buffer.shape[1]
    left, right = max(at, 0), min(at + n, width)
    buffer[:, left:right] = x[:, left - at : right - at]
    if left:
        buffer[:, :left] = _before(x, left)
    if right < width:
        buffer[:, right:] = _after(x, width - right)


def pad_circular(buffer: NDArray[np.float32], x: NDArray[np.generic], at: int) -> None:
    """Write `x` into a circular buffer; fill the gap by blending the padding of both ends.

    Parameters
    ----------
    buffer : ndarray of float32, shape (channel, width)
        Filled in place; its last column is followed by its first.
    x : ndarray, shape (channel, sample)
        The stretch of signal; it must fit between `at` and the buffer's end.
    at : int
        Column of ``x[:, 0]``.
    """
    n, width = x.shape[1], buffer.shape[1]
    buffer[:, at : at + n] = x
    gap = width - n
    if gap:
        after = _after(x, gap).astype(np.float32)
        blend = (_before(x, gap).astype(np.float32) - after) * _blend(gap)
        blend += after
        buffer[:, at + n :] = blend[:, : gap - at]
        buffer[:, :at] = blend[:, gap - at :]


@lru_cache(maxsize=64)
def _blend(gap: int) -> NDArray[np.float32]:
    t = np.arange(1, gap + 1) / (gap + 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def _before(x: NDArray[np.generic], count: int) -> NDArray[np.generic]:
    """Return `count` samples of reflect padding before the first sample of `x`."""
    if count < x.shape[1]:
        return x[:, 1 : count + 1][:, ::-1]
    return _reflect(x, np.arange(-count, 0))


def _after(x: NDArray[np.generic], count: int) -> NDArray[np.generic]:
    """Return `count` samples of reflect padding after the last sample of `x`."""
    n = x.shape[1]
    if count < n:
        return x[:, n - count - 1 : n - 1][:, ::-1]
    return _reflect(x, np.arange(n, n + count))


def _reflect(x: NDArray[np.generic], index: NDArray[np.intp]) -> NDArray[np.generic]:
    """Return samples at `index`, reflected as often as needed; `x` may be shorter than that."""
    period = max(2 * (x.shape[1] - 1), 1)
    index = index % period
    return x[:, np.minimum(index, period - index)]
