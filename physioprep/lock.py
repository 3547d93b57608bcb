"""Lock a target, so that only one ingest writes to it at a time.

On a disk it is an advisory lock of the kernel, which ends with its process. On an object store
it is an object that only one process can create (a conditional PUT); the holder renews it, and
a lock that is not renewed expires. A holder that lost its lock stops (`Held.check`).
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from physioprep import remote
from physioprep.errors import PhysioprepError, StoreError
from physioprep.file_systems import file_system
from physioprep.retry import retrying

log = logging.getLogger(__name__)

#: Seconds between renewals of a lock on an object store, and until it expires without renewal.
RENEW_S: Final = 30.0
LAPSE_S: Final = 300.0
#: Bytes of a lock file.
_LONGEST: Final = 4096


class Held:
    """A lock that is held; ask it before each step that changes what it guards.

    Parameters
    ----------
    target : Path or str
        What is locked, for the error message.
    is_ours : callable
        Returns whether the lock is still held by this process.
    """

    def __init__(self, target: Path | str, is_ours: Callable[[], bool]) -> None:
        self._target, self._is_ours = target, is_ours

    def check(self) -> None:
        """Raise if another process has taken the lock away.

        Raises
        ------
        StoreError
            It is no longer held.
        """
        if not self._is_ours():
            raise StoreError(
                f"{self._target}: its lock was lost, so another process may be writing it; "
                "stopped: repeat the call to continue"
            )


def lock_of(target: Path) -> Path:
    """Return the lock file of a target.

    Parameters
    ----------
    target : Path
        What is to be written.

    Returns
    -------
    Path
        Beside it; its folder need not exist.

    Examples
    --------
    >>> lock_of(Path("build/x.zarr")).name
    '.x.zarr.lock'
    """
    return target.with_name(f".{target.name}.lock")


@contextmanager
def hold(path: Path, target: Path) -> Iterator[Held]:
    """Hold the lock file `path` while the block runs.

    The kernel releases the lock when the process ends, also if it is killed, so that no lock
    ever has to be removed by hand. A file of that name that is not a lock of ours is neither
    changed nor removed, and no link is followed.

    Parameters
    ----------
    path : Path
        Lock file; its folder must exist.
    target : Path
        The store that is locked, for the error message.

    Yields
    ------
    Held
        Says whether the lock is still held.

    Raises
    ------
    StoreError
        Another process holds the lock (the message names it and the time since when), or what is
        there is no lock of ours.
    """
    file = _open_locked(path, target)
    identity = os.fstat(file).st_ino

    def is_ours() -> bool:
        try:
            return path.lstat().st_ino == identity
        except OSError:
            return False

    try:
        os.ftruncate(file, 0)
        os.pwrite(file, _identity().encode(), 0)
        yield Held(target, is_ours)
    finally:
        if is_ours():
            path.unlink(missing_ok=True)
        os.close(file)


def _open_locked(path: Path, target: Path) -> int:
    """Open a lock file, which is made if it is missing, and lock it; return its descriptor."""
    import fcntl

    while True:
        file = _open_own(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, _LONGEST, 0).decode(errors="replace")
            os.close(file)
            raise StoreError(f"{target}: {_holder_text(holder)} is writing it") from None
        # The previous holder may have removed the file between our open and our lock.
        try:
            if os.fstat(file).st_ino == path.lstat().st_ino:
                return file
        except FileNotFoundError:
            pass
        os.close(file)


def _open_own(path: Path) -> int:
    """Open a lock file without following a link; refuse what is no lock of ours."""
    foreign = StoreError(f"{path}: exists, but is not a lock of physioprep; move it away")
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise foreign from None
        raise
    text = os.pread(file, _LONGEST, 0) if stat.S_ISREG(os.fstat(file).st_mode) else None
    if text is None or (text and not _is_lock(text)):
        os.close(file)
        raise foreign
    return file


def _is_lock(text: bytes) -> bool:
    """Return whether a file's content is what `hold` writes; a kill may leave it cut."""
    try:
        return bool(json.loads(text).keys() == _holder("").keys())
    except (ValueError, AttributeError):
        return text.startswith(b'{"pid": ') and b"}" not in text


@contextmanager
def hold_object(url: str, target: str) -> Iterator[Held]:
    """Hold the lock below `url` on an object store while the block runs.

    The object with the highest number (``0``, ``1``, ...) is the lock. To renew it, its holder
    creates the next one; if it has expired, another process does. Of several only one succeeds (a
    conditional PUT), so that a holder whose lock was taken learns it and stops. The lock of a
    process of this machine that has ended counts as expired at once, others after `LAPSE_S` by
    the server's clock.

    Parameters
    ----------
    url : str
        Folder of the lock objects.
    target : str
        The store that is locked, for the error message.

    Yields
    ------
    Held
        Says whether the lock is still held.

    Raises
    ------
    StoreError
        Another process holds the lock; the message names it and the time since when.
    """
    lease = _Lease(url, target)
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(RENEW_S) and lease.is_ours():
            lease.renew()

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield Held(target, lease.is_ours)
    finally:
        stop.set()
        thread.join()
        lease.give_back()


