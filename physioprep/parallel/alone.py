"""Run one task in a separate process: if the task crashes it, the caller survives."""

from __future__ import annotations

import signal
from typing import Any

from physioprep.parallel.tasks import perform
from physioprep.parallel.workers import prepare_worker, spawn_context, without_main


class WorkerDiedError(Exception):
    """The process ended before its task did; the text names the signal or exit code."""


def perform_alone(task: str, job_json: str, item: Any) -> tuple[Any, BaseException | None]:
    """Run one task in a new process; see `physioprep.parallel.tasks.perform`.

    Parameters
    ----------
    task : str
        A name of `physioprep.parallel.tasks.TASKS`.
    job_json : str
        JSON text of the parameters that all tasks of the run share.
    item : JSON value
        Parameter of this task alone.

    Returns
    -------
    result : object
        What the function returned; None if it raised.
    error : BaseException or None
        What it raised, if it did.

    Raises
    ------
    WorkerDiedError
        The process ended before the task did.

    Examples
    --------
    >>> perform_alone("sleep", "{}", 0)
    (0, None)
    """
    context = spawn_context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, task, job_json, item))
    with without_main():
        process.start()
    theirs.close()
    try:
        outcome: tuple[Any, BaseException | None] = ours.recv()
        return outcome
    except EOFError:
        process.join()
        code = process.exitcode or 0
        died_of = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise WorkerDiedError(died_of) from None
    finally:
        process.join()
        ours.close()


def _answer(answer: Any, task: str, job_json: str, item: Any) -> None:
    prepare_worker()
    answer.send(perform(task, job_json, item))
    answer.close()
