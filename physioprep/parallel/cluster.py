"""Run independent tasks on a Dask cluster: an existing one, or a LocalCluster.

A task is the name of a function and plain JSON values. Only a few tasks per worker thread are in
flight at a time, so that neither this process nor the scheduler ever holds a long graph.

Whoever is admitted to a Dask scheduler can run any code there. A LocalCluster is therefore reached
by TLS alone, with a key that exists in its own processes only.
"""

from __future__ import annotations

import asyncio
import math
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from itertools import count, islice
from typing import Any, Final
from uuid import uuid4

from physioprep.errors import PhysioprepError, StoreError
from physioprep.parallel.tasks import perform
from physioprep.parallel.workers import (
    AHEAD,
    ONE_THREAD,
    single_threaded_libraries,
    without_main,
)
from physioprep.plain_text import has_secret, make_logs_plain, without_secrets
from physioprep.versions import software

#: Function that receives the link of a cluster's dashboard.
Announce = Callable[[str], None]
#: Seconds between counts of a cluster's worker threads: workers may join and leave.
_RECOUNT_S: Final = 1.0
#: Protocols that admit only who has the cluster's key, or this process alone.
_CLOSED: Final = ("tls://", "wss://", "inproc://")
#: Environment variable: seconds to wait for the first worker of a cluster.
WAIT_VARIABLE: Final = "PHYSIOPREP_WAIT_FOR_WORKERS"
_WAIT_S: Final = 60.0
#: Seconds for an answer of a scheduler.
_ANSWER_S: Final = 10
#: The same, with that of what takes the connection: distributed waits for it without end.
_LATEST_S: Final = 15
#: Seconds without a worker after which the user is told what is waited for: at the beginning, and
#: in a run, where a worker that died is started again.
_SILENT_S: Final = 2.0
_SILENT_IN_RUN_S: Final = 15.0


@contextmanager
def connect(
    scheduler: str,
    workers: int,
    announce: Announce | None = None,
    error: type[PhysioprepError] = StoreError,
) -> Iterator[Any]:
    """Connect to a Dask scheduler, or start a LocalCluster; close it at the end.

    Parameters
    ----------
    scheduler : str
        An address, or ``"cluster"`` for a LocalCluster on this machine. The certificates for a
        ``tls://…`` address are those of Dask's configuration; ``tcp://…`` gives a warning.
    workers : int
        Number of processes of the LocalCluster, one thread each.
    announce : callable, optional
        Called with the link of the dashboard, if the cluster has one.
    error : type of PhysioprepError
        Class of the error to raise.

    Yields
    ------
    distributed.Client
        Connected; not the process's default client.

    Raises
    ------
    PhysioprepError
        No scheduler answers at the address, it does not accept the certificates, it gets no
        worker, or the connection was lost. Of class `error`.
    """
    import dask

    distributed: Any = import_module("distributed")
    if scheduler == "cluster":
        # Distributed's default MALLOC_TRIM_THRESHOLD_ makes glibc return memory to the system
        # after every record, which slows these tasks.
        with (
            dask.config.set({"distributed.nanny.pre-spawn-environ": ONE_THREAD}),
            without_main(),  # until the end: a lost worker is started again
            _local_cluster(workers, error) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            _announce(client, announce)
            yield client
        return
    security = _security(scheduler, error)
    try:
        # A client that gets no answer cannot be closed, and complains as it is collected.
        asyncio.run(_knock(scheduler, security))
        client = distributed.Client(
            scheduler, timeout=_ANSWER_S, set_as_default=False, security=security
        )
    except Exception as cause:  # of what something else answers, any class may come
        # the library quotes parts of an address, of which no one knows what is a password
        why = f": {cause}" if isinstance(cause, OSError | ValueError) else ": it is something else"
        why = "" if has_secret(scheduler) else why
        raise error(f"no Dask scheduler at {scheduler}{why}") from None
    with client:
        _announce(client, announce)
        _await_worker(client, scheduler, error)
        try:
            yield client
        except (distributed.CancelledError, distributed.comm.CommClosedError) as cause:
            raise error(
                f"the Dask scheduler at {scheduler} went away; what is done is kept: "
                "repeat the call to continue"
            ) from cause


def _local_cluster(workers: int, error: type[PhysioprepError]) -> Any:
    """Start a cluster on this machine; workers that die meanwhile are one error."""
    distributed: Any = import_module("distributed")
    try:
        return distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            security=True,
        )
    except Exception as cause:  # of a worker that dies as it starts, any class may come
        raise error(
            f"the workers of the local cluster did not start ({cause}): killed, or out of memory "
            "or processes; what is done is kept, repeat the call to continue"
        ) from cause


