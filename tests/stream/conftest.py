"""Shards written straight as Zarr through `physioprep.shards`, out of one toy store."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def _store_helpers() -> Any:
    path = Path(__file__).parents[1] / "shards" / "conftest.py"
    spec = importlib.util.spec_from_file_location("toy_stores", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def toy_helpers() -> Any:
    """What writes toy stores: ``group`` and ``_write_store``."""
    return _store_helpers()


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Store of 20 records with ECG and EEG; each ECG sample tells record and time."""
    helpers = _store_helpers()
    rng = np.random.default_rng(7)
    lengths = rng.integers(300, 3000, 20)
    ecg = [rng.integers(-3000, 3000, (3, int(n))).astype(np.int16) for n in lengths]
    eeg = [rng.integers(-3000, 3000, (2, int(n) * 2)).astype(np.int16) for n in lengths]
    path: Path = helpers._write_store(
        tmp_path_factory.mktemp("toy") / "store.zarr",
        {
            "ecg": helpers.group(ecg, channels=["I", "II", "V1"], rate_hz=100.0),
            "eeg": helpers.group(eeg, channels=["Cz", "Fp1"], rate_hz=200.0, unit="µV", scale=0.1),
        },
        {"label_condition": ["rest", "task"] * 10, "age": [float(20 + i) for i in range(20)]},
    )
    return path


@pytest.fixture(scope="session")
def toy_shards(toy_store: Path) -> Path:
    """301 windows or so: a number that divides badly."""
    from physioprep.shards import shard

    target = toy_store.parent / "shards"
    shard(toy_store, target, window_s=1.0, seed=3, windows_per_chunk=16, workers=1)
    return target
