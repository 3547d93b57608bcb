"""`WindowStream`: random windows directly from a store, for small corpora."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from physioprep.channel_choice import Channels, channels_of
from physioprep.hashes import canonical_sha256
from physioprep.samples import MISSING_INT16, to_physical
from physioprep.shards.cut import cut_candidates
from physioprep.shards.order import EpochOrder, layout, rank_positions
from physioprep.shards.plan import Plan, plan_windows
from physioprep.shards.source import open_source
from physioprep.shards.spec import ShardSpec
from physioprep.stream.base import BatchStream
from physioprep.stream.batch import Batch
from physioprep.stream.epochs import whole_number
from physioprep.stream.sequences import by_epochs

if TYPE_CHECKING:
    from physioprep.store.read import Store

#: Resolution of a window's position in its record.
_STEPS = 2**32


class WindowStream(BatchStream):
    """Windows at random positions in the records of a store, as whole batches.

    Every record gives `per_record` windows per epoch, each at a position drawn from the seed, the
    epoch and its number, so that order and windows are the same for any number of ranks and
    workers. Samples are read when they are needed: shards are many times faster.

    Parameters
    ----------
    store : path-like, URL or Store
        A store, opened or not.
    batch_size : int
        Windows per batch and rank.
    window_s : float
        Length of a window, s; shorter records are left out.
    epoch_s : float, optional
        Give each window as epochs of this length, s: (batch, epoch, channel, time).
    per_record : int
        Windows per record and epoch.
    seed, rank, world_size
        As in `ShardStream`.
    where : str, optional
        Pandas query on the store's records.
    shuffle, drop_last
        As in `ShardStream`.
    modalities : sequence of str, optional
        Default: all; records that lack one are left out.
    channels : sequence of str or mapping, optional
        As in `ShardStream`; records that have none of them are left out.
    device, epoch
        As in `ShardStream`.

    Yields
    ------
    dict of str to Tensor
        As `ShardStream`; ``index`` is ``record * per_record + k``, where ``record`` is the
        record's row in ``stream.plan.records``; ``start_s`` float64 is the start in the record,
        s.

    Raises
    ------
    ShardError
        No record is long enough, or an argument is invalid.
    StoreError
        The store does not exist.
    """

    def __init__(
        self,
        store: str | Path | Store,
        *,
        batch_size: int,
        window_s: float = 10.0,
        epoch_s: float | None = None,
        per_record: int = 1,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        where: str | None = None,
        shuffle: bool = True,
        drop_last: bool | str = False,
        modalities: Sequence[str] | None = None,
        channels: Channels | None = None,
        device: torch.device | str | None = None,
        epoch: int = 0,
    ) -> None:
        per_record = whole_number(per_record, "per_record", 1)
        chosen = None if modalities is None else tuple(modalities)
        spec = ShardSpec(
            window_s=window_s, epoch_s=epoch_s, modalities=chosen, channels=channels_of(channels),
            where=where,
        )  # fmt: skip
        self.plan = plan_windows([open_source(store)], spec)
        self.per_record = per_record
        # A record is a chunk: it has `per_record` windows, or none if it is left out.
        counts = np.zeros(len(self.plan.records), np.int64)
        counts[np.unique(self.plan.record)] = per_record
        super().__init__(
            str(self.plan.sources[0].path),
            layout(counts, canonical_sha256([self.plan.sha256, per_record]).encode()),
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            world_size=world_size,
            shuffle=shuffle,
            drop_last=drop_last,
            device=device,
            epoch=epoch,
        )

    def filler(self, epoch: int) -> _Filler:
        """Return what fills the batches of an epoch.

        Parameters
        ----------
        epoch : int
            From 0.

        Returns
        -------
        Filler
        """
        return _Filler(self, epoch)


class _Filler:
    """Fills batches of one epoch."""

    def __init__(self, stream: WindowStream, epoch: int) -> None:
        self._stream, self._epoch = stream, epoch
        self._order: EpochOrder = stream.order(epoch)
        plan = stream.plan
        self._latest_s = _latest_start_s(plan)

    def look_ahead(self, starts: range) -> list[Callable[[], object]]:
        """Return nothing: windows are read one by one."""
        return []

    def batches(self, starts: range) -> list[Batch]:
        """Fill this rank's parts of the global batches that begin at some positions."""
        return [self._batch(start) for start in starts]

    def _batch(self, start: int) -> Batch:
        stream = self._stream
        position = rank_positions(
            start, stream.n_windows, stream.batch_size, stream.rank, stream.world_size, stream.last
        )
        record, number = self._order.locate(position)
        index = record * stream.per_record + number
        start_s = self._places(index) * self._latest_s[record]
        batch = {"index": torch.from_numpy(index), "start_s": torch.from_numpy(start_s)}
        batch["record"] = torch.from_numpy(record)
        for modality in stream.plan.modalities:
            cut = cut_candidates(stream.plan, modality, record.astype(np.int32), start_s)
            value = to_physical(cut.signal, cut.scale, invalid=MISSING_INT16)
            value[~cut.present] = 0
            batch[modality.name] = by_epochs(torch.from_numpy(value), stream.plan.spec.n_epochs)
            batch[f"present_{modality.name}"] = torch.from_numpy(cut.present)
        if len(stream.plan.modalities) == 1:
            batch["present"] = batch[f"present_{stream.plan.modalities[0].name}"]
        for label in stream.plan.labels:
            batch[label.name] = torch.from_numpy(label.values[record])
        return batch

    def _places(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Draw the relative position of each window in its record, in [0, 1]."""
        seed, epoch = self._stream.seed, self._epoch
        draws = [
            np.random.SeedSequence((seed, epoch, 3, number)).generate_state(1)[0]
            for number in index.tolist()
        ]
        return np.array(draws, np.float64) / (_STEPS - 1)


def _latest_start_s(plan: Plan) -> NDArray[np.float64]:
    """Return the latest possible start of a window in each record, s."""
    source = plan.sources[0]
    ends = [
        (source.groups[modality.name].length - modality.n_samples) / modality.rate_hz
        for modality in plan.modalities
    ]
    latest: NDArray[np.float64] = np.maximum(np.min(ends, axis=0), 0.0)
    return latest
