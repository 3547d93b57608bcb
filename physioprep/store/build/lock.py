"""One ingest a target: an advisory lock that names its holder and dies with its process.

On a disk the kernel keeps the lock. On an object store it is an object that only one can create
(a conditional PUT); its holder renews it, and one that is not renewed lapses.
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

#: Seconds between renewals of a lock on an object store, and after which it lapses.
RENEW_S: Final = 30.0
LAPSE_S: Final = 300.0


@contextmanager
def hold(path: Path, target: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs.

    The kernel drops the lock when the process ends, however it ends, so that a killed ingest
    never has to be unlocked by hand.

    Parameters
    ----------
    path : Path
        Lock file; its folder exists.
    target : Path
        What is locked, for the message.

    Raises
    ------
    StoreError
        If another process holds it; the message says which, and since when.
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
        # The last holder may have removed the file between our open and our lock.
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

    The lock is the object of the highest number: ``0``, ``1``, ... Who finds that one lapsed
    creates the next, and of two who try only one can. The lock of a process that was killed
    on this machine counts as lapsed at once, others after `LAPSE_S`.

    Parameters
    ----------
    url : str
    target : str
        What is locked, for the message.

    Raises
    ------
    StoreError
        If another process holds it; the message says which, and since when.
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
    """Create the next lock, if there is none that holds; return its number."""
    held = max((int(n) for n in remote.listing(url) if n.isdigit()), default=-1)
    if held >= 0:
        _check_lapsed(remote.join(url, str(held)), target)
    mine = remote.join(url, str(held + 1))
    for _ in range(2):  # the second time must fail: else the server ignores the condition
        try:
            remote.put(mine, _lock_text(token, _now()), new=True)
        except FileExistsError:
            # Ours too, if the answer to the first of several attempts was lost.
            if json.loads(remote.fetch(mine)).get("token") != token:
                raise StoreError(f"{target}: another process has just locked it") from None
            return held + 1
    log.warning("%s: its server knows no conditional PUT, so nothing keeps others away", target)
    return held + 1


def _check_lapsed(url: str, target: str) -> None:
    """Raise if the lock at `url` holds."""
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
        f"{target}: {_holder_text(text)} is writing it; if that was killed, its lock lapses in "
        f"{max(0.0, LAPSE_S - age):.0f} s"
    )


def _lock_text(token: str, since: str) -> bytes:
    holder = _holder(since) | {"token": token, "machine": _machine(), "renewed": time.time()}
    return json.dumps(holder).encode()


def _machine() -> str | None:
    """Name the running system whose process numbers we can look up; None where unknown."""
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
