"""Which process this is: its rank, and which worker of a `DataLoader`."""

from __future__ import annotations

import sys

import torch.distributed as dist
from torch.utils.data import get_worker_info

from physioprep.errors import ShardError
from physioprep.stream.epochs import Worker, whole_number

#: Key of a StatefulDataLoader's state.
_ENDED = "_iterator_finished"


def worker_here() -> Worker | None:
    """Return which worker this process is.

    Returns
    -------
    Worker or None
        None where it is none.
    """
    info = get_worker_info()
    return None if info is None else Worker(info.seed - info.id, info.id, info.num_workers)


def loop_had_ended(name: str, known: bool | None) -> bool:
    """Whether the state that a `StatefulDataLoader` is loading is of a loop that had ended.

    It loads such a state into workers and then replaces them, so that these must not begin the
    next epoch: the others will. The workers' own states are the same as after the last batch.

    Parameters
    ----------
    name : str
        Path of the shards, for messages.
    known : bool or None
        What `loop_of_callers` found when the stream was pickled for this process.

    Returns
    -------
    bool

    Raises
    ------
    ShardError
        Nobody knows.
    """
    ended = loop_of_callers() if known is None else known
    if ended is None:
        raise ShardError(
            f"{name}: a worker cannot tell whether its loader's loop had ended, and so which "
            "epoch comes; load the stream's own state before the loader starts"
        )
    return ended


def loop_of_callers() -> bool | None:
    """Look among the callers for the state that a loader is loading, and whether its loop ended.

    The loader keeps it to itself, but it is among the callers: of a forked worker, and of the
    pickling for a spawned one.

    Returns
    -------
    bool or None
        None where no loader loads a state.
    """
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        for value in list(frame.f_locals.values()):
            if type(value) is dict and type(ended := value.get(_ENDED)) is bool:
                return ended
    return None


def first_worker(worker: Worker, start: int, end: int, global_batch: int) -> int:
    """Return the worker that gives the batch after the last one of an epoch.

    Workers take turns, so that any of them can tell.

    Parameters
    ----------
    worker : Worker
        One of them.
    start : int
        Where one of its batches begins, or would.
    end : int
        Where no batch of the epoch begins any more.
    global_batch : int
        Windows from one batch to the next.

    Returns
    -------
    int

    Examples
    --------
    >>> first_worker(Worker(0, 1, 3), 10, 70, 10)  # 0 10 20 30 40 50 60: 60 is of worker 0
    1
    """
    behind = -(-(end - start) // global_batch)
    return (worker.number + behind) % worker.workers


def has_ranks() -> bool:
    """Whether this process is one of several of ``torch.distributed``.

    Returns
    -------
    bool
    """
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def ranks_here(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Fill in rank and world size from ``torch.distributed``, if it is initialised.

    Parameters
    ----------
    rank, world_size : int, optional
        As the user gave them.

    Returns
    -------
    rank, world_size : int

    Raises
    ------
    ShardError
        There is no such rank.
    """
    running = dist.is_available() and dist.is_initialized()
    if world_size is None:
        world_size = dist.get_world_size() if running else 1
    if rank is None:
        rank = dist.get_rank() if running else 0
    world_size = whole_number(world_size, "world_size", 1)
    rank = whole_number(rank, "rank")
    if rank >= world_size:
        raise ShardError(f"rank {rank} is not in a world of {world_size}")
    return rank, world_size
