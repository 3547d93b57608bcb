"""`shard`: from stores to a shards folder, resumable and the same for any number of workers."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pickle
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.parallel.pools import Progress, run_tasks
from physioprep.shards import cut, write
from physioprep.shards.candidates import Onsets, chosen_records, count_all
from physioprep.shards.chunking import choose_windows_per_chunk, chunks_per_block
from physioprep.shards.croissant import write_croissant
from physioprep.shards.mixture import Share, draw, share_out
from physioprep.shards.order import random_permutation
from physioprep.shards.peaks import detector_name, find_peaks, gather_peaks, write_job
from physioprep.shards.plan import Plan, plan_sha256, plan_windows, unite_records
from physioprep.shards.source import Source, open_source
from physioprep.shards.spec import AnnotationLabel, Region, ShardSpec

_log = logging.getLogger(__name__)

_Do = Callable[..., None]
#: Name of a working folder that is only to be removed.
_DONE: Final = "done"
_ALIGNED: Final = {
    "start": "the record's start",
    "annotation": "onsets of annotations",
    "event": "within events",
    "beat": "annotated heart beats",
    "r_peak": "R peaks detected by {}",
}


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
    n_without : int
        Records that `where` keeps but that have none.
    n_unknown_subject : int
        Records with a window whose subject is unknown; each counts as a subject of its own.
    aligned_to : str
        What windows are laid from; for beats, whether they were annotated or what detected them.
    left_out : dict of str to int
        Windows that are not in the shards, by reason.
    mixture : tuple of Share
        What each store gives, where weights were given.
    plan_sha256 : str
        Of the plan.
    """

    path: Path
    n_windows: int
    n_candidates: int
    n_records: int
    n_without: int
    n_unknown_subject: int
    aligned_to: str
    left_out: Mapping[str, int]
    mixture: tuple[Share, ...]
    plan_sha256: str

    def summary(self) -> dict[str, object]:
        """Return it as plain JSON types, in words."""
        said: dict[str, object] = {
            "shards": str(self.path),
            "windows": self.n_windows,
            "records": self.n_records,
            "aligned to": self.aligned_to,
        }
        if self.n_without:
            said["records without a window"] = self.n_without
        if self.n_unknown_subject:
            said["records of unknown subject"] = (
                f"{self.n_unknown_subject}, each a subject of its own"
            )
        said |= {f"left out: {reason}": count for reason, count in self.left_out.items()}
        for number, share in enumerate(self.mixture):
            said[f"store {number}"] = (
                f"{share.drawn} windows of {share.available} (weight {share.weight:.4g})"
            )
        return said | {"plan_sha256": self.plan_sha256}


