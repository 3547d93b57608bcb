"""What an ingest cannot do without, a record: bytes, hashes, Fourier transforms, compression.

    python benchmarks/ingest_floor.py [--repeats 200]

Each step alone, on one record in memory, the shortest of many runs: no Python around them, no
cold cache. Their sum is the floor that `benchmarks/ingest.py` is to be held against.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy loads

import numpy as np  # noqa: E402
from numcodecs import blosc  # noqa: E402
from scipy import fft  # noqa: E402

from physioprep.store.format.layout import BLOSC  # noqa: E402

#: What, channels, samples in and out, transform in and out, bytes a stored sample in the file.
CASES = (
    ("12 x 10 s at 500 Hz", 12, 5000, 2000, (1, 6000), (1, 2400), 2.0),
    ("2 x 30 min at 360 Hz", 2, 648_000, 360_000, (22, 32_400), (22, 18_000), 1.5),
)


def shortest(call: Callable[[], object], repeats: int) -> float:
    """Microseconds of the shortest of some calls."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times) * 1e6


def steps(
    channels: int,
    n_in: int,
    n_out: int,
    there: tuple[int, int],
    back: tuple[int, int],
    width: float,
) -> dict[str, Callable[[], object]]:
    """Return each step as something to call."""
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, round(channels * n_in * width)).astype(np.uint8).tobytes()
    path = Path(tempfile.mkdtemp()) / "x"
    path.write_bytes(raw)
    slow = 30 * np.sin(np.arange(n_in) / 40) + rng.normal(0, 6, (channels, n_in))
    digital = np.ascontiguousarray(slow.round().astype(np.int16).T)
    result = np.ascontiguousarray(slow[:, :n_out].round().astype(np.int16))
    x = np.zeros((channels * there[0], there[1]), np.float32)
    spectrum = np.zeros((channels * back[0], back[1] // 2 + 1), np.complex64)
    real = np.zeros((channels, n_out), np.float32)
    pieces = np.array_split(result, max(1, n_out // 2000), axis=1)
    parts = [np.ascontiguousarray(piece) for piece in pieces]
    packed = [blosc.compress(part, BLOSC["cname"].encode(), BLOSC["clevel"], 1) for part in parts]
    joined = b"".join(packed)

    def compress() -> None:
        for part in parts:
            blosc.compress(part, BLOSC["cname"].encode(), BLOSC["clevel"], 1)

    return {
        "read the bytes": path.read_bytes,
        "their SHA-256": lambda: hashlib.sha256(raw).digest(),
        "de-interleave to channels": lambda: np.ascontiguousarray(digital.T),
        "to float32": lambda: digital.astype(np.float32),
        "transform": lambda: fft.rfft(x, axis=-1),
        "transform back": lambda: fft.irfft(spectrum, back[1], axis=-1),
        "round, count, to int16": lambda: np.rint(real).astype(np.int16),
        "compress": compress,
        "SHA-256 of that": lambda: hashlib.sha256(joined).digest(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    blosc.use_threads = False
    for what, *case in CASES:
        n = repeats if case[1] < 100_000 else max(3, repeats // 20)
        found = {step: shortest(do, n) for step, do in steps(*case).items()}
        print(f"{what}: {sum(found.values()):.0f} us")
        for step, microseconds in found.items():
            print(f"  {step:28s} {microseconds:8.0f}")


if __name__ == "__main__":
    main()
