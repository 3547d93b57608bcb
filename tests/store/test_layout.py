"""Chunk, shard and block arithmetic."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioprep.store.format.layout import block_bounds, group_layout, place

LENGTHS = st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 3_000_000)), max_size=40)


@given(LENGTHS)
def test_records_share_no_chunk_and_blocks_no_shard(lengths: list[tuple[int, int]]) -> None:
    layouts = [
        group_layout("ecg", "ecg", ("I", "II"), ("mV", "mV"), 200.0, "int16"),
        group_layout("eeg", "eeg", tuple(map(str, range(64))), ("µV",) * 64, 512.0, "int16"),
    ]
    table = np.array(lengths, np.int64).reshape(-1, 2).T
    chunks = np.array([-(-row // each.chunk) for row, each in zip(table, layouts, strict=True)])
    per_shard = np.array([each.shard // each.chunk for each in layouts])
    bounds = block_bounds(chunks, per_shard)
    assert bounds[0] == 0
    assert bounds[-1] == len(lengths)
    assert (np.diff(bounds) > 0).all()
    for a, b in pairwise(bounds):
        one_shard = (chunks[:, a:b].sum(axis=1) <= per_shard).all()
        assert one_shard or b - a == 1  # only a record longer than a shard takes several
        if b < len(lengths):  # and a block is as large as it can be
            assert (chunks[:, a : b + 1].sum(axis=1) > per_shard).any()
    for row, layout in zip(table, layouts, strict=True):
        start, shards = place(row, bounds, layout)
        assert (start % layout.chunk == 0).all()
        owner: dict[int, int] = {}
        for record, (first, n) in enumerate(zip(start, row, strict=True)):
            block = int(np.searchsorted(bounds, record, side="right")) - 1
            if n:
                last = first + n - 1
                assert shards[block] <= first // layout.shard
                assert last // layout.shard < shards[block + 1]
                for chunk in range(first // layout.chunk, last // layout.chunk + 1):
                    assert owner.setdefault(chunk, record) == record


@pytest.mark.parametrize(
    ("channels", "rate_hz", "dtype"),
    [(1, 1.0, "int16"), (12, 500.0, "int16"), (256, 2000.0, "float32"), (1024, 30_000.0, "int32")],
)
def test_chunks_and_shards_fit_memory(channels: int, rate_hz: float, dtype: str) -> None:
    names = tuple(map(str, range(channels)))
    layout = group_layout("x", "other", names, ("V",) * channels, rate_hz, dtype)
    width = channels * np.dtype(dtype).itemsize
    assert layout.shard % layout.chunk == 0
    assert layout.chunk * width <= 4 << 20
    assert layout.shard * width <= 64 << 20
    assert layout.chunk <= max(256, round(10 * rate_hz))
