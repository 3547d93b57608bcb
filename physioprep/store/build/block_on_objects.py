"""Write one block of an ingest to an object store: in a local folder first, then upload it."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from physioprep import remote
from physioprep.errors import StoreError, UnreadableFileError
from physioprep.store.build.block import run_planned
from physioprep.store.build.journal import entry_path, read_entry, write_entry
from physioprep.store.build.trace import TRACES
from physioprep.store.build.work import (
    JOB,
    JOURNAL,
    STORE,
    TABLE,
    BlockResult,
    Job,
    decode_job,
)
from physioprep.store.exchange import STAGED


def scratch(work: str | Path) -> Path:
    """Return the local folder where blocks of an ingest are written.

    Parameters
    ----------
    work : str or Path
        Working folder of the ingest, or its URL.

    Returns
    -------
    Path
        `work` itself if it is a folder; for a URL a private folder below TMPDIR, which is
        created.

    Raises
    ------
    StoreError
        The folder belongs to another user.
    """
    if not remote.is_remote(work):
        return Path(work)
    name = hashlib.sha256(str(work).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"physioprep-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise StoreError(f"{folder}: belongs to another user; set TMPDIR to a folder of your own")
    return folder


def run_block_on_objects(work: str, block: int, crashed: Mapping[int, str] | None) -> BlockResult:
    """Write one block of an ingest to an object store.

    The block is completed in a local folder; then its shards are uploaded, and at the end its
    journal entry.

    Parameters
    ----------
    work : str
        URL of the working folder of the ingest.
    block : int
        Number of the block.
    crashed : mapping of int to str, or None
        As for `run_planned`.

    Returns
    -------
    BlockResult
        Its `target_error` is set if the object store cannot be read or written.
    """
    try:
        job, records = job_at(work), _records(work, block)
        local = scratch(work)
        for folder in (JOURNAL, TRACES, *(f"{STORE}/{x.name}/signal/c/0" for x in job.layouts)):
            (local / folder).mkdir(parents=True, exist_ok=True)
        done = run_planned(local, job, block, records, crashed)
        if not done.wider and done.target_error is None:
            _upload(local, work, block)
        return done
    except FileNotFoundError as error:
        return BlockResult(block, 0, target_error=f"{error.filename or error}: missing")
    except UnreadableFileError as error:
        return BlockResult(block, 0, target_error=str(error))


def _upload(local: Path, work: str, block: int) -> None:
    entry = read_entry(local / JOURNAL, block, local / STORE)
    if entry is None:
        raise UnreadableFileError(local, f"block {block} has been removed")
    target = objects_of(work)
    md5: dict[str, str] = {}

    def upload(name: str) -> None:
        content = (local / STORE / name).read_bytes()
        md5[name] = hashlib.md5(content, usedforsecurity=False).hexdigest()
        remote.put(remote.join(target, name), content)

    remote.in_parallel(upload, list(entry.outputs))
    write_entry(local / JOURNAL, replace(entry, md5=md5))
    for name in entry.outputs:
        (local / STORE / name).unlink()
    path = entry_path(local / JOURNAL, block)
    remote.put(remote.join(work, f"{JOURNAL}/{path.name}"), path.read_bytes())
    path.unlink()


def objects_of(work: str) -> str:
    """Return where an ingest writes the objects of its store.

    Parameters
    ----------
    work : str
        URL of the working folder of the ingest.

    Returns
    -------
    str
        The store's own URL; in the working folder where an older store is to be replaced.

    Examples
    --------
    >>> objects_of("s3://b/.x.zarr.partial/0123456789abcdef")
    's3://b/x.zarr'
    >>> objects_of("s3://b/.x.zarr.partial/0123456789abcdef-new")
    's3://b/.x.zarr.partial/0123456789abcdef-new/store'
    """
    if work.endswith(STAGED):
        return f"{work}/{STORE}"
    parent, hidden, _ = work.rsplit("/", 2)
    return f"{parent}/{hidden.removeprefix('.').removesuffix('.partial')}"


@lru_cache(maxsize=2)
def job_at(work: str) -> Job:
    """Return the parameters of an ingest onto an object store.

    Parameters
    ----------
    work : str
        URL of the working folder of the ingest.

    Returns
    -------
    Job
        Kept for further calls; ``job_at.cache_clear()`` forgets it.
    """
    return decode_job(remote.fetch(remote.join(work, JOB)))


def _records(work: str, block: int) -> list[dict[str, Any]]:
    import pyarrow as pa

    with pa.PythonFile(_Ranges(remote.join(work, TABLE)), mode="r") as file:
        records: list[dict[str, Any]] = pa.ipc.open_file(file).get_batch(block).to_pylist()
    return records


class _Ranges(io.RawIOBase):
    """An object as a file that is read in ranges: one block of a table of a million records."""

    def __init__(self, url: str) -> None:
        self.url, self.size, self.at = url, remote.size(url), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def read(self, size: int | None = -1) -> bytes:
        stop = self.size if size is None or size < 0 else min(self.size, self.at + size)
        data = remote.fetch(self.url, self.at, stop) if stop > self.at else b""
        self.at += len(data)
        return data
