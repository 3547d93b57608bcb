"""Folders that somebody nested 1,100 deep cost one line each, never the program's stack."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import physioprep as pp
from physiomodels.model.weights import save_folder
from physioprep.cli import app
from physioprep.errors import PhysioprepError
from physioprep.limits import MAX_FOLDER_DEPTH
from physioprep.pipeline import task
from physioprep.pipeline.run import run
from physioprep.store.verify import names_below
from physioprep.trees import levels, paths_below
from tests.test_layout import PACKAGES


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "a.hea").write_text("a 1 250 2500\na.dat 16 200/mV 16 0 0 0 0 II\n")
    samples = np.random.default_rng(1).integers(-500, 500, 2500).astype("<i2")
    (folder / "a.dat").write_bytes(samples.tobytes())
    return folder


def test_a_walk_names_all_but_folders_and_ends_at_the_limit(
    tmp_path: Path, dig: Callable[..., Path]
) -> None:
    root = dig(tmp_path / "root")
    (root / "a").mkdir()
    (root / "a" / "file").touch()
    (root / "a" / "up").symlink_to(root)
    os.mkfifo(root / "pipe")
    *some, last = sorted(names_below(root), key=len)
    assert sorted(some) == ["a/file", "a/up", "pipe"]
    assert last == "/".join(["deep", *["d"] * MAX_FOLDER_DEPTH])
    assert next(levels(root)) == (root, ["a", "deep"], ["pipe"])
    assert not list(paths_below(tmp_path / "nowhere"))


def test_deep_folders_in_a_store_are_named(
    raw: Path, tmp_path: Path, dig: Callable[..., Path]
) -> None:
    store = tmp_path / "a.zarr"
    pp.ingest(pp.scan(raw, "folder"), store, "native", scheduler="sync")
    pp.shard(store, tmp_path / "a.shards", window_s=1.0, scheduler="sync")
    for made in (store, tmp_path / "a.shards"):
        dig(made)
        (problem,) = pp.verify(made).problems
        assert problem.startswith("deep/d/d/d")
        assert CliRunner().invoke(app, ["info", str(made)]).exit_code == 0
    with pytest.raises(PhysioprepError, match="holds what physioprep did not put there"):
        pp.ingest(pp.scan(raw, "folder"), store, "native", scheduler="sync", overwrite=True)


def test_deep_folders_in_a_model_are_passed_over(tmp_path: Path, dig: Callable[..., Path]) -> None:
    save_folder(torch.nn.Linear(2, 3), {"a": 1}, tmp_path / "m" / "best")
    assert pp.verify(dig(tmp_path / "m")).problems == ()


@pytest.fixture
def made(raw: Path, tmp_path: Path) -> Path:
    """Outputs of a run of one step."""
    (tmp_path / "p.yaml").write_text(
        "title: t\nsimulated: false\nsteps:\n- scan: {root: ., corpus: folder, out: m.parquet}\n"
    )
    run(tmp_path / "p.yaml", raw, tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize(("name", "depth"), [("d", 1100), ("n" * 255, 20)])
def test_deep_folders_below_a_pipeline_are_passed_over(
    raw: Path, made: Path, dig: Callable[..., Path], name: str, depth: int
) -> None:
    assert task.find_files([], dig(raw, name, depth)) == []
    (problem,) = pp.verify(dig(made, name, depth)).problems
    assert problem.startswith(f"deep/{name}/{name}/")
    assert problem.endswith(": not part of these outputs")
    for skipped in (False, True):
        (result,) = run(raw.parent / "p.yaml", raw, made)
        assert result.skipped == skipped  # the raw folder holds more than before


def test_links_among_outputs_are_not_followed(made: Path) -> None:
    """Two links to their own folder are a million million ways, each up to 40 links long."""
    for name in ("a", "b"):
        (made / name).symlink_to(made)
    begun = time.monotonic()
    assert pp.verify(made).problems == tuple(f"{name}: not part of these outputs" for name in "ab")
    assert time.monotonic() - begun < 5


def test_what_is_taken_out_is_passed_over(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "c").mkdir(parents=True)
    seen = []
    for parent, folders, _ in levels(tmp_path):
        seen.append(parent.relative_to(tmp_path).as_posix())
        folders[:] = [name for name in folders if name != "a"]
    assert seen == [".", "b", "b/c"]


def test_nothing_walks_folders_in_another_way() -> None:
    other = re.compile(r"\.rglob\(|\bos\.f?walk\(|glob\(.\*\*")
    for path in (path for top in PACKAGES for path in paths_below(top) if path.suffix == ".py"):
        assert not other.search(path.read_text(encoding="utf-8")), path
