"""Ingest: make a store from a manifest and the raw files, completely or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.errors import StoreError, UnreadableFileError
from physioprep.lock import Held
from physioprep.parallel.cluster import Announce
from physioprep.remote import place
from physioprep.store.build.append import dtypes_of, extent_of, new_records
from physioprep.store.build.chosen import chosen_rows
from physioprep.store.build.execute import choose_for, execute
from physioprep.store.build.expect import EXCLUDED
from physioprep.store.build.journal import Entry, Failure
from physioprep.store.build.plan import Plan, make_plan
from physioprep.store.build.result import IngestResult, describe, describe_contents
from physioprep.store.build.sources import checked_root
from physioprep.store.build.suggest_recipe import with_suggestion
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


def ingest(
    manifest: str | Path | pd.DataFrame,
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
    on_checksum: str | None = None,
    where: str | None = None,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> IngestResult:
    r"""Harmonise the recordings of a manifest into a store.

    The store is made in a hidden folder beside `target`, which is renamed as the last step. If a
    run was stopped, the same call continues it, and the finished store is byte for byte the
    same.

    Parameters
    ----------
    manifest : pandas.DataFrame or path-like
        From `physioprep.scan` or `read_manifest`, or the file of one. Rows may be chosen and
        ordered by pandas, their index as it is.
    target : path-like or str
        The store to make, ``NAME.zarr``, outside the raw folder; also a URL (``s3://``, ``gs://``).
    recipe : str, path-like or Recipe
        Name, file, or recipe; ``"native"`` keeps the digital samples of the files.
    root : path-like or str, optional
        Folder or URL of the raw files; by default where the scan found them.
    on_error : {"quarantine", "abort"}
        Leave out and list a record that cannot be ingested, or stop at the first one.
    max_failure_rate : float
        Stop if more than this fraction (0 to 1) of the records fails.
    scheduler : str, optional
        ``"sync"``, ``"threads"``, ``"processes"``, ``"cluster"``, or the address of a Dask
        scheduler (``tcp://…``). By default this process for little data, processes for more,
        and a LocalCluster for very much data if `workers` is given.
    workers : int, optional
        Number of workers; by default one per core.
    overwrite : bool
        Replace an existing store, and abandon an unfinished ingest of another manifest or
        recipe. The old store stays until the new one is complete.
    append : bool
        Extend an existing store with the records of `manifest` that it lacks. Its samples are
        not written again; the recipe must be the same.
    on_checksum : {"quarantine", "flag"}, optional
        A record whose samples fail the checksum of its header is quarantined, or taken and flagged
        ``checksum-failed``. By default quarantined, except those that the facts of their corpus
        name.
    where : str, optional
        Pandas query on the manifest: only these recordings. It is an attribute of the store.
    progress : callable, optional
        Called with (number of records done, number of records).
    announce : callable, optional
        Called with the link of the dashboard if a Dask cluster runs the ingest.

    Returns
    -------
    IngestResult
        Also if the store was complete already.

    Raises
    ------
    StoreError
        `root` is no folder; the target is no store of physioprep or exists with other contents,
        overlaps the raw folder, is being written by another process, cannot be written, or more
        records failed than allowed.
    ManifestError, RecipeError
        The manifest or the recipe is not valid, no such recipe exists, or a record states no
        folder (its ``root``) and `root` is not given.
    QueryError
        `where` is wrong, or names a column that the manifest lacks.

    Examples
    --------
    >>> import pathlib, tempfile, physioprep as pp
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> raw = folder / "raw"
    >>> raw.mkdir()
    >>> _ = (raw / "a.hea").write_text("a 1 250 5\na.dat 16 200/mV 16 0 1 15 0 II\n")
    >>> _ = (raw / "a.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0, 4, 0, 5, 0]))
    >>> manifest = pp.scan(raw, "folder")
    >>> result = pp.ingest(manifest, folder / "mine.zarr", "native")
    >>> pp.open_store(folder / "mine.zarr").digital("a", "ecg")
    array([[1, 2, 3, 4, 5]], dtype=int16)
    """
    from physioprep.harmonise import Recipe, load_recipe

    if on_error not in ("quarantine", "abort"):
        raise StoreError(f"on_error is 'quarantine' or 'abort', not {on_error!r}")
    if on_checksum not in (None, "quarantine", "flag"):
        raise StoreError(f"on_checksum is 'quarantine' or 'flag', not {on_checksum!r}")
    manifest = chosen_rows(manifest, where)
    if not isinstance(recipe, Recipe):
        recipe = load_recipe(recipe)
    path = place(target)
    root = checked_root(root, manifest)
    destination: Target = FolderTarget(path) if isinstance(path, Path) else ObjectTarget(path)
    try:
        with destination.hold() as held:
            sources = [root] if root is not None else manifest["root"].dropna().unique()
            destination.check(sources, replaces=overwrite or append)
            run = _Run(
                manifest.reset_index(drop=True),
                destination,
                recipe,
                root=root,
                abort_rate=0.0 if on_error == "abort" else max_failure_rate,
                overwrite=overwrite,
                on_checksum=on_checksum or "",
                where=where or "",
                progress=progress,
                held=held,
            )
            if append and not overwrite and destination.exists():
                run.extend()
            return run.run(scheduler, workers, announce)
    except UnreadableFileError as error:  # of an object store
        raise StoreError(
            f"{path}: {error}; what is done is kept: repeat the call to continue"
        ) from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


class _NeedsWiderError(Exception):
    """Native samples do not fit in the planned dtype."""


class _Run:
    """The state of one ingest while `run` plans, executes and commits it."""

    def __init__(
        self,
        manifest: pd.DataFrame,
        target: Target,
        recipe: Recipe,
        *,
        root: str | Path | None,
        abort_rate: float,
        overwrite: bool,
        on_checksum: str,
        where: str,
        progress: Progress | None,
        held: Held,
    ) -> None:
        self.manifest, self.target, self.recipe = manifest, target, recipe
        self.path = target.path
        self.root, self.abort_rate, self.overwrite = root, abort_rate, overwrite
        self.on_checksum, self.where = on_checksum, where
        self.progress, self.held = progress, held
        self.began = time.monotonic()
        self.dtypes: dict[str, str] = {}
        self.n_done = self.n_failed = 0
        self.onto: Store | None = None

    def extend(self) -> None:
        """Extend the existing store: keep only the manifest rows of records that it lacks."""
        self.target.refuse_append()
        self.onto = open_store(self.path)
        if self.onto.attrs["recipe_sha256"] != self.recipe.sha256:
            raise StoreError(
                f"{self.path}: made by recipe {self.onto.attrs['recipe']['name']}, which differs "
                f"from {self.recipe.name}: all records of a store have one recipe"
            )
        self.manifest = new_records(self.onto, self.manifest)

    def _plan(self) -> Plan:
        make = partial(
            make_plan, self.manifest, self.recipe, on_checksum=self.on_checksum, where=self.where
        )
        if self.onto is None:
            return make(dtypes=self.dtypes)
        onto = extent_of(self.onto)
        try:
            return make(onto=onto)
        except StoreError as error:
            raise StoreError(f"{self.path}: {error}") from None

    def run(
        self, scheduler: str | None, workers: int | None, announce: Announce | None
    ) -> IngestResult:
        scheduler = choose_for(scheduler, workers, _source_values(self.manifest))
        plan = self._plan()
        self.dtypes = self._known_dtypes(plan)
        if self.dtypes and self.onto is None:
            plan = self._plan()
        if not plan.n_records and self.onto is None:
            raise StoreError(f"{self.path}: no record can be ingested: {self._refusals(plan)}")
        if not plan.n_records or self._is_complete(plan):
            log.info("%s: already complete", self.path)
            self.target.discard()
            return self._result()
        if self.target.unfinished(plan, give_up=self.overwrite):
            raise StoreError(
                f"{self.path}: it has an unfinished ingest of another manifest or recipe; "
                "repeat its call to finish it, or overwrite it (--overwrite)"
            )
        while True:
            try:
                self._execute(plan, scheduler, workers, announce)
                break
            except _NeedsWiderError:
                self.target.learn(plan, {"inputs": plan.inputs_sha256, "dtypes": self.dtypes})
                plan = self._plan()
        contents = self._commit(plan)
        if contents is None:
            return self._result()
        seconds = time.monotonic() - self.began
        return describe_contents(contents, plan, self.path, self.target.size(), seconds)

    def _known_dtypes(self, plan: Plan) -> dict[str, str]:
        """Return the dtypes that an earlier run of the same inputs, finished or not, found."""
        found = self.target.learnt()
        if found.get("inputs") == plan.inputs_sha256:
            return dict(found["dtypes"])
        return dtypes_of(self.path, plan)

    def _is_complete(self, plan: Plan) -> bool:
        if self.overwrite or self.onto is not None or not self.target.exists():
            return False
        if open_store(self.path).attrs["plan_sha256"] != plan.sha256:
            raise StoreError(
                f"{self.path}: exists already, made from another manifest or recipe; "
                "overwrite it (--overwrite), or give another name"
            )
        return True

    def _execute(
        self,
        plan: Plan,
        scheduler: str,
        workers: int | None,
        announce: Announce | None,
    ) -> None:
        work = self.target.prepare(plan, self.manifest, self.recipe, self.root)
        self.n_done = len(plan.refused)
        self.n_failed = len(plan.failed)
        blocks = []
        for block in range(plan.n_blocks):
            entry = self.target.entry(block)
            if entry is None or _is_worth_repeating(entry):
                self.target.forget(block)
                blocks.append(block)
            else:
                self._count(plan, int(plan.bounds[block + 1] - plan.bounds[block]), entry.failed)
        if len(blocks) < plan.n_blocks:
            log.info("continuing: %d of %d blocks are left", len(blocks), plan.n_blocks)
        self._report(plan)

        def on_done(done: BlockResult) -> None:
            self.held.check()
            if done.target_error:
                raise StoreError(
                    f"{self.path}: {done.target_error}; what is done is kept: "
                    "repeat the call to continue"
                )
            if done.wider:
                if self.onto is not None:
                    found = ", ".join(f"{name} {dtype}" for name, dtype in done.wider.items())
                    raise StoreError(
                        f"{self.path}: its dtypes are too narrow for {found}: make a new store"
                    )
                self.dtypes |= done.wider
                raise _NeedsWiderError
            failed: Mapping[int, Failure] = {}
            if done.n_failed:
                entry = self.target.finished(done.block)
                failed = {} if entry is None else entry.failed
            self._count(plan, done.n_records, failed)
            self._report(plan)

        execute(work, blocks, on_done, scheduler=scheduler, workers=workers, announce=announce)

    def _count(self, plan: Plan, n: int, failed: Mapping[int, Failure]) -> None:
        self.n_done += n
        self.n_failed += len(failed)
        total = plan.n_records + len(plan.failed)
        if self.n_failed > self.abort_rate * total:
            lines = [self._line(int(plan.rows[r]), why.reason) for r, why in failed.items()]
            lines += [self._line(refusal.row, refusal.reason) for refusal in plan.failed]
            rate = f"{self.n_failed} of {total} records failed"
            raise StoreError(f"{self.path}: {rate}: {lines[0] if lines else 'see the log'}")

    def _line(self, row: int, reason: str) -> str:
        found = self.manifest.iloc[row]
        return f"{found['corpus']}/{found['record_id']}: {reason}"

    def _refusals(self, plan: Plan) -> str:
        if not plan.refused:
            return "the manifest is empty"
        first = (plan.failed or plan.refused)[0]
        if first.stage != EXCLUDED:
            return self._line(first.row, first.reason)
        modalities = self.manifest["modality"].iloc[first.row]
        return self._line(first.row, with_suggestion(first.reason, modalities))

    def _report(self, plan: Plan) -> None:
        if self.progress:
            self.progress(self.n_done, plan.n_records + len(plan.refused))

    def _commit(self, plan: Plan) -> Contents | None:
        """Complete the store; return what it holds, or None if the old one stays as it is."""
        from physioprep.store.build.commit import commit

        def write(work: Path) -> Contents:
            contents = commit(work, plan, self.manifest, self.recipe, self.onto)
            self.held.check()
            return contents

        n_before = 0 if self.onto is None else len(self.onto)
        self.held.check()
        replace = self.overwrite or self.onto is not None
        contents = self.target.complete(write, n_before, replace=replace)
        if len(contents.table) == n_before:
            if self.onto is None:
                first = contents.quarantine[0]
                line = f"{first['corpus']}/{first['record_id']}: {first['reason']}"
                raise StoreError(f"{self.path}: no record can be ingested: {line}")
            log.warning("%s: none of the new records can be ingested", self.path)
        self.target.discard()
        return contents if len(contents.table) > n_before else None

    def _result(self) -> IngestResult:
        seconds = time.monotonic() - self.began
        return describe(open_store(self.path), self.path, self.target.size(), seconds)


def _is_worth_repeating(entry: Entry) -> bool:
    """Return whether a block has failures that may be temporary, as of an absent mount."""
    return any(failure.stage != "crash" for failure in entry.failed.values())


def _source_values(manifest: pd.DataFrame) -> int:
    """Return the number of samples times channels, summed over all recordings."""
    total = 0
    for counts, channels in zip(manifest["n_samples"], manifest["channels"], strict=True):
        total += sum((n or 0) * len(names) for n, names in zip(counts, channels, strict=True))
    return total
