"""Manifests that somebody made or changed: what does not fit their files is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import physioprep as pp
from physioprep.errors import StoreError


@pytest.fixture
def small(tmp_path: Path, wfdb_writer: Callable[..., None], make_noise: Any) -> Path:
    folder = tmp_path / "corpus"
    for i in range(4):
        wfdb_writer(folder, f"r{i}", make_noise(i, 2000))
    return folder


@pytest.mark.parametrize("recipe", ["native", "ecg-200hz"])
def test_another_rate_in_the_manifest_is_named(small: Path, tmp_path: Path, recipe: str) -> None:
    """A native store would state it for the samples of the file."""
    manifest = pp.scan(small, "folder")
    manifest.at[1, "sampling_rate"] = [250.0]
    result = pp.ingest(manifest, tmp_path / "s.zarr", recipe)
    assert result.quarantined == (
        "folder/r1: the manifest has sampling_rate 250 Hz; its file has 100 Hz",
    )


@pytest.mark.parametrize("how", ["left out", "null in all", "null in one", "empty"])
@pytest.mark.parametrize("stated", [True, False])
def test_a_manifest_without_numbers_of_samples(
    small: Path, tmp_path: Path, how: str, stated: bool
) -> None:
    """As its own metadata say, or as pandas writes it: its records go to quarantine."""
    manifest = pp.scan(small, "folder")
    rows = manifest["n_samples"].tolist()
    rows = {
        "null in all": [None] * len(rows), "null in one": [*rows[:3], None],
        "empty": [*rows[:3], []], "left out": rows,
    }[how]  # fmt: skip
    table = pq.read_table(pp.write_manifest(manifest, tmp_path / "m.parquet"))
    place = table.column_names.index("n_samples")
    table = table.set_column(place, "n_samples", pa.array(rows, pa.list_(pa.int64())))
    table = table.drop_columns(["n_samples"]) if how == "left out" else table
    pq.write_table(table if stated else table.replace_schema_metadata(None), tmp_path / "n.parquet")
    found = pp.read_manifest(tmp_path / "n.parquet")
    if how in ("null in one", "empty"):
        result = pp.ingest(found, tmp_path / "s.zarr", "native")
        assert [line.partition(": ")[2] for line in result.quarantined] == [
            "the manifest has no n_samples of it"
        ]
    else:
        with pytest.raises(StoreError, match=r"ingested: folder/r0: the manifest has no n_samp"):
            pp.ingest(found, tmp_path / "s.zarr", "native")


def test_a_folder_that_is_none_is_one_error(small: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"/nonexist: no such folder$"):
        pp.ingest(pp.scan(small, "folder"), tmp_path / "s.zarr", root=tmp_path / "nonexist")
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (("EEG Cz", "EEG Pz"), "its signals are eeg: --recipe eeg-200hz takes them"),
        (("EEG Cz", "PPG"), "eeg and ppg: --recipe eeg-200hz or paired-ppg-200hz takes them"),
    ],
)
def test_a_recipe_that_fits_the_signals_is_suggested(
    tmp_path: Path, wfdb_writer: Callable[..., None], make_noise: Any, labels: Any, wanted: str
) -> None:
    wfdb_writer(tmp_path / "raw", "r0", make_noise(0, 2000), leads=labels)
    with pytest.raises(StoreError) as raised:
        pp.ingest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "s.zarr")
    assert wanted in str(raised.value)
    assert "among" not in str(raised.value)
