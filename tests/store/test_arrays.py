"""The small arrays of a store are the bytes that zarr itself writes."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, ZstdCodec

from physioprep.store.format import arrays
from physioprep.store.format.layout import BLOSC, group_layout

LAYOUTS = [
    group_layout("ecg", "ecg", ("I", "II"), ("mV", "mV"), 200.0, "int16"),
    group_layout("eeg", "eeg", ("Cz",), ("uV",), 128.0, "float32"),
]
ABOUT: dict[str, Any] = {"units": "µV", "nested": {"a": [1, 2.5, None, True]}}


def small_arrays() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    texts = np.array(["", "a", "Fünf\n", "", "", "", "x" * 40], object)
    some = {
        f"{kind}-{n}": rng.integers(0, 2, (n, 2)[: 1 + n % 2]).astype(kind)
        for kind in ("bool", "int8", "int16", "int32", "int64", "float32", "float64")
        for n in (0, 1, 3, 7, 9)
    }
    blank = np.zeros(9, np.float32)
    signed = blank.copy()
    signed[1] = -0.0
    gap = blank.copy()
    gap[8] = np.nan
    return {
        **some,
        "text": texts,
        "no-text": np.empty(0, object),
        "blank-text": np.array(["", ""], object),
        "blank": blank,
        "minus-zero": signed,
        "nan": gap,
        "not-contiguous": np.arange(24.0).reshape(4, 6)[:, ::2],
    }


def through_zarr(folder: Path, attributes: dict[str, Any]) -> None:
    root = zarr.create_group(str(folder), attributes=attributes)
    group = root.create_group("records", attributes=ABOUT)
    for name, values in small_arrays().items():
        array = group.create_array(
            name,
            shape=values.shape,
            dtype="string" if values.dtype == object else values.dtype,
            chunks=tuple(max(1, min(n, arrays.ROWS)) for n in values.shape),
            compressors=[ZstdCodec(level=3)],
            dimension_names=["record", "channel"][: values.ndim],
            attributes=ABOUT,
        )
        if values.size:
            array[...] = values
    for layout in LAYOUTS:
        root.create_group(layout.name).create_array(
            "signal",
            shape=(len(layout.channels), 3 * layout.shard),
            dtype=layout.dtype,
            chunks=(len(layout.channels), layout.chunk),
            shards=(len(layout.channels), layout.shard),
            fill_value=layout.fill_value,
            compressors=[BloscCodec(typesize=np.dtype(layout.dtype).itemsize, **BLOSC)],
            dimension_names=["channel", "sample"],
            attributes=ABOUT,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that v3 does not specify consolidated metadata
        zarr.consolidate_metadata(str(folder))


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("rows", [4, 65_536])
def test_bytes_equal_zarrs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(arrays, "ROWS", rows)  # 4: several chunks, the last one padded
    attributes = {"schema": "x", **ABOUT}
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    root = arrays.Hierarchy(ours)
    root.group("records", ABOUT)
    for name, values in small_arrays().items():
        root.array(f"records/{name}", values, ("record", "channel")[: values.ndim], ABOUT)
    for layout in LAYOUTS:
        root.group(layout.name, {})
        root.signal(layout, 3, ABOUT)
    root.finish(attributes)
    through_zarr(theirs, attributes)
    written, expected = files(ours), files(theirs)
    assert sorted(written) == sorted(expected)
    assert [name for name in expected if written[name] != expected[name]] == []
    assert root.hashes == {n: hashlib.sha256(data).hexdigest() for n, data in written.items()}


def test_zarr_reads_it_back(tmp_path: Path) -> None:
    root = arrays.Hierarchy(tmp_path)
    root.group("records", {})
    for name, values in small_arrays().items():
        root.array(f"records/{name}", values, ("record", "channel")[: values.ndim])
    root.finish({})
    group: Any = zarr.open_group(str(tmp_path), mode="r")
    for name, values in small_arrays().items():
        found = np.asarray(group[f"records/{name}"][...])
        assert found.shape == values.shape
        if values.dtype == object:
            assert found.tolist() == values.tolist()
        else:
            np.testing.assert_array_equal(found, values)


PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(()) | st.just({})
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.dictionaries(st.integers() | st.none(), inner, max_size=2)
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_json_is_the_standard_librarys(value: Any) -> None:
    assert arrays._json(value) == json.dumps(value, indent=2)
    inner = arrays._json({"node": arrays._json(value)})
    assert inner == json.dumps({"node": value}, indent=2)
