"""Continue a stretch of signal beyond its ends by its mirror image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def pad_reflect(buffer: NDArray[np.float32], x: NDArray[np.generic], at: int) -> None:
    """Put `x` at `at` of `buffer`, and its mirror images before and after."""
    n, width = x.shape[1], buffer.shape[1]
    left, right = max(at, 0), min(at + n, width)
    buffer[:, left:right] = x[:, left - at : right - at]
    if left:
        buffer[:, :left] = _before(x, left)
    if right < width:
        buffer[:, right:] = _after(x, width - right)


def pad_circular(buffer: NDArray[np.float32], x: NDArray[np.generic], at: int) -> None:
    """Put `x` at `at` of `buffer`; fill the rest, a circle, with both mirror images blended."""
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
    """Return `count` samples before the first of `x`: its mirror image, to and fro if need be."""
    if count < x.shape[1]:
        return x[:, 1 : count + 1][:, ::-1]
    return _reflect(x, np.arange(-count, 0))


def _after(x: NDArray[np.generic], count: int) -> NDArray[np.generic]:
    """Return `count` samples after the last of `x`: its mirror image, to and fro if need be."""
    n = x.shape[1]
    if count < n:
        return x[:, n - count - 1 : n - 1][:, ::-1]
    return _reflect(x, np.arange(n, n + count))


def _reflect(x: NDArray[np.generic], index: NDArray[np.intp]) -> NDArray[np.generic]:
    period = max(2 * (x.shape[1] - 1), 1)
    index = index % period
    return x[:, np.minimum(index, period - index)]