@contextmanager
def one_cluster(
    scheduler: str | None,
    workers: int | None,
    announce: Announce | None = None,
    error: type[PhysioprepError] = StoreError,
) -> Iterator[Any]:
    """Connect once for all tasks of a call, where its scheduler is a cluster.

    Parameters
    ----------
    scheduler : str, optional
        Name or address, as the call was given it.
    workers : int, optional
        As for `connect`; by default one per core.
    announce, error
        As for `connect`.

    Yields
    ------
    distributed.Client or None
        For `physioprep.parallel.run.run_tasks`; None for schedulers that are no cluster.
    """
    if scheduler is None or (scheduler != "cluster" and "://" not in scheduler):
        yield None
        return
    with connect(scheduler, workers or len(os.sched_getaffinity(0)), announce, error) as client:
        yield client


def _security(scheduler: str, error: type[PhysioprepError]) -> Any:
    """Return the certificates of Dask's configuration; check that they suit the address."""
    distributed: Any = import_module("distributed")
    try:
        security = distributed.Security()
        security.get_connection_args("client")  # reads the files
    except (OSError, ValueError) as cause:
        raise error(f"Dask's certificates cannot be used, see docs/cluster.md: {cause}") from None
    if scheduler.startswith(_CLOSED):
        if scheduler.startswith("tls://") and not security.tls_client_cert:
            raise error(f"no certificates for {scheduler}: see docs/cluster.md")
    elif security.require_encryption:
        raise error(f"Dask's settings require encryption: {scheduler} has none, use tls://")
    else:
        warnings.warn(
            f"The connection to {without_secrets(scheduler)} is neither encrypted nor "
            "authenticated: whoever reaches this port can run code as you. Use tls://, "
            "see docs/cluster.md",
            stacklevel=4,
        )
    return security


async def _knock(scheduler: str, security: Any) -> None:
    """Connect to a scheduler, and hang up; OSError where none answers."""
    core: Any = import_module("distributed.comm.core")
    how = security.get_connection_args("client")
    try:
        comm = await asyncio.wait_for(core.connect(scheduler, timeout=_ANSWER_S, **how), _LATEST_S)
    except TimeoutError:
        raise OSError(f"no answer in {_LATEST_S} s") from None
    comm.abort()


def _await_worker(
    client: Any, scheduler: str, error: type[PhysioprepError], silent_s: float = _SILENT_S
) -> None:
    """Wait for a worker where there is none, and say so: nothing would ever begin, or go on."""
    stated = os.environ.get(WAIT_VARIABLE, "")
    try:
        limit = float(stated or _WAIT_S)
    except ValueError:
        limit = math.nan
    if not 0 <= limit < math.inf:
        raise error(f"{WAIT_VARIABLE}={stated}: must be a number of seconds")
    if _has_worker(client, min(silent_s, limit)):
        return
    if limit > silent_s:
        warnings.warn(
            "waiting for a worker to join the Dask scheduler at "
            f"{without_secrets(scheduler)}, which has none (for {limit:g} s; "
            f"{WAIT_VARIABLE} changes that)",
            stacklevel=4,
        )
    if not _has_worker(client, limit - silent_s):
        if client.cluster is not None:
            raise error(
                f"all workers of the local cluster are lost (killed, or out of memory), and none "
                f"came back for {limit:g} s: what is done is kept, repeat the call to continue"
            )
        raise error(
            f"the Dask scheduler at {scheduler} has had no worker for {limit:g} s: start some "
            f"(dask worker {scheduler}), see docs/cluster.md; {WAIT_VARIABLE} changes the wait"
        )


