"""`ShardStream`: whole batches out of shards, in the order of `physioprep.stream.order`."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from physioprep.errors import ShardError
from physioprep.shards.open import open_shards
from physioprep.stream.buffers import BufferPool
from physioprep.stream.chunks import MISSING, Chunk, Slots, read_ahead, read_chunk, select
from physioprep.stream.order import (
    EpochOrder,
    Ints,
    epoch_order,
    n_batches,
    rank_positions,
    sequential_order,
)

Batch = dict[str, torch.Tensor]
#: Threads that fill batches, and batches filled ahead of the consumer.
_THREADS = 2
_AHEAD = 3
_STATE_VERSION = 1


class ShardStream(IterableDataset[Batch]):
    """An epoch of shards as whole batches, the same for any number of ranks and workers.

    Global batch *n* is the union of what all ranks yield as their *n*-th batch:
    ``batch_size * world_size`` windows. Which ones does not depend on how they are spread:
    4 ranks of 64 see the global batches that 1 rank of 256 sees. Every window comes once an
    epoch. Where the world size divides 8, a chunk is read by one rank only, but for the last
    few windows that even out the ranks (see `physioprep.stream.order`).

    Parameters
    ----------
    path : path-like
        Shards folder.
    batch_size : int
        Windows a batch and rank.
    seed : int
        Seeds the order.
    rank, world_size : int, optional
        By default those of ``torch.distributed`` where it is initialised, else 0 of 1.
    where : str, optional
        Pandas query on the window manifest; only these windows take part.
    shuffle : bool
        False gives the windows by number, for evaluation.
    drop_last : bool or "pad"
        The incomplete last global batch. All ranks yield equally many batches in each case.
        False: it holds what is left, so that ranks' shares differ by at most one window (a
        rank left without any repeats one); ``"pad"``: filled up with the windows that began
        the epoch; True: left out.
    modalities : sequence of str, optional
        Default: all.
    device : optional
        Where to put the batches. On another device than the CPU, int16 travels and is scaled
        there.
    epoch : int
        First epoch.
    raw : bool
        Yield int16 samples, with ``<modality>_scale`` beside, for
        `physioprep.stream.transforms.physical` to scale.

    Yields
    ------
    dict of str to Tensor
        ``<modality>`` float32 (batch, channel, time), physical units; missing samples are
        NaN, absent channels 0. ``present_<modality>`` bool (batch, channel), and ``present``
        too where there is one modality. ``label_*`` int64 (-1 unknown) or float32 (NaN
        unknown). ``index`` int64: numbers of the windows in the shards.

    Raises
    ------
    ShardError
        If the shards are none, lack a modality, or the arguments make no sense.

    Notes
    -----
    Without workers two threads fill reused buffers ahead of the consumer, and this is the
    fast way: worker processes pay for sending every batch to the parent. With
    ``DataLoader(stream, batch_size=None, num_workers=k)`` worker *w* yields every *k*-th
    batch, which the loader puts in order again.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        batch_size: int,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        where: str | None = None,
        shuffle: bool = True,
        drop_last: bool | str = False,
        modalities: Sequence[str] | None = None,
        device: torch.device | str | None = None,
        epoch: int = 0,
        raw: bool = False,
    ) -> None:
        self.shards = open_shards(path)
        self.rank, self.world_size = _ranks(rank, world_size)
        if batch_size < 1 or seed < 0 or epoch < 0:
            raise ShardError("batch_size must be positive, seed and epoch not negative")
        if drop_last not in (False, True, "pad"):
            raise ShardError(f"drop_last is False, True or 'pad', not {drop_last!r}")
        held = self.shards.modalities
        for name in modalities or ():
            if name not in held:
                raise ShardError(f"{path}: holds no {name!r}, only {', '.join(held)}")
        self.modalities = tuple(modalities or held)
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.last = {False: "keep", True: "drop", "pad": "pad"}[drop_last]
        self.device = None if device is None else torch.device(device)
        self.raw = raw
        self._selection = select(self.shards, where)
        self._epoch, self._resume_at, self._consumed = epoch, 0, 0
        self._resumed_worker: list[int] | None = None
        if self.last == "drop" and self.n_windows < self.global_batch:
            raise ShardError(
                f"{path}: {self.n_windows} windows do not fill one global batch of "
                f"{self.global_batch}, and drop_last would leave nothing"
            )

    @property
    def n_windows(self) -> int:
        """Windows in an epoch, over all ranks."""
        return self._selection.layout.n_windows

    @property
    def global_batch(self) -> int:
        """Windows in a batch of all ranks together."""
        return self.batch_size * self.world_size

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration gives, or that is under way."""
        return self._epoch

    def __len__(self) -> int:
        return n_batches(self.n_windows, 0, self.global_batch, self.last)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration; a loaded position in that epoch is kept.

        Without it each finished iteration goes on to the next epoch, except in worker
        processes, which know nothing of each other.
        """
        if epoch != self._epoch:
            self._epoch, self._resume_at, self._consumed = epoch, 0, 0

    def state_dict(self, batches: int | None = None) -> dict[str, Any]:
        """Return where the stream stands, the same on every rank.

        Parameters
        ----------
        batches : int, optional
            Batches taken of this epoch. Needed where a plain `DataLoader` with workers
            iterates, since this object then sees nothing of it; otherwise counted here.

        Returns
        -------
        dict
            Layout hash, seed, epoch, and samples consumed by all ranks.
        """
        consumed = self._consumed if batches is None else batches * self.global_batch
        worker = get_worker_info()
        return {
            "version": _STATE_VERSION,
            "layout_sha256": self._selection.layout.sha256,
            "seed": self.seed,
            "shuffle": self.shuffle,
            "epoch": self._epoch,
            "samples_consumed": min(consumed, self.n_windows),
            # A worker that a stateful loader restores goes on with its own next batch.
            "worker": None if worker is None else [worker.id, worker.num_workers],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state was taken, whatever the world size and workers then were.

        Raises
        ------
        ShardError
            If the state is of other shards, other windows or another seed.
        """
        own = self.state_dict()
        for name, what in (
            ("version", "stream version"),
            ("layout_sha256", "shards or another choice of windows"),
            ("seed", "seed"),
            ("shuffle", "setting of shuffle"),
        ):
            if state.get(name) != own[name]:
                raise ShardError(
                    f"{self.shards.path}: the state is of another {what} "
                    f"({str(state.get(name))[:12]}, here {str(own[name])[:12]})"
                )
        self._epoch, self._resume_at = int(state["epoch"]), int(state["samples_consumed"])
        self._consumed, self._resumed_worker = self._resume_at, state.get("worker")

    def __iter__(self) -> Iterator[Batch]:
        starts = self._starts()
        self._resume_at, self._resumed_worker = 0, None
        process = os.getpid()
        filler = _Filler(self, self._epoch)
        pending: deque[Future[Batch]] = deque()
        todo = iter(starts)
        with ThreadPoolExecutor(_THREADS + 1, "shard-stream") as pool:
            try:
                for start in starts:
                    while len(pending) <= _AHEAD and (ahead := next(todo, None)) is not None:
                        pending.append(pool.submit(filler.batch, ahead))
                        pool.submit(filler.look_ahead, ahead)
                    batch = self._finish(pending.popleft().result())
                    self._consumed = start + starts.step
                    yield batch
                    if os.getpid() != process:
                        raise ShardError("a stream cannot go on in a forked process; make it anew")
            finally:
                for future in pending:
                    future.cancel()
        self._epoch, self._consumed = self._epoch + 1, 0

    def _starts(self) -> range:
        """Return the first positions of the global batches that this process is to yield."""
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
        batch = {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
        if not self.raw and self.device.type != "cpu":
            from physioprep.stream.transforms import physical

            return physical(batch)
        return batch

    @property
    def sends_raw(self) -> bool:
        """Whether the filling threads leave the scaling to somebody else."""
        return self.raw or (self.device is not None and self.device.type != "cpu")

    def order(self, epoch: int) -> EpochOrder:
        """Return the sequence of an epoch."""
        if not self.shuffle:
            return sequential_order(self._selection.layout)
        return epoch_order(self._selection.layout, self.seed, epoch)


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


class _Filler:
    """Fills batches of one epoch; its methods are called from several threads at once."""

    def __init__(self, stream: ShardStream, epoch: int) -> None:
        self._stream = stream
        self._order = stream.order(epoch)
        lanes = len(self._order.lanes)
        # The chunks of all lanes, and those that come next.
        self._slots = Slots(self._read, 2 * lanes + 2)
        self._pool = BufferPool(2 * lanes + 4)
        self._asked: dict[int, int | None] = {}

    def _read(self, number: int) -> Chunk:
        stream = self._stream
        return read_chunk(
            stream.shards,
            stream._selection,
            self._order,
            stream.shuffle,
            stream.modalities,
            number,
            self._pool.take,
        )

    def look_ahead(self, start: int) -> None:
        """Have the chunks ready that come after those of the batch beginning at a position.

        Files that are mapped are asked of the kernel; others are decoded here and now.
        """
        stream = self._stream
        lanes = len(self._order.lanes)
        mine = (
            range(lanes)
            if lanes % stream.world_size
            else range(stream.rank, lanes, stream.world_size)
        )
        for lane in mine:
            number = self._order.upcoming(lane, start // lanes)
            if number is None or self._asked.get(lane) == number:
                continue
            self._asked[lane] = number
            held = [stream.shards.modalities[name] for name in stream.modalities]
            if all(modality.codec == "none" for modality in held):
                for modality in held:
                    read_ahead(stream.shards, modality.name, number)
            else:
                self._slots.get(number)

    def batch(self, start: int) -> Batch:
        """Fill this rank's part of the global batch that begins at a position."""
        stream = self._stream
        position = rank_positions(
            start, stream.n_windows, stream.batch_size, stream.rank, stream.world_size, stream.last
        )
        chunk, place = self._order.locate(position)
        groups = []
        row = np.empty_like(place)
        index = np.empty_like(place)
        for number in np.unique(chunk).tolist():
            here = np.flatnonzero(chunk == number)
            read = self._slots.get(number)
            row[here] = read.rows[place[here]]
            index[here] = read.first + row[here]
            groups.append((read, here))
        arrays: dict[str, NDArray[Any]] = {"index": index}
        for name in stream.modalities:
            self._fill(arrays, name, groups, row, len(position))
        for name in stream.shards.labels:
            arrays[name] = _gather([(read.labels[name], here) for read, here in groups], row)
        if len(stream.modalities) == 1:
            arrays["present"] = arrays[f"present_{stream.modalities[0]}"]
        return {name: torch.from_numpy(values) for name, values in arrays.items()}

    def _fill(
        self,
        arrays: dict[str, NDArray[Any]],
        name: str,
        groups: list[tuple[Chunk, Ints]],
        row: Ints,
        count: int,
    ) -> None:
        stream = self._stream
        modality = stream.shards.modalities[name]
        shape = (count, len(modality.channels), modality.n_samples)
        scale = _gather([(read.signals[name].scale, here) for read, here in groups], row)
        present = _gather([(read.signals[name].present, here) for read, here in groups], row)
        raw, factor = stream.sends_raw, scale[..., None]
        out = self._pool.take(shape, np.int16 if raw else np.float32)
        for read, here in groups:
            signal = read.signals[name].signal
            for target, source in zip(here.tolist(), row[here].tolist(), strict=True):
                if raw:
                    out[target] = signal[source]
                else:
                    window = out[target]
                    np.copyto(window, signal[source])
                    window *= factor[target]
                    if not modality.all_valid:
                        mark_missing(signal[source], window)
        if not raw and not modality.all_present:
            out[~present] = 0
        arrays[name] = out
        arrays[f"present_{name}"] = present
        if raw:
            arrays[f"{name}_scale"] = scale


def mark_missing(signal: NDArray[np.int16], out: NDArray[np.float32]) -> None:
    """Set samples of `out` to NaN where `signal` says that they are missing."""
    if signal.min() == MISSING:
        out[signal == MISSING] = np.nan


def _gather(parts: list[tuple[NDArray[Any], Ints]], row: Ints) -> NDArray[Any]:
    first = parts[0][0]
    gathered = np.empty((len(row), *first.shape[1:]), first.dtype)
    for values, here in parts:
        gathered[here] = values[row[here]]
    return gathered
