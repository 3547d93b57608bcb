"""Embeddings say what they were made of, and `info` reads it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from typer.testing import CliRunner

import physioprep as pp
from physiomodels.config import EncoderConfig, PretrainConfig
from physiomodels.embeddings.of_shards import embed
from physiomodels.embeddings.of_store import embed_store
from physiomodels.training.pretrain import pretrain
from physioprep.cli import app
from physioprep.hashes import sha256_of

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.0)


@pytest.fixture(scope="module")
def encoder(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoder")
    pretrain(shards, out, PretrainConfig(encoder=TINY, epochs=1))
    return out


def test_embeddings_of_shards_name_shards_weights_and_versions(
    shards: Path, encoder: Path, tmp_path: Path
) -> None:
    out = embed(shards, encoder, tmp_path / "e.zarr", where="subject_id != 's002'")
    held = zarr.open_group(str(out), mode="r").attrs["provenance"]
    assert held["source"] == {
        "kind": "shards",
        "name": shards.name,
        "plan_sha256": pp.open_shards(shards).attrs["plan_sha256"],
    }
    weights = encoder / "best" / "model.safetensors"
    assert held["model"]["sha256"][weights.name] == sha256_of(weights)
    assert held["options"] == {
        "where": "subject_id != 's002'",
        "pooling": "mean-deviation",
    }
    assert held["software"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    facts = pp.info(out, all_records=True)
    assert facts["vectors"] == 56
    assert facts["modalities"] == ["ecg"]
    assert facts["source"] == held["source"]
    assert facts["model"] == held["model"]
    assert len(facts["record ids"]) == facts["records"]
    assert pp.verify(out).problems == ()


def test_embeddings_of_a_store_name_it_and_how_it_was_cut(
    shards: Path, encoder: Path, tmp_path: Path
) -> None:
    store = pp.open_store(shards.with_name("store.zarr"))
    out = embed_store(store.path, encoder, tmp_path / "e.zarr", window_s=5.0, per="record")
    facts = pp.info(out)
    assert facts["source"] == {
        "kind": "store",
        "name": "store.zarr",
        "plan_sha256": store.attrs["plan_sha256"],
        "recipe_sha256": store.attrs["recipe_sha256"],
    }
    assert facts["options"] == {"window_s": 5.0, "per": "record", "pooling": "mean-deviation"}


def test_other_weights_are_another_provenance(shards: Path, encoder: Path, tmp_path: Path) -> None:
    pretrain(shards, tmp_path / "other", PretrainConfig(encoder=TINY, epochs=1, seed=1))
    found = [
        pp.info(embed(shards, model, tmp_path / f"{number}.zarr"))["model"]["sha256"]
        for number, model in enumerate([encoder, tmp_path / "other"])
    ]
    assert found[0]["model.safetensors"] != found[1]["model.safetensors"]


def test_records_without_a_window_are_counted(
    shards: Path, encoder: Path, toy_stores: Any, tmp_path: Path
) -> None:
    signals = [np.ones((1, n), np.int16) for n in (300, 700, 499)]
    group = toy_stores.group(signals, channels=["I"], rate_hz=100.0)
    store = toy_stores._write_store(tmp_path / "short.zarr", {"ecg": group})
    for per, vectors in (("window", 1), ("record", 1)):
        out = tmp_path / f"{per}.zarr"
        said = _embed(store, encoder, out, "--per", per)
        assert "records without a window  2\n" in said
        facts = pp.info(out)
        assert facts["vectors"] == vectors
        assert facts["records without a window"] == 2
    assert json.loads(_embed(store, encoder, tmp_path / "j.zarr", "--json")) == {
        "embeddings": str(tmp_path / "j.zarr"),
        "vectors": 1,
        "records": 1,
        "records without a window": 2,
    }
    whole = embed_store(shards.with_name("store.zarr"), encoder, tmp_path / "w.zarr", window_s=5.0)
    assert "left_out" not in zarr.open_group(str(whole), mode="r").attrs


def _embed(store: Path, encoder: Path, out: Path, *more: str) -> str:
    verb = ["embed", str(store), "-m", str(encoder), "-o", str(out), "--window", "5", *more]
    done = CliRunner().invoke(app, verb)
    assert done.exit_code == 0, done.output
    return done.stdout
