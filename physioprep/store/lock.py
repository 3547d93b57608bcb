"""One ingest a target: an advisory lock that names its holder and dies with its process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from physioprep.errors import StoreError


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


def _identity() -> str:
    import platform
    from datetime import datetime

    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": platform.node(), "since": now})


def _holder_text(text: str) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']} (since {holder['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"
