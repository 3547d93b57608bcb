"""Windows a second into a training loop: shards against what people use today.

Run: ``python benchmarks/stream.py [--windows 20000] [--out build/bench-stream]``. Makes 12-lead
10 s windows at 200 Hz once, then reads them each way in turn, several rounds, so that other
load on the machine falls on all alike; prints the best round of each and the ratio to a
memory map read in random batches (the floor). LMDB, litdata, MDS and webdataset are measured
where they are installed. Warm: the files are in the page cache.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from torch.utils.data import DataLoader, Dataset

from physioprep.stream import ShardStream

CHANNELS, SAMPLES, BATCH = 12, 2000, 256


def make_windows(count: int) -> np.ndarray:
    """Band-limited noise at 1 µV steps: about as compressible as filtered ECG."""
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(64, CHANNELS, SAMPLES)).astype(np.float32)
    spectrum = np.fft.rfft(pool)
    frequency = np.fft.rfftfreq(SAMPLES, 1 / 200)
    spectrum *= np.where((frequency > 0.5) & (frequency < 40), 1 / np.sqrt(1 + frequency**2), 0)
    pool = np.fft.irfft(spectrum, SAMPLES)
    pool = (pool / pool.std() * 300).astype(np.int16)
    windows = np.empty((count, CHANNELS, SAMPLES), np.int16)
    for number in range(count):
        windows[number] = np.roll(pool[number % 64], number * 31, axis=1)
    return windows


def make_shards(windows: np.ndarray, root: Path, codecs: tuple[str, ...]) -> None:
    """Write the windows as a store, and cut that."""
    from physioprep.shards import shard

    store = root / "store.zarr"
    if not store.exists():
        write_store(windows, store)
    for codec in codecs:
        if not (root / codec).exists():
            shard(store, root / codec, window_s=10.0, codec=codec)


def write_store(windows: np.ndarray, path: Path) -> None:
    import pandas as pd

    from physioprep.store.columns import encode_column

    per_record = 200
    n_records = len(windows) // per_record
    root = zarr.create_group(
        str(path),
        attributes={
            "schema": "physioprep.store", "schema_version": 1, "modalities": ["ecg"],
            "n_records": n_records, "corpora": [{"name": "bench", "simulated": True}],
            "recipe": {"name": "bench"}, "recipe_sha256": "", "plan_sha256": "",
            "inputs_sha256": "",
        },
    )  # fmt: skip
    names = ["corpus", "record_id", "subject_id"]
    records = root.create_group("records", attributes={"columns": names})
    for name, values in {
        "corpus": ["bench"] * n_records,
        "record_id": [f"{number:05d}" for number in range(n_records)],
        "subject_id": [f"{number:05d}" for number in range(n_records)],
    }.items():
        encoded, attributes = encode_column("text", pd.Series(values))
        records.create_array(name, shape=encoded.shape, dtype="string", attributes=attributes)[
            ...
        ] = encoded
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    group = root.create_group(
        "ecg",
        attributes={
            "modality": "ecg", "channels": leads, "units": ["mV"] * 12,
            "sampling_frequency": 200.0,
        },
    )  # fmt: skip
    length = per_record * SAMPLES
    signal = group.create_array(
        "signal", shape=(CHANNELS, n_records * length), chunks=(CHANNELS, SAMPLES),
        shards=(CHANNELS, length), dtype=np.int16,
    )  # fmt: skip
    for number in range(n_records):
        own = windows[number * per_record : (number + 1) * per_record]
        signal[:, number * length : (number + 1) * length] = np.concatenate(list(own), axis=1)
    tables = {
        "start": np.arange(n_records) * length,
        "length": np.full(n_records, length),
        "scale": np.full((n_records, CHANNELS), 0.001, np.float32),
        "offset": np.zeros((n_records, CHANNELS), np.float32),
        "present": np.ones((n_records, CHANNELS), bool),
        "invalid": np.full((n_records, CHANNELS), -32768, np.int32),
    }
    for name, values in tables.items():
        group.create_array(name, shape=values.shape, dtype=values.dtype)[...] = values


def memory_map(path: Path) -> Iterator[int]:
    """The floor: sorted random batches of a memory map, as float32."""
    windows = np.load(path, mmap_mode="r")
    order = np.random.default_rng(0).permutation(len(windows))
    for low in range(0, len(order), BATCH):
        batch = windows[np.sort(order[low : low + BATCH])].astype(np.float32)
        batch *= np.float32(0.001)
        yield len(torch.from_numpy(batch))


def stream(path: Path, workers: int = 0, **options: Any) -> Iterator[int]:
    batches: Any = ShardStream(path, batch_size=BATCH, **options)
    if workers:
        batches = DataLoader(batches, batch_size=None, num_workers=workers)
    for batch in batches:
        yield len(batch["ecg"])


def random_zarr(path: Path, most: int) -> Iterator[int]:
    """One window at a time by ``z[i]``, as a plain Dataset does; the first `most` windows."""
    array: Any = zarr.open_array(str(path / "ecg" / "signal"), mode="r")
    order = np.random.default_rng(0).permutation(array.shape[0])[:most]
    for low in range(0, len(order), BATCH):
        rows = [torch.from_numpy(array[i] * np.float32(0.001)) for i in order[low : low + BATCH]]
        yield len(torch.stack(rows))


class LmdbPickles(Dataset[torch.Tensor]):
    """CBraMod's loader: float64 pickles in LMDB, one window a key."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count, self.store = path, count, None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> torch.Tensor:
        import lmdb

        if self.store is None:
            self.store = lmdb.open(str(self.path), readonly=True, lock=False, readahead=True)
        with self.store.begin() as transaction:
            sample = pickle.loads(transaction.get(f"{number}".encode()))["sample"]
        return torch.from_numpy(sample).float()


