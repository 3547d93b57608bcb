"""The order of samples: arithmetic on (seed, epoch, layout), without torch and without files.

The windows of an epoch form ONE sequence. Position ``p`` of it belongs to lane ``p % 8``;
each lane is a list of whole chunks of its own. A global batch is a slice of the sequence and
rank ``r`` of ``w`` takes the positions with ``p % w == r``. So the global batches do not
depend on the world size, and where the world size divides the number of lanes a rank only
ever reads its own lanes' chunks.

For this, the lengths of lanes must differ by at most one window. Chunks are assigned so that they
nearly do; windows that one lane has too many are moved, at the end of the epoch, to the lanes that
have too few. These *shared* chunks are the only ones that two ranks read. Chunk sizes are chosen
so that this affects a few windows at most, see `physioprep.shards.chunking`.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Lanes per epoch. With a world size that divides it, no chunk is read twice.
LANES = 8

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """What the order depends on besides seed and epoch.

    Parameters
    ----------
    counts : ndarray of int64, shape (chunk,)
        Windows of each chunk that take part.
    sha256 : str
        Hash of the shards and of the windows that take part.
    lanes : int
        Number of lanes.

    Examples
    --------
    >>> layout(np.array([4, 4, 2]), b"shards").n_windows
    10
    """

    counts: Ints
    sha256: str
    lanes: int = LANES

    @property
    def n_windows(self) -> int:
        """Windows per epoch.

        Returns
        -------
        int
        """
        return int(self.counts.sum())


def layout(counts: Ints, identity: bytes, lanes: int = LANES) -> Layout:
    """Return the layout of chunks with `counts` windows each.

    Parameters
    ----------
    counts : ndarray of int64, shape (chunk,)
        Windows of each chunk that take part.
    identity : bytes
        Tells these shards, and this choice of windows, from others.
    lanes : int
        Number of lanes.

    Returns
    -------
    Layout
    """
    counts = np.asarray(counts, np.int64)
    digest = hashlib.sha256(b"physioprep.order 1\0" + identity + b"\0" + bytes([lanes]))
    digest.update(counts.astype("<i8").tobytes())
    return Layout(counts, digest.hexdigest(), lanes)


def random_permutation(count: int, *entropy: int) -> Ints:
    """Return a permutation of ``range(count)`` that is the same on every machine and version.

    NumPy promises the raw output of a bit generator for ever, but not what
    `Generator.permutation` makes of it, so the shuffle is a sort of raw 64-bit keys.

    Parameters
    ----------
    count : int
        Length.
    *entropy : int
        Non-negative integers that seed it.

    Returns
    -------
    ndarray of int64, shape (count,)

    Examples
    --------
    >>> random_permutation(5, 0, 1)
    array([4, 1, 2, 0, 3])
    """
    keys = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(count)
    return np.argsort(keys, kind="stable").astype(np.int64)


@dataclass(frozen=True, eq=False)
class Lane:
    """A lane: pieces of chunks, one after the other.

    Parameters
    ----------
    chunk, first : ndarray of int64, shape (piece,)
        The chunk of a piece, and the place of its first window in the chunk's own order.
    end : ndarray of int64, shape (piece,)
        Place in the lane just after the piece.
    """

    chunk: Ints
    first: Ints
    end: Ints


@dataclass(frozen=True, eq=False)
class EpochOrder:
    """The sequence of one epoch.

    Parameters
    ----------
    seed, epoch : int
        What it was made from.
    lanes : tuple of Lane
        Equally long to one window, the longer ones first.
    n_windows : int
        Length of the sequence.
    """

    seed: int
    epoch: int
    lanes: tuple[Lane, ...]
    n_windows: int

    def locate(self, position: Ints) -> tuple[Ints, Ints]:
        """Return where the windows at some positions are.

        Parameters
        ----------
        position : ndarray of int64
            Positions in the epoch's sequence, each in ``range(n_windows)``.

        Returns
        -------
        chunk, place : ndarray of int64
            Chunk, and place in that chunk's own order (see `within_chunk`).
        """
        lane_number, step = position % len(self.lanes), position // len(self.lanes)
        chunk, place = np.empty_like(position), np.empty_like(position)
        for number, lane in enumerate(self.lanes):
            here = lane_number == number
            if here.any():
                piece = np.searchsorted(lane.end, step[here], side="right")
                begin = np.concatenate(([0], lane.end))[piece]
                chunk[here] = lane.chunk[piece]
                place[here] = lane.first[piece] + step[here] - begin
        return chunk, place

    def upcoming(self, lane_number: int, step: int) -> int | None:
        """Return the chunk that a lane will need next, once it is time to read it.

        All lanes reach the ends of their chunks together, so each reads ahead at another time:
        lane 0 late in its chunk, the last lane early.

        Parameters
        ----------
        lane_number : int
        step : int
            Place in the lane that is read now.

        Returns
        -------
        int or None
        """
        lane = self.lanes[lane_number]
        piece = int(np.searchsorted(lane.end, step, side="right"))
        if piece + 1 >= len(lane.end):
            return None
        begin = int(lane.end[piece - 1]) if piece else 0
        length = int(lane.end[piece]) - begin
        due = length - length * (lane_number + 1) // (len(self.lanes) + 1)
        return int(lane.chunk[piece + 1]) if step - begin >= due else None

    def within_chunk(self, chunk: int, count: int) -> Ints:
        """Return the order of a chunk's windows.

        Parameters
        ----------
        chunk : int
            Number of the chunk.
        count : int
            Windows of the chunk that take part.

        Returns
        -------
        ndarray of int64, shape (count,)
            Which of the windows is at each place.
        """
        return random_permutation(count, self.seed, self.epoch, 2, chunk)


def epoch_order(layout: Layout, seed: int, epoch: int) -> EpochOrder:
    """Return the sequence of an epoch: chunks shuffled, dealt to lanes, lanes evened out.

    Parameters
    ----------
    layout : Layout
        Chunks and lanes.
    seed, epoch : int
        Non-negative.

    Returns
    -------
    EpochOrder

    Examples
    --------
    >>> order = epoch_order(layout(np.array([4, 4, 2]), b""), seed=0, epoch=0)
    >>> chunk, place = order.locate(np.arange(10))
    >>> sorted(zip(chunk.tolist(), place.tolist())) == [
    ...     (c, p) for c, count in enumerate((4, 4, 2)) for p in range(count)]
    True
    """
    rank_of = np.argsort(random_permutation(len(layout.counts), seed, epoch, 1))
    dealt = _deal(layout.counts, rank_of, layout.lanes)
    pieces = [_play_order(chunks, layout.counts, rank_of) for chunks in dealt]
    lengths = [sum(count for _, _, count in lane) for lane in pieces]
    longest_first = sorted(range(layout.lanes), key=lambda lane: (-lengths[lane], lane))
    evened = _even_out([pieces[lane] for lane in longest_first], layout.n_windows)
    return EpochOrder(seed, epoch, tuple(_lane(lane) for lane in evened), layout.n_windows)


_Piece = tuple[int, int, int]  # chunk, first place, count


def _deal(counts: Ints, rank_of: Ints, lanes: int) -> list[list[int]]:
    """Deal chunks to lanes, the largest first, each to the lane with the fewest windows."""
    dealt: list[list[int]] = [[] for _ in range(lanes)]
    heap = [(0, lane) for lane in range(lanes)]
    for chunk in np.lexsort((rank_of, -counts)).tolist():
        if counts[chunk]:
            total, lane = heap[0]
            dealt[lane].append(chunk)
            heapq.heapreplace(heap, (total + int(counts[chunk]), lane))
    return dealt


def _play_order(chunks: list[int], counts: Ints, rank_of: Ints) -> list[_Piece]:
    """Order a lane's chunks at random, its smallest last: that one may be moved to other lanes."""
    ordered = sorted(chunks, key=lambda chunk: int(rank_of[chunk]))
    if ordered:
        last = min(reversed(ordered), key=lambda chunk: int(counts[chunk]))
        ordered.remove(last)
        ordered.append(last)
    return [(chunk, 0, int(counts[chunk])) for chunk in ordered]


