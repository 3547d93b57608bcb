"""Shards of 40 records with splits, labels, a gap and an absent channel."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physioprep as pp


def _helpers() -> Any:
    path = Path(__file__).parents[1] / "shards" / "conftest.py"
    spec = importlib.util.spec_from_file_location("toy_stores_to_export", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> pp.Shards:
    """80 windows of 2 s, in chunks of 16; 3 of 20 subjects have no condition."""
    helpers, folder = _helpers(), tmp_path_factory.mktemp("exports")
    rng = np.random.default_rng(5)
    ecg = [rng.integers(-3000, 3000, (3, 800)).astype(np.int16) for _ in range(20)]
    eeg = [rng.integers(-3000, 3000, (2, 1600)).astype(np.int16) for _ in range(20)]
    eeg[4][1, 30:40] = -32768
    helpers._write_store(
        folder / "store.zarr",
        {
            "ecg": helpers.group(ecg, channels=["I", "II", "V1"], rate_hz=100.0),
            "eeg": helpers.group(eeg, channels=["Cz", "Fp1"], rate_hz=200.0, unit="µV", scale=0.1),
        },
        {
            "label_condition": (["rest", "task"] * 10)[:17] + [None] * 3,
            "age": [float(20 + i) for i in range(20)],
            "split": ["train"] * 10 + ["val"] * 4 + ["test"] * 4 + ["train", None],
        },
    )
    pp.shard(
        folder / "store.zarr",
        folder / "w",
        window_s=2.0,
        windows_per_chunk=16,
        min_valid=0.9,
        workers=1,
    )
    return pp.open_shards(folder / "w")
