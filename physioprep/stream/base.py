"""Common part of the streams of batches: ranks, order, threads, position and resuming."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import context
from typing import Any

import torch
from torch.utils.data import IterableDataset

from physioprep.errors import ShardError
from physioprep.shards.order import EpochOrder, Layout, epoch_order, n_batches, sequential_order
from physioprep.stream.batch import Batch, WholeBatch
from physioprep.stream.device import device_of
from physioprep.stream.epochs import EpochLog, Worker, whole_number
from physioprep.stream.filler import Filler
from physioprep.stream.processes import (
    first_worker,
    has_ranks,
    loop_had_ended,
    loop_of_callers,
    ranks_here,
    worker_here,
)
from physioprep.stream.state import check_state

#: Threads that read chunks and fill batches, and batches filled ahead of the consumer. A third
#: thread on two cores made the stream slower: threads wait for Python's lock.
THREADS = 2
AHEAD = 2
_STATE_VERSION = 1


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
    #: Successive batches that are filled at once.
    together = 1

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
        self._is_alone_by_default = rank is None and world_size is None and not has_ranks()
        self.rank, self.world_size = ranks_here(rank, world_size)
        if drop_last not in (False, True, "pad"):
            raise ShardError(f"drop_last is False, True or 'pad', not {drop_last!r}")
        self.batch_size = whole_number(batch_size, "batch_size", 1)
        self.seed, self.shuffle = whole_number(seed, "seed"), shuffle
        self.last = {False: "keep", True: "drop", "pad": "pad"}[drop_last]
        self.device = None if device is None else device_of(device)
        self._epochs = EpochLog(whole_number(epoch, "epoch"))
        # The batch at hand: its epoch, where the next one of this process begins, and whether it
        # is the last (the loop may not have ended).
        self._epoch, self._consumed, self._is_over = self._epochs.next_epoch, 0, False
        self._resumed: tuple[int, int] | None = None  # a worker's own state: epoch, position
        self._loop_had_ended: bool | None = None  # as a parent that pickled the stream knew
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

        With workers: the one that they began last, or that was chosen since.

        Returns
        -------
        int
        """
        if worker_here() is None:
            self._epochs.refresh()
            if self._epochs.by_workers:
                return self._epochs.epoch
        return self._epoch

    def __len__(self) -> int:
        return n_batches(self.n_windows, 0, self.global_batch, self.last)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(vars(self))
        if context.get_spawning_popen() is None:
            state["_epochs"] = self._epochs.copy()  # a copy goes on by itself
        else:
            self._check_ranks()
            state["_loop_had_ended"] = loop_of_callers()
        return state

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration; a loaded position in that epoch is kept.

        Without it each iteration has the next epoch, also where the last was broken off. Workers
        of a `DataLoader` follow, persistent ones too.

        Parameters
        ----------
        epoch : int
            From 0.

        Raises
        ------
        ShardError
            No such number.
        """
        epoch, worker, log = whole_number(epoch, "epoch"), worker_here(), self._epochs
        if worker is None:
            log.refresh()
        kept = log.is_chosen and log.next_epoch == epoch
        if worker is not None:
            if self._resumed is None or self._resumed[0] != epoch:
                begin = log.next_position if kept else 0
                self._resumed = (epoch, begin + worker.number * self.global_batch)
        else:
            log.choose(epoch, log.next_position if kept else 0)
            self._show_next()

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

        Raises
        ------
        ShardError
            `batches` is needed and missing, or more than an epoch has.
        """
        worker = worker_here()
        here = (self._epoch, self._consumed)
        epoch, consumed = here if worker is not None else self._position(batches)
        return self._identity() | {
            "epoch": epoch,
            "samples_consumed": consumed,
            # A worker that a stateful loader restores continues with its own next batch.
            "worker": None if worker is None else [*worker[1:], self.global_batch],
        }

    def _identity(self) -> dict[str, Any]:
        """Return what a state has to agree with."""
        return {
            "version": _STATE_VERSION,
            "layout_sha256": self.layout.sha256,
            "seed": self.seed,
            "shuffle": self.shuffle,
        }

    def _position(self, batches: int | None) -> tuple[int, int]:
        """Return epoch and position of what follows the batches that were taken."""
        log = self._epochs
        log.refresh()
        if batches is None:
            if log.by_workers:
                raise ShardError(
                    f"{self.name}: the stream cannot count the batches that worker processes "
                    "sent; use state_dict(BATCHES TAKEN OF THIS EPOCH), or a StatefulDataLoader"
                )
            return (self._epoch + 1, 0) if self._is_over else (self._epoch, self._consumed)
        batches = whole_number(batches, "batches")
        if batches > len(self):
            raise ShardError(f"{self.name}: {batches} batches of {len(self)} in an epoch")
        is_next = log.is_chosen or (batches == 0 and not log.by_workers)
        epoch = log.next_epoch if is_next else log.epoch
        return (epoch + 1, 0) if batches == len(self) else (epoch, batches * self.global_batch)

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
        here = worker_here()
        epoch, consumed, worker = check_state(self.name, state, self._identity(), self.n_windows)
        if worker is not None and (here is None or worker != [*here[1:], self.global_batch]):
            number, workers, size = worker
            raise ShardError(
                f"{self.name}: the state is of worker {number} of {workers}, with a global batch "
                f"of {size} windows; only a StatefulDataLoader of the same can load it"
            )
        if worker is None and not self._starts(consumed, 1):
            epoch, consumed = epoch + 1, 0
        if here is not None:
            ahead = 0 if worker is not None else here.number * self.global_batch
            self._resumed = (epoch, consumed + ahead)
            return
        self._epochs.choose(epoch, consumed)
        self._show_next()

    def _show_next(self) -> None:
        """Let this stream's position be that of the next iteration."""
        self._epoch, self._consumed = self._epochs.next_epoch, self._epochs.next_position
        self._is_over = False

    def __iter__(self) -> Iterator[Batch]:
        self._check_ranks()
        worker = worker_here()
        if worker is not None:
            return self._in_worker(worker)
        self._epochs.refresh()
        self._show_next()
        return self._alone()

    def _alone(self) -> Iterator[Batch]:
        # Here, not in __iter__: loaders make iterators that they never ask for a batch.
        turn = self._epochs.begin(None)
        yield from self._batches(turn.epoch, self._starts(turn.position, 1))
        self._epochs.refresh()
        self._show_next()

    def _in_worker(self, worker: Worker) -> Iterator[Batch]:
        """Begin at once: loaders ask for the state before they ask for a batch."""
        resumed, self._resumed = self._resumed, None
        if resumed is None:
            turn = self._epochs.begin(worker)
            epoch, begin = turn.epoch, turn.position + worker.number * self.global_batch
        else:
            epoch, begin = resumed
            is_spent = not self._starts(begin, worker.workers)
            goes_on = is_spent and not loop_had_ended(self.name, self._loop_had_ended)
            turn = self._epochs.begin(worker, epoch, at_end=goes_on)
            if goes_on and self._epochs.rolls_over(turn, worker):
                # The loader goes on with the worker after the one that gave the last batch.
                first = first_worker(worker, begin, self._end, self.global_batch)
                epoch += 1
                begin = (worker.number - first) % worker.workers * self.global_batch
        starts = self._starts(begin, worker.workers)
        self._epoch, self._consumed, self._is_over = epoch, begin, not starts
        return self._batches(epoch, starts)

    def _batches(self, epoch: int, starts: range) -> Iterator[Batch]:
        process = os.getpid()
        filler = self.filler(epoch)
        pending: deque[Future[list[Batch]]] = deque()
        filled: deque[Batch] = deque()
        # The batches of several workers are no neighbours.
        together = self.together if starts.step == self.global_batch else 1
        todo = iter([starts[n : n + together] for n in range(0, len(starts), together)])
        with ThreadPoolExecutor(self.threads, "shard-stream") as pool:
            try:
                for start in starts:
                    while len(pending) <= AHEAD and (ahead := next(todo, None)) is not None:
                        for job in filler.look_ahead(ahead):
                            pool.submit(job)
                        pending.append(pool.submit(filler.batches, ahead))
                    if not filled:
                        filled.extend(pending.popleft().result())
                    batch = WholeBatch(self._finish(filled.popleft()))
                    self._epoch, self._consumed = epoch, start + starts.step
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

    @property
    def _end(self) -> int:
        return self.n_windows - (self.global_batch - 1 if self.last == "drop" else 0)

    def _starts(self, begin: int, workers: int) -> range:
        """Return the first positions of a process's global batches, of which `begin` is one."""
        return range(begin, max(begin, self._end), workers * self.global_batch)

    def _check_ranks(self) -> None:
        """Refuse to give every rank everything, for a stream that was made too early."""
        if self._is_alone_by_default and has_ranks():
            raise ShardError(
                f"{self.name}: the stream was made before torch.distributed was initialised, "
                "and would give every rank all windows; make it afterwards (in Lightning: in "
                "train_dataloader), or pass rank= and world_size="
            )

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
