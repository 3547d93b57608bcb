"""Zarr's view of a store whose files are listed: one that is missing or changed is an error.

Zarr reads a chunk without a file as fill values. In our stores ``SHA256SUMS`` names every file,
so that a lost one can be told from one that was never written. Each file is compared with its
hash when a process first reads it, and again where it was changed since.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest, Store
from zarr.storage import LocalStore, WrapperStore

from physioprep import remote
from physioprep.errors import StoreError
from physioprep.hashes import HASHES, open_regular, sha256_of
from physioprep.remote_zarr import UrlStore
from physioprep.store.sums import listed_hashes
from physioprep.zarr_metadata import CheckedStore

log = logging.getLogger(__name__)

#: What a file on a disk is known by: disk, number, size, time of its last change.
_Known = tuple[int, int, int, int]
#: The files of stores that this process has compared with their hashes.
_CHECKED: dict[tuple[Path, str], _Known] = {}
_NO_HASHES: Final[Mapping[str, str]] = {}


@lru_cache(maxsize=8)
def _listed(root: Path | str, generation: object) -> Mapping[str, str]:
    """Return the hashes of a store's files; none, and a line in the log, where it has no list."""
    hashes = listed_hashes(root)
    if hashes is None:
        log.warning("%s: has no %s, so that damage cannot be noticed", root, HASHES)
        return _NO_HASHES
    return hashes


def _wrong(root: Path | str, key: str, damage: str) -> StoreError:
    return StoreError(f"{root}/{key} is {damage}; `physioprep verify` lists all damage")


def _known(path: Path) -> _Known | None:
    """Return what a file is known by; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _is_checked(root: Path, key: str) -> bool:
    """Return whether there is nothing to compare: done before, or no file."""
    now = _known(root / key)
    return now is None or _CHECKED.get((root, key)) == now


def _check(root: Path, key: str) -> None:
    """Raise where a file is not what its hash says."""
    now, hashes = _known(root / key), _listed(root, _known(root / HASHES))
    if hashes is not _NO_HASHES:
        if key not in hashes:
            raise _wrong(root, key, "not part of this store")
        try:
            same = sha256_of(root / key) == hashes[key]
        except FileNotFoundError:
            raise _wrong(root, key, "missing") from None
        except OSError as error:
            raise StoreError(f"{root}/{key}: {error.strerror}") from None
        if not same:
            raise _wrong(root, key, "changed since it was written")
    elif now is not None and not (root / key).is_dir():
        try:
            os.close(open_regular(root / key))  # Zarr would wait for the writer of a pipe
        except OSError as error:
            raise StoreError(f"{root}/{key}: {error.strerror}") from None
    if now is not None:
        _CHECKED[root, key] = now


def check_listed(root: Path, key: str) -> None:
    """Compare a file with its hash, where this process has not yet done so.

    Parameters
    ----------
    root : Path
        Folder of the store.
    key : str
        Of the file, relative to it. One that does not exist is left to whoever opens it.

    Raises
    ------
    StoreError
        Its bytes are not those that were written.
    """
    if not _is_checked(root, key):
        _check(root, key)


def _refuse_missing(root: Path, key: str) -> None:
    if key in _listed(root, _known(root / HASHES)):
        raise _wrong(root, key, "missing")


def _check_object(url: str, hashes: Mapping[str, str], key: str, content: bytes | None) -> None:
    """Raise where an object is missing, or not what its hash says."""
    if key not in hashes:
        return
    if content is None:
        raise _wrong(url, key, "missing")
    if hashlib.sha256(content).hexdigest() != hashes[key]:
        raise _wrong(url, key, "changed since it was written")


class ListedStore(WrapperStore[Store]):
    """A store to read, of which a listed file that is missing or changed is an error.

    Parameters
    ----------
    store : LocalStore or UrlStore
        What holds the files. Of objects only those that are read whole are compared.
    """

    _of_url: Mapping[str, str] | None = None

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
            The file is listed and missing, or its bytes are not those that were written.
        UnreadableFileError
            The server failed after all retries.
        """
        if isinstance(self._store, UrlStore):
            found = await super().get(key, prototype, byte_range)
            if found is None or byte_range is None:
                url, content = self._store.url, None if found is None else found.to_bytes()
                if self._of_url is None:
                    self._of_url = await asyncio.to_thread(_listed.__wrapped__, url, None)
                _check_object(url, self._of_url, key, content)
            return found
        root = cast("LocalStore", self._store).root
        if not _is_checked(root, key):
            await asyncio.to_thread(_check, root, key)
        found = await super().get(key, prototype, byte_range)
        if found is None:
            _refuse_missing(root, key)
        return found


def read_listed(path: str | Path, name: str) -> bytes:
    """Return the bytes of a file of a store that is not Zarr's.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.
    name : str
        Of the file, relative to it.

    Returns
    -------
    bytes

    Raises
    ------
    StoreError
        Its bytes are not those that were written.
    FileNotFoundError
        There is no such file.
    """
    if isinstance(path, Path):
        check_listed(path, name)
        return (path / name).read_bytes()
    content = remote.fetch(remote.join(path, name))
    _check_object(path, _listed.__wrapped__(path, None), name, content)
    return content


def zarr_place(path: str | Path) -> Any:
    """Return the location of a store in a form that Zarr opens.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.

    Returns
    -------
    zarr.abc.store.Store
        Read-only; it checks metadata before Zarr sees them, and a file that is not what
        ``SHA256SUMS`` says is an error.
    """
    store = UrlStore(path) if isinstance(path, str) else LocalStore(path, read_only=True)
    return CheckedStore(ListedStore(store))
