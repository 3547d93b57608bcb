"""BIDS on an object store: tables that lie elsewhere than their recordings come along."""

import shutil
from pathlib import Path

import physioprep as pp
from tests.remote.s3 import files_of, upload


def test_inherited_tables_of_bids_are_read_from_an_object_store(
    bucket: str, shared_data: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(shared_data / "formats_tiny_bids", root)
    for table in root.rglob("*_events.tsv"):
        table.rename(root / "task-rest_events.tsv")
    upload(root, f"{bucket}/raw")
    here, there = pp.scan(root, "bids"), pp.scan(f"{bucket}/raw", "bids")
    assert there.drop(columns="root").equals(here.drop(columns="root"))
    assert there.attrs == here.attrs
    stores = [tmp_path / name for name in ("here.zarr", "there.zarr")]
    for manifest, store in zip((here, there), stores, strict=True):
        pp.ingest(manifest, store, "native", workers=1)
        found = pp.open_store(store).annotations(manifest["record_id"].iloc[0])
        assert found["text"].tolist() == ["start_experiment", "show_stimulus"]
    assert files_of(stores[0]).keys() == files_of(stores[1]).keys()
