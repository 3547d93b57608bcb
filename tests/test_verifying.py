"""`verify` finds by content what it is given, and names every damaged file of each kind."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import physioprep as pp
from physiomodels.embeddings.group import write_group
from physiomodels.model.weights import save_folder
from physioprep.cli import app
from physioprep.errors import PhysioprepError, ShardError, StoreError
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


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_embeddings(tmp_path: Path) -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    table = pd.DataFrame({"window": range(4), "record_id": list("aabb")})
    write_group(tmp_path / "e.zarr", vectors, table, ["ecg"])
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
