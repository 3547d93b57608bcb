"""`verify` finds by content what it is given, and names every damaged file of each kind."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

import physioprep as pp
from physiomodels.embeddings.group import write_group
from physiomodels.evaluation.work import is_kept, keep_table, working_folder
from physiomodels.model.weights import load_folder, save_folder
from physioprep.auditing.inputs import open_input
from physioprep.auditing.report.quality_table import write_table
from physioprep.cli import app
from physioprep.errors import ManifestError, ModelError, PhysioprepError, ShardError, StoreError
from physioprep.manifest import make_manifest, read_manifest, write_manifest
from physioprep.pipeline.run import run
from physioprep.simulation import simulate

RECIPE = """
title: a test
simulated: true
steps:
  - scan: {corpus: demo-paired, root: demo-paired, out: a.parquet}
  - ingest: {manifest: a.parquet, recipe: paired-200hz, out: a.zarr}
  - shard: {stores: [a.zarr], window_s: 10, out: a.shards}
"""


def flipped(content: bytes) -> bytes:
    data = bytearray(content)
    data[len(data) // 2] ^= 1
    return bytes(data)


def flip(file: Path) -> None:
    file.write_bytes(flipped(file.read_bytes()))


def test_embeddings(tmp_path: Path) -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    table = pd.DataFrame({"window": range(4), "record_id": list("aabb")})
    write_group(tmp_path / "e.zarr", vectors, table, ["ecg"], "nowhere", {})
    result = pp.verify(tmp_path / "e.zarr")
    assert (result.kind, result.problems) == ("embeddings", ())
    flip(tmp_path / "e.zarr" / "embedding" / "c" / "0" / "0")
    (problem,) = pp.verify(tmp_path / "e.zarr").problems
    assert problem.startswith("embedding/c/0/0: changed")


@pytest.mark.parametrize("where", [".", "best"])
def test_models(tmp_path: Path, where: str) -> None:
    save_folder(torch.nn.Linear(2, 3), {"a": 1}, tmp_path / "m" / where)
    (tmp_path / "m" / "log.csv").write_text("not listed")
    result = pp.verify(tmp_path / "m")
    assert (result.kind, result.n_files, result.problems) == ("model", 2, ())
    flip(tmp_path / "m" / where / "model.safetensors")
    (problem,) = pp.verify(tmp_path / "m").problems
    prefix = "" if where == "." else f"{where}/"
    assert problem.startswith(f"{prefix}model.safetensors: changed")
    (tmp_path / "m" / where / "SHA256SUMS").unlink()
    with pytest.raises(PhysioprepError, match="cannot be verified"):
        pp.verify(tmp_path / "m")


@pytest.mark.filterwarnings("ignore::DeprecationWarning:neurokit2")
def test_outputs_of_a_pipeline(tmp_path: Path) -> None:
    raw = simulate(tmp_path / "raw", n_patients=4, n_subjects=2, workers=1)
    (tmp_path / "r.yaml").write_text(RECIPE)
    out = tmp_path / "out"
    run(tmp_path / "r.yaml", raw, out)
    result = pp.verify(out)
    assert (result.kind, result.problems) == ("outputs", ())
    hurt = ["a.parquet", "a.shards/label_condition/c.0", "a.zarr/records/record_id/c/0"]
    hurt = [name for name in hurt if (out / name).exists()]
    assert len(hurt) >= 2
    for name in hurt:
        flip(out / name)
    assert {line.split(": ")[0] for line in pp.verify(out).problems} == set(hurt)
    done = CliRunner().invoke(app, ["verify", str(out), "--json"])
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["problems"]) == (1, len(hurt))
    assert facts["outputs"] == str(out)


def test_what_is_none_of_these(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises((StoreError, ShardError), match="no store"):
            pp.verify(path)


def test_a_damaged_model_is_not_loaded(tmp_path: Path) -> None:
    save_folder(torch.nn.Linear(200, 30), {"a": 1}, tmp_path / "m")
    for name in ("model.safetensors", "config.json"):
        before = (tmp_path / "m" / name).read_bytes()
        flip(tmp_path / "m" / name)
        with pytest.raises(ModelError, match=f"{name} is changed since it was written"):
            load_folder(tmp_path / "m")
        (tmp_path / "m" / name).write_bytes(before)
    assert load_folder(tmp_path / "m")[0] == {"a": 1}
    (tmp_path / "m" / "SHA256SUMS").unlink()  # weights from elsewhere have none
    assert load_folder(tmp_path / "m")[0] == {"a": 1}


def test_results_of_an_evaluation(tmp_path: Path) -> None:
    with working_folder(tmp_path / "r", "ab" * 32, overwrite=False) as (work, _):
        assert work is not None
        save_folder(torch.nn.Linear(2, 3), {"a": 1}, work / "out" / "encoders" / "ecg")
        (work / "out" / "results.json").write_text('{"plan_sha256": "abab"}')
    result = pp.verify(tmp_path / "r")
    assert (result.kind, result.n_files, result.problems) == ("results", 5, ())
    flip(tmp_path / "r" / "results.json")
    (tmp_path / "r" / "encoders" / "ecg" / "SHA256SUMS").unlink()
    (tmp_path / "r" / "extra").write_text("")
    assert [line.split(": ")[0] for line in pp.verify(tmp_path / "r").problems] == [
        "encoders/ecg/SHA256SUMS", "results.json", "extra",
    ]  # fmt: skip


def test_tables_of_a_killed_evaluation_are_compared(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": np.arange(1000.0)})
    keep_table(tmp_path / "t.parquet", table)
    assert is_kept(tmp_path / "t.parquet")
    for hurt in (lambda data: data[: len(data) // 2], lambda data: bytes(len(data)), flipped):
        data = (tmp_path / "t.parquet").read_bytes()
        (tmp_path / "t.parquet").write_bytes(hurt(data))
        assert not is_kept(tmp_path / "t.parquet")
        keep_table(tmp_path / "t.parquet", table)
    assert not is_kept(tmp_path / "none.parquet")


def test_pages_of_manifests_and_quality_tables_are_compared(tmp_path: Path) -> None:
    """Without checksums some of these flips give other values, without a word."""
    rows = {"corpus": ["mine"] * 50, "record_id": [f"r{n}" for n in range(50)],
            "path": ["a.edf"] * 50, "age": [20.0 + n for n in range(50)]}  # fmt: skip
    frame = make_manifest(rows)
    ways: list[tuple[Path, Callable[[Path], pd.DataFrame]]] = [
        (write_manifest(frame, tmp_path / "m.parquet"), read_manifest),
        (write_manifest(frame, tmp_path / "n.parquet"), lambda file: open_input(file).records),
        (
            write_table(frame[["corpus", "record_id"]], tmp_path / "q.parquet"),
            lambda file: pq.read_table(file, page_checksum_verification=True).to_pandas(),
        ),
    ]
    for path, read in ways:
        whole, group = path.read_bytes(), pq.read_metadata(path).row_group(0)
        columns = {
            column.path_in_schema: column for column in map(group.column, range(group.num_columns))
        }
        place = columns["record_id"]
        for at in range(place.data_page_offset - 60, place.data_page_offset, 2):
            data = bytearray(whole)
            data[at] ^= 4
            path.write_bytes(data)
            with pytest.raises((ManifestError, OSError)):
                read(path)
