"""Small corpora in true file formats, and what to compare stores by."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import physioprep as pp

collect_ignore = ["driver.py", "kill_each_step.py"]  # scripts
DRIVER = Path(__file__).with_name("driver.py")


def write_wfdb(
    folder: Path,
    name: str,
    digital: np.ndarray,
    *,
    rate_hz: float = 100.0,
    leads: tuple[str, ...] = ("I", "II"),
) -> None:
    """One WFDB record in format 16, with checksums; `digital` is (lead, sample)."""
    lines = [f"{name} {len(digital)} {rate_hz:g} {digital.shape[1]}"]
    for lead, row in zip(leads, digital, strict=True):
        checksum = int(row.astype(np.int64).sum()) & 0xFFFF
        checksum -= (checksum & 0x8000) << 1
        first = int(row[0]) if len(row) else 0
        lines.append(f"{name}.dat 16 200/mV 16 0 {first} {checksum} 0 {lead}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    (folder / f"{name}.dat").write_bytes(digital.T.astype("<i2").tobytes())


def noise(seed: int, n_samples: int, n_leads: int = 2) -> np.ndarray:
    """Samples like an ECG's in size and smoothness."""
    rng = np.random.default_rng(seed)
    walk = rng.normal(0, 8, (n_leads, n_samples)).cumsum(axis=1)
    drift = np.linspace(0, 1, n_samples) * walk[:, -1:]
    return (walk - drift + rng.normal(0, 3, walk.shape)).astype(np.int16)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve records: ten of 21 min, two a block; a short one; one with other leads."""
    folder = tmp_path_factory.mktemp("corpus")
    for i in range(10):
        write_wfdb(folder, f"r{i}", noise(i, 126_000 + 7 * i))
    write_wfdb(folder, "short", noise(20, 333))
    write_wfdb(folder, "v", noise(21, 3000, 3), leads=("V2", "II", "MLII"))
    return folder


@pytest.fixture(scope="session")
def manifest(corpus: Path) -> pd.DataFrame:
    return pp.scan(corpus, "folder")


@pytest.fixture(scope="session")
def undisturbed(manifest: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store that every other way of making it must equal."""
    path = tmp_path_factory.mktemp("undisturbed") / "s.zarr"
    pp.ingest(manifest, path, "ecg-200hz", scheduler="sync")
    return path


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, str]]:
    """Every file of a folder with its hash; nothing is left out."""

    def files(path: Path) -> dict[str, str]:
        return {
            file.relative_to(path).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(path.rglob("*"))
            if file.is_file()
        }

    return files


@pytest.fixture(scope="session")
def drive() -> Callable[..., dict[str, Any]]:
    """Run an ingest in a process of its own (driver.py); return what it printed."""

    def run(*, env: dict[str, str] | None = None, **job: Any) -> dict[str, Any]:
        import os

        done = subprocess.run(
            [sys.executable, "-W", "error", str(DRIVER), json.dumps(job, default=str)],
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | (env or {}),
        )
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer | {"stderr": done.stderr}

    return run


@pytest.fixture(scope="session")
def wfdb_writer() -> Callable[..., None]:
    return write_wfdb


@pytest.fixture(scope="session")
def make_noise() -> Callable[..., np.ndarray]:
    return noise