class _Lease:
    """The lock of this process on an object store."""

    def __init__(self, url: str, target: str) -> None:
        self.url, self.target = url, target
        self.token, self.since = uuid.uuid4().hex, _now()
        self.number = _take(url, target, self.token)
        self.renewed = time.monotonic()
        self.lost = False

    def is_ours(self) -> bool:
        """Return whether no other process can have taken the lock."""
        return not self.lost and time.monotonic() - self.renewed < LAPSE_S - RENEW_S

    def renew(self) -> None:
        """Create the next object, and remove the one before; note where another was first."""
        begun = time.monotonic()
        try:
            if _create(self.url, self.number + 1, self.token, self.since):
                remote.delete([remote.join(self.url, str(self.number))])
                self.number, self.renewed = self.number + 1, begun
            else:
                self.lost = True
                log.warning("%s: another process has taken its lock", self.target)
        except (PhysioprepError, OSError) as error:
            log.warning("%s: its lock could not be renewed: %s", self.target, error)

    def give_back(self) -> None:
        """Remove our object, and older ones."""
        numbers = [n for n in _numbers(self.url) if n <= self.number]
        remote.delete(remote.join(self.url, str(n)) for n in numbers)


def _numbers(url: str) -> list[int]:
    return [int(n) for n in remote.listing(url) if n.isdecimal()]


def _create(url: str, number: int, token: str, since: str) -> bool:
    """Create a lock object; return False if another process was first."""
    mine = remote.join(url, str(number))
    try:
        remote.put(mine, _lock_text(token, since), new=True)
    except FileExistsError:
        # It is our own if the response to an earlier attempt was lost.
        return bool(json.loads(remote.fetch(mine)).get("token") == token)
    return True


def _take(url: str, target: str, token: str) -> int:
    """Create the next lock, if none is in force; return its number."""
    held = max(_numbers(url), default=-1)
    if held >= 0:
        _check_expired(url, held, target)
    mine, now = held + 1, _now()
    if not _create(url, mine, token, now):
        raise StoreError(f"{target}: another process has just locked it")
    try:  # must fail; if it succeeds, the server ignores the condition
        remote.put(remote.join(url, str(mine)), _lock_text(token, now), new=True)
    except FileExistsError:
        pass
    else:
        log.warning(
            "%s: its server has no conditional PUT, so another ingest may write to it, too", target
        )
    if max(_numbers(url), default=mine) > mine:  # its holder renewed it since we looked
        remote.delete([remote.join(url, str(mine))])
        raise StoreError(f"{target}: another process has just locked it")
    return mine


def _check_expired(url: str, number: int, target: str) -> None:
    """Raise StoreError if a lock object is in force, by the server's clock."""
    lock = remote.join(url, str(number))
    try:
        text = remote.fetch(lock).decode(errors="replace")
        age = _server_time(url) - _written(lock)
    except FileNotFoundError:
        return
    try:
        holder = json.loads(text)
        same, alive = holder["machine"] == _machine(), Path(f"/proc/{holder['pid']}").exists()
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{target}: another process is writing it ({lock})") from None
    if age > LAPSE_S or (same and not alive):
        return
    raise StoreError(
        f"{target}: {_holder_text(text)} is writing it; if it was killed, its lock expires in "
        f"{max(0.0, LAPSE_S - age):.0f} s"
    )


def _server_time(url: str) -> float:
    """Return the time by the server's clock: when a small object is written there."""
    probe = remote.join(url, f"time-{uuid.uuid4().hex}")
    remote.put(probe, b"", new=True)
    try:
        return _written(probe)
    finally:
        remote.delete([probe])


def _written(url: str) -> float:
    """Return when an object was written, by its server's clock, s since 1970."""

    def ask() -> float:
        files, path = file_system(url)
        files.invalidate_cache(path)
        return float(files.modified(path).timestamp())

    return retrying(url, ask)


def _lock_text(token: str, since: str) -> bytes:
    holder = _holder(since) | {"token": token, "machine": _machine()}
    return json.dumps(holder).encode()


def _machine() -> str | None:
    """Identify the running system whose process numbers are visible here; None if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _identity() -> str:
    return json.dumps(_holder(_now()))


def _holder(since: str) -> dict[str, Any]:
    import platform

    return {"pid": os.getpid(), "host": platform.node(), "since": since}


def _now() -> str:
    from datetime import datetime

    return datetime.now().astimezone().isoformat(timespec="seconds")


def _holder_text(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']} (since {holder['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