def _has_worker(client: Any, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not client.nthreads():
        if time.monotonic() >= end:
            return False
        time.sleep(0.1)
    return True


def _announce(client: Any, announce: Announce | None) -> None:
    link = client.dashboard_link
    if announce is not None and link:
        announce(link)


def run_on_cluster(
    client: Any,
    task: str,
    job_json: str,
    items: Iterable[Any],
    finished: Callable[[Any, Any], None],
    error: type[PhysioprepError] = StoreError,
) -> list[Any]:
    """Run a task for each item, a few per worker thread at a time.

    Parameters
    ----------
    client : distributed.Client
        From `connect`.
    task : str
        A name of `physioprep.parallel.tasks.TASKS`.
    job_json : str
        JSON text of the parameters that all tasks share.
    items : iterable of JSON values
        One per task.
    finished : callable
        ``finished(item, outcome)``, called in this thread as each task ends; `outcome` is as
        `physioprep.parallel.tasks.perform` returns it.
    error : type of PhysioprepError
        Class of the error to raise.

    Returns
    -------
    list
        Items that may crash workers: several workers died while they ran them.

    Raises
    ------
    PhysioprepError
        A worker has other software versions than this process, or all workers are lost and none
        comes back in time. Of class `error`.
    """
    distributed: Any = import_module("distributed")
    waiting, numbers = iter(items), count()
    running: dict[str, Any] = {}
    run = uuid4().hex[:8]  # two runs on one cluster must not take each other's results
    futures = distributed.as_completed(loop=client.loop)
    counted_at, limit = -_RECOUNT_S, 0
    suspects: list[Any] = []
    versions = software()
    while True:
        if time.monotonic() - counted_at >= _RECOUNT_S:
            limit = AHEAD * max(1, sum(client.nthreads().values()))
            counted_at = time.monotonic()
        for item in islice(waiting, max(0, limit - len(running))):
            key = f"{task}-{run}-{next(numbers)}"
            future = client.submit(
                perform_in_worker, versions, task, job_json, item, key=key, pure=False
            )
            running[key] = item
            futures.add(future)
        if not running:
            return suspects
        _await_result(futures, client, error)
        future = next(futures)
        item = running.pop(future.key)
        try:
            outcome = future.result()
        except distributed.KilledWorker:
            suspects.append(item)
        else:
            if isinstance(outcome, str):
                raise error(outcome)
            finished(item, outcome)
        future.release()


def _await_result(futures: Any, client: Any, error: type[PhysioprepError]) -> None:
    """Wait until a task has ended, as long as there are workers."""
    looked_at = time.monotonic()
    while not futures.has_ready() and futures.count():
        with futures.thread_condition:
            futures.thread_condition.wait(0.1)
        if time.monotonic() - looked_at >= _RECOUNT_S:
            try:
                _await_worker(client, client.scheduler.address, error, _SILENT_IN_RUN_S)
            except OSError as cause:  # for `connect`, as a task that is lost with its scheduler
                distributed: Any = import_module("distributed")
                raise distributed.comm.CommClosedError(str(cause)) from cause
            looked_at = time.monotonic()


def perform_in_worker(
    versions: Mapping[str, str], task: str, job_json: str, item: Any
) -> tuple[Any, BaseException | None] | str:
    """Run one task in a worker of a cluster, if it has the same software as the client.

    Parameters
    ----------
    versions : mapping of str to str
        Versions of the client's software: another version could write other bytes.
    task, job_json, item
        As for `physioprep.parallel.tasks.perform`.

    Returns
    -------
    tuple or str
        What `perform` returns; or, without running the task, a text on which versions differ.
    """
    make_logs_plain()
    here = software()
    other = [
        f"{name} {here.get(name, 'missing')}, not {versions[name]}"
        for name in versions
        if here.get(name) != versions[name]
    ]
    if other:
        return f"the worker on {platform.node()} has other software: {'; '.join(other)}"
    with single_threaded_libraries():
        return perform(task, job_json, item)
