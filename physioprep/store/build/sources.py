"""Read the raw files of a record, check their hashes, and describe errors.

Readers need local files. Files of a corpus on an object store are first copied to a private
folder, a few records ahead, and removed when no further record of the task needs them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from physioprep.errors import (
    ManifestError,
    PhysioprepError,
    StoreError,
    UnreadableFileError,
)
from physioprep.hashes import sha256_of
from physioprep.recording import BAD_CHANNEL
from physioprep.remote import download, is_remote, join, place
from physioprep.store.build.annotations import folder_of, with_annotations, with_positions
from physioprep.trees import paths_below

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise.recipe import Recipe
    from physioprep.recording import Recording

#: Records whose files are copied ahead of the one being read, as long as the copies take fewer
#: bytes than `AHEAD_BYTES`.
AHEAD: Final = 8
AHEAD_BYTES: Final = 256 << 20
#: Bytes that a copy may have beyond twice those of its record at the scan.
_SPARE: Final = 1 << 20


@contextmanager
def with_local_files(records: Sequence[dict[str, Any]]) -> Iterator[Iterable[dict[str, Any]]]:
    """Yield the records of a task one after another, with their files on this machine.

    Parameters
    ----------
    records : sequence of dict
        Rows of the ingest's table.

    Yields
    ------
    iterable of dict
        The rows; if ``root`` was a URL, it is replaced by a temporary folder, removed at the
        end. `read_source` raises for files that could not be copied.
    """
    if not any(is_remote(record["root"]) for record in records):
        yield records
        return
    with TemporaryDirectory(prefix="physioprep-") as folder, ThreadPoolExecutor(AHEAD) as pool:
        try:
            yield _copied(records, Path(folder), pool)
        finally:
            pool.shutdown(cancel_futures=True)


def checked_root(root: str | Path | None, manifest: pd.DataFrame) -> str | Path | None:
    """Return the folder of the raw files in full; refuse one that is none.

    Where none is given, refuse records of an unknown folder: a store keeps none, nor a manifest
    made from one.

    Parameters
    ----------
    root : str or Path, optional
        As given to an ingest: a folder, or a URL.
    manifest : pandas.DataFrame

    Returns
    -------
    str, Path or None
        None where none is given.

    Raises
    ------
    StoreError
        The folder is none.
    ManifestError
        None is given, and records do not state theirs.
    """
    if root is not None:
        found = place(root) if is_remote(root) else Path(root).absolute()
        if isinstance(found, Path) and not found.is_dir():
            raise StoreError(f"{found}: no such folder")
        return found
    bare = manifest[manifest["root"].isna() & manifest["error"].isna()]
    if len(bare):
        names = f"{bare['corpus'].iloc[0]}/{bare['record_id'].iloc[0]}"
        raise ManifestError(
            f"{len(bare)} records, such as {names}, do not say in which folder their files are: "
            "give it (--root FOLDER)"
        )
    return None


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
                    most = _most_bytes(records[asked], name)
                    copies[root, name] = pool.submit(_copy, root, name, roots[root] / name, most)
            asked += 1
        failed = None
        for root, name in wanted[position]:
            try:
                copies[root, name].result()
            except FileNotFoundError:
                continue  # treated as a file missing on a disk
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


def _most_bytes(record: Mapping[str, Any], name: str) -> int | None:
    """Return how large a copy may be, so that a server which changed does not fill the disk."""
    stated = record.get("bytes")
    return 2 * stated + _SPARE if stated and name in record["files"] else None


def _copy(root: str, name: str, path: Path, most: int | None) -> None:
    if ".." in PurePosixPath(name).parts or name.startswith("/"):
        raise UnreadableFileError(name, "outside the folder of the corpus")
    download(join(root, name), path, limit=most)


def _size(folder: Path) -> int:
    total = 0
    for path in paths_below(folder):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # a copy that has just been renamed
            continue
    return total


def read_source(
    record: Mapping[str, Any], *, verify: bool, recipe: Recipe | None = None, on_checksum: str = ""
) -> Recording:
    """Read the recording that a row of the ingest's table names.

    Parameters
    ----------
    record : mapping
        A row of the ingest's table.
    verify : bool
        Whether the reader checks checksums.
    recipe : Recipe, optional
        If it is not native, known faults of the corpus are corrected, as its facts describe, and
        streams with clocks of their own are put on one time line.
    on_checksum : {"", "quarantine", "flag"}
        Raise where the samples fail the checksum of their header, or read them all the same. "":
        raise, except for records for which the facts of the corpus say ``on_checksum: flag``.

    Returns
    -------
    Recording
        With the annotations that its corpus keeps in separate files. Its ``metadata`` have
        ``"checksum_failed"``, the reason, where a checksum failed.

    Raises
    ------
    UnreadableFileError
        A file is damaged, could not be copied to this machine, or lies outside the folder of its
        corpus.
    """
    from physioprep.readers.confinement import confined_to

    _check_copied(record)
    _check_inside(record)
    path = folder_of(record["root"]) / record["path"]
    recording = _read(record, path, on_checksum, verify=verify)
    fix = recipe is not None and not recipe.native
    if fix and record.get("faults"):
        from physioprep.corpora.fix import fix_recording

        recording = fix_recording(recording, record["corpus"], record["faults"])
    # those of a table beside the file; an ingest that an earlier version began has no flags
    bad = [flag for flag in record.get("flags") or () if flag.startswith(BAD_CHANNEL)]
    if bad:
        flags = [*dict.fromkeys([*recording.metadata.get("flags", ()), *bad])]
        recording = replace(recording, metadata={**recording.metadata, "flags": flags})
    with confined_to(record["root"]):
        recording = with_annotations(recording, record, path)
        recording = with_positions(recording, record)
    if recipe is not None and recipe.synchronises and "clocks" in recording.metadata:
        from physioprep.harmonise.clocks import synchronised

        recording = synchronised(recording)
    return recording


def _read(record: Mapping[str, Any], path: Path, on_checksum: str, *, verify: bool) -> Recording:
    from physioprep.corpora.reading import read_of_corpus
    from physioprep.readers import read_recording

    form, root = record["format"], record["root"]
    try:
        return read_of_corpus(
            path, record["corpus"], record.get("faults"), root=root, format=form,
            on_checksum=on_checksum, verify=verify,
        )  # fmt: skip
    except UnreadableFileError as error:
        if not error.in_annotations:
            raise
        # the file has the right length; what is lost is on the record: see `reader_flags`
        return read_recording(path, format=form, root=root, verify=False)


def _check_inside(record: Mapping[str, Any]) -> None:
    """Refuse what a manifest names outside the folder of the corpus."""
    from physioprep.readers.confinement import check_inside

    root = record["root"]
    check_inside([os.path.join(root, name) for name in record["files"]], root)  # noqa: PTH118


def _check_copied(record: Mapping[str, Any]) -> None:
    if record.get("not_copied"):
        name, cause = record["not_copied"]
        raise UnreadableFileError(f"{record['root']}/{name}", cause)


def check_sources(record: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Hash the files of a record, and check that they are unchanged since the scan.

    Called after reading, so that it also detects a change during the read.

    Parameters
    ----------
    record : mapping
        A row of the ingest's table.

    Returns
    -------
    list of (str, int)
        SHA-256 and size in bytes of each file.

    Raises
    ------
    UnreadableFileError
        A file is missing, its hash differs from that of the scan, or it lies outside the folder of
        its corpus.
    """
    _check_copied(record)
    _check_inside(record)
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


# A file may hold thousands of records; hash each file once per process.
@lru_cache(maxsize=64)
def _hash_file(path: str, mtime_ns: int, size: int) -> str:
    return sha256_of(path)


def reason_of(error: BaseException, record: Mapping[str, Any]) -> str:
    """Describe an error in one line that is the same on every machine.

    Parameters
    ----------
    error : BaseException
        Raised while the record was read or harmonised.
    record : mapping
        A row of the ingest's table.

    Returns
    -------
    str
        File and cause; paths are relative to the folder of the corpus.

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
