"""What workers read of an ingest is plain data, and gives the job back exactly."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.harmonise import load_recipe
from physioprep.store.build import block
from physioprep.store.build.plan import make_plan
from physioprep.store.build.work import Job, decode_job, encode_job


@pytest.mark.parametrize("recipe", ["native", "ecg-200hz"])
def test_a_job_comes_back_as_it_was(manifest: pd.DataFrame, recipe: str) -> None:
    plan = make_plan(manifest, load_recipe(recipe))
    job = Job(
        plan.sha256, load_recipe(recipe), plan.layouts, plan.signatures, dict(plan.names),
        dict(plan.shards),
    )  # fmt: skip
    back = decode_job(encode_job(job))
    assert encode_job(back) == encode_job(job)
    for name in (
        "plan_sha256",
        "recipe",
        "layouts",
        "signatures",
        "names",
        "verify",
        "on_checksum",
    ):
        assert getattr(back, name) == getattr(job, name), name
    assert all(np.array_equal(back.shards[name], job.shards[name]) for name in job.shards)


def test_a_fault_of_the_software_is_told_from_a_bad_file(
    manifest: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = block.read_source

    def faulty(record, **options):
        if record["record"] == 1:
            raise KeyError("a bug")
        return read(record, **options)

    monkeypatch.setattr(block, "read_source", faulty)
    monkeypatch.setattr(block.Alike, "take", lambda *_: None)  # which leaves it to that one
    result = pp.ingest(manifest, tmp_path / "a.zarr", "native", scheduler="sync")
    assert len(result.quarantined) == 1
    row = pp.open_store(tmp_path / "a.zarr").quarantine.iloc[0]
    assert row["reason"] == "KeyError: 'a bug'"
    assert "physioprep/store/build/block.py:" in row["traceback"]
    assert row["traceback"].endswith("KeyError: 'a bug'")
    assert str(Path(block.__file__).parent.parent.parent.parent) not in row["traceback"]


def test_a_bad_file_has_no_traceback(manifest: pd.DataFrame, tmp_path: Path) -> None:
    shutil.copytree(manifest["root"][0], tmp_path / "raw")
    manifest = manifest.assign(root=str(tmp_path / "raw"))
    victim = tmp_path / "raw" / manifest["files"][0][-1]
    victim.write_bytes(victim.read_bytes()[:-2])
    result = pp.ingest(manifest, tmp_path / "a.zarr", "native", scheduler="sync")
    assert len(result.quarantined) == 1
    store = pp.open_store(tmp_path / "a.zarr")
    assert store.quarantine["traceback"].tolist() == [""]
    stored = pd.read_parquet(tmp_path / "a.zarr" / "quarantine.parquet")
    assert list(stored) == ["corpus", "record_id", "path", "stage", "reason"]
