"""Run independent tasks: in this process, or by Dask in threads, in processes, on a cluster.

All commands run their tasks here. A local scheduler gets a bounded round of tasks at a time,
a cluster a few per worker thread, so that a million tasks need no more memory than ten. A task
that kills its process does not stop the others: it is run once more, in a separate process, and
reported if it kills that one too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, Final

from physioprep.errors import PhysioprepError
from physioprep.parallel.alone import WorkerDiedError, perform_alone
from physioprep.parallel.cluster import Announce, connect, run_on_cluster
from physioprep.parallel.tasks import TASKS, perform
from physioprep.parallel.workers import (
    prepare_worker,
    single_threaded_libraries,
    spawn_context,
    without_main,
)
from physioprep.suggest import did_you_mean

#: Names of schedulers; an address (``tcp://…``) is valid, too.
SCHEDULERS: Final = ("sync", "threads", "processes", "cluster")
#: Protocols of addresses that Dask knows.
PROTOCOLS: Final = ("tcp", "tls", "ws", "wss", "inproc", "ucx", "ucxx")
#: More workers than any cluster of one run has: a typing error.
MAX_WORKERS: Final = 65_536
#: Tasks per round and worker of a local scheduler.
_ROUND: Final = 128

#: Called with the item and the result of a finished task.
OnDone = Callable[[Any, Any], None]
#: Called with the item of a task that kills its process, and the cause; may raise.
OnCrash = Callable[[Any, str], None]


def choose_scheduler(
    scheduler: str | None,
    workers: int | None,
    default: str,
    error: type[PhysioprepError] = PhysioprepError,
) -> str:
    """Check the requested scheduler, or choose one.

    Parameters
    ----------
    scheduler : str, optional
        ``"sync"``, ``"threads"``, ``"processes"``, ``"cluster"`` (a LocalCluster), or the address
        of a Dask scheduler.
    workers : int, optional
        Requested number of workers.
    default : str
        Scheduler if none is requested and `workers` is not 1.
    error : type of PhysioprepError
        Class of the error to raise.

    Returns
    -------
    str
        Name or address; ``"sync"`` if none is requested and `workers` is 1.

    Raises
    ------
    PhysioprepError
        Unknown scheduler or protocol of an address, or no number of workers. Of class `error`.

    Examples
    --------
    >>> choose_scheduler(None, None, "threads"), choose_scheduler(None, 1, "threads")
    ('threads', 'sync')
    """
    if workers is not None and (workers % 1 or not 1 <= workers <= MAX_WORKERS):
        raise error(f"workers={workers}: 1 to {MAX_WORKERS}")
    if scheduler is None:
        return "sync" if workers == 1 else default
    protocol, separator, place = scheduler.partition("://")
    if separator:
        if protocol not in PROTOCOLS:
            hint = did_you_mean(protocol, PROTOCOLS)
            known = ", ".join(f"{each}://" for each in PROTOCOLS)
            raise error(f"scheduler {scheduler!r}: no protocol {protocol!r}{hint or f': {known}'}")
        if not place:
            raise error(f"scheduler {scheduler!r}: an address is {protocol}://HOST:PORT")
    elif scheduler not in SCHEDULERS:
        known = ", ".join(SCHEDULERS)
        hint = did_you_mean(scheduler, SCHEDULERS)
        raise error(
            f"unknown scheduler {scheduler!r}{hint or ':'} {known}, or an address (tcp://…)"
        )
    return scheduler


def run_tasks(
    task: str,
    items: Iterable[Any],
    job: Mapping[str, Any],
    on_done: OnDone,
    *,
    scheduler: str = "sync",
    workers: int | None = None,
    announce: Announce | None = None,
    error: type[PhysioprepError] = PhysioprepError,
    on_crash: OnCrash | None = None,
    client: Any = None,
) -> None:
    """Run a task for each item, in any order.

    Parameters
    ----------
    task : str
        A name of `physioprep.parallel.tasks.TASKS`.
    items : iterable of JSON values
        One per task: its own parameter.
    job : mapping
        Parameters that all tasks share; JSON values.
    on_done : callable
        ``on_done(item, result)``, called in this thread as each task ends; an exception in it
        stops the run.
    scheduler : str
        From `choose_scheduler`.
    workers : int, optional
        Default: the number of processor cores that this process may use. Ignored for the
        address of a cluster, which has its own workers.
    announce : callable, optional
        Called with the link of a cluster's dashboard.
    error : type of PhysioprepError
        Class of the error to raise.
    on_crash : callable, optional
        ``on_crash(item, cause)``, called for a task that kills its process also in the second,
        separate run. By default the run stops with `error`.
    client : distributed.Client, optional
        From `physioprep.parallel.cluster.connect`: a cluster that serves several calls.

    Raises
    ------
    PhysioprepError
        A task killed its worker process, or the scheduler cannot be reached (of class
        `error`); or a task raised it.
    KeyError
        `task` is not a name of `TASKS`.

    Examples
    --------
    >>> done = []
    >>> run_tasks("sleep", [0, 0.001], {}, lambda item, result: done.append(item))
    >>> sorted(done)
    [0, 0.001]
    """
    if task not in TASKS:
        raise KeyError(task)
    job_json = json.dumps(job)
    workers = workers or len(os.sched_getaffinity(0))

    def finished(item: Any, outcome: tuple[Any, BaseException | None]) -> None:
        result, raised = outcome
        if raised is not None:
            raise raised
        on_done(item, result)

    def run_suspect(item: Any) -> None:  # it was running when a worker died
        try:
            outcome = perform_alone(task, job_json, item)
        except WorkerDiedError as death:
            if on_crash is None:
                raise error(f"{task} {item}: it kills the process that runs it ({death})") from None
            on_crash(item, str(death))
        else:
            finished(item, outcome)

    if client is not None:
        suspects = run_on_cluster(client, task, job_json, items, finished, error)
    elif scheduler == "cluster" or "://" in scheduler:
        with connect(scheduler, workers, announce, error) as client:
            suspects = run_on_cluster(client, task, job_json, items, finished, error)
    else:
        suspects = _run_here(partial(perform, task, job_json), items, finished, scheduler, workers)
    for item in suspects:
        run_suspect(item)


def _run_here(
    call: Callable[[Any], Any],
    items: Iterable[Any],
    finished: OnDone,
    scheduler: str,
    workers: int,
) -> list[Any]:
    """Run tasks on a local scheduler, round by round; return those that may kill a process."""
    if scheduler == "sync":  # Dask would do the same, and takes a tenth of a second to load
        with single_threaded_libraries():
            for item in items:
                finished(item, call(item))
        return []
    waiting = iter(items)
    suspects: list[Any] = []
    left: list[Any] = []
    while True:
        with _local(scheduler, workers) as get:
            while left := left + list(islice(waiting, _ROUND * workers - len(left))):
                dead, left = _round(get, call, left, finished)
                suspects += dead
                if dead:
                    break  # the pool is broken: continue with a new one
            else:
                return suspects


def _round(
    get: Callable[..., Any], call: Callable[[Any], Any], items: list[Any], finished: OnDone
) -> tuple[list[Any], list[Any]]:
    """Run tasks; return those running when a process died, and those not yet started."""
    from dask.callbacks import Callback

    begun: set[tuple[str, int]] = set()
    ended: set[tuple[str, int]] = set()
    graph = {("task", number): (call, item) for number, item in enumerate(items)}

    def begins(key: tuple[str, int], *_: Any) -> None:
        begun.add(key)

    def ends(key: tuple[str, int], outcome: Any, *_: Any) -> None:
        ended.add(key)
        finished(items[key[1]], outcome)

    try:
        with Callback(pretask=begins, posttask=ends):  # type: ignore[no-untyped-call]
            get(graph, list(graph))
    except BrokenExecutor:
        dead = [items[key[1]] for key in graph if key in begun - ended]
        return dead, [items[key[1]] for key in graph if key not in begun]
    return [], []


@contextmanager
def _local(scheduler: str, workers: int) -> Iterator[Callable[..., Any]]:
    """Yield the ``get`` of a local scheduler; its threads or processes serve all rounds."""
    if scheduler == "processes":
        import dask.multiprocessing

        pool: Executor = ProcessPoolExecutor(
            workers, mp_context=spawn_context(), initializer=prepare_worker
        )
        try:
            with without_main():
                yield partial(
                    dask.multiprocessing.get, pool=pool, chunksize=1, optimize_graph=False
                )
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return
    import dask.threaded

    with single_threaded_libraries():
        pool = ThreadPoolExecutor(workers)
        try:
            yield partial(dask.threaded.get, pool=pool)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
