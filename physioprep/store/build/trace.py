"""What a worker leaves on the disk while it works: for whoever finds its process dead."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

TRACES: Final = "traces"


class TargetError(Exception):
    """The target cannot be written."""


def to_target(do: Callable[..., object], *arguments: Any, **options: Any) -> None:
    """Call `do`; an OSError of it is the target's, not a record's.

    Raises
    ------
    TargetError
    """
    try:
        do(*arguments, **options)
    except OSError as error:
        raise TargetError(error.strerror or str(error)) from error


class Trace:
    """Which record of a block is being worked on; gone when the block is left alive.

    Parameters
    ----------
    work : Path
        Working folder of the ingest.
    block : int
    """

    def __init__(self, work: Path, block: int) -> None:
        self.path = work / TRACES / f"{block}.{os.getpid()}.{threading.get_ident()}"

    def __enter__(self) -> Trace:
        try:
            self.file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise TargetError(error.strerror or str(error)) from error
        return self

    def at(self, record: int) -> None:
        """Note that `record` comes now: one system call, which outlives the process."""
        os.pwrite(self.file, struct.pack("<q", record), 0)

    def __exit__(self, *_: object) -> None:
        os.close(self.file)
        self.path.unlink(missing_ok=True)


def traced_records(work: Path, block: int) -> list[int]:
    """Return the records that processes which died in `block` were working on."""
    found = []
    for path in (work / TRACES).glob(f"{block}.*"):
        data = path.read_bytes()
        if len(data) == 8:
            found.append(int(struct.unpack("<q", data)[0]))
    return found
