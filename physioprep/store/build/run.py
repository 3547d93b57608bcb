"""Ingest: from a manifest and the raw files to a store, whole or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.errors import StoreError, UnreadableFileError
from physioprep.parallel.cluster import Announce
from physioprep.remote import is_remote, place
from physioprep.store.build.append import dtypes_of, extent_of, new_records
from physioprep.store.build.execute import choose_for, execute
from physioprep.store.build.journal import Entry, Failure
from physioprep.store.build.plan import Plan, make_plan
from physioprep.store.build.target import Target
from physioprep.store.build.target_folder import FolderTarget
from physioprep.store.build.target_objects import ObjectTarget
from physioprep.store.build.work import BlockResult
from physioprep.store.open import open_store
from physioprep.store.read import Store

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.harmonise import Recipe
    from physioprep.store.build.gather import Contents

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class IngestResult:
    """What an ingest did.

    Parameters
    ----------
    path : Path, or str for a URL
        The store.
    n_records : int
        Records in it.
    hours : float
        Their duration.
    bytes : int
        Size of the store.
    quarantined : tuple of str
        One line a record that is not in it: ``corpus/record: reason``.
    seconds : float
        Wall time of this run.
    plan_sha256 : str
    """

    path: Path | str
    n_records: int
    hours: float
    bytes: int
    quarantined: tuple[str, ...]
    seconds: float
    plan_sha256: str

    def summary(self) -> dict[str, Any]:
        """Return the figures for a table: plain values under readable names."""
        return {
            "store": str(self.path),
            "records": self.n_records,
            "quarantined": len(self.quarantined),
            "hours": round(self.hours, 3),
            "megabytes": round(self.bytes / 1e6, 3),
            "seconds": round(self.seconds, 2),
            "plan": self.plan_sha256[:16],
        }


def ingest(
    manifest: pd.DataFrame,
    target: str | Path,
    recipe: str | Path | Recipe = "ecg-200hz",
    *,
    root: str | Path | None = None,
    on_error: str = "quarantine",
    max_failure_rate: float = 1.0,
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    append: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> IngestResult:
    r"""Harmonise the recordings of a manifest into a store.

    The work lies in a hidden folder beside `target` until it is complete, and is renamed as
    the last step. A run that was stopped, however, goes on where it was when the same call is
    made again, and the finished store is byte for byte the same.

    Parameters
    ----------
    manifest : pandas.DataFrame
        From `physioprep.scan` or `read_manifest`.
    target : path-like or str
        The store to make, ``NAME.zarr``; ``s3://`` and ``gs://`` too.
    recipe : str, path-like or Recipe
        ``"native"`` keeps the digital samples of the files.
    root : path-like or str, optional
        Where the raw files are now, a URL too; by default where the scan found them.
    on_error : {"quarantine", "abort"}
        What to do with a record that cannot be ingested.
    max_failure_rate : float
        Stop once more than this share of the records has failed.
    scheduler : str, optional
        ``"sync"``, ``"threads"``, ``"processes"``, ``"cluster"``, or the address of a Dask
        scheduler (``tcp://…``). By default this process for small work, processes for more,
        and a LocalCluster for much work with `workers` given.
    workers : int, optional
        By default one a core.
    overwrite : bool
        Replace a store, or give up an unfinished ingest, that is there. The old store stays
        until the new one is complete.
    append : bool
        Extend a store that is there with the records of `manifest` that it lacks. Its samples
        are not written again; the recipe must be the same.
    progress : callable, optional
        Called with (records done, records in all).
    announce : callable, optional
        Called with the link of the dashboard where a Dask cluster does the work.

    Returns
    -------
    IngestResult

    Raises
    ------
    StoreError
        The target exists with other contents, is being written by another process, cannot be
        written, or more records failed than allowed.
    ManifestError, RecipeError
        If the manifest is not valid or there is no such recipe.

    Examples
    --------
    >>> import pathlib, tempfile, physioprep as pp
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.hea").write_text("a 1 250 5\na.dat 16 200/mV 16 0 1 15 0 II\n")
    >>> _ = (folder / "a.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]))
    >>> manifest = pp.scan(folder, "folder")
    >>> result = pp.ingest(manifest, folder / "mine.zarr", "native")
    >>> pp.open_store(folder / "mine.zarr").digital("a", "ecg")
    array([[1, 2, 3, 4, 5]], dtype=int16)
    """
    from physioprep.harmonise import Recipe, load_recipe
    from physioprep.manifest import validate

    if on_error not in ("quarantine", "abort"):
        raise StoreError(f"on_error is 'quarantine' or 'abort', not {on_error!r}")
    validate(manifest)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    target = place(target)
    if root is not None:
        root = place(root) if is_remote(root) else Path(root).absolute()
    there: Target = FolderTarget(target) if isinstance(target, Path) else ObjectTarget(target)
    try:
        with there.hold():
            run = _Run(
                manifest.reset_index(drop=True),
                there,
                recipe,
                root=root,
                abort_rate=0.0 if on_error == "abort" else max_failure_rate,
                overwrite=overwrite,
                progress=progress,
            )
            if append and not overwrite and there.exists():
                run.extend()
            return run.run(scheduler, workers, announce)
    except UnreadableFileError as error:  # of an object store
        raise StoreError(f"{target}: {error}; what is done is kept") from error
    except OSError as error:
        raise StoreError(f"{target}: {error.strerror or error}") from error


class _NeedsWiderError(Exception):
    """Native samples do not fit the planned dtype."""


class _Run:
    """One ingest, from plan to rename; lives as long as `run`."""

    def __init__(
        self,
        manifest: pd.DataFrame,
        there: Target,
        recipe: Recipe,
        *,
        root: str | Path | None,
        abort_rate: float,
        overwrite: bool,
        progress: Progress | None,
    ) -> None:
        self.manifest, self.there, self.recipe = manifest, there, recipe
        self.target = there.path
        self.root, self.abort_rate, self.overwrite = root, abort_rate, overwrite
        self.progress = progress
        self.began = time.monotonic()
        self.dtypes: dict[str, str] = {}
        self.n_done = self.n_failed = 0
        self.onto: Store | None = None

    def extend(self) -> None:
        """Leave of the manifest what the store at the target lacks; the plan goes behind it."""
        self.there.refuse_append()
        self.onto = open_store(self.target)
        if self.onto.attrs["recipe_sha256"] != self.recipe.sha256:
            raise StoreError(
                f"{self.target}: made by recipe {self.onto.attrs['recipe']['name']}, which is not "
                f"what {self.recipe.name} does: recipes do not mix in a store"
            )
        self.manifest = new_records(self.onto, self.manifest)

    def _plan(self) -> Plan:
        if self.onto is None:
            return make_plan(self.manifest, self.recipe, dtypes=self.dtypes)
        try:
            return make_plan(self.manifest, self.recipe, onto=extent_of(self.onto))
        except StoreError as error:
            raise StoreError(f"{self.target}: {error}") from None

    def run(
        self, scheduler: str | None, workers: int | None, announce: Announce | None
    ) -> IngestResult:
        scheduler = choose_for(scheduler, workers, _source_values(self.manifest))
        plan = self._plan()
        self.dtypes = self._known_dtypes(plan)
        if self.dtypes and self.onto is None:
            plan = self._plan()
        if not plan.n_records and self.onto is None:
            raise StoreError(f"{self.target}: no record can be ingested: {_refusals(plan)}")
        if not plan.n_records or self._is_there(plan):
            log.info("%s: already complete", self.target)
            self.there.discard()
            return self._result()
        if self.there.unfinished(plan, give_up=self.overwrite):
            raise StoreError(
                f"{self.target}: an unfinished ingest of another manifest or recipe is beside it; "
                "finish it, or overwrite it"
            )
        while True:
            try:
                self._execute(plan, scheduler, workers, announce)
                break
            except _NeedsWiderError:
                self.there.learn(plan, {"inputs": plan.inputs_sha256, "dtypes": self.dtypes})
                plan = self._plan()
        self._commit(plan)
        return self._result()

    def _known_dtypes(self, plan: Plan) -> dict[str, str]:
        """Return what an earlier, unfinished or finished run of the same inputs learnt."""
        found = self.there.learnt()
        if found.get("inputs") == plan.inputs_sha256:
            return dict(found["dtypes"])
        return dtypes_of(self.target, plan)

    def _is_there(self, plan: Plan) -> bool:
        if self.overwrite or self.onto is not None or not self.there.exists():
            return False
        if open_store(self.target).attrs["plan_sha256"] != plan.sha256:
            raise StoreError(
                f"{self.target}: already there, made of another manifest or recipe; "
                "overwrite it, or give another name"
            )
        return True

    def _execute(
        self,
        plan: Plan,
        scheduler: str,
        workers: int | None,
        announce: Announce | None,
    ) -> None:
        work = self.there.prepare(plan, self.manifest, self.recipe, self.root)
        self.n_done = len(plan.refused)
        self.n_failed = len(plan.refused)
        blocks = []
        for block in range(plan.n_blocks):
            entry = self.there.entry(block)
            if entry is None or _may_do_better(entry):
                self.there.forget(block)
                blocks.append(block)
            else:
                self._count(plan, int(plan.bounds[block + 1] - plan.bounds[block]), entry.failed)
        if len(blocks) < plan.n_blocks:
            log.info("going on: %d of %d blocks are left", len(blocks), plan.n_blocks)
        self._report(plan)

        def on_done(done: BlockResult) -> None:
            if done.target_error:
                raise StoreError(
                    f"{self.target}: {done.target_error}; what is done is kept, "
                    "the same call goes on from there"
                )
            if done.wider:
                if self.onto is not None:
                    found = ", ".join(f"{name} {dtype}" for name, dtype in done.wider.items())
                    raise StoreError(f"{self.target}: too narrow for {found}: make it anew")
                self.dtypes |= done.wider
                raise _NeedsWiderError
            failed: Mapping[int, Failure] = {}
            if done.n_failed:
                entry = self.there.finished(done.block)
                failed = {} if entry is None else entry.failed
            self._count(plan, done.n_records, failed)
            self._report(plan)

        execute(work, blocks, on_done, scheduler=scheduler, workers=workers, announce=announce)

    def _count(self, plan: Plan, n: int, failed: Mapping[int, Failure]) -> None:
        self.n_done += n
        self.n_failed += len(failed)
        total = plan.n_records + len(plan.refused)
        if self.n_failed > self.abort_rate * total:
            lines = [self._line(int(plan.rows[r]), why.reason) for r, why in failed.items()]
            lines += [self._line(refusal.row, refusal.reason) for refusal in plan.refused]
            rate = f"{self.n_failed} of {total} records failed"
            raise StoreError(f"{self.target}: {rate}: {lines[0] if lines else 'see the log'}")

    def _line(self, row: int, reason: str) -> str:
        found = self.manifest.iloc[row]
        return f"{found['corpus']}/{found['record_id']}: {reason}"

    def _report(self, plan: Plan) -> None:
        if self.progress:
            self.progress(self.n_done, plan.n_records + len(plan.refused))

    def _commit(self, plan: Plan) -> None:
        from physioprep.store.build.commit import commit

        def write(work: Path) -> Contents:
            return commit(work, plan, self.manifest, self.recipe, self.onto)

        n_before = 0 if self.onto is None else len(self.onto)
        contents = self.there.complete(write, n_before)
        if len(contents.table) == n_before:
            if self.onto is None:
                first = contents.quarantine[0]
                line = f"{first['corpus']}/{first['record_id']}: {first['reason']}"
                raise StoreError(f"{self.target}: no record can be ingested: {line}")
            log.warning("%s: none of the new records can be ingested", self.target)
        self.there.discard()

    def _result(self) -> IngestResult:
        store = open_store(self.target)
        bad = store.quarantine
        rows = zip(bad["corpus"], bad["record_id"], bad["reason"], strict=True)
        return IngestResult(
            path=self.target,
            n_records=len(store),
            hours=float(np.nansum(store.group["records/duration_s"][...])) / 3600,
            bytes=self.there.size(),
            quarantined=tuple(f"{corpus}/{record}: {reason}" for corpus, record, reason in rows),
            seconds=time.monotonic() - self.began,
            plan_sha256=store.attrs["plan_sha256"],
        )


def _may_do_better(entry: Entry) -> bool:
    """Say whether a block has failures that may have passed: a mount that was away."""
    return any(failure.stage != "crash" for failure in entry.failed.values())


def _source_values(manifest: pd.DataFrame) -> int:
    """Return samples times channels of all recordings."""
    total = 0
    for counts, channels in zip(manifest["n_samples"], manifest["channels"], strict=True):
        total += sum((n or 0) * len(names) for n, names in zip(counts, channels, strict=True))
    return total


def _refusals(plan: Plan) -> str:
    reasons: Sequence[str] = [refusal.reason for refusal in plan.refused]
    return reasons[0] if reasons else "the manifest is empty"
