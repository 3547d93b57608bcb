"""Do independent tasks: in this process, in threads or processes, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from physioprep.errors import ShardError
from physioprep.parallel.cluster import connect, run_on_cluster
from physioprep.parallel.workers import process_pool, run_on_pool, single_threaded_libraries

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
