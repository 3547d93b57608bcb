"""Samples of long recordings: read from their files piece by piece, when they are indexed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers.regular import open_file

#: Recordings with more decoded bytes stay in their files.
LARGE_BYTES = 1 << 27
#: Bytes decoded at a time.
_PIECE_BYTES = 1 << 20


class Decode(Protocol):
    """Decodes samples [`start`, `stop`) of a file's channels from its descriptor."""

    def __call__(self, file: int, path: Path, start: int, stop: int) -> NDArray[Any]:
        """Decode some samples.

        Parameters
        ----------
        file : int
            Descriptor of the open file.
        path : Path
            Named in errors.
        start, stop : int
            First sample, and one past the last.

        Returns
        -------
        ndarray of integers, shape (channel, stop - start)
        """


@dataclass(frozen=True, eq=False)
class Source:
    """A file and the rows whose samples it holds.

    Parameters
    ----------
    path : Path
    rows : sequence of int
        Rows of the whole array, in the order in which `decode` returns them.
    decode : Decode
    stamp : tuple of int
        The file's `stamp_of` at the time when it was verified.
    """

    path: Path
    rows: Sequence[int]
    decode: Decode
    stamp: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class StreamedSamples:
    """Samples that index like an array (channel, sample), and read their files for each index.

    ``samples[rows, start:stop]`` reads only these samples; any other index, and
    `numpy.asarray`, read all. Indexing raises `UnreadableFileError` if a file is missing or
    has changed since the recording was opened.

    Parameters
    ----------
    shape : (int, int)
        Channels, samples per channel.
    dtype : numpy dtype
        Of the decoded samples.
    sources : tuple of Source
        Together they hold every row.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    sources: tuple[Source, ...]

    ndim = 2

    @property
    def size(self) -> int:
        """Number of samples of all channels.

        Returns
        -------
        int
        """
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes that the decoded samples would take in memory.

        Returns
        -------
        int
        """
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        """Return the number of channels."""
        return self.shape[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all samples."""
        if copy is False:
            raise ValueError("samples in a file: an array of them is always a copy")
        return self[:, :].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        """Read the samples that a NumPy index selects."""
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (key, slice(None))
        if isinstance(columns, int | np.integer):
            at = range(self.shape[1])[columns]
            return self[rows, at : at + 1][..., 0]
        plain = isinstance(columns, slice) and columns.step in (None, 1)
        known = isinstance(rows, int | np.integer | slice | list | np.ndarray)
        if not (plain and known and np.ndim(rows) < 2):
            whole: NDArray[Any] = np.asarray(self)[key]
            return whole
        which = np.arange(self.shape[0])[rows]
        start, stop, _ = columns.indices(self.shape[1])
        out = np.empty((which.size, max(0, stop - start)), self.dtype)
        for source in self.sources:
            places = {row: place for place, row in enumerate(source.rows)}
            wanted = enumerate(which.ravel().tolist())
            mine = [(i, places[row]) for i, row in wanted if row in places]
            if mine and start < stop:
                targets, chosen = ([pair[k] for pair in mine] for k in (0, 1))
                self._read(source, targets, chosen, start, out)
        return out[0] if which.ndim == 0 else out

    def _read(
        self, source: Source, targets: list[int], chosen: list[int], start: int, out: NDArray[Any]
    ) -> None:
        """Fill rows `targets` of `out` with the rows `chosen` of a source."""
        every = chosen == list(range(len(source.rows))) and len(targets) == len(out)
        step = max(1, _PIECE_BYTES // (len(source.rows) * self.dtype.itemsize))
        with unchanged(source) as file:
            for at in range(0, out.shape[1], step):
                end = min(at + step, out.shape[1])
                piece = source.decode(file, source.path, start + at, start + end)
                if every:
                    out[:, at:end] = piece
                else:
                    out[targets, at:end] = piece[chosen]


@contextmanager
def unchanged(source: Source) -> Iterator[int]:
    """Open a source's file, and compare its stamp before and after it is read.

    Parameters
    ----------
    source : Source

    Yields
    ------
    int
        Descriptor of the open file.

    Raises
    ------
    UnreadableFileError
        The file is missing, or has changed since it was verified.
    """
    try:
        file = open_file(source.path)
    except UnreadableFileError as error:
        raise UnreadableFileError(source.path, f"{error.cause} (it existed before)") from None
    try:
        if stamp_of(file) != source.stamp:
            raise UnreadableFileError(source.path, "changed while it was read")
        yield file
        if stamp_of(file) != source.stamp:
            raise UnreadableFileError(source.path, "changed while it was read")
    finally:
        os.close(file)


def stamp_of(file: int) -> tuple[int, ...]:
    """Return the stamp of an open file: a changed file has another.

    Parameters
    ----------
    file : int
        Descriptor.

    Returns
    -------
    tuple of int
        Device, inode, size (bytes), time of the last change (ns).
    """
    status = os.fstat(file)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
