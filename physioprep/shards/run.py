"""`shard`: from stores to a shards folder, resumable and the same for any number of workers."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from physioprep.errors import ShardError
from physioprep.shards import cut, write
from physioprep.shards.croissant import write_croissant
from physioprep.shards.layout import choose_windows_per_chunk, chunks_per_block
from physioprep.shards.plan import Plan, plan_windows
from physioprep.shards.source import open_source
from physioprep.shards.spec import Region, ShardSpec
from physioprep.shards.tasks import Progress, run_tasks
from physioprep.stream.order import random_permutation

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardResult:
    """What `shard` made.

    Parameters
    ----------
    path : Path
        The shards folder.
    n_windows, n_candidates : int
        Windows written, and windows that were looked at.
    n_records : int
        Records with a window in the shards.
    plan_sha256 : str
        Of the plan.
    """

    path: Path
    n_windows: int
    n_candidates: int
    n_records: int
    plan_sha256: str


def shard(
    stores: str | Path | Sequence[str | Path],
    target: str | Path,
    *,
    window_s: float = 10.0,
    stride_s: float | None = None,
    seed: int = 0,
    modalities: Sequence[str] | None = None,
    pairs: str = "complete",
    labels: Sequence[str] | None = None,
    where: str | None = None,
    regions: Sequence[Region] | None = None,
    trim_s: float = 0.0,
    max_per_record: int | None = None,
    min_valid: float = 1.0,
    max_abs: Mapping[str, float] | None = None,
    min_std: Mapping[str, float] | None = None,
    split: Mapping[str, float] | None = None,
    codec: str = "none",
    windows_per_chunk: int = 1024,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ShardResult:
    """Cut windows out of stores, shuffle them once and write them in whole chunks.

    Stores are read once, in sequence. A run that is killed and started again with the same
    arguments goes on where it was; the result is byte for byte the same for any `workers`.

    Parameters
    ----------
    stores : path or sequence of path
        Stores with equal sampling rates and units; lead sets may differ.
    target : path
        Folder to make, a Zarr v3 group.
    window_s, stride_s : float
        Length of a window and distance between starts, s; stride None means the length.
    seed, modalities, pairs, labels, where, regions, trim_s, max_per_record, min_valid, max_abs, \
