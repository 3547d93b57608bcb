"""One pass over the signals: every recording is read once, and all checks see it.

The recordings are cut into blocks that run in this process, in worker processes, or on a Dask
cluster, as `ingest` does. Only paths and numbers travel: a worker opens the inputs by itself and
sends back findings and the few numbers that checks of the whole corpus need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from physioprep.auditing.checks.amplitude import (
    check_clipping,
    check_offset,
    check_sentinels,
    check_uncalibrated,
    check_units,
)
from physioprep.auditing.checks.eeg import check_bad_channels, check_eeg_electrodes, check_reference
from physioprep.auditing.checks.flat import check_flat, check_gaps, check_missing, check_noise
from physioprep.auditing.checks.leads import check_electrodes, check_limb_relations
from physioprep.auditing.checks.times import check_annotations, check_drift
from physioprep.auditing.checks.timing import check_heart_rate, check_mains, check_sampling_rate
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Input, Key, namer, open_input, recording_of, sampled
from physioprep.auditing.measure.measure import Measured, join, measure
from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    import pandas as pd

#: Where a recording's samples are: an input and its row there.
Sources = dict[Key, tuple[Input, int]]
#: Recordings of a block, and from how many on worker processes are worth their start.
BLOCK, MANY = 16, 400
#: Checks that need one recording's own numbers only.
RECORD_CHECKS: tuple[Callable[..., list[Finding]], ...] = (
    check_flat, check_missing, check_gaps, check_units, check_uncalibrated, check_offset,
    check_clipping, check_sentinels, check_limb_relations, check_electrodes, check_heart_rate,
    check_sampling_rate, check_mains,
    check_eeg_electrodes, check_reference, check_bad_channels, check_noise, check_drift,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Opened:
    """What is audited, opened; and where each recording is read."""

    inputs: tuple[Input, ...]
    others: tuple[Input, ...]
    ours: Sources
    theirs: Sources

    @property
    def sources(self) -> Sources:
        """Ours, then those of the sets compared against."""
        return self.ours | self.theirs

    @property
    def many(self) -> bool:
        """Whether several corpora are read, so that names carry theirs."""
        return len({c for one in (*self.inputs, *self.others) for c in one.corpora}) > 1


@dataclass(frozen=True, eq=False)
class Seen:
    """What a block gave."""

    measured: list[Measured]
    findings: list[Finding]
    unread: list[tuple[str, str, str, str]]
    read: list[Key]


def open_all(paths: Sequence[Path], against: Sequence[Path], sample: int | None) -> Opened:
    """Open the inputs and decide where to read each recording: a store before files."""
    inputs = tuple(open_input(path) for path in paths)
    others = tuple(open_input(path) for path in against)
    ours = _sources(inputs, sample)
    theirs = {key: at for key, at in _sources(others, sample).items() if key not in ours}
    return Opened(inputs, others, ours, theirs)


def _sources(inputs: Sequence[Input], sample: int | None) -> Sources:
    out: Sources = {}
    for one in sorted(inputs, key=lambda one: one.kind != "store"):
        if one.kind == "shards":
            continue
        roots: dict[object, bool] = {}
        kept = sampled(one, sample).records
        root = kept["root"].tolist() if one.kind == "manifest" else [None] * len(kept)
        for row, corpus, record, folder in zip(
            kept.index, kept["corpus"], kept["record_id"], root, strict=True
        ):
            if one.kind == "manifest":
                if folder not in roots:
                    roots[folder] = isinstance(folder, str) and Path(folder).is_dir()
                if not roots[folder]:
                    continue
            out.setdefault((corpus, record), (one, int(row)))
    return out


def look_at_all(
    opened: Opened,
    sample: int | None,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Seen:
    """Measure and check every recording that can be read.

    Parameters
    ----------
    opened : Opened
    sample : int, optional
        As `open_all` had it.
    scheduler : str, optional
        ``"sync"``, ``"threads"``, ``"processes"``, ``"cluster"`` or a Dask scheduler's address.
        By default worker processes where there are many recordings.
    workers : int, optional
        Default: the processor cores this process may use.
    progress : callable, optional
        Called with (recordings read, recordings to read).

    Returns
    -------
    Seen
        In the order of ``opened.sources``, whatever ran it.
    """
    n = len(opened.sources)
    blocks = range(-(-n // BLOCK))
    results: dict[int, Seen] = {}
    done = 0
    for number, seen in _run(opened, blocks, sample, scheduler, workers):
        results[number] = seen
        done += min(BLOCK, n - number * BLOCK)
        if progress is not None:
            progress(done, n)
    ordered = [results[number] for number in blocks]
    return Seen(
        list(chain.from_iterable(one.measured for one in ordered)),
        list(chain.from_iterable(one.findings for one in ordered)),
        list(chain.from_iterable(one.unread for one in ordered)),
        list(chain.from_iterable(one.read for one in ordered)),
    )


def _run(
    opened: Opened, blocks: range, sample: int | None, scheduler: str | None, workers: int | None
) -> Iterator[tuple[int, Seen]]:
    import os
    from concurrent.futures import ThreadPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    from physioprep.parallel.cluster import connect
    from physioprep.parallel.pools import process_pool, run_on_cluster, run_on_pool
    from physioprep.parallel.workers import single_threaded_libraries

    if scheduler is None:
        scheduler = "processes" if len(opened.sources) >= MANY and workers != 1 else "sync"
    workers = workers or len(os.sched_getaffinity(0))
    paths = tuple(str(one.path.resolve()) for one in opened.inputs)
    against = tuple(str(one.path.resolve()) for one in opened.others)
    told = (paths, against, sample, uuid4().hex)
    if scheduler in ("sync", "threads"):
        here = partial(look_at_block, opened)
        with single_threaded_libraries():
            if scheduler == "sync":
                yield from ((number, here(number)) for number in blocks)
                return
            pool = ThreadPoolExecutor(workers)
            for number, future in run_on_pool(pool, workers, here, blocks):
                yield number, future.result()
    elif scheduler == "processes":
        try:
            away = partial(look_from_afar, *told)
            for number, future in run_on_pool(process_pool(workers), workers, away, blocks):
                yield number, future.result()
        except BrokenProcessPool as cause:
            raise PhysioprepError(
                "a worker process of the audit died; --scheduler sync says at which record"
            ) from cause
    elif scheduler == "cluster" or "://" in scheduler:
        with connect(scheduler, workers, error=PhysioprepError) as client:
            for number, future in run_on_cluster(
                client, look_from_afar, blocks, *told, name="audit"
            ):
                yield number, future.result()
    else:
        known = "sync, threads, processes, cluster"
        raise PhysioprepError(f"unknown scheduler {scheduler!r}: {known}, or an address (tcp://…)")


@lru_cache(maxsize=1)
def _open_here(
    paths: tuple[str, ...], against: tuple[str, ...], sample: int | None, run: str
) -> Opened:
    return open_all([Path(path) for path in paths], [Path(path) for path in against], sample)


def look_from_afar(
    paths: tuple[str, ...], against: tuple[str, ...], sample: int | None, run: str, number: int
) -> Seen:
    """Look at a block in a worker, which opens the inputs once a `run`."""
    return look_at_block(_open_here(paths, against, sample, run), number)


def look_at_block(opened: Opened, number: int) -> Seen:
    """Read, measure and check the recordings of a block."""
    name = namer(many=opened.many)
    out = Seen([], [], [], [])
    items = list(opened.sources.items())[number * BLOCK : (number + 1) * BLOCK]
    for key, (one, row) in items:
        try:
            signals, annotations = recording_of(one, row)
            pieces = join(measure(signal) for signal in signals)
        except (PhysioprepError, OSError) as error:
            root = str(one.records["root"].at[row]) if "root" in one.records else ""
            reason = str(error).replace(f"{root}/", "")
            out.unread.append((*key, str(one.records["path"].at[row]), reason))
            continue
        if pieces:
            out.read.append(key)
        if key in opened.ours:
            for check in RECORD_CHECKS:
                out.findings.extend(check(pieces, name))
            if annotations is not None:
                out.findings.extend(check_annotations(key, annotations, pieces, name))
        # a beat and a covariance are for these checks alone, and the larger part of it all
        out.measured.extend(replace(piece, beat=None, covariance=None) for piece in pieces)
    return out


def unread_table(seen: Seen) -> pd.DataFrame:
    """Return what could not be read as a table: ``corpus, record_id, path, reason``."""
    import pandas as pd

    return pd.DataFrame(seen.unread, columns=["corpus", "record_id", "path", "reason"])


def reader(sources: Sources) -> Callable[[Key, str], Any]:
    """Return what reads the first piece of a recording's modality again, to compare it."""

    @lru_cache(maxsize=128)
    def read(key: Key, modality: str) -> Any:
        one, row = sources[key]
        return next((s for s in recording_of(one, row)[0] if s.modality == modality), None)

    return read
