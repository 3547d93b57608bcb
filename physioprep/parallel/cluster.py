"""Run independent tasks on a Dask cluster: somebody's, or one of this machine's own.

Tasks are a function's name, a path and a number. A few for each thread of the workers are in
flight at a time, so that neither this process nor the scheduler ever holds a long graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from typing import Any, Final
from uuid import uuid4

from physioprep.errors import PhysioprepError, StoreError
from physioprep.parallel.workers import AHEAD, ONE_THREAD, without_main

#: Takes the link of a cluster's dashboard.
Announce = Callable[[str], None]
#: Seconds after which the workers of a cluster are counted again: they come and go.
_RECOUNT_S: Final = 1.0


@contextmanager
def connect(
    scheduler: str,
    workers: int,
    announce: Announce | None = None,
    error: type[PhysioprepError] = StoreError,
) -> Iterator[Any]:
    """Connect to a Dask scheduler, or start a LocalCluster; close it again at the end.

    Parameters
    ----------
    scheduler : str
        An address (``tcp://…``), or ``"cluster"`` for a LocalCluster on this machine.
    workers : int
        One-threaded processes of the LocalCluster.
    announce : callable, optional
        Called with the link of the dashboard, where there is one.
    error : type of PhysioprepError
        What to raise.

    Yields
    ------
    distributed.Client

    Raises
    ------
    PhysioprepError
        No scheduler answers there, or it went away.
    """
    import dask

    distributed: Any = import_module("distributed")
    if scheduler == "cluster":
        # Distributed's default MALLOC_TRIM_THRESHOLD_ makes glibc hand memory back after every
        # record, which slows tasks like ours.
        with (
            dask.config.set({"distributed.nanny.pre-spawn-environ": ONE_THREAD}),
            without_main(),  # to the end: a worker that is lost is started again
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            _announce(client, announce)
            yield client
        return
    try:
        client = distributed.Client(scheduler, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as cause:
        raise error(f"no Dask scheduler at {scheduler}: {cause}") from None
    with client:
        _announce(client, announce)
        try:
            yield client
        except (distributed.CancelledError, distributed.comm.CommClosedError) as cause:
            raise error(
                f"the Dask scheduler at {scheduler} went away; what is done is kept, "
                "the same call goes on from there"
            ) from cause


def _announce(client: Any, announce: Announce | None) -> None:
    link = client.dashboard_link
    if announce is not None and link:
        announce(link)


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
