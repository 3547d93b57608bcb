"""A store is read without physioprep: by plain zarr, xarray, pandas and sha256sum."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

import physioprep as pp
from physioprep.hashes import write_hashes


@pytest.fixture(scope="module")
def native(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / "n.zarr"
    pp.ingest(pp.scan(corpus, "folder"), path, "native", scheduler="sync")
    return path


def test_plain_zarr(undisturbed: Path) -> None:
    root = zarr.open_group(str(undisturbed), mode="r")
    assert root.attrs["schema"] == "physioprep.store"
    assert root.attrs["schema_version"] == 1
    assert root.metadata.consolidated_metadata is not None
    ids = root["records/record_id"][...].tolist()
    assert ids == [*(f"r{i}" for i in range(10)), "short", "v"]
    ecg = root["ecg"]
    assert ecg.attrs["channels"] == ["I", "II", "V2", "MLII"]
    assert ecg.attrs["sampling_frequency"] == 200.0
    record = ids.index("v")
    first, n = int(ecg["start"][record]), int(ecg["length"][record])
    assert n == 6000
    assert ecg["present"][record].tolist() == [False, True, True, True]
    signal = ecg["signal"]
    assert signal.shards is not None
    assert first % signal.chunks[1] == 0
    digital = signal[:, first : first + n]
    assert (digital[0] == -32768).all()
    physical = digital * ecg["scale"][record][:, None] + ecg["offset"][record][:, None]
    ours = pp.open_store(undisturbed).record("v")["ecg"]
    assert ours.sel(channel="V2").values == pytest.approx(physical[2], abs=1e-6)


def test_plain_xarray(undisturbed: Path) -> None:
    tree = xr.open_datatree(str(undisturbed), engine="zarr")
    assert set(tree.children) == {"records", "ecg", "annotations"}
    signal = tree["ecg/signal"]
    assert signal.dims == ("channel", "sample")
    first, n = int(tree["ecg/start"][11]), int(tree["ecg/length"][11])
    lead = signal.sel(channel="MLII")[first : first + n]
    assert not np.isnan(lead.values).any()
    assert np.isnan(signal.sel(channel="I")[first : first + n].values).all()  # _FillValue
    flat = xr.open_zarr(str(undisturbed), group="ecg")
    assert flat["present"].dims == ("record", "channel")
    assert flat["signal"].chunks is not None


def test_native_has_no_fill_attribute(native: Path) -> None:
    root = zarr.open_group(str(native), mode="r")
    assert "_FillValue" not in root["ecg/signal"].attrs
    assert root["ecg/invalid"][0].tolist()[:2] == [-32768, -32768]


def test_records_are_the_manifest(undisturbed: Path, manifest: pd.DataFrame) -> None:
    records = pp.open_store(undisturbed).records
    expected = manifest.drop(columns="root")
    pd.testing.assert_frame_equal(records, expected)


def test_quarantine_is_plain_parquet(undisturbed: Path) -> None:
    table = pd.read_parquet(undisturbed / "quarantine.parquet")
    assert table.columns.tolist() == ["corpus", "record_id", "path", "stage", "reason"]
    assert table.empty


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_checks_a_store(undisturbed: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=undisturbed, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout


def test_nothing_of_this_machine_is_inside(undisturbed: Path, corpus: Path) -> None:
    needles = [str(corpus).encode(), str(undisturbed.parent).encode(), b"/work/", b"/home/"]
    for file in undisturbed.rglob("*"):
        if file.is_file() and "/signal/c/" not in file.as_posix():
            data = file.read_bytes()
            assert not any(needle in data for needle in needles), file


def test_attributes_say_how_it_was_made(undisturbed: Path) -> None:
    attrs = pp.open_store(undisturbed).attrs
    assert attrs["recipe"]["modalities"]["ecg"]["rate_hz"] == 200.0
    assert len(attrs["recipe_sha256"]) == len(attrs["plan_sha256"]) == 64
    assert attrs["software"]["physioprep"] == pp.__version__
    json.dumps(dict(attrs))


def test_another_schema_is_refused_in_one_line(undisturbed: Path, tmp_path: Path) -> None:
    for key, value, words in (
        ("schema", "other.thing", "not a physioprep store"),
        ("schema_version", 2, "store schema 2"),
    ):
        copy = tmp_path / f"{key}.zarr"
        shutil.copytree(undisturbed, copy)
        text = json.loads((copy / "zarr.json").read_text())
        text["attributes"][key] = value
        (copy / "zarr.json").write_text(json.dumps(text))
        write_hashes(copy)
        with pytest.raises(pp.PhysioprepError, match=words) as caught:
            pp.open_store(copy)
        assert "\n" not in str(caught.value)


def test_shards_are_called_shards(undisturbed: Path, tmp_path: Path) -> None:
    shards = pp.shard(undisturbed, tmp_path / "w.shards", window_s=1.0).path
    with pytest.raises(pp.PhysioprepError, match="these are shards; a store is made by"):
        pp.open_store(shards)
    (shards / "manifest.parquet").unlink()
    with pytest.raises(pp.PhysioprepError, match=r"these are shards, damaged: no manifest"):
        pp.open_store(shards)
    with pytest.raises(
        pp.PhysioprepError, match=r"manifest\.parquet: damaged: the file is missing"
    ):
        pp.info(shards)


def test_a_damaged_file_of_a_store_keeps_its_slashes(undisturbed: Path, tmp_path: Path) -> None:
    store = Path(shutil.copytree(undisturbed, tmp_path / "s.zarr"))
    for chunk in (store / "ecg" / "signal" / "c").rglob("*"):
        if chunk.is_file():
            chunk.unlink()
    details = [f.detail for f in pp.audit(store).findings if f.check == "unreadable-file"]
    assert any(detail.startswith("ecg/signal/c/0/0 is missing") for detail in details)


def test_provenance_leads_back_to_the_bytes(undisturbed: Path, corpus: Path) -> None:
    found = pp.open_store(undisturbed).provenance("v")
    assert found["record"] == "folder/v"
    for name, sha in found["files"]:
        assert hashlib.sha256((corpus / name).read_bytes()).hexdigest() == sha
    assert [name for name, _ in found["files"]] == ["v.hea", "v.dat"]
    assert found["samples"]["ecg"]["channels"] == ["II", "V2", "MLII"]
    signal = zarr.open_group(str(undisturbed), mode="r")["ecg/signal"]
    place = slice(found["samples"]["ecg"]["first"], found["samples"]["ecg"]["stop"])
    digital = pp.open_store(undisturbed).digital("v", "ecg")
    assert np.array_equal(signal[1:, place], digital)


def test_labels_times_and_nulls_come_back(corpus: Path, tmp_path: Path) -> None:
    manifest = pp.scan(corpus, "folder").iloc[-2:].reset_index(drop=True)
    position = manifest.columns.get_loc("age")
    manifest.insert(position, "label_z", pd.Series(['a "quoted" é', None], dtype=object))
    manifest.insert(position + 1, "label_a", pd.Series([np.nan, 1.5]))
    manifest["start_time"] = pd.Series(["2151-03-01 12:00:00.25", None], dtype="datetime64[us]")
    manifest.at[0, "flags"] = ['odd "flag"', "new\nline", "back\\slash"]
    pp.ingest(manifest, tmp_path / "s.zarr", "native")
    records = pp.open_store(tmp_path / "s.zarr").records
    pd.testing.assert_frame_equal(records, manifest.drop(columns="root"))
    data = xr.open_zarr(str(tmp_path / "s.zarr"), group="records")
    assert str(data["start_time"].values[0]).startswith("2151-03-01T12:00:00.25")
    assert np.isnat(data["start_time"].values[1])
