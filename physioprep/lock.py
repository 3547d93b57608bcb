"""Lock a target, so that only one ingest writes to it at a time.

On a disk it is an advisory lock of the kernel, which ends with its process. On an object store
it is an object that only one process can create (a conditional PUT); the holder renews it, and
a lock that is not renewed expires.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from physioprep import remote
from physioprep.errors import PhysioprepError, StoreError

log = logging.getLogger(__name__)

#: Seconds between renewals of a lock on an object store, and until it expires without renewal.
RENEW_S: Final = 30.0
LAPSE_S: Final = 300.0


@contextmanager
def hold(path: Path, target: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    The kernel releases the lock when the process ends, also if it is killed, so that no lock
    ever has to be removed by hand.

    Parameters
    ----------
    path : Path
        Lock file; its folder must exist.
    target : Path
        The store that is locked, for the error message.

    Raises
    ------
    StoreError
        Another process holds the lock; the message names it and the time since when.
    """
    import fcntl

    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 4096).decode(errors="replace")
            os.close(file)
            raise StoreError(f"{target}: {_holder_text(holder)} is writing it") from None
        # The previous holder may have removed the file between our open and our lock.
        try:
            if os.fstat(file).st_ino == path.stat().st_ino:
                break
        except FileNotFoundError:
            pass
        os.close(file)
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, _identity().encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


@contextmanager
def hold_object(url: str, target: str) -> Iterator[None]:
    """Hold the lock below `url` on an object store while the block runs.

    The object with the highest number (``0``, ``1``, ...) is the lock. If it has expired, a
    process creates the next; if two processes try, only one succeeds. The lock of a process of
    this machine that has ended counts as expired at once, others after `LAPSE_S`.

    Parameters
    ----------
    url : str
        Folder of the lock objects.
    target : str
        The store that is locked, for the error message.

    Raises
    ------
    StoreError
        Another process holds the lock; the message names it and the time since when.
    """
    token = uuid.uuid4().hex
    number = _take(url, target, token)
    stop = threading.Event()
    since = _now()

    def renew() -> None:
        while not stop.wait(RENEW_S):
            try:
                remote.put(remote.join(url, str(number)), _lock_text(token, since))
            except (PhysioprepError, OSError) as error:
                log.warning("%s: its lock could not be renewed: %s", target, error)

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        remote.delete(remote.join(url, str(n)) for n in range(number + 1))


def _take(url: str, target: str, token: str) -> int:
    """Create the next lock, if none is in force; return its number."""
    held = max((int(n) for n in remote.listing(url) if n.isdigit()), default=-1)
    if held >= 0:
        _check_expired(remote.join(url, str(held)), target)
    mine = remote.join(url, str(held + 1))
    for _ in range(2):  # the second PUT must fail; if it succeeds, the server ignores the condition
        try:
            remote.put(mine, _lock_text(token, _now()), new=True)
        except FileExistsError:
            # It is our own if the response to an earlier attempt was lost.
            if json.loads(remote.fetch(mine)).get("token") != token:
                raise StoreError(f"{target}: another process has just locked it") from None
            return held + 1
    log.warning(
        "%s: its server has no conditional PUT, so another ingest may write to it, too", target
    )
    return held + 1


def _check_expired(url: str, target: str) -> None:
    """Raise StoreError if the lock at `url` is in force."""
    try:
        text = remote.fetch(url).decode(errors="replace")
    except FileNotFoundError:
        return
    try:
        holder = json.loads(text)
        age = time.time() - float(holder["renewed"])
        same, alive = holder["machine"] == _machine(), Path(f"/proc/{holder['pid']}").exists()
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{target}: another process is writing it ({url})") from None
    if age > LAPSE_S or (same and not alive):
        return
    raise StoreError(
        f"{target}: {_holder_text(text)} is writing it; if it was killed, its lock expires in "
        f"{max(0.0, LAPSE_S - age):.0f} s"
    )


def _lock_text(token: str, since: str) -> bytes:
    holder = _holder(since) | {"token": token, "machine": _machine(), "renewed": time.time()}
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
