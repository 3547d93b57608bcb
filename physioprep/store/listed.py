"""Zarr's view of a store whose files are listed: a listed file that is missing is an error.

Zarr reads a chunk without a file as fill values. In our stores ``SHA256SUMS`` names every file,
so that a lost one can be told from one that was never written.
"""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest, Store
from zarr.storage import LocalStore, WrapperStore

from physioprep.errors import StoreError
from physioprep.hashes import HASHES
from physioprep.remote_zarr import UrlStore
from physioprep.store.sums import listed_hashes
from physioprep.zarr_metadata import CheckedStore

log = logging.getLogger(__name__)


@lru_cache(maxsize=8)
def _listed(root: Path | str, generation: object) -> frozenset[str]:
    """Return the files of a store; none, and a line in the log, where it has no list."""
    hashes = listed_hashes(root)
    if hashes is None:
        log.warning("%s: has no %s, so that a missing file cannot be noticed", root, HASHES)
    return frozenset(hashes or ())


class ListedStore(WrapperStore[Store]):
    """A store to read, of which a listed file that is missing is an error.

    Parameters
    ----------
    store : LocalStore or UrlStore
        What holds the files.
    """

    _of_url: frozenset[str] | None = None

    def __str__(self) -> str:
        return str(self._store)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a file.

        Parameters
        ----------
        key : str
            Name in the store.
        prototype : BufferPrototype
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
        UnreadableFileError
            The server failed after all retries.
        """
        found = await super().get(key, prototype, byte_range)
        if found is None:
            root, names = await self._listed()
            if key in names:
                raise StoreError(f"{root}/{key} is missing; `physioprep verify` lists all damage")
        return found

    async def _listed(self) -> tuple[Path | str, frozenset[str]]:
        """Return the root, and what its list names now (of a URL: what it named at first)."""
        if isinstance(self._store, UrlStore):
            url = self._store.url
            if self._of_url is None:
                self._of_url = await asyncio.to_thread(_listed.__wrapped__, url, None)
            return url, self._of_url
        root = cast("LocalStore", self._store).root
        try:
            status = (root / HASHES).stat()
        except FileNotFoundError:
            return root, _listed(root, None)
        return root, _listed(root, (status.st_ino, status.st_size, status.st_mtime_ns))


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
    store = UrlStore(path) if isinstance(path, str) else LocalStore(path, read_only=True)
    return CheckedStore(ListedStore(store))