min_std, split, codec, windows_per_chunk
        See `ShardSpec`.
    workers : int, optional
        Tasks at a time; None uses the cores where there is work enough.
    scheduler : str, optional
        ``"sync"``, ``"threads"`` (default), ``"processes"``, or the address of a Dask
        scheduler whose workers see the same folders.
    overwrite : bool
        Replace `target`.
    progress : callable, optional
        Called with (tasks done, tasks in all).

    Returns
    -------
    ShardResult

    Raises
    ------
    ShardError
        If the target exists, the stores do not fit together, or no window is left.
    StoreError
        If a store cannot be read.
    """
    target = Path(target)
    if target.exists() and not overwrite:
        raise ShardError(f"{target}: exists; overwrite it or choose another name")
    spec = ShardSpec(
        window_s=window_s,
        stride_s=stride_s or 0.0,
        seed=seed,
        modalities=None if modalities is None else tuple(modalities),
        pairs=pairs,
        labels=None if labels is None else tuple(labels),
        where=where,
        regions=None if regions is None else tuple(regions),
        trim_s=trim_s,
        max_per_record=max_per_record,
        min_valid=min_valid,
        max_abs=dict(max_abs or {}),
        min_std=dict(min_std or {}),
        split=None if split is None else dict(split),
        codec=codec,
        windows_per_chunk=windows_per_chunk,
    )
    paths = [stores] if isinstance(stores, str | Path) else list(stores)
    plan = plan_windows([open_source(Path(path)) for path in paths], spec)
    work = target.with_name(f".{target.name}.partial")
    from physioprep.store.lock import hold

    target.parent.mkdir(parents=True, exist_ok=True)
    with hold(target.with_name(f".{target.name}.lock"), target):
        return _execute(plan, target, work, workers, scheduler, progress)


def _execute(
    plan: Plan,
    target: Path,
    work: Path,
    workers: int | None,
    scheduler: str | None,
    progress: Progress | None,
) -> ShardResult:
    _prepare(work, plan)
    n_runs = len(plan.runs) - 1
    do = partial(run_tasks, workers=workers, scheduler=scheduler)
    # Both passes handle about the same bytes, so each counts for half.
    half = _scaled(progress, 0, n_runs, 2 * n_runs)
    do(partial(cut.cut_run, work, plan.sha256), n_runs, progress=half)
    n_windows = _shuffle(work, plan)
    window_bytes = max(2 * len(m.channels) * m.n_samples for m in plan.modalities)
    per_chunk = choose_windows_per_chunk(n_windows, plan.spec.windows_per_chunk, window_bytes)
    per_block = chunks_per_block(n_windows, per_chunk)
    n_blocks = -(-n_windows // (per_chunk * per_block))
    attrs = write.root_attributes(plan, n_windows, per_chunk, per_block)
    if not (work / "journal").exists():
        write.create_arrays(work / "shards", plan, n_windows, per_chunk, per_block, attrs)
        (work / "journal").mkdir()
    task = partial(_write_block, work, plan.sha256, per_chunk, per_block)
    do(task, n_blocks, progress=_scaled(progress, n_runs, n_blocks, 2 * n_runs))
    write.add_statistics(work, plan, n_blocks)
    write.write_manifest(work, plan)
    held = {
        m.name: f"{len(m.channels)} channels at {m.rate_hz:g} Hz ({', '.join(m.channels)})"
        for m in plan.modalities
    }
    write_croissant(work / "shards", attrs, held)
    record = np.load(work / write.ORDER_FILE, mmap_mode="r")["candidate"]
    n_records = len(np.unique(plan.record[record]))
    _commit(work, target)
    _log.info("%s: %d windows of %d records", target, n_windows, n_records)
    return ShardResult(target, n_windows, len(plan.record), n_records, plan.sha256)


def _write_block(work: Path, sha256: str, per_chunk: int, per_block: int, block: int) -> None:
    write.write_block(work, sha256, block, per_chunk, per_block)


def _prepare(work: Path, plan: Plan) -> None:
    """Go on with the working folder of a killed run of the same plan, or begin a new one."""
    marker = work / "plan.sha256"
    if marker.exists() and marker.read_text() == plan.sha256:
        _log.info("%s: going on with an unfinished run", work)
    else:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    (work / "spill").mkdir(exist_ok=True)
    with (work / cut.PLAN_FILE).open("wb") as file:
        pickle.dump(plan, file)
    marker.write_text(plan.sha256)


def _shuffle(work: Path, plan: Plan) -> int:
    """Draw the order of all windows kept, once, and write it down."""
    kept = [
        np.load(work / "spill" / f"{run:06d}" / "candidate.npy")
        for run in range(len(plan.runs) - 1)
    ]
    n_windows = sum(map(len, kept))
    if not n_windows:
        raise ShardError(
            f"none of the {len(plan.record)} windows keeps to the limits "
            f"(min_valid {plan.spec.min_valid:g}, max_abs {dict(plan.spec.max_abs)}, "
            f"min_std {dict(plan.spec.min_std)})"
        )
    order = np.empty(n_windows, write.ORDER_DTYPE)
    order["run"] = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    order["row"] = np.concatenate([np.arange(len(rows)) for rows in kept])
    order["candidate"] = np.concatenate(kept)
    np.save(work / write.ORDER_FILE, order[random_permutation(n_windows, plan.spec.seed, 0)])
    return n_windows


def _commit(work: Path, target: Path) -> None:
    """Give the finished shards their name, as the last step."""
    for folder, _, files in os.walk(work / "shards"):
        for path in [*(Path(folder) / name for name in files), Path(folder)]:
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
    if target.exists():
        old = work / "old"
        target.replace(old)
    (work / "shards").replace(target)
    shutil.rmtree(work)


def _scaled(progress: Progress | None, done: int, n_tasks: int, total: int) -> Progress | None:
    if progress is None:
        return None
    half = total // 2
    return lambda count, _: progress(done + count * half // max(n_tasks, 1), total)