def make_lmdb(windows: np.ndarray, path: Path, count: int) -> None:
    import lmdb

    if path.exists():
        return
    store = lmdb.open(str(path), map_size=1 << 38)
    for number in range(count):
        with store.begin(write=True) as transaction:
            sample = {"sample": windows[number].astype(np.float64) * 0.001, "label": 0}
            transaction.put(f"{number}".encode(), pickle.dumps(sample))


def lmdb_batches(path: Path, count: int, workers: int) -> Iterator[int]:
    loader = DataLoader(LmdbPickles(path, count), BATCH, shuffle=True, num_workers=workers)
    for batch in loader:
        yield len(batch)


def rate(batches: Iterator[int]) -> tuple[float, float]:
    """Return windows a second of wall time, and of this process's CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = sum(batches)
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/bench-stream"))
    parser.add_argument("--codecs", nargs="*", default=["none", "lz4"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    root, count = options.out / str(options.windows), options.windows
    root.mkdir(parents=True, exist_ok=True)
    windows = make_windows(count)
    np.save(root / "windows.npy", windows)
    make_shards(windows, root, tuple(options.codecs))
    some = min(count, 2000)
    ways: dict[str, Callable[[], Iterator[int]]] = {
        "memory map, random batches (floor)": lambda: memory_map(root / "windows.npy")
    }
    for codec in options.codecs:
        ways[f"shards {codec}"] = lambda codec=codec: stream(root / codec)
        ways[f"shards {codec}, int16"] = lambda codec=codec: stream(root / codec, raw=True)
    ways["shards none, 2 workers"] = lambda: stream(root / "none", 2)
    ways["zarr z[i]"] = lambda: random_zarr(root / "none", some // 4)
    try:
        make_lmdb(windows, root / "lmdb", some)
        for workers in (0, 2):
            ways[f"LMDB + pickle float64, {workers} workers"] = lambda workers=workers: (
                lmdb_batches(root / "lmdb", some, workers)
            )
    except ImportError:
        print("lmdb is not installed: its row is left out", file=sys.stderr)
    del windows
    best: dict[str, tuple[float, float]] = {}
    for _ in range(options.rounds):
        for name, way in ways.items():
            found, known = rate(way()), best.get(name, (0.0, 0.0))
            best[name] = (max(found[0], known[0]), max(found[1], known[1]))
    floor = best["memory map, random batches (floor)"]
    print(f"{os.cpu_count()} cores, {count} windows of {CHANNELS} x {SAMPLES}, batches of {BATCH}")
    print("| way | windows/s | ratio to the floor | windows per CPU second | ratio |")
    print("|---|---|---|---|---|")
    for name, (wall, cpu) in best.items():
        print(
            f"| {name} | {wall:,.0f} | {wall / floor[0]:.2f} | {cpu:,.0f} | {cpu / floor[1]:.2f} |"
        )
    for codec in options.codecs:
        size = sum(file.stat().st_size for file in (root / codec).rglob("*") if file.is_file())
        print(f"{codec}: {size / (count * CHANNELS * SAMPLES * 4):.2f} of float32 on disk")
    shutil.rmtree(root / "lmdb", ignore_errors=True)


if __name__ == "__main__":
    main()
