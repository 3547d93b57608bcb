"""Buffers that are reused when no batch refers to them any more.

The page faults of a new array of some 20 MB cost more than filling it. A tensor made by
`torch.from_numpy` holds a reference to its array, so the array's reference count shows whether its
batch is still in use.
"""

from __future__ import annotations

import sys
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray


class BufferPool:
    """Arrays by shape and dtype, reused when free.

    Parameters
    ----------
    limit : int
        Maximal number of arrays kept per shape and dtype; further ones are made, and not kept.

    Examples
    --------
    >>> pool = BufferPool(2)
    >>> first = pool.take((3,), np.float32)
    >>> address = first.ctypes.data
    >>> del first
    >>> pool.take((3,), np.float32).ctypes.data == address
    True
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: dict[Any, list[NDArray[Any]]] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[BufferPool], tuple[int]]:
        return BufferPool, (self._limit,)  # another process has buffers of its own

    def take(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array that is not in use; its content is undefined.

        Parameters
        ----------
        shape : tuple of int
            Of the array.
        dtype : dtype-like
            Of the array.

        Returns
        -------
        ndarray of `dtype`, shape `shape`
        """
        with self._lock:
            kept = self._kept.setdefault((shape, np.dtype(dtype)), [])
            for number in range(len(kept)):
                # One reference is the list's, one the argument's.
                if sys.getrefcount(kept[number]) == 2:
                    return kept[number]
            fresh = np.empty(shape, dtype)
            if len(kept) < self._limit:
                kept.append(fresh)
            return fresh
