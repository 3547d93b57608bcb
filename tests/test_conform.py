"""A manifest that went through pandas is the same manifest: rows chosen, types as they were."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from physioprep.errors import ManifestError
from physioprep.manifest import (
    COLUMNS,
    conform,
    label_columns,
    make_manifest,
    read_manifest,
    validate,
    write_manifest,
)


def manifest() -> pd.DataFrame:
    n = 4
    return make_manifest(
        {
            "corpus": ["mine"] * n,
            "record_id": ["001", "002", "003", "004"],
            "subject_id": ["7", None, "8", "8"],
            "path": [f"{i}.edf" for i in range(n)],
            "files": [[f"{i}.edf"] for i in range(n)],
            "file_sha256": [None, ["ab"], [None], ["cd"]],
            "bytes": [10, None, 30, 40],
            "start_time": [None, pd.Timestamp("1999-12-31 23:59:01.25"), None, None],
            "modality": [["ecg"], ["ecg", "eeg"], [], ["ecg"]],
            "sampling_rate": [[250.0], [250.0, 100.0], [], [250.0]],
            "n_samples": [[1000], [1000, None], [], [1000]],
            "channels": [[["I", "II"]], [["I"], ["Fz", "Cz"]], [], [["I"]]],
            "units": [[["mV", "mV"]], [["mV"], ["uV", "uV"]], [], [["mV"]]],
            "label_rhythm": ["AF", None, "N", "N"],
            "label_grade": [1.0, None, 2.0, 3.0],
            "flags": [["x"], [], [], []],
        }
    )


def by_pandas(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    frame.to_parquet(path)
    return read_manifest(path)


@pytest.mark.parametrize("rows", [[True, False, True, True], [False, True, False, False]])
def test_a_parquet_that_pandas_filtered_is_the_manifest_of_its_rows(
    tmp_path: Path, rows: list[bool]
) -> None:
    whole = manifest()
    frame = pd.read_parquet(write_manifest(whole, tmp_path / "m.parquet"))
    expected = whole[rows].reset_index(drop=True)
    assert by_pandas(frame[rows], tmp_path / "k.parquet").equals(expected)
    turned = by_pandas(frame[rows][frame.columns[::-1]], tmp_path / "o.parquet")
    assert turned[expected.columns].equals(expected)
    assert [name for name in turned if name not in label_columns(turned)] == list(COLUMNS)
    assert conform(frame[rows]).equals(expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.convert_dtypes(),
        lambda f: f.assign(corpus=f["corpus"].astype("category")),
        lambda f: f.astype({"bytes": "float64", "label_grade": "Float32", "age": "object"}),
        lambda f: f.assign(start_time=f["start_time"].astype("datetime64[ns]")),
        lambda f: f.set_index(pd.Index([9, 7, 5, 3])),
    ],
)
def test_dtypes_that_pandas_changes_come_back(tmp_path: Path, change) -> None:
    whole = manifest()
    frame = change(pd.read_parquet(write_manifest(whole, tmp_path / "m.parquet")))
    assert by_pandas(frame, tmp_path / "k.parquet").equals(whole)
    assert conform(frame).equals(whole)


def test_other_writers_of_parquet_are_read_too(tmp_path: Path) -> None:
    whole = manifest()
    table = pq.read_table(write_manifest(whole, tmp_path / "m.parquet"))
    large = pa.schema(
        [
            pa.field(f.name, {pa.string(): pa.large_string()}.get(f.type, f.type))
            for f in table.schema
        ]
    )  # as Polars writes texts
    pq.write_table(table.cast(large).replace_schema_metadata(None), tmp_path / "p.parquet")
    assert read_manifest(tmp_path / "p.parquet").equals(whole)


def test_a_filtered_frame_is_written_like_any(tmp_path: Path) -> None:
    whole = manifest()
    path = write_manifest(whole, tmp_path / "m.parquet")
    again = write_manifest(pd.read_parquet(path), tmp_path / "n.parquet")
    assert again.read_bytes() == path.read_bytes()


def test_a_csv_with_the_index_of_pandas_is_read(tmp_path: Path) -> None:
    path = write_manifest(manifest(), tmp_path / "m.csv")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame[frame["record_id"] != "002"].to_csv(tmp_path / "k.csv")
    assert read_manifest(tmp_path / "k.csv")["record_id"].tolist() == ["001", "003", "004"]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda f: f.assign(bytes=[1.5, 2, 3, 4]), "manifest column bytes is not integer: 1.5"),
        (lambda f: f.assign(files="a.edf"), "manifest column files is not list[text]: 'a.edf' is"),
        (lambda f: f.assign(n_samples=[np.array(["x"])] * 4), "column n_samples is not"),
        (lambda f: f.assign(index=1), "unknown column index"),
        (lambda f: f.drop(columns="units"), "lacks column units"),
        (lambda f: pd.concat([f, f["age"]], axis=1), "manifest has column age twice"),
        (lambda f: f.to_dict(), "a manifest is a file or a pandas.DataFrame"),
    ],
)
def test_what_is_no_manifest_is_one_line(change, cause: str) -> None:
    frame = manifest()
    with pytest.raises(ManifestError) as raised:
        validate(conform(change(frame)))
    assert cause in str(raised.value)
