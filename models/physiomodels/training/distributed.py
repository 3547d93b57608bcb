"""Several processes train as one: which take part, and what they add up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor


@contextlib.contextmanager
def joined(device: str) -> Iterator[None]:
    """Join the processes that torchrun started, where it did, and leave them at the end.

    Parameters
    ----------
    device : str
        "cuda": each process uses the GPU of its number on its machine, and NCCL; else Gloo.
    """
    alone = int(os.environ.get("WORLD_SIZE", "1")) < 2
    if alone or dist.is_initialized():
        yield
        return
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """Return the number of this process.

    Returns
    -------
    int
        0 where it is alone.
    """
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """Return how many processes train together.

    Returns
    -------
    int
        1 where this one is alone.
    """
    return dist.get_world_size() if dist.is_initialized() else 1


def total(values: Tensor) -> Tensor:
    """Add up values over all processes.

    Parameters
    ----------
    values : Tensor
        Of this process; the same shape in all.

    Returns
    -------
    Tensor
        Sums.
    """
    if world_size() > 1:
        values = values.clone()
        dist.all_reduce(values)
    return values


def gathered(value: Tensor) -> list[Tensor]:
    """Collect a value from all processes.

    Parameters
    ----------
    value : Tensor
        Of this process.

    Returns
    -------
    list of Tensor
        In the order of the processes' numbers.
    """
    if world_size() == 1:
        return [value]
    values: list[Tensor | None] = [None] * world_size()
    dist.all_gather_object(values, value)
    return [each for each in values if each is not None]


def repeats(start: int, n_windows: int) -> bool:
    """Return whether this process has no window of its own in a global batch.

    A `ShardStream` then repeats one, so that all processes make the step; it must not count twice.

    Parameters
    ----------
    start : int
        First window of the batch in the epoch.
    n_windows : int
        Windows of the epoch.

    Returns
    -------
    bool
    """
    return (rank() - start) % world_size() >= n_windows - start
