"""Labels with several statements a record: lists stay lists in every form of a manifest."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import physioprep as pp
from physioprep.auditing import audit
from physioprep.corpora.entry import Entry, named_in_utf8
from physioprep.describe import info
from physioprep.errors import ManifestError
from physioprep.manifest import make_manifest, read_manifest, write_manifest
from physioprep.store.format.columns import column_kind, decode_column, encode_column

# No empty text, as in all labels; no control characters, which CSV does not keep.
STATEMENT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6)
CELL = st.none() | st.lists(STATEMENT, max_size=4)


def manifest(cells: list[Any]) -> pd.DataFrame:
    return make_manifest(
        {
            "corpus": ["mine"] * len(cells),
            "record_id": [f"r{number}" for number in range(len(cells))],
            "path": ["a.edf"] * len(cells),
            "label_scp": cells,
        }
    )


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(CELL, min_size=1, max_size=6))
def test_lists_come_back_as_they_were(tmp_path: Path, cells: list[Any]) -> None:
    frame = manifest(cells)
    assert frame["label_scp"].tolist() == cells
    for name in ("m.parquet", "m.csv", "m.json"):
        path = write_manifest(frame, tmp_path / name, overwrite=True)
        assert read_manifest(path)["label_scp"].tolist() == cells
    # through pandas, which makes arrays of lists and writes them without our schema
    pd.read_parquet(tmp_path / "m.parquet").to_parquet(tmp_path / "p.parquet")
    write_manifest(pd.read_parquet(tmp_path / "p.parquet"), tmp_path / "q.parquet", overwrite=True)
    for name in ("p.parquet", "q.parquet"):
        assert read_manifest(tmp_path / name)["label_scp"].tolist() == cells
    kind = column_kind("label_scp", frame["label_scp"])
    assert kind == ("list[text]" if any(cell is not None for cell in cells) else "text")
    values, attributes = encode_column(kind, frame["label_scp"])
    assert decode_column("label_scp", values, attributes["manifest_type"]).tolist() == cells


@pytest.mark.parametrize("cells", [[["a"], "b"], [["a", 3]], [[""]], [[None]], [{"a": 1}]])
def test_what_is_no_list_of_texts_is_refused(cells: list[Any]) -> None:
    with pytest.raises(ManifestError, match="label_scp mixes types; texts, numbers or lists"):
        manifest(cells)


def test_texts_that_only_look_like_lists_stay_texts(tmp_path: Path) -> None:
    cells = ["[a]", "[1]", None, "x"]
    path = write_manifest(manifest(cells), tmp_path / "m.csv")
    assert read_manifest(path)["label_scp"].tolist() == cells


def test_info_counts_each_statement(tmp_path: Path) -> None:
    path = write_manifest(manifest([["AF", "PVC"], ["AF"], [], None]), tmp_path / "m.parquet")
    assert info(path)["labels"]["label_scp"] == {"AF": 2, "PVC": 1, "unknown": 1}


def test_the_range_of_small_values_is_not_rounded_to_0(tmp_path: Path) -> None:
    path = write_manifest(manifest([k * 1.25e-6 for k in range(1, 16)]), tmp_path / "m.parquet")
    said = info(path)["labels"]["label_scp"]
    assert said == {"known": 15, "least": 1.25e-6, "median": 1e-5, "most": 1.875e-5}


def test_statements_that_are_not_utf8_are_escaped() -> None:
    odd = named_in_utf8(Entry("1", "1.edf", labels={"scp": ["A", "\udce9"]}))
    assert odd.labels["scp"] == ["A", "\\udce9"]
    assert odd.error is not None


def test_numpy_lists_of_a_frame_are_lists(tmp_path: Path) -> None:
    frame = manifest([["a"], None])
    frame["label_scp"] = [np.array(["a", "b"], object), None]
    path = write_manifest(frame, tmp_path / "m.parquet")
    assert read_manifest(path)["label_scp"].tolist() == [["a", "b"], None]


def test_lists_from_manifest_to_shards(tmp_path: Path) -> None:
    """Three WFDB records; the store keeps the lists, the audit takes them, shards code them."""
    (tmp_path / "raw").mkdir()
    for number in range(3):
        samples = np.arange(2000, dtype="<i2") * (number + 1) % 97
        (tmp_path / "raw" / f"r{number}.dat").write_bytes(samples.tobytes())
        total = (int(samples.sum(dtype=np.int64)) + 0x8000) % 0x10000 - 0x8000
        line = f"r{number}.dat 16 200/mV 16 0 0 {total} 0 I"
        (tmp_path / "raw" / f"r{number}.hea").write_text(f"r{number} 1 200 2000\n{line}\n")
    frame = pp.scan(tmp_path / "raw", "folder")
    cells = [["AF", "PVC"], [], None]
    frame["label_scp"] = cells
    write_manifest(frame, tmp_path / "m.parquet")
    pp.ingest(frame, tmp_path / "a.zarr", "native")
    assert pp.open_store(tmp_path / "a.zarr").records["label_scp"].tolist() == cells
    report = audit([tmp_path / "m.parquet", tmp_path / "a.zarr"])
    assert not [one for one in report.findings if one.check == "label-version"]
    pp.shard(
        tmp_path / "a.zarr", tmp_path / "s", window_s=5, split={"x": 1.0}, stratify="label_scp"
    )
    shards = pp.open_shards(tmp_path / "s")
    assert shards.categories("scp") == ("AF", "PVC")
    coded = {"r0": [1, 1], "r1": [0, 0], "r2": [255, 255]}
    wanted = [coded[name] for name in shards.windows["record_id"]]
    assert shards.values("scp").tolist() == wanted
    described = json.loads((tmp_path / "s" / "croissant.json").read_text())
    fields = {field["name"]: field for field in described["recordSet"][0]["field"]}
    assert fields["label_scp"]["repeated"] is True
    assert fields["label_scp"]["dataType"] == "sc:Text"
    asked = ["label_scp.str.join(' ').str.contains('AF')", "label_scp.isna()"]
    assert [int(shards.mask(query).sum()) for query in asked] == [2, 2]
