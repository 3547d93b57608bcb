"""Shards without physioprep: what docs/shards.md promises, read with zarr, NumPy and pandas."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from physioprep.shards import shard

MISSING = -32768
GAP = slice(120, 130)


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., dict[str, Any]],
    write_store: Callable[..., Path],
) -> tuple[Path, dict[str, Any]]:
    """Two records at 100 Hz: one lacks the EEG and has a gap; steps of 1 µV, an offset of 5."""
    rng = np.random.default_rng(3)
    ecg = [rng.integers(-900, 900, (2, 800)).astype(np.int16) for _ in range(2)]
    ecg[0][1, GAP] = MISSING
    eeg = [None, rng.integers(-900, 900, (3, 800)).astype(np.int16)]
    folder = tmp_path_factory.mktemp("schema")
    store = write_store(
        folder / "toy.zarr",
        {
            "ecg": make_group(ecg, channels=["I", "II"], offset=0.005),
            "eeg": make_group(eeg, channels=["Cz", "O1", "Fp1"], unit="µV", scale=0.1),
        },
        {"label_condition": ["rest", None], "label_stress": [None, 3.5]},
    )
    shard(store, folder / "toy.shards", window_s=1.0, min_valid=0.5, pairs="any")
    return folder / "toy.shards", {"ecg": ecg, "eeg": eeg}


def test_arrays_are_the_records_seconds(made: tuple[Path, dict[str, Any]]) -> None:
    path, truth = made
    shards = zarr.open_group(str(path), mode="r")
    assert shards.attrs["schema"] == "physioprep.shards"
    assert shards.attrs["schema_version"] == 1
    assert shards.attrs["modalities"] == ["ecg", "eeg"]
    assert shards.attrs["labels"] == ["label_condition", "label_stress"]
    record, start_s = shards["record"][:], shards["start_s"][:]
    assert len(record) == shards.attrs["n_windows"] == 16
    assert sorted(zip(record, start_s, strict=True)) == [(r, s) for r in (0, 1) for s in range(8)]
    for modality, offset, step in (("ecg", 0.005, 0.001), ("eeg", 0.0, 0.1)):
        group = shards[modality]
        signal, scale, present = (group[name][:] for name in ("signal", "scale", "present"))
        assert signal.dtype == np.int16
        assert scale.dtype == np.float32
        assert group["signal"].metadata.dimension_names == ("window", "channel", "time")
        for number in range(len(record)):
            whole = truth[modality][record[number]]
            if whole is None:
                assert not present[number].any()
                assert (signal[number] == MISSING).all()
                continue
            assert present[number].all()
            first = round(start_s[number] * group.attrs["rate_hz"])
            digital = whole[:, first : first + signal.shape[2]]
            missing = digital == MISSING
            np.testing.assert_array_equal(signal[number] == MISSING, missing)
            found = (signal[number] * scale[number][:, None])[~missing]
            np.testing.assert_allclose(found, (digital * step + offset)[~missing], atol=1e-6)
    assert shards["ecg"].attrs["units"] == ["mV", "mV"]
    assert (shards["ecg"].attrs["all_valid"], shards["ecg"].attrs["all_present"]) == (False, True)
    assert (shards["eeg"].attrs["all_valid"], shards["eeg"].attrs["all_present"]) == (True, False)


def test_labels_and_the_table_agree_with_the_arrays(made: tuple[Path, dict[str, Any]]) -> None:
    path, _ = made
    shards, rows = zarr.open_group(str(path), mode="r"), pd.read_parquet(path / "manifest.parquet")
    assert rows["window"].tolist() == list(range(16))
    record = shards["record"][:]
    assert rows["record_id"].tolist() == [f"r{number:03d}" for number in record]
    np.testing.assert_array_equal(rows["start_s"], shards["start_s"][:])
    condition = shards["label_condition"]
    assert condition.attrs["categories"] == ["rest"]
    np.testing.assert_array_equal(condition[:], np.where(record == 0, 0, -1))
    assert rows["label_condition"].isna().tolist() == (record == 1).tolist()
    np.testing.assert_array_equal(
        shards["label_stress"][:], np.where(record == 0, np.nan, 3.5).astype(np.float32)
    )
    worst = np.where((record == 0) & (rows["start_s"] == 1), 0.9, 1)
    np.testing.assert_allclose(rows["quality"], worst)


def test_a_chunk_is_a_plain_file(made: tuple[Path, dict[str, Any]]) -> None:
    path, _ = made
    shards = zarr.open_group(str(path), mode="r")
    signal, per_chunk = shards["ecg/signal"], shards.attrs["layout"]["windows_per_chunk"]
    assert signal.chunks == (per_chunk, *signal.shape[1:])
    chunk = np.fromfile(path / "ecg/signal/c.1.0.0", "<i2").reshape(signal.chunks)
    np.testing.assert_array_equal(chunk, signal[per_chunk : 2 * per_chunk])


def test_the_description_names_what_is_there(made: tuple[Path, dict[str, Any]]) -> None:
    path, _ = made
    said = json.loads((path / "croissant.json").read_text())
    table, *sets = said["distribution"]
    content = (path / table["contentUrl"]).read_bytes()
    assert table["sha256"] == hashlib.sha256(content).hexdigest()
    files = {each["@id"]: len(list(path.glob(each["includes"]))) for each in sets}
    # A chunk is one window here; Zarr leaves out chunks that hold fill alone.
    assert files == {"ecg-chunks": 16, "eeg-chunks": 8}
    fields = [field["name"] for field in said["recordSet"][0]["field"]]
    assert fields == pd.read_parquet(path / "manifest.parquet").columns.tolist()
