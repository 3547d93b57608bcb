"""Worker processes and threads: what prepares them, and how they are kept fed.

Ingest, shards and whatever else runs independent tasks share these. A worker process is quiet
on Ctrl-C, gone when its parent is, and leaves the parallelism to the workers: its libraries
have one thread each.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

#: Tasks in flight for each thread of a worker: one running, one waiting.
AHEAD: Final = 2
#: Environment of a worker process whose numeric libraries must not start threads.
ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Keep BLAS and blosc to one thread while the block runs.

    Blosc's own threads also finish in any order, and lay a chunk out in that order.
    """
    from numcodecs import blosc

    threadpoolctl: Any = import_module("threadpoolctl")
    before = blosc.use_threads
    blosc.use_threads = False
    try:
        with threadpoolctl.threadpool_limits(1):
            yield
    finally:
        blosc.use_threads = before


def prepare_worker() -> None:
    """Prepare this process as a worker: quiet on Ctrl-C, gone when its parent is."""
    import signal
    import threading
    import time

    from numcodecs import blosc

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    blosc.use_threads = False
    import_module("threadpoolctl").threadpool_limits(1)
    # Not getppid(): a parent that died while this process started is no longer it.
    started_by = multiprocessing.parent_process()
    parent = os.getppid() if started_by is None else started_by.pid

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def without_main() -> Iterator[None]:
    """Hide the caller's script while a process starts, so that it is not run again there.

    Multiprocessing imports ``__main__`` in new processes; a script without the
    ``if __name__ == "__main__"`` guard would then start its work a second time. Our tasks
    need nothing of it.
    """
    main = sys.modules["__main__"]
    missing = object()
    kept = {name: getattr(main, name, missing) for name in ("__file__", "__spec__")}
    for name in kept:
        if hasattr(main, name):
            setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is not missing:
                setattr(main, name, value)


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
