"""Do independent tasks: in this process, in threads or processes, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from physioprep.errors import ShardError
from physioprep.store.execute import _Context, _single_threaded_libraries, _worker_process

Progress = Callable[[int, int], None]
SCHEDULERS: Final = ("sync", "threads", "processes")
#: Below so many tasks a second worker does not earn its start.
_FEW: Final = 4
#: Tasks in flight for each thread of a cluster.
_AHEAD: Final = 2


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
    if scheduler is not None and "://" in scheduler:
        _on_cluster(task, count, scheduler, progress)
        return
    if scheduler is not None and scheduler not in SCHEDULERS:
        known = ", ".join(SCHEDULERS)
        raise ShardError(f"unknown scheduler {scheduler!r}: {known}, or an address (tcp://…)")
    workers = workers or (len(os.sched_getaffinity(0)) if count >= _FEW else 1)
    if (workers == 1 and scheduler is None) or scheduler == "sync":
        with _single_threaded_libraries():
            for number in range(count):
                task(number)
                if progress is not None:
                    progress(number + 1, count)
        return
    if scheduler == "processes":
        pool: Executor = ProcessPoolExecutor(
            workers, mp_context=_Context(), initializer=_worker_process
        )
        quiet: AbstractContextManager[None] = nullcontext()
    else:
        pool, quiet = ThreadPoolExecutor(workers), _single_threaded_libraries()
    with quiet:
        _on_pool(task, count, pool, workers, progress)


def _on_pool(
    task: Callable[[int], None],
    count: int,
    pool: Executor,
    workers: int,
    progress: Progress | None,
) -> None:
    import dask.local

    get_async: Any = dask.local.get_async

    done = 0

    def ended(*_: object) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, count)

    graph = {f"shard-{number}": (task, number) for number in range(count)}
    try:
        get_async(
            pool.submit,
            workers,
            graph,
            list(graph),
            callbacks=[(None, None, None, ended, None)],
            chunksize=1,
        )
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _on_cluster(
    task: Callable[[int], None], count: int, address: str, progress: Progress | None
) -> None:
    import distributed

    client: Any
    try:
        client = distributed.Client(address, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise ShardError(f"no Dask scheduler at {address}: {error}") from None
    with client:
        # A few ahead of the workers, so that the scheduler never holds a long graph.
        ahead = _AHEAD * max(1, sum(client.nthreads().values()))
        waiting = iter(range(count))
        first = [
            client.submit(task, number, pure=False)
            for number, _ in zip(waiting, range(ahead), strict=False)
        ]
        running: Any = distributed.as_completed(first)  # type: ignore[no-untyped-call]
        for done, future in enumerate(running, start=1):
            future.result()
            future.release()
            if (number := next(waiting, None)) is not None:
                running.add(client.submit(task, number, pure=False))
            if progress is not None:
                progress(done, count)
