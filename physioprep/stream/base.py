"""Common part of the streams of batches: ranks, order, threads, position and resuming."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch.utils.data import IterableDataset, get_worker_info

from physioprep.errors import ShardError
from physioprep.shards.order import EpochOrder, Layout, epoch_order, n_batches, sequential_order

Batch = dict[str, torch.Tensor]
#: Threads that read chunks and fill batches, and batches filled ahead of the consumer. A third
#: thread on two cores made the stream slower: threads wait for Python's lock.
THREADS = 2
AHEAD = 2
_STATE_VERSION = 1


class Filler(Protocol):
    """Fills the batches of one epoch; called from several threads at once."""

    def batch(self, start: int) -> Batch:
        """Fill this rank's part of a global batch.

        Parameters
        ----------
        start : int
            Position of the global batch's first window in the epoch.

        Returns
        -------
        dict of str to Tensor
        """

    def look_ahead(self, start: int) -> list[Callable[[], object]]:
        """Return the reading that a batch and those after it need.

        Called from one thread only, in order.

        Parameters
        ----------
        start : int
            Position of the global batch's first window in the epoch.

        Returns
        -------
        list of callable
            Each may be called in another thread.
        """


class BatchStream(IterableDataset[Batch]):
    """An epoch as whole batches; base of `ShardStream` and `WindowStream`.

    Parameters
    ----------
    name : str
        Path of the shards or the store, for messages.
    layout : Layout
        Number of windows per chunk.
    batch_size, seed, rank, world_size, shuffle, drop_last, device, epoch
        As in `ShardStream`.
    """

    #: Threads that read chunks and fill batches.
    threads = THREADS

    def __init__(
        self,
        name: str,
        layout: Layout,
        *,
        batch_size: int,
        seed: int,
        rank: int | None,
        world_size: int | None,
        shuffle: bool,
        drop_last: bool | str,
        device: torch.device | str | None,
        epoch: int,
    ) -> None:
        self.name, self.layout = name, layout
        self.rank, self.world_size = _ranks(rank, world_size)
        if batch_size < 1 or seed < 0 or epoch < 0:
            raise ShardError("batch_size must be positive, seed and epoch not negative")
        if drop_last not in (False, True, "pad"):
            raise ShardError(f"drop_last is False, True or 'pad', not {drop_last!r}")
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.last = {False: "keep", True: "drop", "pad": "pad"}[drop_last]
        self.device = None if device is None else torch.device(device)
        self._epoch, self._resume_at, self._consumed = epoch, 0, 0
        self._is_over = False  # the last batch was yielded; the loop may not have ended
        self._resumed_worker: list[int] | None = None
        if self.last == "drop" and self.n_windows < self.global_batch:
            raise ShardError(
                f"{name}: {self.n_windows} windows do not fill one global batch of "
                f"{self.global_batch}, and drop_last would leave nothing"
            )

    @abstractmethod
    def filler(self, epoch: int) -> Filler:
        """Return what fills the batches of an epoch.

        Parameters
        ----------
        epoch : int
            From 0.

        Returns
        -------
        Filler
        """

    @property
    def n_windows(self) -> int:
        """Number of windows in an epoch, over all ranks.

        Returns
        -------
        int
        """
        return self.layout.n_windows

    @property
    def global_batch(self) -> int:
        """Number of windows in a batch of all ranks together.

        Returns
        -------
        int
        """
        return self.batch_size * self.world_size

    @property
    def epoch(self) -> int:
        """The current epoch, or that of the next iteration.

        Returns
        -------
        int
        """
        return self._epoch

    def __len__(self) -> int:
        return n_batches(self.n_windows, 0, self.global_batch, self.last)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration; a loaded position in that epoch is kept.

        Without it the next epoch follows each finished iteration, except in worker processes,
        which do not communicate.

        Parameters
        ----------
        epoch : int
            From 0.
        """
        if epoch != self._epoch or self._is_over:
            self._epoch, self._resume_at, self._consumed = epoch, 0, 0
            self._is_over = False

    def state_dict(self, batches: int | None = None) -> dict[str, Any]:
        """Return the position of the stream, equal on every rank.

        Parameters
        ----------
        batches : int, optional
            Batches taken of this epoch. Needed with a plain `DataLoader` with workers, whose
            iteration this object does not see; otherwise counted here.

        Returns
        -------
        dict
            Layout hash, seed, epoch, and samples consumed by all ranks.
        """
        is_over = self._is_over and batches is None
        consumed = self._consumed if batches is None else batches * self.global_batch
        worker = get_worker_info()
        return {
            "version": _STATE_VERSION,
            "layout_sha256": self.layout.sha256,
            "seed": self.seed,
            "shuffle": self.shuffle,
            "epoch": self._epoch + is_over,
            "samples_consumed": 0 if is_over else min(consumed, self.n_windows),
            # A worker that a stateful loader restores continues with its own next batch.
            "worker": None if worker is None else [worker.id, worker.num_workers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state, taken with any world size and number of workers.

        Parameters
        ----------
        state : dict
            From `state_dict`.

        Raises
        ------
        ShardError
            The state is of other shards, other windows or another seed, or is damaged.
        """
        if not isinstance(state, dict):
            raise ShardError(f"{self.name}: no state of a stream: {str(state)[:40]!r}")
        own = self.state_dict()
        for name, what in (
            ("version", "stream version"),
            ("layout_sha256", "shards or another choice of windows"),
            ("seed", "seed"),
            ("shuffle", "setting of shuffle"),
        ):
            if state.get(name) != own[name]:
                raise ShardError(
                    f"{self.name}: the state is of another {what} "
                    f"({str(state.get(name))[:12]}, here {str(own[name])[:12]})"
                )
        epoch: Any = state.get("epoch")
        consumed: Any = state.get("samples_consumed")
        worker = state.get("worker")
        if not _is_count(epoch) or not _is_count(consumed) or consumed > self.n_windows:
            raise ShardError(
                f"{self.name}: the state is damaged: epoch {epoch!r}, samples_consumed "
                f"{consumed!r} of {self.n_windows}"
            )
        if worker is not None and not _is_worker(worker):
            raise ShardError(f"{self.name}: the state is damaged: worker {worker!r}")
        self._epoch, self._resume_at = epoch, consumed
        self._consumed = consumed
        self._resumed_worker = None if worker is None else list(worker)
        self._is_over = False

    def __iter__(self) -> Iterator[Batch]:
        if self._is_over:
            self._next_epoch()
        starts = self._starts()
        self._resume_at, self._resumed_worker = 0, None
        process = os.getpid()
        filler = self.filler(self._epoch)
        pending: deque[Future[Batch]] = deque()
        todo = iter(starts)
        with ThreadPoolExecutor(self.threads, "shard-stream") as pool:
            try:
                for start in starts:
                    while len(pending) <= AHEAD and (ahead := next(todo, None)) is not None:
                        for job in filler.look_ahead(ahead):
                            pool.submit(job)
                        pending.append(pool.submit(filler.batch, ahead))
                    batch = self._finish(pending.popleft().result())
                    self._consumed = start + starts.step
                    # Some loops take `len` batches and do not exhaust the iterator.
                    self._is_over = start == starts[-1]
                    yield batch
                    if os.getpid() != process:
                        raise ShardError(
                            "a stream cannot continue in a forked process; make a new one"
                        )
            finally:
                for future in pending:
                    future.cancel()
        self._next_epoch()

    def _next_epoch(self) -> None:
        self._epoch, self._consumed, self._is_over = self._epoch + 1, 0, False

    def _starts(self) -> range:
        """Return the first positions of the global batches that this process yields."""
        worker = get_worker_info()
        number, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        begin = self._resume_at
        if self._resumed_worker != [number, step]:
            begin += number * self.global_batch
        self._consumed = begin
        end = self.n_windows - (self.global_batch - 1 if self.last == "drop" else 0)
        return range(begin, max(begin, end), step * self.global_batch)

    def _finish(self, batch: Batch) -> Batch:
        if self.device is None:
            return batch
        return {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}

    def order(self, epoch: int) -> EpochOrder:
        """Return the order of an epoch.

        Parameters
        ----------
        epoch : int
            From 0.

        Returns
        -------
        EpochOrder
        """
        if not self.shuffle:
            return sequential_order(self.layout)
        return epoch_order(self.layout, self.seed, epoch)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_worker(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    number, count = value
    return _is_count(number) and _is_count(count) and number < count


def _ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    import torch.distributed as dist

    running = dist.is_available() and dist.is_initialized()
    if world_size is None:
        world_size = dist.get_world_size() if running else 1
    if rank is None:
        rank = dist.get_rank() if running else 0
    if not 0 <= rank < world_size:
        raise ShardError(f"rank {rank} is not in a world of {world_size}")
    return rank, world_size
