"""What a stream of shards cannot do without, a window: gather it out of mapped chunks and scale it.

    python benchmarks/stream_floor.py [--folder DIR] [--repeats 5]

12-lead windows of 10 s at 200 Hz lie as int16 in chunk files of 250, as shards without codec have
them. Threads map eight chunks at a time and put their windows, in the order of the file or
shuffled, into float32 batches that are used again. Nothing else is done: no labels, no order to
work out, no tensors. Beside it, what it takes to decompress a window that is packed with lz4.
Microseconds a window, the shortest of the repeats, in turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy loads

import numpy as np  # noqa: E402
from numcodecs.blosc import Blosc  # noqa: E402

CHUNK, AT_ONCE, BATCH, BLOCK = 250, 8, 256, 20
SHAPE = (CHUNK, 12 * 2000)
SCALE = np.float32(0.001)


def write_chunks(folder: Path, n_chunks: int) -> list[Path]:
    """Write chunk files of noise with a biosignal's range."""
    rng = np.random.default_rng(0)
    paths = [folder / f"c.{number}" for number in range(n_chunks)]
    for path in paths:
        path.write_bytes(rng.normal(0, 100, SHAPE).astype(np.int16).tobytes())
    return paths


def gather(paths: list[Path], orders: list[np.ndarray]) -> None:
    """Put every window of `paths` into batches, eight chunks open at a time."""
    batch = np.empty((BATCH, SHAPE[1]), np.float32)
    scratch = np.empty((BLOCK, SHAPE[1]), np.int16)
    filled = 0
    for first in range(0, len(paths), AT_ONCE):
        chunks = [
            np.memmap(path, np.int16, "r", shape=SHAPE) for path in paths[first : first + AT_ONCE]
        ]
        for begin in range(0, CHUNK, BLOCK):
            for chunk, order in zip(chunks, orders[first:], strict=False):
                rows = order[begin : begin + BLOCK]
                if filled + len(rows) > BATCH:
                    filled = 0
                np.take(chunk, rows, axis=0, out=scratch[: len(rows)], mode="clip")
                out = batch[filled : filled + len(rows)]
                np.multiply(scratch[: len(rows)], SCALE, out=out)
                filled += len(rows)


def in_threads(paths: list[Path], orders: list[np.ndarray], n: int) -> None:
    half = -(-len(paths) // n)
    workers = [
        threading.Thread(target=gather, args=(paths[at : at + half], orders[at : at + half]))
        for at in range(0, len(paths), half)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the chunk files are put")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        paths = write_chunks(Path(folder), 32)
        rng = np.random.default_rng(1)
        shuffled = [rng.permutation(CHUNK) for _ in paths]
        straight = [np.arange(CHUNK)] * len(paths)
        codec = Blosc("lz4", 5, Blosc.SHUFFLE)
        packed = codec.encode(np.fromfile(paths[0], np.int16).reshape(SHAPE)[:16])
        cases: dict[str, tuple[Callable[[], object], int]] = {
            "one thread, in the files' order": (lambda: in_threads(paths, straight, 1), 32 * CHUNK),
            "one thread, shuffled": (lambda: in_threads(paths, shuffled, 1), 32 * CHUNK),
            "two threads, shuffled": (lambda: in_threads(paths, shuffled, 2), 32 * CHUNK),
            "lz4 decompressed": (lambda: codec.decode(packed), 16),
        }
        best = dict.fromkeys(cases, float("inf"))
        for _ in range(arguments.repeats):
            for name, (do, n_windows) in cases.items():
                began = time.perf_counter()
                do()
                best[name] = min(best[name], (time.perf_counter() - began) / n_windows * 1e6)
        for name, microseconds in best.items():
            print(
                f"{name:34s} {microseconds:6.1f} µs a window, {1e6 / microseconds:8,.0f} a second"
            )


if __name__ == "__main__":
    main()
