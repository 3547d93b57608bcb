"""A commit that is killed between any two of its steps leaves the old store or the new, whole."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep import atomic, exchange

KILLER = Path(__file__).with_name("kill_each_step.py")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, wfdb_writer, make_noise) -> dict[str, Path]:
    """A corpus of two records, manifests of one and of both, and stores of one."""
    folder = tmp_path_factory.mktemp("two")
    for number in range(2):
        wfdb_writer(folder / "raw", f"r{number}", make_noise(number, 2000))
    both = pp.scan(folder / "raw", "folder")
    pp.write_manifest(both, folder / "both.parquet")
    pp.ingest(both.iloc[:1], folder / "one.zarr", "native", scheduler="sync")
    return {"manifest": folder / "both.parquet", "start": folder / "one.zarr"}


@pytest.mark.parametrize("append", [False, True], ids=["overwrite", "append"])
@pytest.mark.parametrize("spread", [900, pytest.param(1, marks=pytest.mark.long)])
def test_killed_before_each_step_of_a_commit(
    two: dict[str, Path], tmp_path: Path, append: bool, spread: int
) -> None:
    job = {"recipe": "native", "append": append, "spread": spread, "target": tmp_path / "s.zarr"}
    job |= two
    done = subprocess.run(
        [sys.executable, "-W", "error", str(KILLER), json.dumps(job, default=str)],
        capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [each for each in answers if each[1] not in ("old", "new") or not each[2]] == []
    found = [state for _, state, _ in answers]
    assert "old" in found
    assert "new" in found  # killed after the exchange, while the old one was removed
    assert found == sorted(found, reverse=True), "once new, always new"


def folder_of(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "a.txt").write_text(text)
    return path


@pytest.mark.parametrize("can_exchange", [True, False])
def test_put_in_place(tmp_path: Path, can_exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not can_exchange:
        monkeypatch.setattr(exchange, "_exchange", lambda a, b: False)
    target = folder_of(tmp_path / "t", "old")
    exchange.put_in_place(folder_of(tmp_path / "n", "new"), target)
    assert (target / "a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


class Killed(BaseException):
    """Nothing may catch it."""


@pytest.mark.parametrize("step", range(1, 3))
def test_two_renames_are_healed(tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system cannot exchange names, a kill between two renames is healed at the next."""
    target = folder_of(tmp_path / "t", "old")
    new = folder_of(tmp_path / "n", "new")
    calls = iter(range(1, 100))
    rename, remove = Path.replace, exchange.remove

    def counted(function):
        def call(*arguments):
            if next(calls) == step + 1:
                raise Killed
            return function(*arguments)

        return call

    monkeypatch.setattr(exchange, "_exchange", lambda a, b: False)
    monkeypatch.setattr(Path, "replace", counted(rename))
    monkeypatch.setattr(exchange, "remove", counted(remove))
    with pytest.raises(Killed):
        exchange.put_in_place(new, target)
    monkeypatch.undo()
    exchange.restore(target)
    assert (target / "a.txt").read_text() in ("old", "new")
    assert {path.name for path in tmp_path.iterdir()} <= {"t", "n"}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic.temporary_file(path) as temporary:
            assert temporary.suffix == ".png"
            temporary.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_samples_of_a_replaced_store(two: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(two["start"], tmp_path / "s.zarr")
    manifest = pp.read_manifest(two["manifest"]).iloc[1:]
    pp.ingest(manifest, tmp_path / "s.zarr", "native", overwrite=True)
    store = pp.open_store(tmp_path / "s.zarr")
    assert store.records["record_id"].tolist() == ["r1"]
    assert np.any(store.digital("r1", "ecg"))
