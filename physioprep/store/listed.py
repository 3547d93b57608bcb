"""Zarr's view of a store whose files are listed: a listed file that is missing is an error.

Zarr reads a chunk without a file as fill values. In our stores ``SHA256SUMS`` names every file,
so that a lost one can be told from one that was never written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest
from zarr.storage import LocalStore

from physioprep.errors import StoreError
from physioprep.hashes import HASHES
from physioprep.remote_zarr import UrlStore
from physioprep.store.sums import listed_hashes
from physioprep.zarr_metadata import CheckedStore

log = logging.getLogger(__name__)


def _refuse(root: Path | str, key: str, listed: Callable[[], frozenset[str]]) -> None:
    """Raise if a file that is not there should be."""
    if key in listed():
        raise StoreError(f"{root}/{key} is missing; `physioprep verify` lists all damage")


@lru_cache(maxsize=8)
def _listed(root: Path | str, generation: object) -> frozenset[str]:
    """Return the files of a store; none, and a line in the log, where it has no list."""
    hashes = listed_hashes(root)
    if hashes is None:
        log.warning("%s: has no %s, so that a missing file cannot be noticed", root, HASHES)
    return frozenset(hashes or ())


class ListedFolder(LocalStore):
    """A store in a folder, to read.

    Parameters
    ----------
    root : Path
        Folder of the store.
    read_only : bool
        As Zarr gives it; always True.
    """

    def __init__(self, root: Path | str, *, read_only: bool = True) -> None:
        super().__init__(Path(root), read_only=read_only)

    def _names(self) -> frozenset[str]:
        try:
            status = (self.root / HASHES).stat()
        except FileNotFoundError:
            return _listed(self.root, None)
        return _listed(self.root, (status.st_ino, status.st_size, status.st_mtime_ns))

    def get_sync(self, key: str, **options: Any) -> Buffer | None:
        """Return the bytes of a file; see `zarr.storage.LocalStore`.

        Parameters
        ----------
        key : str
            Name of the file.
        **options
            As of Zarr's method.

        Returns
        -------
        Buffer or None
            None where there is no such file, and the list names none.

        Raises
        ------
        StoreError
            The file is listed, and missing.
        """
        found = super().get_sync(key, **options)
        if found is None:
            _refuse(self.root, key, self._names)
        return found

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """Return the bytes of a file; see `zarr.storage.LocalStore`.

        Parameters
        ----------
        key : str
            Name of the file.
        prototype : BufferPrototype, optional
            Zarr's kind of buffer.
        byte_range : ByteRequest, optional
            Part of the file; default: all of it.

        Returns
        -------
        Buffer or None
            None where there is no such file, and the list names none.

        Raises
        ------
        StoreError
            The file is listed, and missing.
        """
        found = await super().get(key, prototype, byte_range)
        if found is None:
            _refuse(self.root, key, self._names)
        return found

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return parts of several files.

        Parameters
        ----------
        prototype : BufferPrototype
            Zarr's kind of buffer.
        key_ranges : iterable of (str, ByteRequest or None)
            Names and parts.

        Returns
        -------
        list of (Buffer or None)
            In the same order.

        Raises
        ------
        StoreError
            A file is listed, and missing.
        """
        wanted = list(key_ranges)
        found = await super().get_partial_values(prototype, wanted)
        for (key, _), buffer in zip(wanted, found, strict=True):
            if buffer is None:
                _refuse(self.root, key, self._names)
        return found


class ListedUrl(UrlStore):
    """A store behind a URL, to read.

    Parameters
    ----------
    url : str
        Root of the store.
    """

    @cached_property
    def _names(self) -> frozenset[str]:
        return _listed.__wrapped__(self.url, None)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of an object.

        Parameters
        ----------
        key : str
            Name below the URL.
        prototype : BufferPrototype
            Zarr's kind of buffer.
        byte_range : ByteRequest, optional
            Part of the object; default: all of it.

        Returns
        -------
        Buffer or None
            None where there is no such object, and the list names none.

        Raises
        ------
        StoreError
            The object is listed, and missing.
        UnreadableFileError
            The server failed after all retries.
        """
        found = await super().get(key, prototype, byte_range)
        if found is None:
            await asyncio.to_thread(_refuse, self.url, key, lambda: self._names)
        return found


def zarr_place(path: str | Path) -> Any:
    """Return the location of a store in a form that Zarr opens.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.

    Returns
    -------
    zarr.abc.store.Store
        Read-only; it checks metadata before Zarr sees them, and a file that ``SHA256SUMS`` names
        and that is missing is an error.
    """
    return CheckedStore(ListedFolder(path) if isinstance(path, Path) else ListedUrl(path))
