"""Run the blocks of a plan: in this process, in threads or processes, or on a Dask cluster.

Whatever runs them, only paths and numbers travel, and only a few blocks for each worker are in
flight, so that a plan of any length grows neither this process nor a scheduler.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from physioprep.errors import StoreError
from physioprep.parallel.cluster import Announce, connect
from physioprep.parallel.pools import WorkerProcess, process_pool, run_on_cluster, run_on_pool
from physioprep.parallel.workers import prepare_worker, single_threaded_libraries
from physioprep.remote import is_remote
from physioprep.store.build.block import JOB, Done, run_block
from physioprep.store.build.target_objects import scratch
from physioprep.store.build.trace import TRACES, traced_records
from physioprep.versions import software

#: Source values (samples times channels) up to which starting workers costs more than it saves.
SMALL: Final = 60_000_000
#: Source values from which `workers` alone asks for a LocalCluster, with its dashboard.
LARGE: Final = 2_000_000_000
_SCHEDULERS: Final = ("sync", "threads", "processes", "cluster")


def choose_scheduler(scheduler: str | None, workers: int | None, values: int) -> str:
    """Choose what runs a job.

    Parameters
    ----------
    scheduler : str, optional
        ``"sync"``, ``"threads"``, ``"processes"``, ``"cluster"`` (a LocalCluster), or the
        address of a Dask scheduler. By default the size of the work decides.
    workers : int, optional
        Asked for.
    values : int
        Samples times channels to be read.

    Returns
    -------
    str

    Raises
    ------
    StoreError
        If the scheduler is none of these.

    Examples
    --------
    >>> choose_scheduler(None, None, 10_000), choose_scheduler(None, 4, 10**10)
    ('sync', 'cluster')
    """
    if scheduler is not None:
        if scheduler not in _SCHEDULERS and "://" not in scheduler:
            known = ", ".join(_SCHEDULERS)
            raise StoreError(f"unknown scheduler {scheduler!r}: {known}, or an address (tcp://…)")
        return scheduler
    if values < SMALL or workers == 1:
        return "sync"
    return "cluster" if workers is not None and values >= LARGE else "processes"


def execute(
    work: str | Path,
    blocks: Sequence[int],
    on_done: Callable[[Done], None],
    *,
    scheduler: str,
    workers: int | None = None,
    announce: Announce | None = None,
) -> None:
    """Run blocks until all are done.

    Parameters
    ----------
    work : str or Path
        Working folder of the ingest, or its URL.
    blocks : sequence of int
    on_done : callable
        Called in this thread for each finished block; what it raises stops the run.
    scheduler : str
        From `choose_scheduler`.
    workers : int, optional
        Default: the processor cores this process may use.
    announce : callable, optional
        Called with the link of a cluster's dashboard.

    Raises
    ------
    StoreError
        If workers die for a reason that no record explains, or a cluster cannot be reached.
    """
    workers = workers or len(os.sched_getaffinity(0))
    left = dict.fromkeys(blocks)

    def finished(done: Done) -> None:
        left.pop(done.block, None)
        on_done(done)

    # A process died in these before: a record may have killed it, and would kill this one too.
    suspects = [block for block in left if traced_records(scratch(work), block)]
    while left:
        for block in suspects:
            finished(_run_alone(work, block))
        if not left:
            return
        suspects = _round(work, list(left), finished, scheduler, workers, announce)


def _round(
    work: str | Path,
    blocks: list[int],
    finished: Callable[[Done], None],
    scheduler: str,
    workers: int,
    announce: Announce | None,
) -> list[int]:
    """Run blocks; return those in which a worker process died."""
    task = partial(run_block, str(work))
    if "://" in scheduler or scheduler == "cluster":
        with connect(scheduler, workers, announce) as client:
            return _on_cluster(client, work, blocks, finished)
    if scheduler == "processes":
        broken = []
        for block, future in run_on_pool(process_pool(workers), workers, task, blocks):
            try:
                done = future.result()
            except BrokenExecutor:
                broken.append(block)
            else:
                finished(done)
        # Of those in flight, the ones that left a trace were running.
        return [block for block in broken if traced_records(scratch(work), block)] or broken
    with single_threaded_libraries():
        if scheduler == "threads":
            for _, ended in run_on_pool(ThreadPoolExecutor(workers), workers, task, blocks):
                finished(ended.result())
        else:
            for block in blocks:
                finished(task(block))
    return []


def _on_cluster(
    client: Any, work: str | Path, blocks: list[int], finished: Callable[[Done], None]
) -> list[int]:
    killed: type[BaseException] = import_module("distributed").KilledWorker
    suspects = []
    arguments = (str(work), software())
    for block, future in run_on_cluster(client, _run_in_worker, blocks, *arguments, name="ingest"):
        try:
            done = future.result()
        except killed:
            done = None
        if done is None:
            suspects.append(block)
        else:
            finished(done)
    return suspects


def _run_in_worker(work: str, versions: Mapping[str, str], block: int) -> Done | None:
    """Run a block in a worker of a cluster; None if a process died in it before.

    The first worker that a record kills is then the last: the block comes back, to be run in
    a process that may die.
    """
    here, host = software(), platform.node()
    other = [
        f"{name} {here.get(name, 'missing')}, not {versions[name]}"
        for name in versions
        if here.get(name) != versions[name]
    ]
    if other:
        cause = f"the worker on {host} has other software: {'; '.join(other)}"
        return Done(block, 0, target_error=cause)
    if not is_remote(work) and not (Path(work) / JOB).is_file():
        cause = f"the worker on {host} does not see the folder of the target"
        return Done(block, 0, target_error=cause)
    if traced_records(scratch(work), block):
        return None
    with single_threaded_libraries():
        return run_block(work, block)


def _run_alone(work: str | Path, block: int) -> Done:
    """Run a block in a process of its own, quarantining every record that kills it."""
    import signal

    crashed: dict[int, str] = {}
    while True:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = WorkerProcess(target=_alone, args=(theirs, str(work), block, crashed))
        for path in (scratch(work) / TRACES).glob(f"{block}.*"):
            path.unlink(missing_ok=True)
        process.start()
        theirs.close()
        try:
            done: Done = ours.recv()
            process.join()
            return done
        except EOFError:
            process.join()
        finally:
            ours.close()
        code = process.exitcode or 0
        killer = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        new = set(traced_records(scratch(work), block)) - crashed.keys()
        if not new:
            raise StoreError(f"a worker process died ({killer}) and no record explains it")
        crashed |= dict.fromkeys(new, f"it crashes the process that reads it ({killer})")


def _alone(answer: Any, work: str, block: int, crashed: dict[int, str]) -> None:
    prepare_worker()
    answer.send(run_block(work, block, crashed))
    answer.close()
