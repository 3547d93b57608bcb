"""Labels with several statements a record: lists stay lists in every form of a manifest."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
    assert info(path)["labels"]["label_scp"] == {"AF": 2, "PVC": 1}


def test_statements_that_are_not_utf8_are_escaped() -> None:
    odd = named_in_utf8(Entry("1", "1.edf", labels={"scp": ["A", "\udce9"]}))
    assert odd.labels["scp"] == ["A", "\\udce9"]
    assert odd.error is not None


def test_numpy_lists_of_a_frame_are_lists(tmp_path: Path) -> None:
    frame = manifest([["a"], None])
    frame["label_scp"] = [np.array(["a", "b"], object), None]
    path = write_manifest(frame, tmp_path / "m.parquet")
    assert read_manifest(path)["label_scp"].tolist() == [["a", "b"], None]
