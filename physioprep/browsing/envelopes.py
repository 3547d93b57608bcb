"""Least and greatest of many samples, so that a whole day fits on a screen and none is passed over.

Columns have a power of two samples and begin at its multiples: they stay the same while one pans,
and coarse ones are made of fine ones. The finest are kept, so that each sample is read once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.trace import Trace

#: Samples of the columns that are kept, and of the tiles they are kept in.
_FINE: Final = 256
_TILE: Final = 1 << 18
#: What is kept at most, bytes.
_ROOM: Final = 256 << 20
_WORKERS: Final = 4

Key = tuple[Hashable, int, int]
Columns = NDArray[np.float32]


def column_width(n_samples: int, points: int) -> int:
    """Return how many samples a column has.

    Parameters
    ----------
    n_samples : int
        Of the stretch.
    points : int
        Columns wanted.

    Returns
    -------
    int
        A power of two; 1 where the stretch has at most ``2 * points`` samples.

    Examples
    --------
    >>> column_width(2000, 1000), column_width(2001, 1000), column_width(86_400 * 250, 1000)
    (1, 2, 16384)
    """
    if n_samples <= 2 * points:
        return 1
    return int(2 ** int(np.floor(np.log2(n_samples / points))))


def least_and_greatest(values: NDArray[np.float32], width: int) -> Columns:
    """Return the least and the greatest of each column.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        NaN where missing.
    width : int
        Samples of a column; the last one may have fewer.

    Returns
    -------
    ndarray of float32, shape (channel, column, 2)
        NaN where all samples of a column are missing.

    Examples
    --------
    >>> least_and_greatest(np.array([[1, 5, np.nan, 2, 3]], np.float32), 2).tolist()
    [[[1.0, 5.0], [2.0, 2.0], [3.0, 3.0]]]
    """
    n_channels, n = values.shape
    out = np.empty((n_channels, -(-n // width), 2), np.float32)
    whole = n // width
    parts = values[:, : whole * width].reshape(n_channels, whole, width)
    np.fmin.reduce(parts, axis=2, out=out[:, :whole, 0])
    np.fmax.reduce(parts, axis=2, out=out[:, :whole, 1])
    if whole * width < n:
        np.fmin.reduce(values[:, whole * width :], axis=1, out=out[:, whole, 0])
        np.fmax.reduce(values[:, whole * width :], axis=1, out=out[:, whole, 1])
    return out


def coarser(columns: Columns, times: int) -> Columns:
    """Return columns that are some times as wide.

    Parameters
    ----------
    columns : ndarray of float32, shape (channel, column, 2)
    times : int
        Columns that become one.

    Returns
    -------
    ndarray of float32, shape (channel, column, 2)
    """
    if times == 1:
        return columns
    least = least_and_greatest(columns[:, :, 0], times)[:, :, 0]
    return np.stack([least, least_and_greatest(columns[:, :, 1], times)[:, :, 1]], axis=2)


class Envelopes:
    """Envelopes of signals; those of wide columns are kept.

    Parameters
    ----------
    room : int
        What is kept at most, bytes.
    """

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._held = 0
        self._tiles: OrderedDict[Key, Columns] = OrderedDict()
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="envelope")

    def envelope(
        self,
        trace: Trace,
        name: Hashable,
        rows: NDArray[np.intp],
        start: int,
        stop: int,
        width: int,
    ) -> Columns:
        """Return the columns of a stretch.

        Parameters
        ----------
        trace : Trace
        name : hashable
            Of the trace, the same whenever its samples are the same.
        rows : ndarray of int
            Channels.
        start, stop : int
            Samples, multiples of `width`; the last may be the end of the trace.
        width : int
            Samples of a column, a power of two.

        Returns
        -------
        ndarray of float32, shape (channel, column, 2)
        """
        if width < _FINE:
            pieces = [(low, min(low + _TILE, stop)) for low in range(start, stop, _TILE)]
            made = [least_and_greatest(trace.read(rows, *piece), width) for piece in pieces]
            return np.concatenate(made, axis=1)
        tiles = range(start // _TILE, -(-stop // _TILE))
        parts = list(self._pool.map(lambda tile: self._tile(trace, name, rows, tile), tiles))
        first = tiles.start * _TILE // _FINE
        fine = np.concatenate(parts, axis=1)[:, start // _FINE - first : -(-stop // _FINE) - first]
        return coarser(fine, width // _FINE)

    def _tile(self, trace: Trace, name: Hashable, rows: NDArray[np.intp], tile: int) -> Columns:
        """Return the fine columns of a tile, of which only new channels are read."""
        with self._lock:
            held = {row: self._tiles.get((name, row, tile)) for row in rows.tolist()}
            for row, found in held.items():
                if found is not None:
                    self._tiles.move_to_end((name, row, tile))
        lacking = np.array([row for row, found in held.items() if found is None], np.intp)
        if lacking.size:
            low, high = tile * _TILE, min((tile + 1) * _TILE, trace.n_samples)
            made = least_and_greatest(trace.read(lacking, low, high), _FINE)
            for row, columns in zip(lacking.tolist(), made, strict=True):
                held[row] = columns
            self._keep(name, tile, dict(zip(lacking.tolist(), made, strict=True)))
        return np.stack([column for row in rows.tolist() if (column := held[row]) is not None])

    def _keep(self, name: Hashable, tile: int, made: dict[int, Columns]) -> None:
        with self._lock:
            for row, columns in made.items():
                if (name, row, tile) not in self._tiles:
                    # its own: a view would hold the other channels' when these are let go
                    self._tiles[name, row, tile] = columns.copy()
                    self._held += columns.nbytes
            while self._held > self._room:
                _, gone = self._tiles.popitem(last=False)
                self._held -= gone.nbytes
