"""What a store gives goes on: into netCDF and Zarr files, other processes, and from manifests."""

import json
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import physioprep as pp
from physioprep.store.record_attributes import record_attributes


@pytest.mark.parametrize("record", ["v", "short"])
def test_a_record_survives_netcdf_and_zarr(undisturbed: Path, tmp_path: Path, record: str) -> None:
    ours = pp.open_store(undisturbed).record(record)
    ours.to_netcdf(tmp_path / "r.nc")
    with xr.open_dataset(tmp_path / "r.nc") as again:
        again.load()
    assert again.equals(ours)
    assert again.attrs == ours.attrs
    assert again["ecg"].attrs == ours["ecg"].attrs
    ours.to_zarr(tmp_path / "r.zarr", consolidated=False)
    again = xr.open_zarr(tmp_path / "r.zarr", consolidated=False).load()
    assert again.equals(ours)
    assert again.attrs == ours.attrs
    assert sorted(json.loads(ours.attrs["channels"])[0]) == sorted(ours["channel"].values)
    assert "age" not in ours.attrs  # unknown


def test_every_kind_of_value_becomes_an_attribute_that_netcdf_takes(tmp_path: Path) -> None:
    row = {
        "start_time": pd.Timestamp("1999-12-31 23:59:01.25"),
        "bytes": 3_000_000_000,
        "n": np.int64(3),
        "age": np.float64(61.5),
        "files": ["ä.dat", "b.dat"],
        "channels": [["I", "II"], []],
        "file_sha256": [None, "ab"],
        "label_AF/AFL": "µ",
        "flags": [],
        "session": None,
        "split": pd.NA,
        "end": pd.NaT,
        "score": float("nan"),
    }
    attributes = record_attributes(row)
    assert attributes == {
        "start_time": "1999-12-31T23:59:01.250000",
        "bytes": 3e9,
        "n": 3,
        "age": 61.5,
        "files": '["ä.dat", "b.dat"]',
        "channels": '[["I", "II"], []]',
        "file_sha256": '[null, "ab"]',
        "label_AF_AFL": "µ",
        "flags": "[]",
    }
    xr.Dataset(attrs=attributes).to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as again:
        assert again.attrs == attributes


def first_samples(store: pp.Store, record: str) -> list[float]:
    return store.read(store.index(record), "ecg", 0, 5).tolist()


def test_a_store_and_shards_pickle_into_other_processes(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(undisturbed.parent)
    store = pp.open_store(undisturbed.name)  # relative: a worker's folder may be another
    read = np.array(first_samples(store, "r3"))  # what was read before does not travel
    assert len(pickle.dumps(store)) < 1000
    pp.shard(undisturbed, tmp_path / "w", window_s=2, modalities=["ecg"])
    shards = pp.open_shards(tmp_path / "w")
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(pickle.dumps(shards))
    assert np.array_equal(again.read(0, "ecg"), shards.read(0, "ecg"), equal_nan=True)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(np.array, pool.submit(pp.Store.read, store, 3, "ecg", 0, 5).result())
        assert np.array_equal(there.result(), read, equal_nan=True)


def test_pickles_lead_to_what_was_pickled_and_to_nothing_else(
    manifest: pd.DataFrame, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(undisturbed, here / "s.zarr")
    pp.ingest(manifest[10:], there / "s.zarr")
    for folder in (here, there):
        pp.shard(folder / "s.zarr", folder / "w", window_s=2, modalities=["ecg"])
    monkeypatch.chdir(here)
    store, shards = pp.open_store("s.zarr"), pp.open_shards("w")
    monkeypatch.chdir(there)  # before they are pickled
    sent = pickle.dumps(store), pickle.dumps(shards)
    assert len(store) == len(store.records)  # read now
    assert np.array_equal(
        store.digital("r3", "ecg"), pp.open_store(undisturbed).digital("r3", "ecg")
    )
    monkeypatch.chdir(tmp_path)
    again, windows = map(pickle.loads, sent)
    assert again.path == here / "s.zarr"
    assert windows.path == windows.home == here / "w"
    whole = pp.open_shards(here / "w")
    assert np.array_equal(windows.read(0, "ecg"), whole.read(0, "ecg"), equal_nan=True)
    shutil.rmtree(here / "w")
    (there / "w").rename(here / "w")
    with pytest.raises(pp.ShardError, match="others have taken their place"):
        pickle.loads(sent[1]).read(0, "ecg")
    pp.ingest(manifest[10:], here / "s.zarr", overwrite=True)
    with pytest.raises(pp.StoreError, match="another one has taken its place"):
        pickle.loads(sent[0])


def test_ingest_takes_the_file_of_a_manifest_and_rows_that_pandas_chose(
    manifest: pd.DataFrame, tmp_path: Path, files_of: Callable[[Path], dict[str, str]]
) -> None:
    path = pp.write_manifest(manifest, tmp_path / "m.parquet")
    frame = pd.read_parquet(path)
    chosen = frame[frame["record_id"].isin(["short", "v"])]
    chosen.to_parquet(tmp_path / "k.parquet")
    pp.ingest(str(tmp_path / "k.parquet"), tmp_path / "a.zarr", scheduler="sync")
    pp.ingest(chosen, tmp_path / "b.zarr", scheduler="sync")
    kept = manifest[manifest["record_id"].isin(["short", "v"])].reset_index(drop=True)
    pp.ingest(kept, tmp_path / "c.zarr", scheduler="sync")
    assert files_of(tmp_path / "a.zarr") == files_of(tmp_path / "c.zarr")
    assert files_of(tmp_path / "b.zarr") == files_of(tmp_path / "c.zarr")
    with pytest.raises(pp.ManifestError, match="no such manifest"):
        pp.ingest(tmp_path / "no.parquet", tmp_path / "d.zarr")
