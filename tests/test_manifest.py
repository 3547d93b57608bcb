"""The manifest round-trips through every format, and refuses what is not one."""

import json
import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physioprep.errors import ManifestError
from physioprep.manifest import (
    COLUMNS,
    groups_of,
    label_columns,
    make_manifest,
    natural_key,
    read_manifest,
    validate,
    write_manifest,
)
from physioprep.manifest.decode import to_lists


def two_rows() -> dict[str, list]:
    return {
        "corpus": ["mine", "mine"],
        "corpus_version": ["1.0", None],
        "record_id": ["r10", "r9"],
        "subject_id": ["007", None],
        "root": ["/data/mine", "/data/mine"],
        "path": ["r10.edf", 'a,b "c"/r9.edf'],
        "format": ["edf", None],
        "files": [["r10.edf"], ['a,b "c"/r9.edf']],
        "file_sha256": [["00ff"], [None]],
        "sha256": ["00ff", None],
        "bytes": [123, None],
        "start_time": [datetime(1989, 2, 3, 4, 5, 6, 789000), None],
        "duration_s": [182.5, None],
        "modality": [["eeg", "ecg"], []],
        "sampling_rate": [[500.0, 500.0], []],
        "n_samples": [[91250, None], []],
        "channels": [[["EEG Fp1", "EEG Fp2"], ["ECG"]], []],
        "units": [[["uV", "µV"], ["mV"]], []],
        "label_condition": ["rest", None],
        "label_score": [29.35, None],
        "age": [21, None],
        "sex": ["F", None],
        "flags": [["flag:x"], []],
        "faults": [["x"], []],
        "error": [None, "r9.edf: cut short"],
    }


def test_columns_stand_in_their_order_with_labels_before_age():
    frame = make_manifest(two_rows())
    names = list(frame.columns)
    assert [name for name in names if not name.startswith("label_")] == list(COLUMNS)
    assert label_columns(frame) == ["label_condition", "label_score"]
    assert names.index("label_score") == names.index("age") - 1


def test_rows_are_in_natural_order_and_unknown_is_null():
    frame = make_manifest(two_rows())
    assert frame["record_id"].tolist() == ["r9", "r10"]
    row = frame.iloc[0]
    for name in ("corpus_version", "subject_id", "sha256", "bytes", "duration_s", "age", "sex"):
        assert pd.isna(row[name]), name
    assert frame["age"].dtype == np.float64
    assert frame["label_score"].dtype == np.float64


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_every_format_gives_the_same_manifest_back(tmp_path: Path, ending: str):
    frame = make_manifest(two_rows())
    again = read_manifest(write_manifest(frame, tmp_path / f"m.{ending}"))
    pd.testing.assert_frame_equal(again, frame)
    assert [path.name for path in tmp_path.glob(".*")] == []  # no temporary left behind


def test_parquet_opens_with_plain_pandas(tmp_path: Path):
    path = write_manifest(make_manifest(two_rows()), tmp_path / "m.parquet")
    plain = pd.read_parquet(path)
    assert plain["record_id"].tolist() == ["r9", "r10"]
    assert [list(names) for names in plain["channels"].iloc[1]] == [["EEG Fp1", "EEG Fp2"], ["ECG"]]


def test_a_text_label_that_is_null_everywhere_keeps_its_row(tmp_path: Path):
    columns = two_rows() | {"label_condition": [None, None]}
    frame = make_manifest(columns)
    again = read_manifest(write_manifest(frame, tmp_path / "m.parquet"))
    assert again["label_condition"].isna().all()


def test_croissant_describes_every_column_and_guards_its_table(tmp_path: Path):
    frame = make_manifest(two_rows())
    path = write_manifest(frame, tmp_path / "m.json")
    described = json.loads(path.read_text())
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert [f["name"] for f in described["recordSet"][0]["field"]] == list(frame.columns)
    assert "license" not in described  # nobody knows that of a corpus called "mine"
    (tmp_path / "m.csv").write_text("corpus\nother\n")
    with pytest.raises(ManifestError, match=r"m\.csv is not the one that it describes"):
        read_manifest(path)


def test_croissant_states_licence_and_citation_of_a_known_corpus(tmp_path: Path):
    frame = make_manifest({"corpus": ["mitdb"], "record_id": ["100"], "path": ["100.hea"]})
    described = json.loads(write_manifest(frame, tmp_path / "m.json").read_text())
    assert described["license"] == ["ODC-BY-1.0"]
    assert described["citeAs"].startswith("Moody GB, Mark RG.")
    assert described["url"] == ["https://physionet.org/content/mitdb/1.0.0/"]


