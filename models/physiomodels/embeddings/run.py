"""Run embedding tasks, and put what they give in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import numpy as np
import torch

from physiomodels.embeddings.encoders import Encoders, load_encoders
from physiomodels.model.device import choose_device
from physioprep.errors import ModelError
from physioprep.parallel.cluster import Announce
from physioprep.parallel.run import choose_scheduler, run_tasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
#: Windows per forward pass.
BATCH: Final = 64
#: Windows up to which threads are not worth their start.
_SMALL: Final = 4 * BATCH


def choose_place(
    scheduler: str | None, workers: int | None, device: str | None, n_windows: int
) -> tuple[str, str]:
    """Check, or choose, the scheduler and the device.

    Parameters
    ----------
    scheduler : str or None
        Asked for; None: to be chosen.
    workers : int or None
        Asked for.
    device : str or None
        Asked for; None: to be chosen.
    n_windows : int
        To be embedded.

    Returns
    -------
    scheduler : str
        By default "sync" for few windows or where there is a GPU, else "threads".
    device : str
        By default "cuda" where there is a GPU and tasks run one at a time, else "cpu".

    Raises
    ------
    ModelError
        If one of them is unknown.
    """
    alone = workers is None and (n_windows <= _SMALL or choose_device(device) != "cpu")
    scheduler = choose_scheduler(scheduler, workers, "sync" if alone else "threads", ModelError)
    return scheduler, choose_device(device, alone=scheduler == "sync")


def run_embedding(
    task: str,
    items: Sequence[tuple[int, int]],
    job: Mapping[str, Any],
    *,
    scheduler: str,
    workers: int | None,
    progress: Progress | None,
    announce: Announce | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Embed runs of windows.

    Parameters
    ----------
    task : str
        Name of the task; its function takes ``(job, (begin, end))`` and returns the numbers of
        the windows that it embedded, and their vectors.
    items : sequence of (int, int)
        Runs of windows, begin and end, ascending.
    job : mapping
        What all tasks have in common; JSON values.
    scheduler : str
        From `choose_place`.
    workers : int or None
        How many tasks at once; by default one per processor core.
    progress : callable or None
        Called with (windows done, windows in all).
    announce : callable or None
        Called with the link of a cluster's dashboard.

    Returns
    -------
    numbers : ndarray of int64, shape (window,)
        Ascending; none twice.
    vectors : ndarray of float32, shape (window, feature)
        Empty where there is no window.
    """
    found: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
    total, done = sum(end - begin for begin, end in items), 0

    def keep(item: tuple[int, int], result: Any) -> None:
        nonlocal done
        found[item[0]] = result
        done += item[1] - item[0]
        if progress is not None:
            progress(done, total)

    with _one_thread_per_task():
        run_tasks(
            task, items, job, keep, scheduler=scheduler, workers=workers, announce=announce,
            error=ModelError,
        )  # fmt: skip
    parts = [found[begin] for begin, _ in items]
    if not parts:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    return np.concatenate([n for n, _ in parts]), np.concatenate([v for _, v in parts])


def job_of(model: str, modality: str | None, device: str, **more: Any) -> dict[str, Any]:
    """Return what embedding tasks have in common.

    Parameters
    ----------
    model : str
        Folder or weights file, absolute.
    modality : str or None
        Of the encoder; None where its card says it.
    device : str
        Where encoders run.
    **more
        Of the task; JSON values.

    Returns
    -------
    dict
        With a number of its own, so that no worker takes a model of an earlier run for this one.
    """
    return {"model": model, "modality": modality, "device": device, "run": uuid4().hex, **more}


def encoders_of(job: Mapping[str, Any]) -> Encoders:
    """Load the encoders of a job; once per process.

    Parameters
    ----------
    job : mapping
        From `job_of`.

    Returns
    -------
    mapping of str to CrissCrossEncoder
        By modality, on the job's device, in evaluation mode.
    """
    return _encoders(json.dumps(job, sort_keys=True))


@lru_cache(maxsize=1)
def _encoders(job_json: str) -> Encoders:
    job = json.loads(job_json)
    torch.set_num_threads(1)  # sums then come out the same in any process
    loaded = load_encoders(job["model"], job["modality"])
    return {name: encoder.to(job["device"]).eval() for name, encoder in loaded}


@contextmanager
def _one_thread_per_task() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _encoders.cache_clear()