def shard(
    stores: str | Path | Sequence[str | Path],
    target: str | Path,
    *,
    window_s: float = 10.0,
    stride_s: float | None = None,
    seed: int = 0,
    align: str = "start",
    align_where: str | None = None,
    before_s: float | None = None,
    modalities: Sequence[str] | None = None,
    pairs: str = "complete",
    labels: Sequence[str] | None = None,
    annotation_labels: Sequence[AnnotationLabel] | Mapping[str, Mapping[str, Any]] = (),
    where: str | None = None,
    regions: Sequence[Region] | None = None,
    trim_s: float = 0.0,
    max_per_record: int | None = None,
    min_valid: float = 1.0,
    max_abs: Mapping[str, float] | None = None,
    min_std: Mapping[str, float] | None = None,
    split: Mapping[str, float] | None = None,
    stratify: Sequence[str] = (),
    weights: Sequence[float] | None = None,
    n_windows: int | None = None,
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
    annotation_labels : sequence of AnnotationLabel, or mapping
        Labels of each window; as a mapping, the other fields of `AnnotationLabel` by name.
    seed, align, align_where, before_s, modalities, pairs, labels, where, regions, trim_s, \
max_per_record, min_valid, max_abs, min_std, split, stratify, weights, n_windows, codec, \
windows_per_chunk
        See `ShardSpec`. `PRESETS` holds published limits: ``**PRESETS["cbramod"]``.
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
        align=align,
        align_where=align_where,
        before_s=before_s,
        modalities=None if modalities is None else tuple(modalities),
        pairs=pairs,
        labels=None if labels is None else tuple(labels),
        annotation_labels=parse_annotation_labels(annotation_labels),
        where=where,
        regions=None if regions is None else tuple(regions),
        trim_s=trim_s,
        max_per_record=max_per_record,
        min_valid=min_valid,
        max_abs=dict(max_abs or {}),
        min_std=dict(min_std or {}),
        split=None if split is None else dict(split),
        stratify=(stratify,) if isinstance(stratify, str) else tuple(stratify),
        weights=None if weights is None else tuple(map(float, weights)),
        n_windows=n_windows,
        codec=codec,
        windows_per_chunk=windows_per_chunk,
    )
    paths = [stores] if isinstance(stores, str | Path) else list(stores)
    sources = tuple(open_source(path) for path in paths)
    if spec.weights is not None and len(spec.weights) != len(sources):
        raise ShardError(f"{len(spec.weights)} weights for {len(sources)} stores")
    # Where beats are detected, planning reads samples; else what is wrong shows before any work.
    plan = None if spec.align == "r_peak" else plan_windows(sources, spec)
    detector = detector_name() if spec.align == "r_peak" else None
    sha256 = plan_sha256(sources, spec, detector)
    from physioprep.store.build.lock import hold

    target.parent.mkdir(parents=True, exist_ok=True)
    do = partial(run_tasks, workers=workers, scheduler=scheduler)
    with hold(target.with_name(f".{target.name}.lock"), target):
        work = _prepare(target.with_name(f".{target.name}.partial"), sha256)
        if plan is None:
            peaks = _detect(work, sources, spec, do)
            plan = plan_windows(sources, spec, peaks, detector)
        with (work / cut.PLAN_FILE).open("wb") as file:
            pickle.dump(plan, file)
        return _execute(plan, target, work, do, progress, detector)


def parse_annotation_labels(
    labels: Sequence[AnnotationLabel] | Mapping[str, Mapping[str, Any]],
) -> tuple[AnnotationLabel, ...]:
    """Return labels given as a mapping of name to fields, as a YAML file has them.

    Raises
    ------
    ShardError
        If a field is unknown.

    Examples
    --------
    >>> parse_annotation_labels({"stage": {"rule": "centre"}})[0].rule
    'centre'
    """
    if not isinstance(labels, Mapping):
        return tuple(labels)
    parsed = []
    for name, fields in labels.items():
        try:
            parsed.append(AnnotationLabel(name=str(name), **fields))
        except TypeError as error:
            cause = str(error).removeprefix("AnnotationLabel.__init__() ")
            raise ShardError(f"annotation label {name!r}: {cause}") from None
    return tuple(parsed)


def _detect(work: Path, sources: tuple[Source, ...], spec: ShardSpec, do: _Do) -> Onsets:
    """Detect R peaks in the chosen records; what a killed run found is kept."""
    records = unite_records(sources)
    rows = np.flatnonzero(chosen_records(records, spec))
    n_tasks = write_job(work, sources, records, rows)
    do(partial(find_peaks, work), n_tasks)
    return gather_peaks(work, n_tasks)


