"""Run the blocks of a plan: in this process, in threads or processes, or on a Dask cluster.

Locally the blocks are a Dask graph, one task each, on Dask's own asynchronous scheduler; on a
cluster they are submitted a few ahead of the workers, so that a plan of any length neither
grows the scheduler nor the graph. Whatever runs them, only paths and numbers travel.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Final

from physioprep.errors import StoreError
from physioprep.store.block import Done, run_block
from physioprep.store.trace import TRACES, traced_records

log = logging.getLogger(__name__)

#: Source values (samples times channels) up to which starting workers costs more than it saves.
SMALL: Final = 60_000_000
#: Source values from which `workers` alone asks for a LocalCluster, with its dashboard.
LARGE: Final = 2_000_000_000
#: Blocks in flight for each worker of a cluster: one running, one waiting.
AHEAD: Final = 2
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
    work: Path,
    blocks: Sequence[int],
    on_done: Callable[[Done], None],
    *,
    scheduler: str,
    workers: int | None = None,
) -> None:
    """Run blocks until all are done.

    Parameters
    ----------
    work : Path
        Working folder of the ingest.
    blocks : sequence of int
    on_done : callable
        Called in this thread for each finished block; what it raises stops the run.
    scheduler : str
        From `choose_scheduler`.
    workers : int, optional
        Default: the processor cores this process may use.

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
    for block in [block for block in left if traced_records(work, block)]:
        finished(_run_alone(work, block))
    while left:
        suspects = _round(work, list(left), finished, scheduler, workers)
        for block in suspects:
            finished(_run_alone(work, block))


def _round(
    work: Path,
    blocks: list[int],
    finished: Callable[[Done], None],
    scheduler: str,
    workers: int,
) -> list[int]:
    """Run blocks; return those that were running when a worker process died."""
    if "://" in scheduler or scheduler == "cluster":
        return _on_cluster(work, blocks, finished, scheduler, workers)
    if scheduler == "processes":
        pool = ProcessPoolExecutor(workers, mp_context=_Context(), initializer=_worker_process)
        return _on_pool(work, blocks, finished, pool, workers)
    with _single_threaded_libraries():
        if scheduler == "threads":
            return _on_pool(work, blocks, finished, ThreadPoolExecutor(workers), workers)
        for block in blocks:
            finished(run_block(str(work), block))
    return []


def _on_pool(
    work: Path,
    blocks: list[int],
    finished: Callable[[Done], None],
    pool: Executor,
    workers: int,
) -> list[int]:
    import dask.local

    get_async: Any = dask.local.get_async

    graph = {f"ingest-{block}": (run_block, str(work), block) for block in blocks}
    running: dict[str, None] = {}

    def started(key: str, graph: object, state: object) -> None:
        running[key] = None

    def ended(key: str, done: Done, graph: object, state: object, worker: object) -> None:
        running.pop(key)
        finished(done)

    try:
        get_async(
            pool.submit,
            workers,
            graph,
            list(graph),
            callbacks=[(None, None, started, ended, None)],
            chunksize=1,
        )
    except BrokenProcessPool:
        return [int(key.removeprefix("ingest-")) for key in running]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return []


def _on_cluster(
    work: Path,
    blocks: list[int],
    finished: Callable[[Done], None],
    scheduler: str,
    workers: int,
) -> list[int]:
    distributed: Any = import_module("distributed")

    suspects = []
    with _client(scheduler, workers) as client:
        ahead = AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        waiting = iter(blocks)
        numbers = {}

        def submit_next() -> Any:
            block = next(waiting, None)
            if block is None:
                return None
            future = client.submit(
                _run_in_worker, str(work), block, key=f"ingest-{work.name}-{block}", pure=False
            )
            numbers[future.key] = block
            return future

        first = [future for future in (submit_next() for _ in range(ahead)) if future]
        running = distributed.as_completed(first, loop=client.loop)
        for future in running:
            block = numbers.pop(future.key)
            try:
                done = future.result()
            except distributed.KilledWorker:
                suspects.append(block)
            else:
                finished(done)
            future.release()
            following = submit_next()
            if following is not None:
                running.add(following)
    return suspects


@contextmanager
def _client(scheduler: str, workers: int) -> Iterator[Any]:
    import dask

    distributed: Any = import_module("distributed")

    if scheduler != "cluster":
        try:
            with distributed.Client(scheduler, timeout="10s", set_as_default=False) as client:
                yield client
        except OSError as error:
            raise StoreError(f"no Dask scheduler at {scheduler}: {error}") from None
        return
    # Distributed's default MALLOC_TRIM_THRESHOLD_ makes glibc hand memory back after every
    # record, which halves the rate of tasks like ours.
    environment = dict.fromkeys(_THREADS, "1")
    with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}), _without_main():
        cluster = distributed.LocalCluster(n_workers=workers, threads_per_worker=1, processes=True)
    with cluster, distributed.Client(cluster, set_as_default=False) as client:
        log.info("Dask dashboard: %s", cluster.dashboard_link)
        yield client


_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _run_in_worker(work: str, block: int) -> Done:
    with _single_threaded_libraries():
        return run_block(work, block)


@contextmanager
def _single_threaded_libraries() -> Iterator[None]:
    """Keep BLAS and blosc to one thread: the workers are the parallelism.

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


def _worker_process() -> None:
    """Prepare a worker process: quiet on Ctrl-C, gone when its parent is."""
    import signal
    import threading
    import time

    from numcodecs import blosc

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    blosc.use_threads = False
    import_module("threadpoolctl").threadpool_limits(1)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run_alone(work: Path, block: int) -> Done:
    """Run a block in a process of its own, quarantining every record that kills it."""
    import signal

    crashed: dict[int, str] = {}
    while True:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = _Process(target=_alone, args=(theirs, str(work), block, crashed))
        for path in (work / TRACES).glob(f"{block}.*"):
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
        new = set(traced_records(work, block)) - crashed.keys()
        if not new:
            raise StoreError(f"a worker process died ({killer}) and no record explains it")
        crashed |= dict.fromkeys(new, f"it crashes the process that reads it ({killer})")


def _alone(answer: Any, work: str, block: int, crashed: dict[int, str]) -> None:
    _worker_process()
    answer.send(run_block(work, block, crashed))
    answer.close()


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the caller's script while a process starts, so that it is not run again there.

    Multiprocessing imports ``__main__`` in new processes; a script without the
    ``if __name__ == "__main__"`` guard would then start its ingest a second time. Our tasks
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


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _without_main():
            return SpawnProcess._Popen(process_obj)


class _Context(SpawnContext):
    Process = _Process
