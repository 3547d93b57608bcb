"""The files of shards as bytes: read from this machine's disk, or fetched from an object store.

Every file is compared with its checksum when this process first reads it, and again where it was
changed since. What comes from a URL is kept in memory only while it is in use, or in a cache
folder of bounded size where one is given.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioprep import remote
from physioprep.errors import ShardError
from physioprep.hashes import open_regular, read_regular
from physioprep.limits import MAX_TEXT_BYTES
from physioprep.shards.checksums import TABLE, Sums, crc_of, stated_sums

_log = logging.getLogger(__name__)
#: How often a cached file may be deleted by other processes before the reader gives up.
_TRIES = 10
#: What a file is known by: number on its disk, size, and time of its last change.
_Known = tuple[int, ...]
#: ``room(n_bytes)`` returns an array of uint8 of this length to read into.
Room = Callable[[int], NDArray[np.uint8]]


def _new(n_bytes: int) -> NDArray[np.uint8]:
    return np.empty(n_bytes, np.uint8)


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
    sums : mapping of str to (int, int), optional
        Size and CRC-32C of every file: see `ShardFiles.with_sums`.
    """

    root: Path | str
    cache: Path | None = None
    cache_bytes: int | None = None
    sums: Sums | None = field(default=None, repr=False)
    _checked: dict[str, _Known] = field(default_factory=dict, init=False, repr=False, compare=False)
    _first: list[bytes] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def is_remote(self) -> bool:
        """Whether the files are behind a URL.

        Returns
        -------
        bool
        """
        return isinstance(self.root, str)

    def with_sums(self) -> ShardFiles:
        """Return the same files with their checksums, where the shards have a table of them.

        Returns
        -------
        ShardFiles
            Without the table only another ``zarr.json`` is noticed; the log says so.

        Raises
        ------
        ShardError
            If the table is damaged.
        """

        def read(name: str) -> bytes:
            return self.content(name).tobytes()

        try:
            sums = stated_sums(read, str(self.root))
        except ShardError:
            if self.cache is None:
                raise
            (self.cache / TABLE).unlink(missing_ok=True)  # a damaged copy: fetched once more
            sums = stated_sums(read, str(self.root))
        if sums is None:
            _say_unchecked(str(self.root))
        return replace(self, sums=sums)

    def content(
        self,
        name: str,
        start: int | None = None,
        stop: int | None = None,
        room: Room = _new,
    ) -> NDArray[np.uint8]:
        """Return the bytes of a file, or a range of them.

        Parameters
        ----------
        name : str
            Relative, with ``/``.
        start, stop : int, optional
            First byte, and the one after the last.
        room : callable
            ``room(n_bytes)`` returns the array to read into.

        Returns
        -------
        ndarray of uint8
            Shorter than asked for where the file ends.

        Raises
        ------
        FileNotFoundError
            There is no such file, and the table of checksums lists none.
        ShardError
            The file is missing or damaged, or other shards are here than were opened.
        UnreadableFileError
            The object store did not give it.
        """
        try:
            if isinstance(self.root, Path):
                if self.sums is None:
                    self._compare_root(self.root)
                return self._read(self.root / name, name, start, stop, room)
            if self.cache is not None:
                return self._through_cache(name, self.cache, start, stop, room)
            return self._fetch(remote.join(self.root, name), name, start, stop)
        except FileNotFoundError:
            if self.sums is not None and name in self.sums:
                raise self._wrong(name, "the file is missing") from None
            raise
        except OSError as error:
            raise ShardError(f"{self.root}/{name}: {error.strerror or error}") from None

    def _read(
        self, path: Path, name: str, start: int | None, stop: int | None, room: Room
    ) -> NDArray[np.uint8]:
        """Read from a disk. Not mapped: a mapped file that is cut kills the process (SIGBUS)."""
        handle = open_regular(path)
        try:
            status = os.fstat(handle)
            if name == TABLE and status.st_size > MAX_TEXT_BYTES:
                raise OSError(errno.EFBIG, f"more than {MAX_TEXT_BYTES} bytes")
            known: _Known = (status.st_ino, status.st_size)
            if self.cache is None:  # the times of cached files are those of their last use
                known += (status.st_mtime_ns,)
            low, high, _ = slice(start, stop).indices(status.st_size)
            if self.sums is not None and self._checked.get(name) != known and name != TABLE:
                content = _read_span(handle, 0, status.st_size, room)
                self._check(name, content)
                self._checked[name] = known
                return content[low:high]
            return _read_span(handle, low, high, room)
        finally:
            os.close(handle)

    def _fetch(self, url: str, name: str, start: int | None, stop: int | None) -> NDArray[np.uint8]:
        part = start is not None or stop is not None
        if part and (self.sums is None or name in self._checked):
            return np.frombuffer(remote.fetch(url, start, stop), np.uint8)
        content = np.frombuffer(remote.fetch(url), np.uint8)
        if self.sums is not None:
            self._check(name, content)
            self._checked[name] = ()
        return content[start:stop]

    def _check(self, name: str, content: NDArray[np.uint8]) -> None:
        assert self.sums is not None
        stated = self.sums.get(name)
        if stated is None:
            raise self._wrong(name, "the file is not part of these shards")
        if len(content) != stated[0]:
            raise self._wrong(name, f"{len(content)} bytes instead of {stated[0]}")
        if crc_of(content) != stated[1]:
            raise self._wrong(name, "its bytes changed since it was written (CRC-32C)")

    def _wrong(self, name: str, cause: str) -> ShardError:
        """Return the error for a file that is not what the table says."""
        now: Sums | None
        try:
            now = stated_sums(self._plain, str(self.root))
        except (ShardError, OSError):
            now = self.sums
        if now is None or now != self.sums:
            return ShardError(
                f"{self.root}/{name}: the shards that were opened are gone, or others have taken "
                "their place; open them again"
            )
        return ShardError(
            f"{self.root}/{name}: damaged: {cause}; `physioprep verify` lists all damage"
        )

    def _plain(self, name: str) -> bytes:
        if isinstance(self.root, Path):
            return read_regular(self.root / name)
        return remote.fetch(remote.join(self.root, name))

    def _compare_root(self, root: Path) -> None:
        """Raise where shards without checksums are not those that were read first."""
        try:
            status = (root / "zarr.json").stat()
            known = (status.st_ino, status.st_size, status.st_mtime_ns)
            if self._checked.get("") == known:
                return
            content = read_regular(root / "zarr.json")
        except OSError:
            if not self._first:
                raise
            content = b""
        if self._first and content != self._first[0]:
            raise ShardError(
                f"{root}: the shards that were opened are gone, or others have taken their place; "
                "open them again"
            )
        self._first[:] = [content]
        self._checked[""] = known

    def _through_cache(
        self, name: str, cache: Path, start: int | None, stop: int | None, room: Room
    ) -> NDArray[np.uint8]:
        file, fetched = cache / name.replace("/", "+"), False
        for _ in range(_TRIES):
            with suppress(FileNotFoundError):  # another process may have evicted it
                try:
                    content = self._read(file, name, start, stop, room)
                    os.utime(file)
                except ShardError:  # a damaged copy: fetched once more
                    if fetched:
                        raise
                    file.unlink(missing_ok=True)
                else:
                    return content
            # It has its name when it is whole: two threads or processes may fetch the same.
            remote.download(remote.join(str(self.root), name), file)
            fetched = True
            self._make_room(cache, file)
        raise ShardError(f"{cache}: another process keeps removing the files of this cache")

    def _make_room(self, cache: Path, newest: Path) -> None:
        """Delete what was used longest ago; readers that have it open keep it."""
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


@lru_cache(maxsize=256)
def _say_unchecked(root: str) -> None:
    """Log, once per process, that shards cannot be checked."""
    _log.warning("%s: has no %s, so that damage cannot be noticed; make it again", root, TABLE)


def _read_span(handle: int, low: int, high: int, room: Room) -> NDArray[np.uint8]:
    """Read bytes `low` to `high` of an open file; fewer where it ends before."""
    content = room(high - low)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(handle, low, high - low, os.POSIX_FADV_WILLNEED)
    done = 0
    while done < len(content):
        n_bytes = os.preadv(handle, [content[done:].data], low + done)
        if not n_bytes:
            break
        done += n_bytes
    return content[:done]
