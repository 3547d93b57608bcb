"""Where a store is made: a folder beside its place, renamed as the last step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.atomic import swap, swap_undone, write_bytes
from physioprep.store.build.job_table import prepare
from physioprep.store.build.journal import Entry, entry_path, read_entry
from physioprep.store.build.lock import hold
from physioprep.store.build.plan import Plan
from physioprep.store.build.work import JOURNAL, STORE

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.build.gather import Contents

_DTYPES = "dtypes.json"


class FolderTarget:
    """A store to be made in a folder; `ObjectTarget` (target_objects.py) is its twin.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.base = path.with_name(f".{path.name}.partial")

    def exists(self) -> bool:
        """Say whether something is in its place."""
        return self.path.exists()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other ingests from the target."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with hold(self.path.with_name(f".{self.path.name}.lock"), self.path):
            yield

    def refuse_append(self) -> None:
        """Do nothing: a store in a folder can be extended."""

    def learnt(self) -> dict[str, Any]:
        """Return what an unfinished run learnt of its dtypes."""
        try:
            return dict(json.loads((self.base / _DTYPES).read_bytes()))
        except (OSError, ValueError):
            return {}

    def learn(self, plan: Plan, found: Mapping[str, Any]) -> None:
        """Note dtypes, and give up the blocks of `plan`, which has others."""
        shutil.rmtree(self.base / plan.sha256[:16])
        write_bytes(self.base / _DTYPES, json.dumps(found).encode())

    def unfinished(self, plan: Plan, *, give_up: bool) -> bool:
        """Say whether another ingest lies here unfinished; `give_up` removes it instead."""
        self.base.mkdir(exist_ok=True)
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
        """Lay out the work; return what tasks are told."""
        self.work = self.base / plan.sha256[:16]
        prepare(self.work, plan, manifest, recipe, root)
        return self.work

    def entry(self, block: int) -> Entry | None:
        """Return what is known of a block, if it is done."""
        return read_entry(self.work / JOURNAL, block, self.work / STORE)

    finished = entry

    def forget(self, block: int) -> None:
        """Take back that a block is done."""
        entry_path(self.work / JOURNAL, block).unlink(missing_ok=True)

    def complete(self, commit: Callable[[Path], Contents], n_before: int) -> Contents:
        """Write all that is not samples, and rename, if that makes `n_before` records more."""
        contents = commit(self.work)
        if len(contents.table) > n_before:
            swap(self.work, STORE, self.path)
        return contents

    def discard(self) -> None:
        """Remove what was there to make it."""
        shutil.rmtree(self.base, ignore_errors=True)

    def size(self) -> int:
        """Return the bytes of the store."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())


def _is_of_plan(store: Path, work: str) -> bool:
    """Say whether a finished store was made in the working folder `work`, by its plan's hash."""
    try:
        attributes = json.loads((store / "zarr.json").read_bytes())["attributes"]
        return str(attributes["plan_sha256"]).startswith(work)
    except (OSError, ValueError, KeyError):
        return False