def test_groups_of_a_row():
    frame = make_manifest(two_rows())
    eeg, ecg = groups_of(frame.iloc[1])
    assert (eeg.modality, eeg.n_samples, eeg.channels) == ("eeg", 91250, ("EEG Fp1", "EEG Fp2"))
    assert (ecg.modality, ecg.n_samples, ecg.units) == ("ecg", None, ("mV",))
    assert groups_of(frame.iloc[0]) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"record_id": ["r1", "r1"]}, "mine/r1 occurs twice"),
        ({"path": ["a", None]}, "path is empty"),
        ({"modality": [["ecg"], []]}, "differ in length"),
        ({"units": [[["uV"], ["mV"]], []]}, "channels and units differ"),
        ({"label_score": [1.0, "high"]}, "label_score mixes types"),
        ({"faults": [["x"], None]}, "faults is not a list"),
    ],
)
def test_what_is_no_manifest_is_refused(change: dict, said: str):
    with pytest.raises(ManifestError, match=said):
        make_manifest(two_rows() | change)


@pytest.mark.parametrize("column", ["corpus", "record_id", "path"])
@pytest.mark.parametrize("empty", ["", "  ", None])
def test_a_row_without_a_name_is_refused_and_named(column: str, empty: str | None):
    frame = make_manifest(
        {"corpus": ["mine"] * 2, "record_id": ["r1", "r2"], "path": ["1.edf", "2.edf"]}
    )
    frame.loc[1, column] = empty
    other = "corpus mine" if column != "corpus" else "record_id r2"
    with pytest.raises(ManifestError, match=rf"^manifest row 2: {column} is empty \(.*{other}"):
        validate(frame)


def test_missing_and_unknown_columns_are_named():
    frame = make_manifest(two_rows())
    with pytest.raises(ManifestError, match="lacks column sex"):
        validate(frame.drop(columns="sex"))
    with pytest.raises(ManifestError, match=r"subject_id \(it has an unknown 'subject'\)$"):
        validate(frame.rename(columns={"subject_id": "subject"}))
    with pytest.raises(ManifestError, match="unknown column colour"):
        validate(frame.assign(colour="red"))


def test_a_parquet_file_that_is_nearly_a_manifest_says_what_it_lacks(tmp_path: Path):
    write_manifest(make_manifest(two_rows()), tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet").replace_schema_metadata(None)
    names = ["SubjectID" if n == "subject_id" else n for n in table.column_names if n != "sex"]
    pq.write_table(table.drop_columns("sex").rename_columns(names), tmp_path / "n.parquet")
    said = r"it lacks columns subject_id, sex \(it has an unknown 'SubjectID'\)"
    with pytest.raises(ManifestError, match=said):
        read_manifest(tmp_path / "n.parquet")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("age", -5.0, "age is -5, no number of years from 0 to 120"),
        ("age", 1e300, r"age is 1e\+300, no number"),
        ("age", math.inf, "age is inf, no number"),
        ("sex", "x", "sex is 'x', neither F nor M"),
    ],
)
def test_ages_and_sexes_that_are_none_are_refused(
    tmp_path: Path, column: str, value: object, said: str
):
    frame = make_manifest(two_rows())
    frame.at[1, column] = value
    with pytest.raises(ManifestError, match=f"^manifest row 2: {said}.*record_id"):
        validate(frame)
    frame.to_parquet(tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match=rf"m\.parquet: manifest row 2: {said}"):
        read_manifest(tmp_path / "m.parquet")


def test_files_that_are_no_manifest(tmp_path: Path):
    with pytest.raises(ManifestError, match="no such manifest"):
        read_manifest(tmp_path / "absent.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(ManifestError, match="not a Parquet file"):
        read_manifest(tmp_path / "torn.parquet")
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ManifestError, match="but no manifest"):
        read_manifest(tmp_path / "other.parquet")
    later = pa.table({"x": [1]}).replace_schema_metadata({"physioprep.manifest": "2"})
    pq.write_table(later, tmp_path / "later.parquet")
    with pytest.raises(ManifestError, match="manifest schema 2, this version reads 1"):
        read_manifest(tmp_path / "later.parquet")
    with pytest.raises(ManifestError, match=r"ends in \.parquet, \.csv or \.json"):
        write_manifest(make_manifest(two_rows()), tmp_path / "m.xlsx")
    (tmp_path / "m.csv").write_text("corpus,record_id\nmine,1\n")
    with pytest.raises(ManifestError, match=r"m\.csv: manifest lacks column"):
        read_manifest(tmp_path / "m.csv")


