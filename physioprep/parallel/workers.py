"""Prepare worker processes, and limit numeric libraries to one thread.

A worker process ignores Ctrl-C, ends when its parent ends, and runs its numeric libraries with
one thread: the workers themselves are the parallelism.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.context import SpawnContext
from typing import Any, Final

from physioprep.plain_text import make_logs_plain

#: Tasks of a cluster in flight per worker thread: one running, one waiting.
AHEAD: Final = 2
#: Environment of a worker process whose numeric libraries must not start threads.
ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


@contextmanager
def single_threaded_libraries() -> Iterator[None]:
    """Limit BLAS and blosc to one thread while the block runs.

    Blosc with several threads also writes the parts of a chunk in the order in which they
    finish, so that the bytes would differ from run to run.
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
    """Prepare this process as a worker: it ignores Ctrl-C and ends when its parent ends."""
    import signal

    from numcodecs import blosc

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    blosc.use_threads = False
    make_logs_plain()
    import_module("threadpoolctl").threadpool_limits(1)
    # Not getppid(): it names another process if the parent died while this one started.
    started_by = multiprocessing.parent_process()
    parent = os.getppid() if started_by is None else started_by.pid
    end_with(os.getppid() if parent is None else parent)


def end_with(parent: int) -> None:
    """End this process when its parent ends.

    Parameters
    ----------
    parent : int
        Process id.
    """
    import threading
    import time

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def without_main() -> Iterator[None]:
    """Hide the caller's script while a process starts, so that the process does not run it again.

    Multiprocessing imports ``__main__`` in new processes; a script without the
    ``if __name__ == "__main__"`` guard would then start its work a second time. Our tasks
    do not need the script.
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


def spawn_context() -> SpawnContext:
    """Return the context that starts worker processes.

    Returns
    -------
    multiprocessing.context.SpawnContext
        Starts new interpreters: a fork would copy the locks and threads of this process.
    """
    return multiprocessing.get_context("spawn")
