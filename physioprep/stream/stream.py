"""`ShardStream`: whole batches from shards, in the order of `physioprep.shards.order`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from physioprep.channel_choice import Channels
from physioprep.errors import ShardError
from physioprep.lead_views import Leads
from physioprep.samples import mark_missing
from physioprep.shards.open import open_shards
from physioprep.shards.opened import Shards
from physioprep.shards.order import LANES, Ints, rank_positions
from physioprep.shards.target import epochs_of
from physioprep.shown import Shown, shards_picture, stream_shown
from physioprep.stream.base import AHEAD, THREADS, BatchStream
from physioprep.stream.batch import Batch
from physioprep.stream.beats import BeatSpec, beats_of
from physioprep.stream.buffers import BufferPool
from physioprep.stream.choice import choose
from physioprep.stream.chunks import Chunk, Slots, read_chunk, select
from physioprep.stream.epochs import whole_number
from physioprep.stream.sequences import by_epochs
from physioprep.stream.transforms import physical

#: Threads where shards are in an object store: most of them wait for an answer.
REMOTE_THREADS = 10
#: Buffers kept: two chunks per lane, batches filled ahead, one per thread, two at the consumer.
_BUFFERS = 2 * LANES + AHEAD + THREADS + 2
#: Bytes of samples gathered and scaled at a time: so many that threads seldom wait for Python's
#: lock (window by window, two are no faster than one). Small batches are filled together up to
#: this size, since a batch costs a millisecond whatever is in it, and up to a number of them.
_BLOCK_BYTES, _TOGETHER = 1 << 21, 64


class ShardStream(Shown, BatchStream):
    """An epoch of shards as whole batches, the same for any number of ranks and workers.

    Global batch *n* is the union of what all ranks yield as their *n*-th batch:
    ``batch_size * world_size`` windows. It does not depend on the distribution over ranks:
    4 ranks of 64 have the same global batches as 1 rank of 256. Every window is yielded once per
    epoch. Where the world size divides 8, a chunk is read by one rank only, except for the last
    few windows, which make the ranks equal (see `physioprep.shards.order`).

    Parameters
    ----------
    shards : path-like, URL or Shards
        Folder of shards, or its URL in an object store (``s3://bucket/shards``). Opened shards
        (`physioprep.shards.open_shards`) keep their window table and the windows of each
        `where`, so that further streams do not read and query it again.
    batch_size : int
        Windows per batch and rank.
    seed : int
        Seed of the order.
    rank, world_size : int, optional
        By default those of ``torch.distributed`` where it is initialised, else 0 of 1.
    where : str, optional
        Pandas query on the window manifest that selects windows.
    shuffle : bool
        False: windows in the order of their numbers, for evaluation.
    drop_last : bool or "pad"
        The incomplete last global batch. All ranks yield equally many batches in each case.
        False: it holds the remaining windows, and ranks' parts differ by at most one window (a
        rank without any repeats one); ``"pad"``: filled up with the first windows of the
        epoch; True: left out.
    modalities : sequence of str, optional
        Default: all.
    channels : sequence of str or mapping, optional
        Channels in this order: names, or by modality ``{"ecg": ["II", "V1"]}``. Default: all.
    input_leads, target_leads : str, sequence of str, mapping or LeadView, optional
        Leads that the batch holds, and leads that it holds beside them as ``target_<modality>``:
        ``"II V1 V5"``, or subsets with their shares, of which the window's number and `seed`
        draw one: ``{"I": 0.5, "II V1 V5": 0.5}``. See `physioprep.stream.leads.split_leads`.
    beats : BeatSpec, optional
        Add the first beats of each window (`physioprep.stream.beats.beat_sequence`).
    device : optional
        Device of the batches. To another device than the CPU, int16 is sent and scaled
        there.
    epoch : int
        First epoch.
    raw : bool
        Yield int16 samples and ``<modality>_scale``; `physioprep.stream.transforms.physical`
        scales them.
    cache : path-like, optional
        Folder that keeps what is fetched from an object store, for later epochs and runs, and
        for the other ranks of this machine. Without it every epoch fetches again, and nothing is
        written to disk.
    cache_bytes : int, optional
        Maximal size of the cache, bytes; the least recently used chunks are removed first.

    Yields
    ------
    dict of str to Tensor
        ``<modality>`` float32 (batch, channel, time), physical units; missing samples are
        NaN, absent channels 0. ``present_<modality>`` bool (batch, channel), and ``present``
        too if there is one modality only. ``label_*`` int64 (-1 unknown), float32 (NaN
        unknown; float64 for codes of many digits), or for several classes uint8 (batch, class)
        with 255 for what is not stated.
        Of windows of epochs the modalities are (batch, epoch, channel, time), and what the
        annotations label (batch, epoch), (batch, epoch, class). ``index`` int64: numbers of
        the windows in the shards; ``record`` int64: numbers of their records.

    Raises
    ------
    ShardError
        The shards do not exist, lack a modality or are damaged, or an argument is invalid.
    UnreadableFileError
        While iterating: an object store failed after all retries.

    Notes
    -----
    Without workers two threads fill reused buffers ahead of the consumer. This is the fast way:
    worker processes must send every batch to the parent. With
    ``DataLoader(stream, batch_size=None, num_workers=k)`` each worker yields every *k*-th batch,
    and the loader restores the order.
    """

    _shown = stream_shown

    def _picture(self) -> str:
        return shards_picture(self.shards)

    def __init__(
        self,
        shards: str | Path | Shards,
        *,
        batch_size: int,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        where: str | None = None,
        shuffle: bool = True,
        drop_last: bool | str = False,
        modalities: Sequence[str] | None = None,
        channels: Channels | None = None,
        input_leads: Leads | None = None,
        target_leads: Leads | None = None,
        beats: BeatSpec | None = None,
        device: torch.device | str | None = None,
        epoch: int = 0,
        raw: bool = False,
        cache: str | Path | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        self.shards = open_shards(shards, cache=cache, cache_bytes=cache_bytes)
        if self.shards.files.is_remote:
            self.threads = REMOTE_THREADS
        held = self.shards.modalities
        for name in modalities or ():
            if name not in held:
                raise ShardError(
                    f"{self.shards.path}: no modality {name!r}; it has {', '.join(held)}"
                )
        self.modalities = tuple(modalities or held)
        self.choice = choose(
            {name: held[name].channels for name in self.modalities},
            channels, input_leads, target_leads, str(self.shards.path),
        )  # fmt: skip
        self.channels = self.choice.of_batch
        self.n_epochs = epochs_of(self.shards.attrs)
        self.raw = raw
        self.selection = select(self.shards, where)
        # Kept from epoch to epoch: new memory costs several times as much as filling it.
        self.buffers = BufferPool(_BUFFERS)
        sizes = [len(held[name].channels) * held[name].n_samples for name in self.modalities]
        per_batch = 2 * max(sizes) * whole_number(batch_size, "batch_size", 1)
        self.together = min(max(1, _BLOCK_BYTES // per_batch), _TOGETHER)
        whole = not raw and self.n_epochs is None
        self.sequences = beats_of(self.shards, beats, self.modalities, whole=whole)
        super().__init__(
            str(self.shards.path), self.selection.layout, batch_size=batch_size, seed=seed,
            rank=rank, world_size=world_size, shuffle=shuffle, drop_last=drop_last,
            device=device, epoch=epoch,
        )  # fmt: skip

    def filler(self, epoch: int, kept: int | None = None) -> _Filler:
        """Return what fills the batches of an epoch.

        Parameters
        ----------
        epoch : int
            From 0.
        kept : int, optional
            Chunks that it keeps; by default as many as an epoch needs.

        Returns
        -------
        Filler
        """
        return _Filler(self, epoch, kept)

    def _finish(self, batch: Batch) -> Batch:
        batch = super()._finish(batch)
        if self.sends_raw and not self.raw:
            batch = physical(batch)
        batch |= {name: by_epochs(batch[name], self.n_epochs) for name in self.modalities}
        batch = self.choice.split(batch, self.seed)
        return batch if self.sequences is None else self.sequences.add(batch)

    def _identity(self) -> dict[str, Any]:
        beats = {} if self.sequences is None else self.sequences.identity
        return super()._identity() | self.choice.identity | beats

    def texts(self, batch: Batch, label: str) -> list[str | None]:
        """Return the texts of a batch's records, such as reports.

        Parameters
        ----------
        batch : dict of str to Tensor
            Of this stream.
        label : str
            A label that is a text, with or without its ``label_``.

        Returns
        -------
        list of (str or None)
            One a window; None where the record has none.

        Raises
        ------
        ShardError
            If the shards hold no such text.
        """
        held = self.shards.texts(label)
        return [held[number] for number in batch["record"].tolist()]

    @property
    def sends_raw(self) -> bool:
        """Whether the threads fill batches with int16, to be scaled later.

        Returns
        -------
        bool
        """
        return self.raw or (self.device is not None and self.device.type != "cpu")


class _Filler:
    """Fills batches of one epoch; its methods are called from several threads at once."""

    def __init__(self, stream: ShardStream, epoch: int, kept: int | None = None) -> None:
        self._stream = stream
        self._order = stream.order(epoch)
        lanes = len(self._order.lanes)
        # The chunks of all lanes, and the next ones.
        self._slots = Slots(kept or 2 * lanes + 2)
        self._asked: dict[int, int | None] = {}

    def _read(self, number: int) -> Chunk:
        stream = self._stream
        return read_chunk(
            stream.shards, stream.selection, self._order, stream.shuffle, stream.modalities,
            number, stream.buffers.take,
        )  # fmt: skip

    def look_ahead(self, starts: range) -> list[Callable[[], object]]:
        """Return the reading of this rank's chunks for some batches, and of the next ones."""
        stream, order, start = self._stream, self._order, starts[0]
        lanes = len(order.lanes)
        mine = (
            range(lanes)
            if lanes % stream.world_size
            else range(stream.rank, lanes, stream.world_size)
        )
        wanted = []
        if not self._asked:  # the first batch: its chunks in parallel
            here = np.minimum(start - start % lanes + np.array(mine), stream.n_windows - 1)
            wanted += order.locate(here)[0].tolist()
        for lane in mine:
            for begin in sorted({start, starts[-1]}):
                number = order.upcoming(lane, begin // lanes)
                if self._asked.get(lane, -1) != number:
                    self._asked[lane] = number
                    wanted += [] if number is None else [number]
        return [partial(self._slots.get, number, self._read) for number in dict.fromkeys(wanted)]

    def batches(self, starts: range) -> list[Batch]:
        """Fill this rank's parts of the global batches that begin at some positions."""
        stream = self._stream
        positions = [
            rank_positions(
                start, stream.n_windows, stream.batch_size, stream.rank, stream.world_size,
                stream.last,
            )
            for start in starts
        ]  # fmt: skip
        arrays = self.filled(np.concatenate(positions))
        ends = np.cumsum([len(each) for each in positions]).tolist()
        return [
            {name: torch.from_numpy(values[begin:end]) for name, values in arrays.items()}
            for begin, end in zip([0, *ends], ends, strict=False)
        ]

    def filled(self, position: Ints) -> dict[str, NDArray[Any]]:
        """Return the windows at some positions of the epoch as arrays, in this order."""
        stream = self._stream
        chunk, place = self._order.locate(position)
        groups = []
        row = np.empty_like(place)
        index = np.empty_like(place)
        for number in np.unique(chunk).tolist():
            here = np.flatnonzero(chunk == number)
            read = self._slots.get(number, self._read)
            row[here] = read.rows[place[here]]
            index[here] = read.first + row[here]
            groups.append((read, here))
        arrays: dict[str, NDArray[Any]] = {"index": index}
        for name in stream.modalities:
            self._fill(arrays, name, groups, row, len(position))
        for name in ("record", *stream.shards.labels):
            arrays[name] = _gather([(read.labels[name], here) for read, here in groups], row)
        if len(stream.modalities) == 1:
            arrays["present"] = arrays[f"present_{stream.modalities[0]}"]
        return arrays

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
        slots = stream.choice.slots[name]
        shape = (count, len(stream.choice.channels[name]), modality.n_samples)
        scale = _gather([(read.signals[name].scale, here) for read, here in groups], row)
        present = _gather([(read.signals[name].present, here) for read, here in groups], row)
        if slots is not None:
            scale, present = scale[:, slots], present[:, slots]
        raw = stream.sends_raw
        out = stream.buffers.take(shape, np.int16 if raw else np.float32)
        size = max(1, min(count, _BLOCK_BYTES // max(1, out[0].size * 2)))
        block = stream.buffers.take((size, len(modality.channels), shape[2]), np.int16)
        for read, here in groups:
            signal = read.signals[name]
            for some in _even_steps(here, size):
                digital = block[: len(some)]
                np.take(signal.signal, row[some], axis=0, out=digital, mode="clip")
                if slots is not None:
                    digital = digital[:, slots]
                step = some[1] - some[0] if len(some) > 1 else 1
                target = out[some[0] : some[-1] + 1 : step]
                np.copyto(target, digital)
                if not raw:
                    scale_block(target, scale[some], signal.factor)
                    if not modality.all_valid:
                        mark_missing(digital, target)
        if not raw and not modality.all_present:
            out[~present] = 0
        arrays[name] = out
        arrays[f"present_{name}"] = present
        if raw:
            arrays[f"{name}_scale"] = scale


def _even_steps(here: Ints, size: int) -> Iterator[Ints]:
    """Cut places of a batch into pieces of up to `size` that are slices."""
    if len(here) > 2 and (np.diff(here) != here[1] - here[0]).any():
        size = 1  # a chunk that two lanes share, or a batch that is padded
    for low in range(0, len(here), size):
        yield here[low : low + size]


def scale_block(
    out: NDArray[np.float32], scale: NDArray[np.float32], factor: np.float32 | None
) -> None:
    """Multiply windows by their channels' scales, in place.

    Parameters
    ----------
    out : ndarray of float32, shape (window, channel, time)
        Digital samples, which become physical.
    scale : ndarray of float32, shape (window, channel)
        Physical units per digital step.
    factor : float32 or None
        The common scale, where all are equal: it takes about half the time of a broadcast.
    """
    if factor is None:
        out *= scale[..., None]
    else:
        flat = out.reshape(len(out), -1)  # a view: windows are contiguous
        flat *= factor


def _gather(parts: list[tuple[NDArray[Any], Ints]], row: Ints) -> NDArray[Any]:
    first = parts[0][0]
    gathered = np.empty((len(row), *first.shape[1:]), first.dtype)
    for values, here in parts:
        gathered[here] = values[row[here]]
    return gathered