def _execute(
    plan: Plan,
    target: Path,
    work: Path,
    do: _Do,
    progress: Progress | None,
    detector: str | None,
) -> ShardResult:
    n_runs = len(plan.runs) - 1
    # Both passes handle about the same bytes, so each counts for half.
    half = _scaled(progress, 0, n_runs, 2 * n_runs)
    do(partial(cut.cut_run, work, plan.sha256), n_runs, progress=half)
    order, left_out, mixture = _order(work, plan)
    np.save(work / write.ORDER_FILE, order)
    window_bytes = max(2 * len(m.channels) * m.n_samples for m in plan.modalities)
    n_windows = len(order)
    per_chunk = choose_windows_per_chunk(n_windows, plan.spec.windows_per_chunk, window_bytes)
    per_block = chunks_per_block(n_windows, per_chunk)
    n_blocks = -(-n_windows // (per_chunk * per_block))
    used = np.unique(plan.record[order["candidate"]])
    result = ShardResult(
        path=target,
        n_windows=n_windows,
        n_candidates=len(plan.record),
        n_records=len(used),
        n_without=plan.n_chosen - len(used),
        n_unknown_subject=int(plan.records["subject_id"].iloc[used].isna().sum()),
        aligned_to=_ALIGNED[plan.spec.align].format(detector),
        left_out=left_out,
        mixture=mixture,
        plan_sha256=plan.sha256,
    )
    layout = {"windows_per_chunk": per_chunk, "chunks_per_block": per_block}
    found = dataclasses.asdict(result)
    del found["path"], found["plan_sha256"]
    attrs = write.root_attributes(plan, layout, found)
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
    _commit(work, target)
    _log.info("%s: %d windows of %d records", target, n_windows, len(used))
    return result


def _write_block(work: Path, sha256: str, per_chunk: int, per_block: int, block: int) -> None:
    write.write_block(work, sha256, block, per_chunk, per_block)


def _prepare(folder: Path, sha256: str) -> Path:
    """Return the working folder of a plan; what is left of others, and of finished ones, goes."""
    work = folder / sha256[:16]
    if work.exists():
        _log.info("%s: going on with an unfinished run", work)
    for other in sorted(folder.glob("*"), key=lambda path: path.name != _DONE):
        if other != work:
            # By another name first: a folder that is half removed must never be gone on with.
            gone = other if other.name == _DONE else other.replace(folder / _DONE)
            shutil.rmtree(gone, ignore_errors=True)
    (work / "spill").mkdir(parents=True, exist_ok=True)
    return work


def _order(work: Path, plan: Plan) -> tuple[NDArray[Any], dict[str, int], tuple[Share, ...]]:
    """Draw the windows of each store and the order of all, once; say what is left out."""
    folders = [work / "spill" / f"{run:06d}" for run in range(len(plan.runs) - 1)]
    kept = [np.load(folder / "candidate.npy") for folder in folders]
    counts = (json.loads((folder / "left_out.json").read_text()) for folder in folders)
    left_out = count_all(plan.left_out, *counts)
    order = np.empty(sum(map(len, kept)), write.ORDER_DTYPE)
    if not len(order):
        why = ", ".join(f"{reason} {count}" for reason, count in left_out.items())
        raise ShardError(
            f"none of the {len(plan.record)} windows keeps to the limits ({why}; "
            f"min_valid {plan.spec.min_valid:g}, max_abs {dict(plan.spec.max_abs)}, "
            f"min_std {dict(plan.spec.min_std)})"
        )
    order["run"] = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    order["row"] = np.concatenate([np.arange(len(rows)) for rows in kept])
    order["candidate"] = np.concatenate(kept)
    mixture: tuple[Share, ...] = ()
    if plan.spec.weights is not None:
        store = plan.records["store"].to_numpy()[plan.record[order["candidate"]]]
        own = [np.flatnonzero(store == number) for number in range(len(plan.sources))]
        mixture = share_out([len(rows) for rows in own], plan.spec.weights, plan.spec.n_windows)
        drawn = [
            rows[draw(share, number, plan.spec.seed)]
            for number, (rows, share) in enumerate(zip(own, mixture, strict=True))
        ]
        spare = sum(max(0, share.available - share.drawn) for share in mixture)
        left_out = count_all(left_out, {"not drawn, by the stores' weights": spare})
        order = order[np.concatenate(drawn)]
    return order[random_permutation(len(order), plan.spec.seed, 0)], left_out, mixture


def _commit(work: Path, target: Path) -> None:
    """Give the finished shards their name, as the last step."""
    for folder, _, files in os.walk(work / "shards"):
        for path in [*(Path(folder) / name for name in files), Path(folder)]:
            if path.suffix == ".partial":  # of a write that was killed
                path.unlink(missing_ok=True)
                continue
            handle = os.open(path, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
    # From here on nobody goes on with this folder, whose parts are about to leave it.
    done = work.replace(work.parent / _DONE)
    if target.exists():
        target.replace(done / "old")
    (done / "shards").replace(target)
    shutil.rmtree(work.parent, ignore_errors=True)


def _scaled(progress: Progress | None, done: int, n_tasks: int, total: int) -> Progress | None:
    if progress is None:
        return None
    half = total // 2
    return lambda count, _: progress(done + count * half // max(n_tasks, 1), total)
