"""The raw files of a record: read them, see that they are what the scan saw, say what is wrong.

Readers want files of this machine. Those of a corpus on an object store are copied into a
private folder first, a few records ahead, and removed when no further record of the task needs
them.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.hashes import sha256_of
from physioprep.remote import download, is_remote, join

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physioprep.recording import Recording

#: Records whose files are copied ahead of the one being read, as long as what lies there
#: takes fewer bytes than this.
AHEAD: Final = 8
AHEAD_BYTES: Final = 256 << 20


@contextmanager
def at_hand(records: Sequence[dict[str, Any]]) -> Iterator[Iterable[dict[str, Any]]]:
    """Give the records of a task one after another, their files on this machine.

    Parameters
    ----------
    records : sequence of dict
        Rows of the ingest's table.

    Yields
    ------
    iterable of dict
        The rows; where ``root`` was a URL it is a temporary folder, gone at the end. What
        could not be copied is found out by `read_source`.
    """
    if not any(is_remote(record["root"]) for record in records):
        yield records
        return
    with TemporaryDirectory(prefix="physioprep-") as folder, ThreadPoolExecutor(AHEAD) as pool:
        try:
            yield _copied(records, Path(folder), pool)
        finally:
            pool.shutdown(cancel_futures=True)


def _copied(
    records: Sequence[dict[str, Any]], folder: Path, pool: ThreadPoolExecutor
) -> Iterator[dict[str, Any]]:
    wanted = [_source_files(record) for record in records]
    last = {file: position for position, files in enumerate(wanted) for file in files}
    roots = {root: folder / str(n) for n, root in enumerate(dict.fromkeys(r for r, _ in last))}
    copies: dict[tuple[str, str], Future[None]] = {}
    asked = 0
    for position, record in enumerate(records):
        while asked < len(records) and (
            asked <= position or (asked <= position + AHEAD and _size(folder) < AHEAD_BYTES)
        ):
            for root, name in wanted[asked]:
                if (root, name) not in copies:
                    copies[root, name] = pool.submit(_copy, root, name, roots[root] / name)
            asked += 1
        failed = None
        for root, name in wanted[position]:
            try:
                copies[root, name].result()
            except FileNotFoundError:
                continue  # as if it were missing on a disk
            except UnreadableFileError as error:
                failed = failed or (name, error.cause)
        root = roots.get(record["root"], record["root"])
        yield {**record, "root": str(root), "not_copied": failed}
        for root, name in wanted[position]:
            if last[root, name] == position:
                (roots[root] / name).unlink(missing_ok=True)


def _source_files(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not is_remote(record["root"]):
        return []
    names = dict.fromkeys([*record["files"], record["path"].partition("#")[0]])
    return [(record["root"], name) for name in names]


def _copy(root: str, name: str, path: Path) -> None:
    if ".." in PurePosixPath(name).parts or name.startswith("/"):
        raise UnreadableFileError(name, "outside the folder of the corpus")
    download(join(root, name), path)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # a copy that has just got its name
            continue
    return total


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

    _check_copied(record)
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


def _check_copied(record: Mapping[str, Any]) -> None:
    if record.get("not_copied"):
        name, cause = record["not_copied"]
        raise UnreadableFileError(f"{record['root']}/{name}", cause)


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
    _check_copied(record)
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
    return sha256_of(path)


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


def unexpected_traceback(error: BaseException) -> str:
    """Return where an error comes from that no reader expects, "" for those that they do.

    A bad file ends in a `PhysioprepError` or an `OSError`. Anything else, and anything else that
    a reader has turned into a `PhysioprepError`, may be a fault of the software.

    Parameters
    ----------
    error : BaseException

    Returns
    -------
    str
        One line per call, innermost last, with paths from the package on, so that it is the
        same on every machine with the same software.

    Examples
    --------
    >>> unexpected_traceback(UnreadableFileError("a.dat", "cut short"))
    ''
    >>> unexpected_traceback(KeyError("lead")).splitlines()
    ["KeyError: 'lead'"]
    """
    origin: BaseException | None = error
    while isinstance(origin, PhysioprepError | OSError):
        origin = origin.__cause__
    if origin is None:
        return ""
    calls = [
        f"{_from_package(call.filename)}:{call.lineno} in {call.name}"
        for call in traceback.extract_tb(origin.__traceback__)
    ]
    return "\n".join([*calls, f"{type(origin).__name__}: {origin}"])


def _from_package(path: str) -> str:
    """Return a source file's path without what differs from machine to machine."""
    parts = PurePosixPath(path).parts
    for root in ("site-packages", "physioprep"):
        if root in parts:
            at = len(parts) - 1 - parts[::-1].index(root)
            return "/".join(parts[at + (root == "site-packages") :])
    return parts[-1]
