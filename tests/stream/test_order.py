"""The order of samples, as properties over sizes that divide badly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physioprep.shards.chunking import choose_windows_per_chunk
from physioprep.shards.order import (
    LANES,
    EpochOrder,
    epoch_order,
    layout,
    n_batches,
    random_permutation,
    rank_positions,
    sequential_order,
)

COUNTS = st.lists(st.integers(0, 40), min_size=1, max_size=60).filter(any)
WORLDS = st.sampled_from([1, 2, 3, 4, 5, 8, 16])


def regular(n_windows: int, per_chunk: int) -> np.ndarray:
    n_chunks = -(-n_windows // per_chunk)
    counts = np.full(n_chunks, per_chunk)
    counts[-1] = n_windows - (n_chunks - 1) * per_chunk
    return counts


def sequence(order: EpochOrder) -> list[tuple[int, int]]:
    chunk, place = order.locate(np.arange(order.n_windows))
    return list(zip(chunk.tolist(), place.tolist(), strict=True))


@given(COUNTS, st.integers(0, 2**32), st.integers(0, 100))
def test_every_window_comes_once(counts: list[int], seed: int, epoch: int) -> None:
    order = epoch_order(layout(np.array(counts), b""), seed, epoch)
    wanted = [(c, p) for c, count in enumerate(counts) for p in range(count)]
    assert sorted(sequence(order)) == wanted
    lengths = [int(lane.end[-1]) if len(lane.end) else 0 for lane in order.lanes]
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths) - min(lengths) <= 1


@given(COUNTS, WORLDS, st.integers(1, 9), st.sampled_from(["keep", "pad", "drop"]))
def test_ranks_share_a_global_batch_that_is_the_same_for_any_world(
    counts: list[int], world_size: int, batch_size: int, last: str
) -> None:
    n_windows, size = sum(counts), world_size * batch_size
    total = n_batches(n_windows, 0, size, last)
    seen = []
    for number in range(total):
        alone = rank_positions(number * size, n_windows, size, 0, 1, last).tolist()
        ranks = [
            rank_positions(number * size, n_windows, batch_size, rank, world_size, last)
            for rank in range(world_size)
        ]
        assert all(len(positions) for positions in ranks)
        together = sorted(position for positions in ranks for position in positions.tolist())
        left = n_windows - number * size
        if left >= size or last == "pad":
            assert {len(positions) for positions in ranks} == {batch_size}
        if left >= min(size, world_size) or last == "pad":
            assert together == sorted(alone)
        else:  # fewer windows left than ranks: each still gets one
            assert set(together) == set(alone)
            assert [len(positions) for positions in ranks] == [1] * world_size
        seen += alone
    if last == "keep":
        assert sorted(seen) == list(range(n_windows))
    elif last == "pad":
        assert seen[:n_windows] == list(range(n_windows))
        assert len(seen) - n_windows < size
    else:
        assert seen == list(range(n_windows // size * size))


@given(COUNTS, WORLDS, WORLDS, st.integers(1, 7), st.data())
def test_resume_in_another_world_loses_and_repeats_nothing(
    counts: list[int], before: int, after: int, batch_size: int, data: st.DataObject
) -> None:
    n_windows = sum(counts)
    done = data.draw(st.integers(0, n_windows // (before * batch_size)))
    consumed = done * before * batch_size
    size = after * batch_size
    rest = [
        position
        for number in range(n_batches(n_windows, consumed, size, "keep"))
        for rank in range(after)
        for position in rank_positions(
            consumed + number * size, n_windows, batch_size, rank, after, "keep"
        ).tolist()
    ]
    assert set(rest) == set(range(consumed, n_windows))
    assert len(rest) - (n_windows - consumed) < after


@given(st.integers(1, 5000), st.integers(1, 1024), st.sampled_from([1, 2, 4, 8]), st.integers(0, 9))
@settings(deadline=None)
def test_a_chunk_is_read_by_one_rank_but_for_the_remainder(
    n_windows: int, limit: int, world_size: int, seed: int
) -> None:
    per_chunk = choose_windows_per_chunk(n_windows, limit, 1)
    order = epoch_order(layout(regular(n_windows, per_chunk), b""), seed, 0)
    chunk, _ = order.locate(np.arange(n_windows))
    ranks = [set(chunk[rank::world_size].tolist()) for rank in range(world_size)]
    shared = {c for c in chunk.tolist() if sum(c in own for own in ranks) > 1}
    whole_rounds = n_windows // (LANES * per_chunk) * LANES
    left_over = -(-n_windows // per_chunk) - whole_rounds
    assert len(shared) <= left_over
    if not left_over:
        assert not shared


@given(COUNTS, st.sampled_from([1, 2, 4, 8]), st.integers(0, 9))
def test_ranks_share_few_chunks_whatever_the_subset(
    counts: list[int], world_size: int, seed: int
) -> None:
    order = epoch_order(layout(np.array(counts), b""), seed, 0)
    chunk, _ = order.locate(np.arange(order.n_windows))
    ranks = [set(chunk[rank::world_size].tolist()) for rank in range(world_size)]
    shared = {c for c in set(chunk.tolist()) if sum(c in own for own in ranks) > 1}
    moved = sum(len(lane.chunk) for lane in order.lanes) - np.count_nonzero(counts)
    assert len(shared) <= moved


def test_a_rank_reads_a_lane_in_order_and_few_chunks_at_a_time() -> None:
    order = epoch_order(layout(regular(4000, 50), b""), 0, 0)
    chunk, place = order.locate(np.arange(0, 4000, LANES))
    changes = np.flatnonzero(np.diff(chunk)) + 1
    assert len(changes) + 1 == len(set(chunk.tolist()))
    for run in np.split(place, changes):
        assert np.array_equal(run, np.arange(len(run)))


def test_epochs_and_seeds_differ_and_repeat() -> None:
    counts = layout(regular(1000, 31), b"")
    first = sequence(epoch_order(counts, 0, 0))
    assert first == sequence(epoch_order(counts, 0, 0))
    assert first != sequence(epoch_order(counts, 0, 1))
    assert first != sequence(epoch_order(counts, 1, 0))


def test_batches_mix_chunks_that_lie_far_apart() -> None:
    order = epoch_order(layout(regular(20_000, 250), b""), 0, 0)
    chunk, _ = order.locate(np.arange(256))
    assert len(set(chunk.tolist())) == LANES


@given(st.integers(0, 300), st.integers(0, 2**63))
def test_permutations_hold_everything(count: int, seed: int) -> None:
    assert sorted(random_permutation(count, seed).tolist()) == list(range(count))


def test_permutations_are_even() -> None:
    first = np.array([random_permutation(10, seed)[0] for seed in range(5000)])
    share = np.bincount(first, minlength=10) / 5000
    assert np.abs(share - 0.1).max() < 0.02


def test_sequential_order_is_by_number() -> None:
    order = sequential_order(layout(np.array([3, 0, 2]), b""))
    assert sequence(order) == [(0, 0), (0, 1), (0, 2), (2, 0), (2, 1)]


def test_layouts_of_other_windows_or_shards_differ() -> None:
    hashes = {
        layout(np.array(counts), identity).sha256
        for counts, identity in [([3, 2], b"a"), ([2, 3], b"a"), ([3, 2], b"b"), ([3, 2, 0], b"a")]
    }
    assert len(hashes) == 4


def test_ten_million_windows_begin_at_once_and_in_little_memory() -> None:
    counts = layout(regular(10_000_000, 320), b"")
    order = epoch_order(counts, 0, 3)
    chunk, place = order.locate(np.arange(9_000_000, 9_000_256))
    assert (place < 320).all()
    assert chunk.max() < len(counts.counts)
    assert (
        sum(lane.chunk.nbytes + lane.first.nbytes + lane.end.nbytes for lane in order.lanes) < 2**20
    )


@pytest.mark.parametrize("n_windows", [1, 7, 8, 9, 50, 1000, 1001, 20_000, 99_991, 10_000_000])
def test_chunks_stay_within_their_limits(n_windows: int) -> None:
    window_bytes = 12 * 2000 * 2
    size = choose_windows_per_chunk(n_windows, 1024, window_bytes)
    assert 1 <= size <= 1024
    assert size * window_bytes <= 16 << 20
    left_over = n_windows % (LANES * size)
    assert left_over <= max(7, n_windows // 100)
