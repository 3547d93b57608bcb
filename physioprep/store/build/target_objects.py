"""Make a store on ``s3://`` or ``gs://``.

An object is written completely or not at all, but cannot be renamed. Shards are therefore
written under their final names, and the root's ``zarr.json``, which makes them a store, is
written last. ``.NAME.partial`` beside the target contains the parameters of the tasks and the
journal; a task writes its block to a local folder and uploads it when it is finished.

A store that replaces another is first written whole below ``.NAME.partial``. A note there then says
so, the old root is deleted, the new objects are copied (by the server) over the old ones, and the
root comes last. Meanwhile `open_store` follows the note. Whoever next locks the target finishes an
exchange that was stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep import remote
from physioprep.errors import StoreError
from physioprep.file_systems import file_system
from physioprep.lock import Held, hold_object
from physioprep.retry import retrying
from physioprep.store.build.block_on_objects import job_at, objects_of, scratch
from physioprep.store.build.job_table import prepare
from physioprep.store.build.journal import Entry, entry_path, read_entry
from physioprep.store.build.object_keys import check_prefix, is_store_key, is_work_key
from physioprep.store.build.plan import Plan
from physioprep.store.build.work import JOB, JOURNAL, STORE, TABLE
from physioprep.store.exchange import NOTE, STAGED, note, noted, work_of
from physioprep.trees import paths_below

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.build.gather import Contents

log = logging.getLogger(__name__)

_ROOT = "zarr.json"
_DTYPES = "dtypes.json"


class ObjectTarget:
    """A target on an object store; `FolderTarget` (target_folder.py) has the same methods.

    Parameters
    ----------
    url : str
        URL of the store, ``s3://`` or ``gs://``.

    Raises
    ------
    StoreError
        The URL is http(s) or of the hub.
    """

    def __init__(self, url: str) -> None:
        if url.startswith(("http", "hub:")):
            raise StoreError(f"{url}: cannot write to http(s), hub; give a folder, s3:// or gs://")
        self.path = url
        self.exchanged = ""

    def exists(self) -> bool:
        """Return whether a store exists.

        Returns
        -------
        bool
            Whether the root's ``zarr.json`` exists.
        """
        try:
            remote.fetch(remote.join(self.path, _ROOT))
        except FileNotFoundError:
            return False
        return True

    def check(self, inputs: Iterable[str | Path], *, replaces: bool) -> None:
        """Raise unless a store may be made here; see `check_prefix`.

        Parameters
        ----------
        inputs : iterable of path-like
            Folders or URLs of the raw files.
        replaces : bool
            Whether a store that is there would be replaced.

        Raises
        ------
        StoreError
            The target overlaps an input, or something there is not ours.
        """
        own = f"{self.path}/"
        for each in map(str, inputs):
            other = f"{each.rstrip('/')}/"
            if own.startswith(other) or other.startswith(own):
                raise StoreError(f"{self.path}: it overlaps the input {each}; choose another place")
        check_prefix(self.path, work_of(self.path))

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """Lock the target against other ingests, and finish an exchange that was stopped.

        Yields
        ------
        Held
            Says whether the lock is still held.
        """
        parent, _, name = self.path.rpartition("/")
        with hold_object(f"{parent}/.{name}.lock", self.path) as held:
            if (folder := noted(self.path)) is not None:
                self._exchange(folder)
            yield held

    def refuse_append(self) -> None:
        """Raise a StoreError: a store on an object store cannot be extended.

        Raises
        ------
        StoreError
            Always.
        """
        raise StoreError(
            f"{self.path}: a store on an object store cannot be extended, since its tables cannot "
            "be replaced in one step: extend a copy on a disk, or make a new store"
        )

    def learnt(self) -> dict[str, Any]:
        """Return the dtypes that an unfinished run found.

        Returns
        -------
        dict
            As given to `learn`; empty if there is no such run.
        """
        try:
            return dict(json.loads(remote.fetch(work_of(self.path, _DTYPES))))
        except (FileNotFoundError, ValueError):
            return {}

    def learn(self, plan: Plan, found: Mapping[str, Any]) -> None:
        """Save dtypes, and remove the blocks of a plan with other dtypes.

        Parameters
        ----------
        plan : Plan
            Plan to abandon.
        found : mapping
            ``inputs`` and ``dtypes``; JSON values.
        """
        for ending in ("", STAGED):
            self._remove(work_of(self.path, plan.sha256[:16] + ending))
        remote.put(work_of(self.path, _DTYPES), json.dumps(found).encode())

    def unfinished(self, plan: Plan, *, give_up: bool) -> bool:
        """Return whether an unfinished ingest of another plan exists.

        Parameters
        ----------
        plan : Plan
            Plan of this ingest.
        give_up : bool
            Remove the unfinished ingests of other plans.

        Returns
        -------
        bool
            False if `give_up`.
        """
        base = work_of(self.path)
        mine = {plan.sha256[:16], plan.sha256[:16] + STAGED}
        others = {name.partition("/")[0] for name in remote.listing(base) if "/" in name} - mine
        if self.exchanged in others:  # its store is in place
            self._remove(remote.join(base, self.exchanged))
            others.remove(self.exchanged)
        if give_up:
            for name in others:
                self._remove(remote.join(base, name))
        return bool(others) and not give_up

    def prepare(
        self, plan: Plan, manifest: pd.DataFrame, recipe: Recipe, root: str | Path | None
    ) -> str:
        """Make the working folder, and download the journal.

        Parameters
        ----------
        plan : Plan
            Plan of the ingest.
        manifest : pandas.DataFrame
            Manifest that `plan` was made from.
        recipe : Recipe
            Recipe of the store.
        root : str or Path, optional
            Folder or URL of the raw files; by default as in the manifest.

        Returns
        -------
        str
            URL of the working folder, a parameter of the tasks.
        """
        self.work = work_of(self.path, plan.sha256[:16])
        if self.exists() or remote.listing(self.work + STAGED):  # an older store is replaced
            self.work += STAGED
        self.written = objects_of(self.work)
        self.local = scratch(self.work) / "main"
        shutil.rmtree(self.local, ignore_errors=True)
        prepare(self.local, plan, manifest, recipe, root)
        for name in (TABLE, JOB):
            remote.put(remote.join(self.work, name), (self.local / name).read_bytes())
        job_at.cache_clear()
        self._reserve()
        self._collect()
        return self.work

    def _reserve(self) -> None:
        """Make empty local files of the shards' sizes: `read_entry` checks only the size."""
        self.stated = remote.listing_with_md5(self.written)
        for name, (size, _) in self.stated.items():
            if "/signal/c/0/" in name:
                path = self.local / STORE / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    file.truncate(size)

    def _collect(self) -> None:
        """Download the journal entries that are not yet in the local folder."""
        journal = remote.join(self.work, JOURNAL)
        missing = [x for x in remote.listing(journal) if not (self.local / JOURNAL / x).exists()]
        remote.in_parallel(
            lambda x: remote.download(remote.join(journal, x), self.local / JOURNAL / x), missing
        )

    def entry(self, block: int) -> Entry | None:
        """Return the journal's entry of a block of an earlier run; its shards are compared again.

        Parameters
        ----------
        block : int
            Number of the block.

        Returns
        -------
        Entry or None
            None if the block must be done (again).
        """
        entry = self._entry(block)
        for name in entry.outputs if entry is not None else ():
            if entry is not None and not self._is_unchanged(entry, name):
                log.warning("%s/%s: changed since an earlier run; written again", self.path, name)
                return None
        return entry

    def _entry(self, block: int) -> Entry | None:
        return read_entry(self.local / JOURNAL, block, self.local / STORE)

    def _is_unchanged(self, entry: Entry, name: str) -> bool:
        """Compare a shard with its hash: by its server's MD5, or else by fetching it."""
        _, md5 = self.stated[name]
        if md5 and entry.md5.get(name) == md5:
            return True
        content = remote.fetch(remote.join(self.written, name))
        return hashlib.sha256(content).hexdigest() == entry.outputs[name][0]

    def finished(self, block: int) -> Entry | None:
        """Return the entry of a block whose task has just ended.

        Parameters
        ----------
        block : int
            Number of the block.

        Returns
        -------
        Entry or None
            None if it is damaged.
        """
        path = entry_path(self.local / JOURNAL, block)
        remote.download(remote.join(self.work, f"{JOURNAL}/{path.name}"), path)
        return self._entry(block)

    def forget(self, block: int) -> None:
        """Remove the entry of a block.

        Parameters
        ----------
        block : int
            Number of the block.
        """
        path = entry_path(self.local / JOURNAL, block)
        if path.exists():
            remote.delete([remote.join(self.work, f"{JOURNAL}/{path.name}")])
            path.unlink()

    def complete(
        self, commit: Callable[[Path], Contents], n_before: int, *, replace: bool
    ) -> Contents:
        """Write all of the store except its samples, the root last.

        Parameters
        ----------
        commit : callable
            Completes the store in a working folder.
        n_before : int
            The store is uploaded only if it has more records than this.
        replace : bool
            Whether a store at `path` is replaced. One that appeared meanwhile is refused.

        Returns
        -------
        Contents
            Of the completed store.

        Raises
        ------
        StoreError
            A store or something foreign appeared at `path` meanwhile.
        """
        self._collect()
        self._reserve()
        contents = commit(self.local)
        if len(contents.table) <= n_before:
            return contents
        store = self.local / STORE
        names = {x.relative_to(store).as_posix() for x in paths_below(store)}
        rest = sorted(names - contents.outputs.keys() - {_ROOT})
        remote.in_parallel(
            lambda x: remote.put(remote.join(self.written, x), (store / x).read_bytes()), rest
        )
        check_prefix(self.path, work_of(self.path))
        if self.exists() and not replace:
            raise StoreError(
                f"{self.path}: appeared meanwhile; overwrite it or choose another name"
            )
        root = (store / _ROOT).read_bytes()
        if self.written != self.path:
            remote.put(remote.join(self.written, _ROOT), root)
            folder = self.work.rpartition("/")[2]
            note(self.path, folder)
            self._exchange(folder)
        else:
            old = filter(is_store_key, remote.listing(self.path).keys() - names)
            remote.delete(remote.join(self.path, name) for name in old)
            remote.put(remote.join(self.path, _ROOT), root)
        return contents

    def _exchange(self, folder: str) -> None:
        """Copy a whole store from the working prefix over the old one, the root last."""
        staged = work_of(self.path, f"{folder}/{STORE}")
        names = set(filter(is_store_key, remote.listing(staged)))
        if _ROOT in names:
            remote.delete([remote.join(self.path, _ROOT)])
            remote.in_parallel(
                lambda x: _copy(remote.join(staged, x), remote.join(self.path, x)),
                sorted(names - {_ROOT}),
            )
            old = filter(is_store_key, remote.listing(self.path).keys() - names)
            remote.delete(remote.join(self.path, name) for name in old)
            _copy(remote.join(staged, _ROOT), remote.join(self.path, _ROOT))
            self.exchanged = folder
        remote.delete([work_of(self.path, NOTE)])

    def discard(self) -> None:
        """Remove the working folder and the local folders."""
        work = work_of(self.path)
        remote.delete(remote.join(work, x) for x in remote.listing(work) if is_work_key(x))
        if hasattr(self, "work"):
            shutil.rmtree(scratch(self.work), ignore_errors=True)

    def size(self) -> int:
        """Return the size of the store.

        Returns
        -------
        int
            Bytes.
        """
        return sum(size or 0 for size in remote.listing(self.path).values())

    def _remove(self, url: str) -> None:
        folder = url.rpartition("/")[2]
        names = [name for name in remote.listing(url) if is_work_key(f"{folder}/{name}")]
        remote.delete(remote.join(url, name) for name in names)


def _copy(source: str, target: str) -> None:
    """Copy an object by its server."""

    def copy() -> None:
        files, path = file_system(source)
        files.cp_file(path, file_system(target)[1])

    retrying(target, copy)