def test_a_failed_write_leaves_the_old_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_manifest(make_manifest(two_rows()), tmp_path / "m.parquet")
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        write_manifest(make_manifest(two_rows()), path, overwrite=True)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_an_existing_manifest_is_replaced_only_on_request(tmp_path: Path, ending: str):
    path = write_manifest(make_manifest(two_rows()), tmp_path / f"m.{ending}")
    one = make_manifest({name: values[:1] for name, values in two_rows().items()})
    with pytest.raises(ManifestError, match=rf"m\.{ending}: exists; overwrite it"):
        write_manifest(one, path)
    assert len(read_manifest(path)) == 2
    assert len(read_manifest(write_manifest(one, path, overwrite=True))) == 1


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_what_is_no_manifest_is_never_replaced(tmp_path: Path, ending: str):
    path = tmp_path / f"records.{ending}"
    path.write_text("record_id,age\n1,63\n")  # a table of the corpus, say
    with pytest.raises(ManifestError, match=": exists, but is not a manifest of physioprep"):
        write_manifest(make_manifest(two_rows()), path, overwrite=True)
    assert path.read_text() == "record_id,age\n1,63\n"


def test_a_table_beside_a_croissant_file_is_not_replaced_silently(tmp_path: Path):
    write_manifest(make_manifest(two_rows()), tmp_path / "m.csv")
    with pytest.raises(ManifestError, match=r"m\.csv: exists"):
        write_manifest(make_manifest(two_rows()), tmp_path / "m.json")


names = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)


@settings(deadline=None, max_examples=12)
@given(ids=st.lists(names, min_size=1, max_size=6, unique=True), label=names, units=names)
def test_any_names_survive_every_format(tmp_path_factory, ids: list[str], label: str, units: str):
    folder = tmp_path_factory.mktemp("any")
    frame = make_manifest(
        {
            "corpus": ["c"] * len(ids),
            "record_id": ids,
            "path": ids,
            "modality": [["ecg"]] * len(ids),
            "sampling_rate": [[1 / 3]] * len(ids),
            "n_samples": [[1]] * len(ids),
            "channels": [[[label]]] * len(ids),
            "units": [[[units]]] * len(ids),
            "label_x": [f"x{label}"] * len(ids),
        }
    )
    for ending in ("parquet", "csv", "json"):
        again = read_manifest(write_manifest(frame, folder / f"{ending}.{ending}"))
        pd.testing.assert_frame_equal(again, frame)


def test_natural_key_orders_mixed_names():
    assert sorted(["x10", "10", "x9", "x9a", "9"], key=natural_key) == [
        "9",
        "10",
        "x9",
        "x9a",
        "x10",
    ]


lists = st.lists(st.lists(st.sampled_from(["I", "II", "µV", ""]), max_size=3), max_size=3)


@settings(deadline=None, max_examples=40)
@given(
    nested=st.lists(lists, max_size=6),
    flat=st.lists(st.lists(st.none() | st.integers(0, 3), max_size=3), max_size=6),
    texts=st.lists(st.none() | st.sampled_from(["a", "b"]), max_size=6),
)
def test_decoding_is_to_pylist(nested: list, flat: list, texts: list):
    for values, kind in (
        (nested, pa.list_(pa.list_(pa.string()))),
        (flat, pa.list_(pa.int64())),
        (texts, pa.string()),
    ):
        chunks = [values[:2], values[2:]]
        column = pa.chunked_array([pa.array(chunk, kind) for chunk in chunks])
        assert to_lists(column) == column.to_pylist()
        sliced = column.slice(1)
        assert to_lists(sliced) == sliced.to_pylist()


def test_decoding_keeps_null_lists_and_empty_columns():
    column = pa.chunked_array([pa.array([None, ["a"], []], pa.list_(pa.string()))])
    assert to_lists(column) == [None, ["a"], []]
    inner = pa.chunked_array([pa.array([[None, ["a"]]], pa.list_(pa.list_(pa.string())))])
    assert to_lists(inner) == [[None, ["a"]]]
    assert to_lists(pa.chunked_array([], pa.string())) == []


def test_rows_that_are_equal_are_not_one_object(tmp_path: Path):
    columns = two_rows() | {"channels": [[["I"], ["II"]]] * 2, "units": [[["mV"], ["mV"]]] * 2}
    same = {name: [columns[name][0]] * 2 for name in ("modality", "sampling_rate", "n_samples")}
    frame = make_manifest(columns | same)
    again = read_manifest(write_manifest(frame, tmp_path / "m.parquet"))
    again["channels"][0][0].append("changed")
    assert again["channels"][1] == [["I"], ["II"]]


def test_shared_lists_are_one_object_and_the_same_values(tmp_path: Path):
    columns = two_rows() | {"channels": [[["I"], ["II"]]] * 2, "units": [[["mV"], ["mV"]]] * 2}
    same = {name: [columns[name][0]] * 2 for name in ("modality", "sampling_rate", "n_samples")}
    path = write_manifest(make_manifest(columns | same), tmp_path / "m.parquet")
    shared, apart = read_manifest(path, shared=True), read_manifest(path)
    assert shared.equals(apart)
    for name in ("modality", "sampling_rate", "n_samples", "channels", "units"):
        assert shared[name][0] is shared[name][1]
    assert shared["flags"][0] is not shared["flags"][1]
