"""The functions that a worker may be asked to run, by name: a closed list.

What travels to a worker is a name of this list, one JSON text that all tasks of a run have in
common, and one plain JSON value per task. Nothing that is read from a disk or a bucket can
name any other function, and nothing of it is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

#: Name of a task: its function, ``f(job, item)``. `job` is what all tasks of a run have in
#: common, `item` what is this task's own; both are plain JSON values.
TASKS: Final[Mapping[str, str]] = {
    "audit": "physioprep.auditing.one_pass:read_in_worker",
    "hash": "physioprep.corpora.file_hashes:hash_files",
    "headers": "physioprep.corpora.headers:read_rows",
    "ingest": "physioprep.store.build.task:run_block",
    "simulate": "physioprep.simulation:write_person",
    "shard-cut": "physioprep.shards.cut:cut_run",
    "shard-peaks": "physioprep.shards.peaks:find_peaks",
    "shard-write": "physioprep.shards.write:write_block",
    "sleep": "physioprep.parallel.tasks:_sleep",
}


def perform(task: str, job_json: str, item: Any) -> tuple[Any, BaseException | None]:
    """Run one task; what it raises is returned, so that it travels as it is.

    Parameters
    ----------
    task : str
        A name of `TASKS`.
    job_json : str
        JSON text of what all tasks of the run have in common.
    item : JSON value
        What is this task's own.

    Returns
    -------
    result : object
        What the function gave; None where it raised.
    error : BaseException or None
        What it raised.

    Examples
    --------
    >>> perform("sleep", "{}", 0)
    (0, None)
    """
    try:
        return function_of(task)(_job(job_json), item), None
    except Exception as error:
        return None, error


def function_of(task: str) -> Callable[[Mapping[str, Any], Any], Any]:
    """Return the function of a task.

    Parameters
    ----------
    task : str
        A name of `TASKS`.

    Returns
    -------
    callable
        ``f(job, item)``.

    Raises
    ------
    KeyError
        The name is not in the list.
    """
    module, _, name = TASKS[task].partition(":")
    function: Callable[[Mapping[str, Any], Any], Any] = getattr(import_module(module), name)
    return function


@lru_cache(maxsize=8)
def _job(job_json: str) -> Mapping[str, Any]:
    job: Mapping[str, Any] = json.loads(job_json)
    return job


def _sleep(job: Mapping[str, Any], item: float) -> float:
    """Sleep `item` seconds; a negative number is a signal that kills this process.

    For tests and measurements of the runner itself.
    """
    import os
    import time

    if item < 0:
        os.kill(os.getpid(), -int(item))
    time.sleep(item)
    return item
