"""The files of shards as bytes: mapped from this machine's disk, or fetched from an object store.

What comes from a URL is kept in memory only while it is in use, or in a cache folder of
bounded size where one is given.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioprep import remote
from physioprep.errors import ShardError

#: How often a cached file may be deleted by other processes before the reader gives up.
_TRIES = 10


@dataclass(frozen=True)
class ShardFiles:
    """The files below a shards folder.

    Parameters
    ----------
    root : Path or str
        A folder, or a URL.
    cache : Path, optional
        Folder that keeps what was fetched from a URL; several processes may share it. It is
        for one URL and one content of it: see `ShardFiles.cached`.
    cache_bytes : int, optional
        Maximum size of `cache`; the files that were used longest ago are deleted first.
    """

    root: Path | str
    cache: Path | None = None
    cache_bytes: int | None = None

    @property
    def is_remote(self) -> bool:
        """Whether the files are behind a URL.

        Returns
        -------
        bool
        """
        return isinstance(self.root, str)

    def content(
        self, name: str, start: int | None = None, stop: int | None = None
    ) -> NDArray[np.uint8]:
        """Return the bytes of a file, or a range of them.

        Parameters
        ----------
        name : str
            Relative, with ``/``.
        start, stop : int, optional
            First byte, and the one after the last.

        Returns
        -------
        ndarray of uint8
            Mapped where the file is on disk; shorter than asked for where the file ends.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        UnreadableFileError
            The object store did not give it.
        """
        if isinstance(self.root, Path):
            return map_file(self.root / name)[start:stop]
        url = remote.join(self.root, name)
        if self.cache is None:
            return np.frombuffer(remote.fetch(url, start, stop), np.uint8)
        return self._through_cache(url, name, self.cache)[start:stop]

    def _through_cache(self, url: str, name: str, cache: Path) -> NDArray[np.uint8]:
        file = cache / name.replace("/", "+")
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):  # another process may have evicted it
                content = map_file(file)
                os.utime(file)
                return content
            # Fetched under a name of its own: two threads or processes may fetch the same.
            part = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
            remote.download(url, part)
            part.replace(file)
            self._make_room(cache, file)
        raise ShardError(f"{cache}: another process keeps removing the files of this cache")

    def _make_room(self, cache: Path, newest: Path) -> None:
        """Delete what was used longest ago; readers that have it mapped keep it."""
        if self.cache_bytes is None:
            return
        with _locked(cache / ".lock"):
            held = []
            for file in cache.iterdir():
                with suppress(FileNotFoundError):
                    status = file.stat()
                    if not file.name.startswith("."):
                        held.append((status.st_mtime_ns, status.st_size, file))
            total = sum(size for _, size, _ in held)
            for _, size, file in sorted(held):
                if total <= self.cache_bytes:
                    return
                if file != newest:
                    file.unlink(missing_ok=True)
                    total -= size

    def cached(self, cache: str | Path, cache_bytes: int | None) -> ShardFiles:
        """Return the same files with a cache: a subfolder for this URL and this content.

        Parameters
        ----------
        cache : path-like
            Folder of all caches; made if it does not exist.
        cache_bytes : int or None
            Maximum size of the subfolder, bytes. None: no limit.

        Returns
        -------
        ShardFiles

        Raises
        ------
        ShardError
            If the folder cannot be made.
        """
        content = self.content("zarr.json").tobytes()
        name = hashlib.sha256(str(self.root).encode() + b"\0" + content).hexdigest()[:20]
        folder = Path(cache) / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ShardError(f"{folder}: {error.strerror}") from None
        return ShardFiles(self.root, folder, cache_bytes)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    import fcntl

    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def map_file(file: Path) -> NDArray[np.uint8]:
    """Map a file into memory, and tell the kernel to read all of it ahead.

    The pages are not loaded at once (``MAP_POPULATE``): Python would hold its interpreter lock
    meanwhile, and all threads would wait for the disk.

    Parameters
    ----------
    file : Path

    Returns
    -------
    ndarray of uint8
        Read-only.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    handle = os.open(file, os.O_RDONLY)
    try:
        size = os.fstat(handle).st_size
        if not size:
            return np.empty(0, np.uint8)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(handle, 0, size, os.POSIX_FADV_WILLNEED)
        return np.frombuffer(mmap.mmap(handle, size, access=mmap.ACCESS_READ), np.uint8)
    finally:
        os.close(handle)
