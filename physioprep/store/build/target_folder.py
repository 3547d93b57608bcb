"""Make a store in a hidden folder beside its target, and rename it as the last step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep import outputs
from physioprep.atomic import make_folders, write_bytes
from physioprep.errors import StoreError
from physioprep.exchange import restore, swap, swap_undone
from physioprep.lock import Held, hold, lock_of
from physioprep.outputs import check_output, partial_of
from physioprep.store.build.job_table import prepare
from physioprep.store.build.journal import Entry, entry_path, read_entry
from physioprep.store.build.plan import Plan
from physioprep.store.build.work import JOURNAL, STORE
from physioprep.trees import bytes_below

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.build.gather import Contents

_DTYPES = "dtypes.json"


class FolderTarget:
    """A target on a disk; `ObjectTarget` (target_objects.py) has the same methods.

    Parameters
    ----------
    path : Path
        Folder of the store.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base = partial_of(path)

    def exists(self) -> bool:
        """Return whether `path` exists.

        Returns
        -------
        bool
            True also for a file or folder that is no store.
        """
        return self.path.exists()

    def check(self, inputs: Iterable[str | Path], *, replaces: bool) -> None:
        """Raise unless a store may be made here; see `physioprep.outputs.check_output`.

        Parameters
        ----------
        inputs : iterable of path-like
            Folders of the raw files.
        replaces : bool
            Whether a store that is there would be replaced.
        """
        check_output(
            self.path, outputs.STORE, overwrite=True, replaces=replaces, inputs=inputs,
            error=StoreError,
        )  # fmt: skip

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """Lock the target against other ingests while the block runs.

        Yields
        ------
        Held
            Says whether the lock is still held.
        """
        make_folders(self.path.parent)
        with hold(lock_of(self.path), self.path) as held:
            restore(self.path)
            yield held

    def refuse_append(self) -> None:
        """Do nothing: a store in a folder can be extended."""

    def learnt(self) -> dict[str, Any]:
        """Return the dtypes that an unfinished run found.

        Returns
        -------
        dict
            As given to `learn`; empty if there is no such run.
        """
        try:
            return dict(json.loads((self.base / _DTYPES).read_bytes()))
        except (OSError, ValueError):
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
        shutil.rmtree(self.base / plan.sha256[:16])
        write_bytes(self.base / _DTYPES, json.dumps(found).encode())

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
        outputs.claim(self.base, StoreError)
        work = self.base / plan.sha256[:16]
        swap_undone(self.base, STORE, _is_of_plan, keep=not give_up)
        others = [path for path in self.base.iterdir() if path.is_dir() and path != work]
        if give_up:
            for path in others:
                shutil.rmtree(path)
        return bool(others) and not give_up

    def prepare(
        self, plan: Plan, manifest: pd.DataFrame, recipe: Recipe, root: str | Path | None
    ) -> Path:
        """Make the working folder.

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
        Path
            Working folder, a parameter of the tasks.
        """
        self.work = self.base / plan.sha256[:16]
        prepare(self.work, plan, manifest, recipe, root)
        return self.work

    def entry(self, block: int) -> Entry | None:
        """Return the journal's entry of a block of an earlier run; its shards are hashed again.

        Parameters
        ----------
        block : int
            Number of the block.

        Returns
        -------
        Entry or None
            None if the block must be done (again).
        """
        return read_entry(self.work / JOURNAL, block, self.work / STORE, hashed=True)

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
        return read_entry(self.work / JOURNAL, block, self.work / STORE)

    def forget(self, block: int) -> None:
        """Remove the entry of a block.

        Parameters
        ----------
        block : int
            Number of the block.
        """
        entry_path(self.work / JOURNAL, block).unlink(missing_ok=True)

    def complete(
        self, commit: Callable[[Path], Contents], n_before: int, *, replace: bool
    ) -> Contents:
        """Write all of the store except its samples, and rename it to `path`.

        Parameters
        ----------
        commit : callable
            Completes the store in a working folder.
        n_before : int
            The store is renamed only if it has more records than this.
        replace : bool
            Whether a store at `path` is replaced. One that appeared meanwhile is refused.

        Returns
        -------
        Contents
            Of the completed store.
        """
        contents = commit(self.work)
        if len(contents.table) > n_before:
            check_output(self.path, outputs.STORE, overwrite=replace, error=StoreError)
            swap(self.work, STORE, self.path)
        return contents

    def discard(self) -> None:
        """Remove the working folders."""
        outputs.discard(self.base)

    def size(self) -> int:
        """Return the size of the store.

        Returns
        -------
        int
            Bytes.
        """
        return bytes_below(self.path)


def _is_of_plan(store: Path, work: str) -> bool:
    """Return whether a store was made in the working folder `work`, judged by its plan's hash."""
    try:
        attributes = json.loads((store / "zarr.json").read_bytes())["attributes"]
        return str(attributes["plan_sha256"]).startswith(work)
    except (OSError, ValueError, KeyError):
        return False
