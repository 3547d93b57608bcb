"""Our shards are the bytes that zarr itself writes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.codecs import BloscCodec

from physioprep.store.format.codec import ChunkEncoder, pack_shard
from physioprep.store.format.layout import BLOSC, GroupLayout


def layout_of(dtype: str, channels: int = 3) -> GroupLayout:
    names = tuple("abcdefgh"[:channels])
    return GroupLayout("x", "ecg", names, ("mV",) * channels, ("mV",), 100.0, dtype, 300, 3000)


def samples_of(layout: GroupLayout, n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 50, (len(layout.channels), n)).astype(layout.dtype)


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_shard_equals_zarrs(tmp_path: Path, dtype: str) -> None:
    layout = layout_of(dtype)
    whole = np.full((3, 3000), layout.fill_value, dtype)
    whole[:, :1000] = samples_of(layout, 1000)
    whole[:, 1200:1500] = layout.fill_value  # a chunk in the middle that is fill
    whole[1, 1800:2100] = 7
    array: Any = zarr.create_array(
        str(tmp_path / "z"),
        shape=whole.shape,
        dtype=dtype,
        chunks=(3, 300),
        shards=(3, 3000),
        fill_value=layout.fill_value,
        compressors=[BloscCodec(typesize=np.dtype(dtype).itemsize, **BLOSC)],
    )
    array[...] = whole
    encoder = ChunkEncoder([0, 1, 2], layout)
    encoder.add(whole)
    encoder.finish()
    ours = pack_shard(encoder.chunks, layout)
    path = tmp_path / "z" / "c" / "0" / "0"
    assert encoder.chunks[4] is None
    assert ours == path.read_bytes()


@given(st.lists(st.integers(1, 700), min_size=1, max_size=8), st.sampled_from([[0, 1, 2], [2, 0]]))
def test_samples_come_in_any_pieces(pieces: list[int], slots: list[int]) -> None:
    layout = layout_of("int16")
    digital = samples_of(layout, sum(pieces))[: len(slots)]
    at_once, piecewise = ChunkEncoder(slots, layout), ChunkEncoder(slots, layout)
    at_once.add(digital)
    at = 0
    for n in pieces:
        piecewise.add(digital[:, at : at + n])
        at += n
    for encoder in (at_once, piecewise):
        encoder.finish()
    assert at_once.chunks == piecewise.chunks
    assert len(at_once.chunks) == -(-sum(pieces) // layout.chunk)


def test_a_chunk_that_begins_with_fill_is_kept() -> None:
    layout = layout_of("int16")
    digital = samples_of(layout, 1200)
    digital[:, 300:600] = layout.fill_value
    digital[:, 600:899] = layout.fill_value
    at_once, one_by_one = ChunkEncoder([0, 1, 2], layout), ChunkEncoder([0, 1, 2], layout)
    at_once.add(digital)
    for start in range(0, 1200, 300):
        one_by_one.add(digital[:, start : start + 300])
    assert at_once.chunks == one_by_one.chunks
    assert [chunk is None for chunk in at_once.chunks] == [False, True, False, False]


def test_nothing_but_fill_is_no_file() -> None:
    assert pack_shard([None, None], layout_of("int16")) is None
