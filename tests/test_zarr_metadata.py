"""Metadata of stores and shards name no codec, filter or type but those of the list."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from physioprep.errors import PhysioprepError, StoreError, UnreadableFileError
from physioprep.store.open import open_store
from physioprep.zarr_metadata import check_metadata, checked

BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


def array(**changes: Any) -> bytes:
    node = {
        **{"zarr_format": 3, "node_type": "array", "shape": [4], "data_type": "int16"},
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        **{"fill_value": 0, "codecs": [BYTES], "attributes": {}, "storage_transformers": []},
    }
    return json.dumps(node | changes).encode()


def test_what_is_written_is_admitted(tmp_path: Path) -> None:
    group = zarr.create_group(str(tmp_path / "a"))
    group["x"] = np.arange(6.0)
    group.create_array("y", shape=(8, 8), chunks=(2, 2), shards=(4, 4), dtype="i4")
    found: Any = zarr.open_group(checked(tmp_path / "a"), mode="r")
    assert found["x"][:].tolist() == np.arange(6.0).tolist()
    assert found["y"][:].sum() == 0
    assert sorted(name for name, _ in found.members()) == ["x", "y"]


@pytest.mark.parametrize(
    "raw",
    [
        array(codecs=[{"name": "numcodecs.pickle"}]),
        array(codecs=["pickle"]),
        array(codecs=[BYTES, {"name": "numcodecs.json2", "configuration": {}}]),
        array(codecs=[{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "x"}]}}]),
        array(codecs=[{"name": "sharding_indexed", "configuration": {"index_codecs": ["x"]}}]),
        array(codecs=[{"name": ["bytes"]}]),
        array(codecs={"name": "bytes"}),
        array(data_type="object"),
        array(data_type={"name": "structured", "configuration": {"fields": []}}),
        array(chunk_grid={"name": "other"}),
        array(storage_transformers=[{"name": "x"}]),
        b'{"node_type": "group", "consolidated_metadata": {"metadata": {"a": '
        + array(codecs=["pickle"])
        + b"}}}",
        b'{"node_type": "group", "consolidated_metadata": 3}',
        b"[]",
        b"{",
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_all_else_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"^a/zarr\.json"):
        check_metadata(raw, "a/zarr.json")
    (tmp_path / "zarr.json").write_bytes(raw)
    with pytest.raises(PhysioprepError):
        zarr.open(checked(tmp_path), mode="r")


class Harm:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return Path.write_text, (self.marker, "harm")


def test_filters_of_version_2_are_not_seen(tmp_path: Path) -> None:
    store, marker = tmp_path / "a.zarr", tmp_path / "harm.txt"
    (store / "records" / "id").mkdir(parents=True)
    (store / ".zgroup").write_text('{"zarr_format": 2}')
    (store / "records" / ".zgroup").write_text('{"zarr_format": 2}')
    about = {
        **{"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None},
        **{"order": "C", "compressor": None, "filters": [{"id": "pickle", "protocol": 5}]},
    }
    (store / "records" / "id" / ".zarray").write_text(json.dumps(about))
    (store / "records" / "id" / "0").write_bytes(pickle.dumps(Harm(marker)))
    with pytest.raises(StoreError):
        open_store(store)
    (store / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    found: Any = zarr.open_group(checked(store), mode="r")
    with pytest.raises(KeyError):
        found["records/id"]
    assert not marker.exists()