def _even_out(lanes: list[list[_Piece]], n_windows: int) -> list[list[_Piece]]:
    """Move windows from the ends of lanes that are too long to those that are too short."""
    base, extra = divmod(n_windows, len(lanes))
    quotas = [base + (number < extra) for number in range(len(lanes))]
    lengths = [sum(count for _, _, count in lane) for lane in lanes]
    pool: list[_Piece] = []
    for lane, length, quota in zip(lanes, lengths, quotas, strict=True):
        surplus = length - quota
        while surplus > 0:
            chunk, first, count = lane.pop()
            moved = min(count, surplus)
            pool.append((chunk, first + count - moved, moved))
            if moved < count:
                lane.append((chunk, first, count - moved))
            surplus -= moved
    for lane, length, quota in zip(lanes, lengths, quotas, strict=True):
        wanted = quota - length
        while wanted > 0:
            chunk, first, count = pool.pop()
            moved = min(count, wanted)
            lane.append((chunk, first, moved))
            if moved < count:
                pool.append((chunk, first + moved, count - moved))
            wanted -= moved
    return lanes


def _lane(pieces: list[_Piece]) -> Lane:
    """Return a lane as arrays."""
    table = np.array(pieces, np.int64).reshape(-1, 3)
    return Lane(table[:, 0], table[:, 1], np.cumsum(table[:, 2]))


