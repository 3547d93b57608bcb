"""Chunks of shards for the stream: the selected windows and their samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.plain_text import quoted
from physioprep.shards.decode import Take
from physioprep.shards.opened import Shards
from physioprep.shards.order import EpochOrder, Layout, layout


@dataclass(frozen=True, eq=False)
class Selection:
    """The selected windows of shards.

    Parameters
    ----------
    layout : Layout
        Number of selected windows per chunk.
    mask : ndarray of bool, shape (window,), or None
        None where all are selected.
    """

    layout: Layout
    mask: NDArray[np.bool_] | None

    def windows(self, shards: Shards, chunk: int) -> NDArray[np.int64]:
        """Return the numbers of a chunk's selected windows.

        Parameters
        ----------
        shards : Shards
            Those of the selection.
        chunk : int
            Number of the chunk.

        Returns
        -------
        ndarray of int64, shape (window,)
        """
        start = chunk * shards.windows_per_chunk
        stop = min(start + shards.windows_per_chunk, shards.n_windows)
        if self.mask is None:
            return np.arange(start, stop)
        return start + np.flatnonzero(self.mask[start:stop])


def select(shards: Shards, where: str | None) -> Selection:
    """Choose windows by a pandas query on their manifest.

    Parameters
    ----------
    shards : Shards
        As `open_shards` returns them.
    where : str or None
        Query on the window manifest; None selects all.

    Returns
    -------
    Selection

    Raises
    ------
    ShardError
        The query is wrong, or no window satisfies it.
    """
    per_chunk, n_chunks = shards.windows_per_chunk, shards.n_chunks
    identity = str(shards.attrs["plan_sha256"]).encode()
    if where is None:
        counts = np.full(n_chunks, per_chunk, np.int64)
        counts[-1] = shards.n_windows - (n_chunks - 1) * per_chunk
        return Selection(layout(counts, identity), None)
    mask = shards.mask(where)
    if not mask.any():
        raise ShardError(f"{shards.path}: no window satisfies {quoted(where)}")
    counts = np.bincount(np.flatnonzero(mask) // per_chunk, minlength=n_chunks).astype(np.int64)
    return Selection(layout(counts, identity + np.packbits(mask).tobytes()), mask)


@dataclass(frozen=True, eq=False)
class ChunkSignal:
    """The samples of a chunk in one modality.

    Parameters
    ----------
    signal : ndarray of int16, shape (window, channel, time)
        Digital samples; physical = signal * scale.
    scale : ndarray of float32, shape (window, channel)
        In physical units.
    present : ndarray of bool, shape (window, channel)
        False: the record lacks this channel.
    """

    signal: NDArray[np.int16]
    scale: NDArray[np.float32]
    present: NDArray[np.bool_]

    @cached_property
    def factor(self) -> np.float32 | None:
        """The common scale of all windows and channels.

        Returns
        -------
        float32 or None
            None where they differ.
        """
        first: np.float32 = self.scale.flat[0]
        return first if bool((self.scale == first).all()) else None


@dataclass(frozen=True, eq=False)
class Chunk:
    """A chunk that has been read.

    Parameters
    ----------
    number : int
        Of the chunk.
    rows : ndarray of int64, shape (window,)
        Selected rows of the chunk, in this epoch's order.
    first : int
        Number of the chunk's first window.
    signals : dict of str to ChunkSignal
        Per modality.
    labels : dict of str to ndarray, shape (window, ...)
        Per ``label_*``, all windows of the chunk; ``record`` is the number of the record.
    """

    number: int
    rows: NDArray[np.int64]
    first: int
    signals: dict[str, ChunkSignal]
    labels: dict[str, NDArray[Any]]


def read_chunk(
    shards: Shards,
    selection: Selection,
    order: EpochOrder,
    shuffled: bool,
    modalities: tuple[str, ...],
    number: int,
    take: Take,
) -> Chunk:
    """Read a chunk into the arrays of `take`.

    Parameters
    ----------
    shards : Shards
        As `open_shards` returns them.
    selection : Selection
        Windows of `shards`.
    order : EpochOrder
        Order of the epoch.
    shuffled : bool
        Whether `order` permutes the windows of a chunk.
    modalities : tuple of str
        Those to read.
    number : int
        Of the chunk.
    take : callable
        ``take(shape, dtype)`` returns an array to fill, as `BufferPool.take`.

    Returns
    -------
    Chunk

    Raises
    ------
    ShardError
        The chunk is missing or damaged.
    UnreadableFileError
        An object store failed after all retries.
    """
    windows = selection.windows(shards, number)
    first = number * shards.windows_per_chunk
    rows = windows - first
    if shuffled:
        rows = rows[order.within_chunk(number, len(rows))]
    stop = min(first + shards.windows_per_chunk, shards.n_windows)
    signals = {
        name: ChunkSignal(
            shards.signal(number, name, take),
            shards.rows(f"{name}/scale", first, stop),
            shards.rows(f"{name}/present", first, stop),
        )
        for name in modalities
    }
    labels = {name: shards.rows(name, first, stop) for name in shards.labels}
    labels["record"] = shards.rows("record", first, stop).astype(np.int64)
    return Chunk(number, rows, first, signals, labels)


@dataclass(eq=False)
class Slots:
    """The chunks used last; each is read once, even if several threads need it.

    Parameters
    ----------
    capacity : int
        Number of chunks kept.
    """

    capacity: int
    _kept: dict[int, Any] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, number: int, read: Callable[[int], Chunk]) -> Chunk:
        """Return a chunk; read it if it is not kept.

        Parameters
        ----------
        number : int
            Of the chunk.
        read : callable
            ``read(number)`` reads it; what it raises is raised in every thread that waits.

        Returns
        -------
        Chunk
        """
        from concurrent.futures import Future

        with self._lock:
            future = self._kept.pop(number, None)
            mine = future is None
            if future is None:
                future = Future()
                while len(self._kept) >= self.capacity:
                    self._kept.pop(next(iter(self._kept)))
            self._kept[number] = future  # as the last one used
        if mine:
            try:
                future.set_result(read(number))
            except BaseException as error:
                future.set_exception(error)
                raise
        chunk: Chunk = future.result()
        return chunk
