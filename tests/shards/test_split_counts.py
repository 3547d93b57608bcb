"""What `shard` says of a split by shares of the subjects: each part, and those that are empty."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.shards import open_shards

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, make_group: Make, write_store: Make) -> Path:
    rng = np.random.default_rng(5)
    ecg = [rng.integers(-900, 900, (1, 1000)).astype(np.int16) for _ in range(10)]
    ids = [f"s{number:02d}" for number in range(10)]
    path = tmp_path_factory.mktemp("people") / "store.zarr"
    group = {"ecg": make_group(ecg, channels=["II"])}
    made: Path = write_store(path, group, columns={"record_id": ids, "subject_id": ids})
    return made


def sharded(store: Path, out: Path, *options: str, **shares: float) -> str:
    split = [text for name, share in shares.items() for text in ("--split", f"{name}={share}")]
    command = ["shard", str(store), "-o", str(out), "--window", "2", *split, *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_windows_and_subjects_of_each_part(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "s"
    found = json.loads(sharded(people, out, "--json", train=0.6, test=0.4))["split"]
    rows = open_shards(out).windows
    for name, counts in found["parts"].items():
        held = rows[rows["split"] == name]
        assert counts["windows"] == len(held)
        assert counts["subjects"] == counts["records"] == held["subject_id"].nunique()
    assert sum(counts["subjects"] for counts in found["parts"].values()) == 10
    assert found["in_no_part"]["windows"] == 0
    assert "split" not in open_shards(out).attrs  # shards that were cut before keep their bytes


def test_an_empty_part_is_said_in_one_line(people: Path, tmp_path: Path) -> None:
    shares = {"train": 0.9998, "validation": 0.0001, "test": 0.0001}
    said = sharded(people, tmp_path / "s", **shares).splitlines()
    assert [line.split() for line in said if "validation" in line] == [
        ["split:", "validation", "empty:", "no", "window"]
    ]
    (train,) = [line for line in said if "split: train" in line]
    assert "of 10 records, 10 subjects" in train
    alone = sharded(people, tmp_path / "two", train=0.8, test=0.2).splitlines()
    assert [" ".join(line.split()) for line in alone if "split: test" in line] == [
        "split: test 5 windows of 1 record, 1 subject"
    ]
