"""`shard`: from stores to a shards folder, resumable and the same for any number of workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Unpack

import numpy as np

from physioprep import outputs
from physioprep.atomic import make_folders, remove, remove_leftovers
from physioprep.errors import ShardError
from physioprep.hashes import canonical_sha256
from physioprep.lock import Held
from physioprep.outputs import check_output
from physioprep.parallel.cluster import Announce, one_cluster
from physioprep.parallel.run import choose_scheduler, run_tasks
from physioprep.shards import write
from physioprep.shards.arrays import create_arrays
from physioprep.shards.checksums import is_intact
from physioprep.shards.chunking import choose_windows_per_chunk, chunks_per_block
from physioprep.shards.croissant import write_croissant
from physioprep.shards.fields import ShardFields
from physioprep.shards.job import Job, forget, make_job, plan_of, remember, save_array, write_plan
from physioprep.shards.modality import window_bytes
from physioprep.shards.named_split import count_parts
from physioprep.shards.peaks import detector_name, gather_peaks, plan_peaks
from physioprep.shards.plan import Plan, plan_sha256, plan_windows
from physioprep.shards.record_labels import unlisted
from physioprep.shards.result import ShardResult
from physioprep.shards.shuffle import order_windows
from physioprep.shards.source import Source, open_source
from physioprep.shards.spec import ShardSpec
from physioprep.shards.spill import windows_in_memory
from physioprep.shards.work_folder import SHARDS, commit, finish, finished, open_work
from physioprep.shards.write_tables import write_spans, write_texts
from physioprep.work_folder import hold_target

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
#: For fewer tasks a second worker costs more than it saves.
_FEW: Final = 4
_ALIGNED: Final = {
    "start": "the record's start",
    "annotation": "onsets of annotations",
    "event": "within events",
    "beat": "annotated heart beats",
    "r_peak": "R peaks detected by {}",
}


def shard(
    stores: str | Path | Sequence[str | Path],
    target: str | Path,
    spec: ShardSpec | None = None,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
    **fields: Unpack[ShardFields],
) -> ShardResult:
    """Cut windows out of stores, shuffle them once and write them in whole chunks.

    Stores are read once, in sequence. A run that is killed and started again with the same
    arguments continues where it was; the result is byte for byte the same for any `workers`.

    Parameters
    ----------
    stores : path-like or sequence of path-like
        Stores with equal sampling rates and units; lead sets may differ.
    target : path-like
        Folder to make, a Zarr v3 group.
    spec : ShardSpec, optional
        What to cut; instead of `fields`.
    workers : int, optional
        Tasks at a time. By default one per processor core where there is enough work.
    scheduler : str, optional
        ``"sync"``, ``"threads"`` (default), ``"processes"``, ``"cluster"`` (a LocalCluster), or
        the address of a Dask scheduler (``tcp://…``) whose workers see the same folders.
    overwrite : bool
        Replace `target`; until the new shards are complete, the old ones stay.
    progress : callable, optional
        Called with (tasks done, tasks in all).
    announce : callable, optional
        Called with the link of a cluster's dashboard.
    **fields
        Fields of `ShardSpec` by name; lists may stand for tuples, and a mapping for
        `annotation_labels`. `PRESETS` holds published limits: ``**PRESETS["cbramod"]``.

    Returns
    -------
    ShardResult

    Raises
    ------
    ShardError
        If the target exists, is no shards folder or overlaps a store, the stores do not fit
        together, no window is left, a worker died or the scheduler cannot be reached.
    StoreError
        If a store cannot be read, or another process writes the target.
    TypeError
        If a field is unknown, or both a spec and fields are given.
    """
    if spec is None:
        spec = ShardSpec.of(**fields)
    elif fields:
        raise TypeError(f"shard: a spec, and {', '.join(fields)} too; give one of them")
    target = Path(target)
    paths = [stores] if isinstance(stores, str | Path) else list(stores)
    choose_scheduler(scheduler, workers, "threads", ShardError)
    sources = tuple(open_source(path) for path in paths)
    if spec.weights is not None and len(spec.weights) != len(sources):
        raise ShardError(f"{len(spec.weights)} weights for {len(sources)} stores")
    # Where beats are detected, planning reads samples; else errors show before any work.
    plan = None if spec.align == "r_peak" else plan_windows(sources, spec)
    detector = detector_name() if spec.align == "r_peak" else None
    sha256 = plan_sha256(sources, spec, detector)
    # what is wrong with options and stores shows before what is at the target is looked at
    check_output(target, outputs.SHARDS, overwrite=overwrite, inputs=paths, error=ShardError)
    with hold_target(target) as held:
        check_output(target, outputs.SHARDS, overwrite=overwrite, error=ShardError)
        work = open_work(target, _identity(sha256, sources))
        result = finished(work, target)
        if result is not None and not is_intact(work / SHARDS):
            _log.warning("%s: finished by an earlier run, and damaged since; made again", work)
            result = None
        if result is None:
            job = make_job(work, sources, spec, detector, sha256)
            forget()
            remember(job, sources, spec)
            try:
                with _engine(scheduler, workers, progress, announce, held) as engine:
                    if plan is None:
                        plan = _plan_with_peaks(work, sources, spec, job, engine)
                    write_plan(work, plan)
                    n_bytes = len(plan.record) * window_bytes(plan.modalities)
                    with windows_in_memory(work, n_bytes if engine.is_here else None):
                        result = _execute(target, work, job, engine, plan)
            finally:
                forget()
            finish(work, result)
        held.check()
        commit(work, target, overwrite=overwrite)
    _log.info("%s: %d windows of %d records", target, result.n_windows, result.n_records)
    return result


def _identity(sha256: str, sources: tuple[Source, ...]) -> str:
    """Return the hash of a plan and of its stores' bytes: what an earlier run is known by."""
    return canonical_sha256([sha256, [source.sums_sha256 for source in sources]])


@dataclass(frozen=True)
class _Engine:
    """What runs the tasks, who is told how far they are, and the lock that they need."""

    scheduler: str | None
    workers: int | None
    progress: Progress | None
    held: Held
    client: Any = None  # of the cluster that runs all tasks of this call

    @property
    def is_here(self) -> bool:
        """Whether all tasks run in this process, and so see its memory."""
        return self.client is None and self.scheduler in (None, "sync", "threads")

    def run(self, task: str, count: int, job: Job) -> None:
        """Do tasks 0 up to `count`, in any order."""
        done = 0

        def ended(number: int, result: object) -> None:
            nonlocal done
            self.held.check()
            done += 1
            if self.progress is not None:
                self.progress(done, count)

        workers = self.workers or (None if count >= _FEW else 1)
        scheduler = choose_scheduler(self.scheduler, workers, "threads", ShardError)
        run_tasks(
            task, range(count), job, ended, scheduler=scheduler, workers=workers,
            error=ShardError, client=self.client,
        )  # fmt: skip

    def part(self, done: int, count: int, total: int) -> _Engine:
        """Return an engine whose `count` tasks are the half of `total` that begins at `done`."""
        progress = self.progress
        if progress is None:
            return self
        half = total // 2
        return replace(
            self, progress=lambda n, _: progress(done + n * half // max(count, 1), total)
        )


@contextmanager
def _engine(
    scheduler: str | None,
    workers: int | None,
    progress: Progress | None,
    announce: Announce | None,
    held: Held,
) -> Iterator[_Engine]:
    """Give what runs all tasks of this call; one cluster for all of them."""
    with one_cluster(scheduler, workers, announce, ShardError) as client:
        yield _Engine(scheduler, workers, progress, held, client)


def _plan_with_peaks(
    work: Path, sources: tuple[Source, ...], spec: ShardSpec, job: Job, engine: _Engine
) -> Plan:
    """Detect R peaks in the chosen records, and plan with them; a killed run's are kept."""
    n_tasks = len(plan_peaks(sources, spec).tasks) - 1
    make_folders(work / "peaks")
    replace(engine, progress=None).run("shard-peaks", n_tasks, job)
    return plan_windows(sources, spec, gather_peaks(work, n_tasks), job["detector"])


def _execute(target: Path, work: Path, job: Job, engine: _Engine, planned: Plan) -> ShardResult:
    """Cut, shuffle and write the windows of a plan into the working folder."""
    plan = plan_of(job)  # as the tasks read it, and kept for those of this process
    n_runs = len(plan.runs) - 1
    # Both passes handle about the same bytes, so each counts for half.
    engine.part(0, n_runs, 2 * n_runs).run("shard-cut", n_runs, job)
    order, left_out, mixture = order_windows(work, plan)
    save_array(work / write.ORDER_FILE, order)
    largest = max(window_bytes([modality]) for modality in plan.modalities)
    n_windows = len(order)
    per_chunk = choose_windows_per_chunk(n_windows, plan.spec.windows_per_chunk, largest)
    per_block = chunks_per_block(n_windows, per_chunk)
    n_blocks = -(-n_windows // (per_chunk * per_block))
    record = plan.record[order["candidate"]]
    used = np.unique(record)
    # Classes of records that were left out are none of these windows'.
    categories = {label.name: label.occurring(record, order["candidate"]) for label in plan.labels}
    plan = plan.with_categories(categories)
    result = ShardResult(
        path=target,
        n_windows=n_windows,
        n_candidates=len(plan.record),
        n_records=len(used),
        n_without=plan.n_chosen - len(used),
        n_unknown_subject=int(plan.records["subject_id"].iloc[used].isna().sum()),
        aligned_to=_ALIGNED[plan.spec.align].format(job["detector"]),
        left_out=left_out,
        mixture=mixture,
        plan_sha256=plan.sha256,
        split=count_parts(plan.spec, plan.parted, plan.records, record, order["candidate"]),
        unlisted=unlisted(plan.records, plan.spec, used) | dict(planned.unlisted),
    )  # fmt: skip
    attrs = _attributes(plan, result, per_chunk, per_block)
    arrays = (plan, n_windows, per_chunk, per_block, attrs)
    if not (work / "journal").exists():
        remove(work / SHARDS)
    create_arrays(work / SHARDS, *arrays)
    make_folders(work / "journal")
    layout = {"per_chunk": per_chunk, "per_block": per_block, "categories": categories}
    engine.part(n_runs, n_blocks, 2 * n_runs).run("shard-write", n_blocks, {**job, **layout})
    write.add_statistics(work, plan, n_blocks)
    write.write_manifest(work, plan)
    write_texts(work / SHARDS, plan, used)
    write_spans(work / SHARDS, plan, used, planned.spans)
    held = {
        m.name: f"{len(m.channels)} channels at {m.rate_hz:g} Hz ({', '.join(m.channels)})"
        for m in plan.modalities
    }
    write_croissant(work / SHARDS, attrs, held)
    remove_leftovers(work / SHARDS)
    write.write_table(work, n_blocks)
    return result


def _attributes(plan: Plan, result: ShardResult, per_chunk: int, per_block: int) -> Any:
    """Return the attributes of the shards' root group."""
    layout = {"windows_per_chunk": per_chunk, "chunks_per_block": per_block}
    found = result.to_dict()
    del found["plan_sha256"]
    if plan.parted is None:  # shards cut by shares keep their bytes, and so do those below
        found.pop("split", None)
    else:
        del found["split"]["empty"]
    return write.root_attributes(plan, layout, found)