def sequential_order(layout: Layout) -> EpochOrder:
    """Return the unshuffled sequence: windows by number, for evaluation.

    Every rank then reads every chunk, since neighbours are of different ranks.

    Parameters
    ----------
    layout : Layout

    Returns
    -------
    EpochOrder
    """
    chunk = np.flatnonzero(layout.counts).astype(np.int64)
    lane = Lane(chunk, np.zeros_like(chunk), np.cumsum(layout.counts[chunk]))
    return EpochOrder(0, 0, (lane,), layout.n_windows)


def n_batches(n_windows: int, consumed: int, global_batch: int, last: str) -> int:
    """Return how many global batches remain after `consumed` samples.

    Parameters
    ----------
    n_windows, consumed, global_batch : int
        Samples of the epoch, samples already delivered, samples per global batch.
    last : {"keep", "pad", "drop"}
        What becomes of an incomplete last batch.

    Returns
    -------
    int

    Examples
    --------
    >>> n_batches(10, 0, 4, "keep"), n_batches(10, 0, 4, "drop"), n_batches(10, 8, 4, "pad")
    (3, 2, 1)
    """
    left = max(n_windows - consumed, 0)
    return left // global_batch if last == "drop" else -(-left // global_batch)


def rank_positions(
    start: int, n_windows: int, batch_size: int, rank: int, world_size: int, last: str
) -> Ints:
    """Return the positions that a rank takes of the global batch beginning at `start`.

    Parameters
    ----------
    start : int
        First position of the global batch.
    n_windows : int
        Length of the sequence.
    batch_size, rank, world_size : int
        Samples per rank and batch; the rank, and the number of ranks.
    last : {"keep", "pad", "drop"}
        ``"keep"``: the last batch holds what is left, spread evenly (a rank left without any
        repeats one of its samples, since all ranks must step together); ``"pad"``: it is
        filled up with the samples that began the epoch; ``"drop"``: it does not exist.

    Returns
    -------
    ndarray of int64

    Examples
    --------
    >>> rank_positions(8, 11, 4, 0, 2, "keep"), rank_positions(8, 11, 4, 1, 2, "keep")
    (array([ 8, 10]), array([9]))
    >>> rank_positions(8, 11, 4, 1, 2, "pad")
    array([9, 0, 2, 4])
    """
    stop = start + batch_size * world_size
    position = np.arange(start + (rank - start) % world_size, stop, world_size, dtype=np.int64)
    if last == "pad":
        return np.where(position < n_windows, position, (position - n_windows) % n_windows)
    inside = position[position < n_windows]
    if inside.size:
        return inside
    return np.array([start + rank % (n_windows - start)], np.int64)
