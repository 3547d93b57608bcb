"""The closed list of functions that workers run, by name.

A worker receives a name of this list, one JSON text that all tasks of a run share, and one
plain JSON value per task. Data read from a disk or a bucket cannot name any other function, and
is never unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

#: Name of a task to its function, ``f(job, item)``: `job` holds the parameters that all tasks of
#: a run share, `item` is the parameter of one task. Both are plain JSON values.
TASKS: Final[Mapping[str, str]] = {
    "audit": "physioprep.auditing.one_pass:read_in_worker",
    "derive": "physioprep.deriving.task:derive_records",
    "embed-shards": "physiomodels.embeddings.of_shards:embed_chunk",
    "embed-store": "physiomodels.embeddings.of_store:embed_windows",
    "evaluate-fold": "physiomodels.evaluation.fold:run_fold",
    "evaluate-prepare": "physiomodels.evaluation.fold:prepare",
    "hash": "physioprep.corpora.file_hashes:hash_files",
    "headers": "physioprep.corpora.headers:read_rows",
    "ingest": "physioprep.store.build.task:run_block",
    "shard-cut": "physioprep.shards.cut:cut_run",
    "shard-peaks": "physioprep.shards.peaks:find_peaks",
    "shard-write": "physioprep.shards.write:write_block",
    "simulate": "physioprep.simulation:write_person",
    "sleep": "physioprep.parallel.tasks:_sleep",
}


def perform(task: str, job_json: str, item: Any) -> tuple[Any, BaseException | None]:
    """Run one task, and return its result or the exception that it raised.

    Parameters
    ----------
    task : str
        A name of `TASKS`.
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
    """Return the function that a task runs.

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
    """Sleep `item` seconds; if negative, kill this process by the signal ``-item``.

    Serves tests and measurements of the runner itself.
    """
    import os
    import time

    if item < 0:
        os.kill(os.getpid(), -int(item))
    time.sleep(item)
    return item
