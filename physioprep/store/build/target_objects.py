"""A store made on ``s3://`` or ``gs://``: where its blocks are written, and what makes it whole.

An object is written whole or not at all, but there is no rename. So shards are written under
the names that they keep, and the root's ``zarr.json``, without which there is no store, is
written last. Beside the target, under ``.NAME.partial``, lie what tasks need to know and the
journal; a task works in a folder of its own machine and sends its block when it is finished.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep import remote
from physioprep.errors import StoreError, UnreadableFileError
from physioprep.store.build.block import run_planned
from physioprep.store.build.job_table import prepare
from physioprep.store.build.journal import Entry, entry_path, read_entry
from physioprep.store.build.lock import hold_object
from physioprep.store.build.plan import Plan
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

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.build.gather import Contents

_ROOT = "zarr.json"
_DTYPES = "dtypes.json"


def scratch(work: str | Path) -> Path:
    """Return the folder of this machine where blocks of an ingest are worked on.

    Parameters
    ----------
    work : str or Path
        Working folder of the ingest, or its URL.

    Returns
    -------
    Path
        `work` itself, where it is a folder.
    """
    if not remote.is_remote(work):
        return Path(work)
    name = hashlib.sha256(str(work).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"physioprep-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise StoreError(f"{folder}: somebody else's; set TMPDIR to a folder of your own")
    return folder


def run_block_there(work: str, block: int, crashed: Mapping[int, str]) -> BlockResult:
    """Do one block of an ingest onto an object store; see `run_block`.

    The block is finished here, then its shards are sent, and its journal entry last.
    """
    try:
        job, records = _job(work), _records(work, block)
        here = scratch(work)
        for folder in (JOURNAL, TRACES, *(f"{STORE}/{x.name}/signal/c/0" for x in job.layouts)):
            (here / folder).mkdir(parents=True, exist_ok=True)
        done = run_planned(here, job, block, records, crashed)
        if not done.wider and done.target_error is None:
            _send(here, work, block)
        return done
    except FileNotFoundError as error:
        return BlockResult(block, 0, target_error=f"{error.filename or error}: gone")
    except UnreadableFileError as error:
        return BlockResult(block, 0, target_error=str(error))


def _send(here: Path, work: str, block: int) -> None:
    entry = read_entry(here / JOURNAL, block, here / STORE)
    if entry is None:
        raise UnreadableFileError(here, f"block {block} is not there any more")
    target = _target_of(work)

    def send(name: str) -> None:
        remote.put(remote.join(target, name), (here / STORE / name).read_bytes())
        (here / STORE / name).unlink()

    remote.in_parallel(send, list(entry.outputs))
    path = entry_path(here / JOURNAL, block)
    remote.put(remote.join(work, f"{JOURNAL}/{path.name}"), path.read_bytes())
    path.unlink()


def _work_of(target: str, name: str = "") -> str:
    parent, _, own = target.rpartition("/")
    return f"{parent}/.{own}.partial/{name}".rstrip("/")


def _target_of(work: str) -> str:
    parent, hidden, _ = work.rsplit("/", 2)
    return f"{parent}/{hidden.removeprefix('.').removesuffix('.partial')}"


@lru_cache(maxsize=2)
def _job(work: str) -> Job:
    return decode_job(remote.fetch(remote.join(work, JOB)))


def _records(work: str, block: int) -> list[dict[str, Any]]:
    import pyarrow as pa

    with pa.PythonFile(_Ranges(remote.join(work, TABLE)), mode="r") as file:
        records: list[dict[str, Any]] = pa.ipc.open_file(file).get_batch(block).to_pylist()
    return records


class _Ranges(io.RawIOBase):
    """An object as a file that is read in ranges: of a table of a million records, one block."""

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


class ObjectTarget:
    """A store to be made on an object store; the methods of `FolderTarget`.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url: str) -> None:
        if url.startswith("http"):
            raise StoreError(f"{url}: the web cannot be written to; s3:// and gs:// can")
        self.path = url

    def exists(self) -> bool:
        """Say whether there is a store."""
        try:
            remote.fetch(remote.join(self.path, _ROOT))
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other ingests from the target."""
        parent, _, name = self.path.rpartition("/")
        with hold_object(f"{parent}/.{name}.lock", self.path):
            yield

    def refuse_append(self) -> None:
        """Say why a store on an object store is not extended."""
        raise StoreError(
            f"{self.path}: a store on an object store cannot be extended, since its tables cannot "
            "be swapped in one step: extend a copy on a disk, or make it anew"
        )

    def learnt(self) -> dict[str, Any]:
        """Return what an unfinished run learnt of its dtypes."""
        try:
            return dict(json.loads(remote.fetch(_work_of(self.path, _DTYPES))))
        except (FileNotFoundError, ValueError):
            return {}

    def learn(self, plan: Plan, found: Mapping[str, Any]) -> None:
        """Note dtypes, and give up the blocks of `plan`, which has others."""
        self._remove(_work_of(self.path, plan.sha256[:16]))
        remote.put(_work_of(self.path, _DTYPES), json.dumps(found).encode())

    def unfinished(self, plan: Plan, *, give_up: bool) -> bool:
        """Say whether another ingest lies here unfinished; `give_up` removes it instead."""
        base = _work_of(self.path)
        mine = plan.sha256[:16]
        others = {name.partition("/")[0] for name in remote.listing(base) if "/" in name} - {mine}
        if give_up:
            for name in others:
                self._remove(remote.join(base, name))
        return bool(others) and not give_up

    def prepare(
        self, plan: Plan, manifest: pd.DataFrame, recipe: Recipe, root: str | Path | None
    ) -> str:
        """Lay out the work, and fetch the journal; return what tasks are told."""
        self.work = _work_of(self.path, plan.sha256[:16])
        self.here = scratch(self.work) / "main"
        shutil.rmtree(self.here, ignore_errors=True)
        prepare(self.here, plan, manifest, recipe, root)
        remote.delete([remote.join(self.path, _ROOT)])  # there only if it is to be replaced
        for name in (TABLE, JOB):
            remote.put(remote.join(self.work, name), (self.here / name).read_bytes())
        _job.cache_clear()
        for name, size in remote.listing(self.path).items():
            if "/signal/c/0/" in name:
                self._stand_in(name, size or 0)
        self._collect()
        return self.work

    def _stand_in(self, name: str, size: int) -> None:
        """Put an empty file of a shard's size in its place: what asks for it asks for that."""
        path = self.here / STORE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)

    def _collect(self) -> None:
        """Fetch the journal entries that are not here yet."""
        journal = remote.join(self.work, JOURNAL)
        missing = [x for x in remote.listing(journal) if not (self.here / JOURNAL / x).exists()]
        remote.in_parallel(
            lambda x: remote.download(remote.join(journal, x), self.here / JOURNAL / x), missing
        )

    def entry(self, block: int) -> Entry | None:
        """Return what is known of a block, if it is done."""
        return read_entry(self.here / JOURNAL, block, self.here / STORE)

    def finished(self, block: int) -> Entry | None:
        """Return the entry of a block that a task has just reported."""
        path = entry_path(self.here / JOURNAL, block)
        remote.download(remote.join(self.work, f"{JOURNAL}/{path.name}"), path)
        return self.entry(block)

    def forget(self, block: int) -> None:
        """Take back that a block is done."""
        path = entry_path(self.here / JOURNAL, block)
        if path.exists():
            remote.delete([remote.join(self.work, f"{JOURNAL}/{path.name}")])
            path.unlink()

    def complete(self, commit: Callable[[Path], Contents], n_before: int) -> Contents:
        """Write all that is not samples, the root last, if that makes `n_before` records more."""
        self._collect()
        for name, size in remote.listing(self.path).items():
            if "/signal/c/0/" in name:
                self._stand_in(name, size or 0)
        contents = commit(self.here)
        if len(contents.table) <= n_before:
            return contents
        store = self.here / STORE
        names = {x.relative_to(store).as_posix() for x in store.rglob("*") if x.is_file()}
        rest = sorted(names - contents.outputs.keys() - {_ROOT})
        remote.in_parallel(
            lambda x: remote.put(remote.join(self.path, x), (store / x).read_bytes()), rest
        )
        strays = remote.listing(self.path).keys() - names
        remote.delete(remote.join(self.path, name) for name in strays)
        remote.put(remote.join(self.path, _ROOT), (store / _ROOT).read_bytes())
        return contents

    def discard(self) -> None:
        """Remove what was there to make it, and the folders of this machine."""
        self._remove(_work_of(self.path))
        if hasattr(self, "work"):
            shutil.rmtree(scratch(self.work), ignore_errors=True)

    def size(self) -> int:
        """Return the bytes of the store."""
        return sum(size or 0 for size in remote.listing(self.path).values())

    def _remove(self, url: str) -> None:
        remote.delete(remote.join(url, name) for name in remote.listing(url))
