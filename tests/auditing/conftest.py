from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from physioprep.auditing.measure.limb_leads import COVARIANCE, FROM_I_II

collect_ignore = ["cases.py", "signal_cases.py", "table_cases.py"]
RATE_HZ = 500.0


def make_ecg(seed: int, duration_s: float = 10.0, rate_hz: float = RATE_HZ) -> np.ndarray:
    """Twelve leads (mV) of Gaussian P, QRS and T waves with plausible projections; own code.

    Deliberately not the simulator of the product: it shares no code with what is tested.
    """
    rng = np.random.default_rng(seed)
    n = round(duration_s * rate_hz)
    t = np.arange(n) / rate_hz
    gaps = np.clip(rng.normal(rng.uniform(0.7, 1.0), 0.04, 40), 0.4, 2)
    peaks = rng.uniform(0.2, 0.6) + np.concatenate(([0], np.cumsum(gaps)))
    #            I     II    V1     V2    V3    V4    V5    V6
    waves = {  # offset s, width s, amplitude in each independent lead
        "P": (-0.16, 0.025, [0.08, 0.13, 0.05, 0.06, 0.07, 0.07, 0.07, 0.06]),
        "R": (0.0, 0.011, [0.7, 1.0, 0.2, 0.5, 0.9, 1.5, 1.4, 1.0]),
        "S": (0.032, 0.012, [-0.1, -0.15, -0.9, -1.4, -0.9, -0.5, -0.2, -0.1]),
        "T": (0.27, 0.05, [0.2, 0.3, -0.05, 0.4, 0.5, 0.45, 0.35, 0.25]),
    }
    eight = np.zeros((8, n))
    for offset, width, sizes in waves.values():
        scale = np.array(sizes) * rng.uniform(0.85, 1.15, 8)
        for peak in peaks:
            eight += scale[:, None] * np.exp(-0.5 * ((t - peak - offset) / width) ** 2)
    eight += rng.normal(0, 0.01, eight.shape)
    return np.concatenate([FROM_I_II @ eight[:2], eight[2:]])


@pytest.fixture(scope="session")
def ecg_signal() -> np.ndarray:
    assert COVARIANCE.shape == (8, 8)
    return make_ecg(1)


@pytest.fixture(scope="session")
def ecg() -> Callable[..., np.ndarray]:
    return make_ecg


@pytest.fixture
def manifest_of(tmp_path: Path) -> Callable[..., Path]:
    """Write a manifest of plain columns and return its path."""
    from physioprep.manifest import make_manifest, write_manifest

    def write(name: str = "m.parquet", **columns: Any) -> Path:
        n = len(columns["record_id"])
        columns.setdefault("corpus", ["mine"] * n)
        columns.setdefault("path", [f"{record}.dat" for record in columns["record_id"]])
        frame: pd.DataFrame = make_manifest(columns)
        path = tmp_path / name
        write_manifest(frame, path)
        return path

    return write
