"""--dry-run says what would be made, close to what is made then, and writes nothing."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.simulation import write_wfdb


def said(*words: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve records of 40 s; what is temporary is below, too, so that a test sees it."""
    raw, temporary = tmp_path / "raw", tmp_path / "temporary"
    raw.mkdir()
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    rng = np.random.default_rng(0)
    for number in range(12):
        write_wfdb(raw, f"r{number:02d}", rng.normal(0, 0.3, (12, 200 * 40)), 200, [])
    assert said("scan", raw, "--corpus", "folder", "-o", tmp_path / "m.parquet")["recordings"] == 12
    return tmp_path


def test_ingest_and_shard(work: Path) -> None:
    before = files(work)
    store = work / "s.zarr"
    guess = said("ingest", work / "m.parquet", "-o", store, "--dry-run")
    assert files(work) == before
    assert (guess["recordings"], guess["not readable"]) == (12, 0)
    assert guess["hours"] == pytest.approx(12 * 40 / 3600, abs=1e-3)
    assert guess["measured on"] == 4
    assert guess["seconds"] > 0
    few = said(
        "ingest", work / "m.parquet", "-o", store, "--dry-run", "--where", "record_id < 'r03'"
    )
    assert few["recordings"] == 3
    made = said("ingest", work / "m.parquet", "-o", store, "--scheduler", "sync")
    assert guess["megabytes"] == pytest.approx(made["megabytes"], rel=0.2)

    before = files(work)
    cut = ("shard", store, "-o", work / "w.shards", "--window", 10, "--where", "record_id != 'r03'")
    guess = said(*cut, "--dry-run")
    assert files(work) == before
    assert (guess["windows"], guess["records"]) == (44, 11)
    assert guess["megabytes"] == pytest.approx(44 * 12 * 2000 * 2 / 1e6, rel=0.05)
    assert said(*cut)["n_windows"] == 44


def test_what_every_store_has_is_not_counted_per_record(tmp_path: Path) -> None:
    """Of short records, tables and metadata are a large part of a store of four."""
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(0)
    for number in range(40):
        write_wfdb(raw, f"r{number:02d}", rng.normal(0, 0.3, (12, 200)), 200, [])
    said("scan", raw, "--corpus", "folder", "-o", tmp_path / "m.parquet")
    words = ("ingest", tmp_path / "m.parquet", "-o", tmp_path / "s.zarr")
    guess = said(*words, "--dry-run")["megabytes"]
    assert guess == pytest.approx(said(*words, "--scheduler", "sync")["megabytes"], rel=0.2)


def test_a_long_record_among_short_ones_does_not_inflate_the_estimate(tmp_path: Path) -> None:
    """Tried are the first, which is long, and three short ones: what most others cost."""
    raw = tmp_path / "raw"
    raw.mkdir()
    rng = np.random.default_rng(0)
    for number in range(22):
        n_samples = 50 if number in (7, 14, 21) else 200 * 20
        write_wfdb(raw, f"r{number:02d}", rng.normal(0, 0.3, (12, n_samples)), 200, [])
    said("scan", raw, "--corpus", "folder", "-o", tmp_path / "m.parquet")
    words = ("ingest", tmp_path / "m.parquet", "-o", tmp_path / "s.zarr")
    guess = said(*words, "--dry-run")["megabytes"]
    assert guess == pytest.approx(said(*words, "--scheduler", "sync")["megabytes"], rel=0.2)


def test_run(work: Path) -> None:
    recipe = work / "p.yaml"
    recipe.write_text(
        "steps:\n"
        "- scan: {corpus: folder, out: m.parquet}\n"
        "- ingest: {manifest: m.parquet, recipe: ecg-200hz, out: s.zarr}\n"
        "- shard: {stores: [s.zarr], window_s: 10, out: w.shards}\n"
    )
    before = files(work)
    out = work / "out"
    steps = said("run", recipe, "--raw", work / "raw", "--out", out, "--dry-run")["steps"]
    assert files(work) == before
    assert [step["step"] for step in steps] == ["scan", "ingest", "shard"]
    assert steps[0]["recordings"] == steps[1]["recordings"] == 12
    assert 0 < steps[1]["megabytes"] < 5
    assert not any(step["there"] for step in steps)


def test_what_the_verb_refuses_is_refused(work: Path) -> None:
    words = ["ingest", str(work / "m.parquet"), "-o", str(work / "s.zarr"), "--dry-run"]
    before = files(work)
    done = CliRunner().invoke(app, [*words, "--recipe", "nowhere"])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert files(work) == before
