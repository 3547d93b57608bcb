"""Processes that share a batch by its windows' costs come to what one process comes to."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from physiomodels.training.balance import shared_evenly
from physioprep.shards import shard

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.mark.parametrize("world", [2, 3, 8])
@pytest.mark.parametrize("seed", range(5))
def test_costs_are_shared_evenly(seed: int, world: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = np.array([0, 10, 40, 80, 120])
    homes = [kinds[rng.integers(0, 5, rng.integers(1, 20))].tolist() for _ in range(world)]
    goals = shared_evenly(homes)
    assert [len(held) for held in goals] == [len(held) for held in homes]
    pairs = [(c, g) for a, b in zip(homes, goals, strict=True) for c, g in zip(a, b, strict=True)]
    loads = [sum(cost for cost, goal in pairs if goal == rank) for rank in range(world)]
    assert max(loads) - min(loads) <= 120 + 0.01 * sum(loads) / world
    before = [sum(held) for held in homes]
    assert max(loads) - min(loads) <= max(before) - min(before)
    assert all(load or not was for load, was in zip(loads, before, strict=True))  # none is emptied


def test_few_windows_move() -> None:
    homes = [[12] * 4 + [1] * 12, [1] * 16]
    goals = shared_evenly(homes)
    assert sum(goal != home for home, held in enumerate(goals) for goal in held) <= 4
    assert shared_evenly([[12] * 8, [12] * 8]) == [[0] * 8, [1] * 8]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, toy_stores: Any) -> Path:
    """66 windows: 18 of twelve leads, the others of lead I; some lack part of their last lead."""
    rng = np.random.default_rng(8)
    folder = tmp_path_factory.mktemp("mixed")
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    stores = []
    for name, channels, n_samples in (("one", ["I"], 2350), ("twelve", leads, 1050)):
        records = []
        for number in range(12 if name == "one" else 9):
            signal = rng.integers(-900, 900, (len(channels), n_samples)).astype(np.int16)
            if number % 3 == 1:
                signal[-1:, 100:220] = -32768
            records.append(signal)
        group = toy_stores.group(records, channels=channels)
        stores.append(toy_stores._write_store(folder / name, {"ecg": group}, corpus=name))
    shard(stores, folder / "shards", window_s=5.0, min_valid=0.5, windows_per_chunk=8, workers=1)
    return folder / "shards"


@pytest.fixture(scope="module")
def found(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Any]]:
    """What each process saw, by the number of processes."""
    results = {}
    for world in (1, 2):
        out = tmp_path_factory.mktemp("out")
        command = [sys.executable]
        if world > 1:
            command += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
        done = subprocess.run(
            [*command, str(SCRIPT), str(mixed), str(out)], capture_output=True, text=True,
            timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        results[world] = [torch.load(out / f"{rank}.pt") for rank in range(world)]
    return results


def test_two_processes_compute_the_same_batches(found: dict[int, list[Any]]) -> None:
    (alone,) = found[1]
    assert len(alone) >= 4
    for number, batch in enumerate(alone):
        shared = [held[number] for held in found[2]]
        computed = [window for held in shared for window in held["index"]]
        assert sorted(computed) == sorted(batch["index"])  # none twice, none lost
        assert [held["windows"] for held in shared] == [batch["windows"]] * 2


def test_two_processes_have_as_much_to_do(found: dict[int, list[Any]]) -> None:
    (alone,) = found[1]
    moved = 0
    for number, batch in enumerate(alone):
        shared = [held[number] for held in found[2]]
        costs = [held["cost"] for held in shared]
        assert sum(costs) == batch["cost"]
        if len(batch["index"]) == 16:  # the last batch has two windows
            assert abs(costs[0] - costs[1]) <= 10 + 0.01 * sum(costs)  # ten patches of one lead
        moved += len(set(shared[0]["index"]) - set(shared[0]["read"]))
    assert moved


def test_loss_and_gradients_are_those_of_one_process(found: dict[int, list[Any]]) -> None:
    (alone,) = found[1]
    for number, batch in enumerate(alone):
        for held in found[2]:
            assert held[number]["loss"] == pytest.approx(batch["loss"], rel=1e-6)
            gradients = held[number]["gradients"]
            largest = max(float(g.abs().max()) for g in batch["gradients"])
            for ours, expected in zip(gradients, batch["gradients"], strict=True):
                torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-6 * largest)
