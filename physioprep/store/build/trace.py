"""Record on the disk which record a worker is reading, in case its process dies."""

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
    """Call a function that writes to the target.

    Parameters
    ----------
    do : callable
        Function to call; its result is ignored.
    *arguments, **options
        Its arguments.

    Raises
    ------
    TargetError
        `do` raised an OSError: a fault of the target, not of a record.
    """
    try:
        do(*arguments, **options)
    except OSError as error:
        raise TargetError(error.strerror or str(error)) from error


class Trace:
    """Context that keeps the number of the current record in a file, removed at the end.

    If the process dies, the file remains; `traced_records` reads it.

    Parameters
    ----------
    work : Path
        Working folder of the ingest.
    block : int
        Number of the block.
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
        """Write the number of the record that is read next.

        One system call; the number stays in the file if the process dies.

        Parameters
        ----------
        record : int
            Number of the record in the plan.
        """
        os.pwrite(self.file, struct.pack("<q", record), 0)

    def __exit__(self, *_: object) -> None:
        os.close(self.file)
        self.path.unlink(missing_ok=True)


def traced_records(work: Path, block: int) -> list[int]:
    """Return the records that were being read when a process died in a block.

    Parameters
    ----------
    work : Path
        Working folder of the ingest.
    block : int
        Number of the block.

    Returns
    -------
    list of int
        Numbers of records in the plan, one per process that died; empty if none did.
    """
    found = []
    for path in (work / TRACES).glob(f"{block}.*"):
        data = path.read_bytes()
        if len(data) == 8:
            found.append(int(struct.unpack("<q", data)[0]))
    return found
