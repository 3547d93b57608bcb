"""`derive`: from a store to tables of beats, measurements and EEG features."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from physioprep.atomic import make_folders, remove, sync_tree, write_text
from physioprep.deriving.paper.pieces import place
from physioprep.deriving.paper.spec import PictureSpec
from physioprep.deriving.paper.tars import unpack
from physioprep.deriving.plan import DerivePlan, plan_derive
from physioprep.deriving.scalograms import FOLDER, piece_folder
from physioprep.deriving.tables import KINDS, join_parts
from physioprep.deriving.task import WITH_FILES, part_of, tar_of
from physioprep.deriving.windows import is_shards, plan_windows
from physioprep.errors import PhysioprepError
from physioprep.exchange import put_in_place
from physioprep.hashes import write_hashes
from physioprep.outputs import (
    DERIVED,
    DERIVED_MARK,
    check_output,
    discard,
    partial_of,
)
from physioprep.parallel.cluster import Announce
from physioprep.parallel.run import choose_scheduler, run_tasks
from physioprep.shards import open_shards
from physioprep.shards.source import open_source
from physioprep.stream.wavelets import ScalogramSpec
from physioprep.versions import software
from physioprep.work_folder import hold_target, open_work

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
#: Tables whose rows have no values where they have a reason.
_WITH_REASONS: Final = ("eeg", "pairs", "pictures", "scalograms")


@dataclass(frozen=True)
class DeriveResult:
    """What was derived.

    Parameters
    ----------
    path : Path
        The folder.
    rows : dict of str to int
        Rows by table.
    plan_sha256 : str
        Hash of the plan.
    images : dict of str to int
        Pictures and scalograms, whose tables have several rows for one (a lead each), or rows
        without one.
    """

    path: Path
    rows: dict[str, int]
    plan_sha256: str
    images: dict[str, int]

    def summary(self) -> dict[str, int]:
        """Return how much there is: rows of tables, and pictures and scalograms themselves.

        Returns
        -------
        dict of str to int
        """
        return self.rows | self.images


def derive(
    store: str | Path,
    out: str | Path,
    *,
    kinds: Sequence[str] | None = None,
    method: str = "prominence",
    window_s: float = 10.0,
    where: str | None = None,
    pictures: PictureSpec | None = None,
    scalograms: ScalogramSpec | None = None,
    scalograms_of: str = "ecg",
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> DeriveResult:
    """Derive tables from the records of a store or windows of shards, as Parquet files.

    A run that is killed and started again with the same arguments continues where it was; the
    bytes are the same for any number of workers.

    Parameters
    ----------
    store : path-like
        Made by `physioprep.ingest` with a recipe, so that ECG is in mV and EEG in µV; or shards
        of such a store, made by `physioprep.shard`: then a row is of a window, with its number.
    out : path-like
        Folder to make.
    kinds : sequence of str, optional
        ``"beats"`` (of ECG: ``beats``, ``leads``, ``records``, ``median_beats``) and ``"eeg"``;
        by default what the store has signals for. ``"pictures"`` (of ECG, as on paper) and
        ``"scalograms"`` (of any modality) and ``"pairs"`` (of PPG and arterial pressure beside
        the ECG: ``pairs``, ``pulses``) only where they are named.
    method : str
        Of delineation: ``"prominence"``, ``"dwt"``, ``"cwt"`` or ``"peak"`` of NeuroKit2, or a
        function of your own, ``"module:function"``, which is imported.
    window_s : float
        Length of the windows of EEG features and of scalograms, s; of shards they are the shards'
        windows.
    where : str, optional
        Query on the store's records, or on the windows of shards.
    pictures : PictureSpec, optional
        How the pictures look, where these are among `kinds`.
    scalograms : ScalogramSpec, optional
        How the scalograms are made (`physioprep.stream.wavelets`), where these are among `kinds`.
    scalograms_of : str
        Modality that they are of.
    scheduler : str, optional
        ``"processes"`` (default), ``"sync"``, ``"cluster"`` or the address of a Dask scheduler.
        Threads would share Python's warnings, which NeuroKit2 raises many of.
    workers : int, optional
        Default: one per processor core.
    overwrite : bool
        Replace tables that are at `out`.
    progress : callable, optional
        Called with (tasks done, tasks in all).
    announce : callable, optional
        Called with the link of a cluster's dashboard.

    Returns
    -------
    DeriveResult

    Raises
    ------
    PhysioprepError
        The store has no signals for a kind, or in another unit; an argument is wrong; `out`
        exists, or another process writes it.
    StoreError
        The store cannot be read.

    Examples
    --------
    >>> derive("nowhere.zarr", "tables")
    Traceback (most recent call last):
        ...
    physioprep.errors.StoreError: nowhere.zarr: no store here
    """
    for kind in kinds or ():
        if kind not in KINDS:
            raise PhysioprepError(f"no kind {kind!r}: {', '.join(KINDS)}")
    scheduler = choose_scheduler(scheduler, workers, "processes")
    if scheduler == "threads":
        raise PhysioprepError("derive runs in processes, not threads: --scheduler processes")
    asked = None if kinds is None else tuple(kinds)
    plan, home = _plan(store, asked, method, window_s, where, pictures, scalograms, scalograms_of)
    target = Path(out)
    check_output(target, DERIVED, overwrite=overwrite, inputs=[store])
    with hold_target(target) as held:
        check_output(target, DERIVED, overwrite=overwrite)
        work = open_work(target, plan.sha256)
        make_folders(work / "parts")
        job = _job(plan, work, home)
        done = 0

        def ended(item: object, result: object) -> None:
            nonlocal done
            held.check()
            done += 1
            if progress is not None:
                progress(done, len(plan.tasks))

        few = len(plan.tasks) == 1 and workers is None and scheduler == "processes"
        run_tasks(
            "derive", plan.tasks, job, ended, scheduler="sync" if few else scheduler,
            workers=workers, announce=announce,
        )  # fmt: skip
        rows = _join(work, plan, home)
        sync_tree(work / "new")
        held.check()
        check_output(target, DERIVED, overwrite=overwrite)
        put_in_place(work / "new", target)
        discard(partial_of(target))
    _warn_of_nothing(target, rows)
    return DeriveResult(target, rows, plan.sha256, _count_images(target, rows))


def _warn_of_nothing(folder: Path, rows: dict[str, int]) -> None:
    """Warn of a table all of whose rows say why they are empty."""
    from pyarrow import parquet

    for name in (each for each in _WITH_REASONS if rows.get(each)):
        why_not = parquet.read_table(folder / f"{name}.parquet", columns=["reason"])["reason"]
        if why_not.null_count == 0:
            counts = {each["values"]: each["counts"] for each in why_not.value_counts().to_pylist()}
            cause = max(counts, key=lambda reason: (counts[reason], reason))
            log.warning("%s: %s: no row has values: %s", folder, name, cause)


def _count_images(folder: Path, rows: dict[str, int]) -> dict[str, int]:
    from pyarrow import compute, parquet

    images = {}
    if "pictures" in rows:
        names = parquet.read_table(folder / "pictures.parquet", columns=["name"])["name"]
        images["pictures"] = compute.count_distinct(names).as_py()
    if "scalograms" in rows:
        why_not = parquet.read_table(folder / "scalograms.parquet", columns=["reason"])["reason"]
        images["scalograms"] = why_not.null_count
    return images


def _plan(
    store: str | Path, kinds: tuple[str, ...] | None, method: str, window_s: float,
    where: str | None, *more: Any,
) -> tuple[DerivePlan, str | Path]:  # fmt: skip
    """Plan what to derive from a store or shards, and return where that is."""
    if is_shards(store):
        shards = open_shards(store)
        return plan_windows(shards, kinds, method, where), shards.home
    source = open_source(store)
    return plan_derive(source, kinds, method, window_s, where, *more), source.path


def _job(plan: DerivePlan, work: Path, store: str | Path) -> dict[str, Any]:
    """Return what every task of a plan needs."""
    said = plan.to_dict()
    names = (
        "of",
        "where",
        "method",
        "method_version",
        "window_s",
        "pictures",
        "scalograms",
        "scalograms_of",
    )
    return {
        "run": uuid4().hex,
        "work": str(work.absolute()),
        "store": _address(store),
        **{name: said[name] for name in names},
        "pieces": {kind: _pieces(plan, kind) for kind in WITH_FILES},
    }


def _address(store: str | Path) -> str:
    """Return what any worker opens a store by; a URL stays as it is."""
    return str(store.absolute() if isinstance(store, Path) else store)


def _pieces(plan: DerivePlan, kind: str) -> list[int]:
    """Return the first records of the tasks that draw, in the order of their numbers."""
    return [first for each, first, _ in plan.tasks if each == kind]


def _join(work: Path, plan: DerivePlan, store: str | Path) -> dict[str, int]:
    """Make the folder of whole tables out of the parts of all tasks."""
    new = work / "new"
    remove(new)
    make_folders(new)
    rows = {}
    for kind in plan.kinds:
        for table in KINDS[kind]:
            parts = [
                part_of(work, kind, first, table) for each, first, _ in plan.tasks if each == kind
            ]
            rows[table] = join_parts(parts, table, new / f"{table}.parquet", plan.of)
    if plan.pictures is not None:
        for piece, first in enumerate(_pieces(plan, "pictures")):
            place(tar_of(work, "pictures", first), new, plan.pictures, piece)
    for piece, first in enumerate(_pieces(plan, "scalograms")):
        make_folders(new / FOLDER)
        unpack(tar_of(work, "scalograms", first), new / piece_folder(piece))
    said: dict[str, Any] = {
        "schema": "physioprep.derived",
        "store": Path(str(store)).name,
        "plan_sha256": plan.sha256,
        "plan": plan.to_dict(),
        "rows": rows,
        "software": software(),
    }
    write_text(new / DERIVED_MARK, json.dumps(said, indent=1))
    write_hashes(new)
    return rows
