"""Samples that are decoded without Zarr are those that Zarr reads; what is odd is left to Zarr."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec

from physioprep.errors import StoreError
from physioprep.shards.source import read_samples
from physioprep.store.format.layout import BLOSC, fill_of
from physioprep.store.span import SpanLayout, read_span, span_layout

CHUNK, SHARD, N = 300, 3000, 9000


def stored(root: Path, dtype: str, **changes: Any) -> tuple[zarr.Array[Any], SpanLayout | None]:
    """An array of three shards: one whole but for a chunk of fill, one short, one not there."""
    how: dict[str, Any] = {
        "shape": (3, N),
        "dtype": dtype,
        "chunks": (3, CHUNK),
        "shards": (3, SHARD),
        "fill_value": fill_of(dtype),
        "compressors": [BloscCodec(typesize=np.dtype(dtype).itemsize, **BLOSC)],
    }
    array: Any = zarr.create_array(str(root / "ecg" / "signal"), **{**how, **changes})
    values = np.random.default_rng(0).normal(0, 50, (3, 4000)).astype(dtype)
    values[:, 600:900] = fill_of(dtype)
    array[:, :4000] = values
    return array, span_layout((root / "ecg" / "signal" / "zarr.json").read_bytes())


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_any_span_is_what_zarr_reads(tmp_path: Path, dtype: str) -> None:
    array, layout = stored(tmp_path, dtype)
    assert layout == SpanLayout(3, N, CHUNK, SHARD, dtype)
    # Zarr has no file for the third shard, and neither has a store: then it is asked.
    assert read_span(tmp_path, "ecg", layout, 5990, 6010) is None
    rng = np.random.default_rng(1)
    spans = [(0, 2 * SHARD), (0, 0), (599, 601), (CHUNK, 2 * CHUNK), (2999, 3001)]
    spans += [tuple(sorted(rng.integers(0, 2 * SHARD, 2).tolist())) for _ in range(60)]
    for start, stop in spans:
        ours = read_span(tmp_path, "ecg", layout, start, stop)
        assert ours is not None
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, np.asarray(array[:, start:stop]))


@pytest.mark.parametrize(
    "changes",
    [
        {"compressors": None},
        {"compressors": [zarr.codecs.ZstdCodec()]},
        {"shards": None},
        {"chunks": (1, CHUNK)},
        {"fill_value": 7},
        {"shape": (3, N + 1)},
        {"filters": [zarr.codecs.TransposeCodec(order=(1, 0))]},
    ],
)
def test_what_ingest_does_not_write_is_left_to_zarr(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert stored(tmp_path, "int16", **changes)[1] is None


def test_damaged_metadata_is_left_to_zarr(tmp_path: Path) -> None:
    stored(tmp_path, "int16")
    text = (tmp_path / "ecg" / "signal" / "zarr.json").read_text()
    keys = ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs")
    for key in keys:
        for other in (None, [], "x", 7, {}, [[]], [{}]):
            assert span_layout(json.dumps({**json.loads(text), key: other}).encode()) is None
    assert span_layout(text[:-9].encode()) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],  # the index
        lambda data: bytes([*data[:4], data[4] ^ 1]) + data[5:],  # a frame's size
        lambda data: data[:12] + b"\xff\xff\xff\x7f" + data[16:],  # its length
        lambda data: bytes(16) + data[16:],
    ],
)
def test_a_damaged_shard_is_left_to_zarr(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    _, layout = stored(tmp_path, "int16")
    assert layout is not None
    file = tmp_path / "ecg" / "signal" / "c" / "0" / "0"
    file.write_bytes(damage(file.read_bytes()))
    assert read_span(tmp_path, "ecg", layout, 0, CHUNK) is None
    file.unlink()
    assert read_span(tmp_path, "ecg", layout, 0, CHUNK) is None
    file.mkdir()
    assert read_span(tmp_path, "ecg", layout, 0, CHUNK) is None


def test_entries_beyond_the_file_are_left_to_zarr(tmp_path: Path) -> None:
    from google_crc32c import value

    _, layout = stored(tmp_path, "int16")
    assert layout is not None
    file = tmp_path / "ecg" / "signal" / "c" / "0" / "0"
    data = file.read_bytes()
    for offset, length in ((2**63, 2**63), (0, 2**64 - 1), (2**64 - 1, 4), (len(data), 20), (0, 3)):
        index = bytearray(data[-164:-4])
        index[:16] = offset.to_bytes(8, "little") + length.to_bytes(8, "little")
        file.write_bytes(data[:-164] + index + int(value(bytes(index))).to_bytes(4, "little"))
        assert read_span(tmp_path, "ecg", layout, 0, CHUNK) is None


def test_a_changed_or_lost_file_of_a_store_is_named(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    store = tmp_path / "s.zarr"
    shutil.copytree(undisturbed, store)
    with monkeypatch.context() as patch:
        patch.setattr("physioprep.shards.source.read_span", lambda *_: None)
        wanted = read_samples(store / "ecg", 1990, 9000)
    np.testing.assert_array_equal(read_samples(store / "ecg", 1990, 9000), wanted)
    file = store / "ecg" / "signal" / "c" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreError, match="c/0/0 is changed since it was written"):
        read_samples(store / "ecg", 1990, 9000)
    file.unlink()
    with pytest.raises(StoreError, match="c/0/0 is missing"):
        read_samples(store / "ecg", 1990, 9000)
