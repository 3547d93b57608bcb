"""Run the blocks of a plan; run blocks that killed a process in a separate process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from physioprep.errors import StoreError
from physioprep.parallel.alone import WorkerDiedError, perform_alone
from physioprep.parallel.cluster import Announce
from physioprep.parallel.run import choose_scheduler, run_tasks
from physioprep.store.build.block_on_objects import scratch
from physioprep.store.build.trace import TRACES, traced_records
from physioprep.store.build.work import BlockResult

#: Source values (samples times channels) below which starting workers takes longer than it saves.
SMALL: Final = 60_000_000
#: Source values from which `workers` without `scheduler` means a LocalCluster, with a dashboard.
LARGE: Final = 2_000_000_000


def choose_for(scheduler: str | None, workers: int | None, values: int) -> str:
    """Choose the scheduler of an ingest.

    Parameters
    ----------
    scheduler : str, optional
        As for `ingest`. By default the amount of data decides.
    workers : int, optional
        Requested number of workers.
    values : int
        Number of samples times channels to read.

    Returns
    -------
    str
        As `physioprep.parallel.run.choose_scheduler` returns it.

    Raises
    ------
    StoreError
        Unknown scheduler.

    Examples
    --------
    >>> choose_for(None, None, 10_000), choose_for(None, 4, 10**10)
    ('sync', 'cluster')
    """
    usual = "cluster" if workers is not None and values >= LARGE else "processes"
    default = "sync" if values < SMALL else usual
    return choose_scheduler(scheduler, workers, default, StoreError)


def execute(
    work: str | Path,
    blocks: Sequence[int],
    on_done: Callable[[BlockResult], None],
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
        Numbers of the blocks.
    on_done : callable
        Called in this thread for each finished block; an exception in it stops the run.
    scheduler : str
        From `choose_for`.
    workers : int, optional
        Default: the number of processor cores that this process may use.
    announce : callable, optional
        Called with the link of a cluster's dashboard.

    Raises
    ------
    StoreError
        A worker process died outside any record, or a cluster cannot be reached.
    """
    # A process died in these before, perhaps because of a record, which would kill this one too.
    suspects = [block for block in blocks if traced_records(scratch(work), block)]
    rest = sorted(set(blocks) - set(suspects))

    def finished(block: int, result: BlockResult) -> None:
        if result.died_before:
            suspects.append(block)
        else:
            on_done(result)

    run_tasks(
        "ingest",
        rest,
        {"work": str(work)},
        finished,
        scheduler=scheduler,
        workers=workers,
        announce=announce,
        error=StoreError,
        on_crash=lambda block, _: suspects.append(block),
    )
    for block in suspects:
        on_done(_run_alone(work, block))


def _run_alone(work: str | Path, block: int) -> BlockResult:
    """Run a block in a separate process, and quarantine every record that kills it."""
    crashed: dict[int, str] = {}
    while True:
        for path in (scratch(work) / TRACES).glob(f"{block}.*"):
            path.unlink(missing_ok=True)
        try:
            job = json.dumps({"work": str(work), "crashed": crashed})
            result, raised = perform_alone("ingest", job, block)
        except WorkerDiedError as death:
            new = set(traced_records(scratch(work), block)) - crashed.keys()
            if not new:
                raise StoreError(
                    f"a worker process died ({death}) while no record was being read"
                ) from None
            crashed |= dict.fromkeys(new, f"it crashes the process that reads it ({death})")
            continue
        if raised is not None:
            raise raised
        done: BlockResult = result
        return done
