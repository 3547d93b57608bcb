"""The raw files of a record: read them, see that they are what the scan saw, say what is wrong."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.errors import PhysioprepError, UnreadableFileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physioprep.recording import Recording


def read_source(record: Mapping[str, Any], *, verify: bool, fix: bool) -> Recording:
    """Read the recording that a row of the ingest's table names.

    Parameters
    ----------
    record : mapping
        A row of the ingest's table.
    verify : bool
        Whether the reader checks checksums.
    fix : bool
        Whether known faults of the corpus are put right, as its facts say.

    Returns
    -------
    Recording
        With the annotations that its corpus keeps in files of their own.
    """
    from physioprep.readers import read_recording

    path = Path(record["root"]) / record["path"]
    recording = read_recording(path, format=record["format"], verify=verify)
    if fix and record.get("faults"):
        from physioprep.corpora.fix import fix_recording

        recording = fix_recording(recording, record["corpus"], record["faults"])
    read_beside = _annotation_reader(record["corpus"])
    if read_beside is not None:
        notes = read_beside(path)
        if len(next(iter(notes.values()), ())):
            recording = replace(recording, annotation_columns=notes)
    return recording


@lru_cache(maxsize=64)
def _annotation_reader(corpus: str) -> Callable[[Path], Mapping[str, NDArray[Any]]] | None:
    """Return what reads the annotations a corpus keeps beside its recordings, if it does."""
    from physioprep.corpora import corpus_module
    from physioprep.facts import list_corpora

    if corpus not in list_corpora():  # a manifest of the user's own making
        return None
    return getattr(corpus_module(corpus), "read_annotations", None)


def check_sources(record: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Hash the files of a record.

    Called after reading, so that a change during the read shows too.

    Parameters
    ----------
    record : mapping
        A row of the ingest's table.

    Returns
    -------
    list of (str, int)
        SHA-256 and bytes of each file.

    Raises
    ------
    UnreadableFileError
        If a file is gone, or is not what the scan hashed.
    """
    names, root = record["files"], record["root"]
    found = []
    for name, before in zip(names, record["file_sha256"] or [None] * len(names), strict=True):
        path = os.path.join(root, name)  # noqa: PTH118 (hot path)
        try:
            status = os.stat(path)  # noqa: PTH116
            now = _hash_file(path, status.st_mtime_ns, status.st_size)
        except OSError as error:
            cause = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
            raise UnreadableFileError(path, f"{cause} (it was there at the scan)") from None
        if before is not None and before != now:
            raise UnreadableFileError(
                path, f"changed since the scan: sha256 was {before[:12]}…, is {now[:12]}…"
            )
        found.append((now, status.st_size))
    return found


# Containers hold thousands of records; hash each file once a process.
@lru_cache(maxsize=64)
def _hash_file(path: str, mtime_ns: int, size: int) -> str:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        if size <= 1 << 20:  # file_digest would clear a buffer larger than most records
            return hashlib.sha256(file.read()).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason_of(error: BaseException, record: Mapping[str, Any]) -> str:
    """Say what is wrong in one line that is the same on every machine.

    Parameters
    ----------
    error : BaseException
    record : mapping
        A row of the ingest's table.

    Returns
    -------
    str
        Without the corpus's folder.

    Examples
    --------
    >>> record = {"root": "/data/mine", "path": "a.hea"}
    >>> reason_of(UnreadableFileError("/data/mine/a.dat", "cut short"), record)
    'a.dat: cut short'
    """
    if isinstance(error, PhysioprepError):
        text = str(error)
    elif isinstance(error, OSError):
        text = f"{error.filename or record['path']}: {error.strerror or error}"
    else:
        text = f"{type(error).__name__}: {error}"
    root = str(record["root"]).rstrip("/") + "/"
    return " ".join(text.replace(root, "").split())
