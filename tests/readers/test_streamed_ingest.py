"""Long recordings through harmonising and ingest: the same bytes, in bounded memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.harmonise import harmonise_blocks, load_recipe
from physioprep.readers import streamed

LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
RATE_HZ = 500


def write_holter(folder: Path, seconds: int, leads: tuple[str, ...] = LEADS) -> Path:
    """Write a WFDB record in format 16, a minute at a time."""
    rng = np.random.default_rng(0)
    t = np.arange(60 * RATE_HZ) / RATE_HZ
    beat = np.exp(-((t % 0.8 - 0.3) ** 2) / 2e-4) * 600 + 100 * np.sin(2 * np.pi * 0.3 * t)
    minute = beat[:, None] * rng.normal(0.8, 0.3, len(leads)) + rng.normal(0, 6, (len(t), 1))
    n, sums = seconds * RATE_HZ, np.zeros(len(leads), np.int64)
    with (folder / "h.dat").open("wb") as file:
        for number, start in enumerate(range(0, n, len(t))):
            piece = (minute + number % 7).round().astype("<i2")[: n - start]
            sums += piece.sum(axis=0)
            file.write(piece.tobytes())
    lines = [f"h {len(leads)} {RATE_HZ} {n}"]
    for i, lead in enumerate(leads):
        first = int(minute[0].round()[i])
        lines.append(f"h.dat 16 1000(0)/mV 16 0 {first} {sums[i] & 0xFFFF} 0 {lead}")
    (folder / "h.hea").write_text("\n".join(lines) + "\n")
    return folder / "h.hea"


def contents(store: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("recipe", ["native", "ecg-200hz"])
def test_a_store_of_streamed_records_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    header = write_holter(source, 300, LEADS[:3])  # three blocks of harmonising
    manifest = pp.scan(source, "folder")
    pp.ingest(manifest, tmp_path / "whole.zarr", recipe, scheduler="sync")
    monkeypatch.setattr(streamed, "LARGE_BYTES", 1000)
    assert isinstance(pp.read_recording(header).groups[0].digital, streamed.StreamedSamples)
    pp.ingest(manifest, tmp_path / "pieces.zarr", recipe, scheduler="sync")
    assert contents(tmp_path / "pieces.zarr") == contents(tmp_path / "whole.zarr")


def test_memory_is_that_of_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = write_holter(tmp_path, 2400)
    decoded = len(LEADS) * 2400 * RATE_HZ * 2
    recipes = [load_recipe("native"), load_recipe("ecg-200hz")]

    def peak() -> int:
        tracemalloc.start()
        recording = pp.read_recording(header)
        for recipe in recipes:
            harmonise_blocks(recording, recipe, lambda key, first, samples: None)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    harmonise_blocks(pp.read_recording(header), recipes[1], lambda *_: None)  # imports, filters
    assert peak() > decoded
    monkeypatch.setattr(streamed, "LARGE_BYTES", 1 << 20)
    assert peak() < decoded * 0.75


@pytest.mark.long
@pytest.mark.parametrize("recipe", ["native", "ecg-200hz"])
def test_a_day_of_holter_takes_under_1_gb(tmp_path: Path, recipe: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write_holter(source, 24 * 3600)
    program = (
        "import pathlib, sys, physioprep as pp; "
        "manifest = pp.scan(sys.argv[1], 'folder', hashes=False); "
        "pp.ingest(manifest, sys.argv[2], sys.argv[3], scheduler='sync'); "
        # ru_maxrss of a process made by fork and exec begins at what its parent held
        "print(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    command = [sys.executable, "-c", program, str(source), str(tmp_path / "s.zarr"), recipe]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout.split()[-1]) < 1_000_000_000 // 1024
    store = pp.open_store(tmp_path / "s.zarr")
    assert (len(store), len(store.quarantine)) == (1, 0)
