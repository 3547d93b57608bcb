"""Transitional: the dispatchers that shards and audit still use; `run.py` takes their place."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from importlib import import_module
from itertools import islice
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final, TypeVar
from uuid import uuid4

from physioprep.errors import ShardError
from physioprep.parallel.cluster import _RECOUNT_S, connect
from physioprep.parallel.workers import (
    AHEAD,
    prepare_worker,
    single_threaded_libraries,
    without_main,
)

Result = TypeVar("Result")


class WorkerProcess(SpawnProcess):
    """A new process that does not run the caller's script again."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with without_main():
            return SpawnProcess._Popen(process_obj)


class _Context(SpawnContext):
    Process = WorkerProcess


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of prepared worker processes; they start as tasks come.

    Parameters
    ----------
    workers : int

    Returns
    -------
    ProcessPoolExecutor

    Examples
    --------
    >>> with process_pool(1) as pool:
    ...     pool.submit(abs, -2).result()
    2
    """
    return ProcessPoolExecutor(workers, mp_context=_Context(), initializer=prepare_worker)


def run_on_pool(
    pool: Executor, workers: int, task: Callable[[int], Result], numbers: Iterable[int]
) -> Iterator[tuple[int, Future[Result]]]:
    """Run ``task(number)`` for each of `numbers`, and yield each as it ends.

    Only a few are in flight at a time, so that a million tasks need no more memory than ten.

    Parameters
    ----------
    pool : Executor
        Shut down at the end, however it comes.
    workers : int
        Of the pool.
    task : callable
        Picklable for processes.
    numbers : iterable of int

    Yields
    ------
    int
    Future
        Done. Where a process of the pool died, all in flight raise `BrokenExecutor`, and
        nothing after them is started.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> done = run_on_pool(ThreadPoolExecutor(2), 2, abs, [-1, -2, -3])
    >>> sorted((number, future.result()) for number, future in done)
    [(-3, 3), (-2, 2), (-1, 1)]
    """
    waiting = iter(numbers)
    running: dict[Future[Result], int] = {}
    try:
        while True:
            try:
                for number in islice(waiting, AHEAD * workers - len(running)):
                    running[pool.submit(task, number)] = number
            except BrokenExecutor:
                waiting = iter(())
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run_on_cluster(
    client: Any, task: Callable[..., Any], numbers: Iterable[int], *arguments: Any, name: str
) -> Iterator[tuple[int, Any]]:
    """Run ``task(*arguments, number)`` for each of `numbers`, and yield each as it ends.

    Parameters
    ----------
    client : distributed.Client
    task : callable
        A function of a module: only its name travels.
    numbers : iterable of int
    *arguments
        The first arguments of every task; small.
    name : str
        Of the tasks, as the dashboard shows them.

    Yields
    ------
    int
    distributed.Future
        Done; released after the caller has had it.
    """
    distributed: Any = import_module("distributed")
    waiting = iter(numbers)
    running: dict[str, int] = {}
    run = uuid4().hex[:8]  # two runs on one cluster must not take each other's results
    futures = distributed.as_completed(loop=client.loop)
    counted_at, limit = -_RECOUNT_S, 0

    def fill() -> None:
        for number in islice(waiting, max(0, limit - len(running))):
            future = client.submit(
                task, *arguments, number, key=f"{name}-{run}-{number}", pure=False
            )
            running[future.key] = number
            futures.add(future)

    while True:
        if time.monotonic() - counted_at >= _RECOUNT_S:
            limit = AHEAD * max(1, sum(client.nthreads().values()))
            counted_at = time.monotonic()
        fill()
        if not running:
            return
        future = next(futures)
        yield running.pop(future.key), future
        future.release()


Progress = Callable[[int, int], None]
SCHEDULERS: Final = ("sync", "threads", "processes")
#: Below so many tasks a second worker does not earn its start.
_FEW: Final = 4


def run_tasks(
    task: Callable[[int], None],
    count: int,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Do tasks 0 up to `count`, in any order.

    Parameters
    ----------
    task : callable
        ``task(number)``; picklable for processes and clusters.
    count : int
    workers : int, optional
        Tasks at a time; default: the cores this process may use, where there is enough to do.
    scheduler : str, optional
        ``"sync"``, ``"threads"`` (default), ``"processes"``, or the address of a Dask
        scheduler whose workers see the same folders.
    progress : callable, optional
        Called in this thread with (done, count).

    Raises
    ------
    ShardError
        If the scheduler is none of these, or cannot be reached.

    Examples
    --------
    >>> found = []
    >>> run_tasks(found.append, 3, scheduler="sync")
    >>> found
    [0, 1, 2]
    """
    if scheduler is not None and scheduler not in SCHEDULERS and "://" not in scheduler:
        known = ", ".join(SCHEDULERS)
        raise ShardError(f"unknown scheduler {scheduler!r}: {known}, or an address (tcp://…)")
    numbers = range(count)
    done = 0

    def ended() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, count)

    if scheduler is not None and "://" in scheduler:
        with connect(scheduler, 1, error=ShardError) as client:
            for _, future in run_on_cluster(client, task, numbers, name="shard"):
                future.result()
                ended()
        return
    workers = workers or (len(os.sched_getaffinity(0)) if count >= _FEW else 1)
    if scheduler == "processes":
        for _, finished in run_on_pool(process_pool(workers), workers, task, numbers):
            finished.result()
            ended()
        return
    with single_threaded_libraries():
        if (workers == 1 and scheduler is None) or scheduler == "sync":
            for number in numbers:
                task(number)
                ended()
        else:
            pool = ThreadPoolExecutor(workers)
            for _, finished in run_on_pool(pool, workers, task, numbers):
                finished.result()
                ended()
