"""Windows a second into a training loop: shards against what people use today.

    pip install -e '.[bench]'
    python benchmarks/stream.py [--windows 20000] [--out build/bench-stream] [--only warm cold …]

Makes 12-lead 10 s windows at 200 Hz (band-limited noise at 1 µV steps: simulated) once, writes
them each way, and reads them each way in turn, several rounds, so that other load on the machine
falls on all alike; the best round counts. Ratios are to a memory map read in random batches (the
floor) and between ours and each peer at its best loader setting (0 or 2 workers). Warm: the files
were all read just before; cold: the kernel was told to drop them. Batches are float32 tensors in
mV. Peers that are not installed are named and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stream_peers import BATCH, PEERS
from torch.utils.data import DataLoader

from physioprep.stream import ShardStream

warnings.simplefilter("ignore")  # the peers' own
CHANNELS, SAMPLES = 12, 2000
FLOOR = "memory map"
Way = Callable[[], Iterator[Any]]


def make_windows(count: int, channels: int = CHANNELS) -> np.ndarray:
    """Band-limited noise at 1 µV steps: about as compressible as filtered ECG."""
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(64, channels, SAMPLES)).astype(np.float32)
    spectrum = np.fft.rfft(pool)
    frequency = np.fft.rfftfreq(SAMPLES, 1 / 200)
    spectrum *= np.where((frequency > 0.5) & (frequency < 40), 1 / np.sqrt(1 + frequency**2), 0)
    pool = np.fft.irfft(spectrum, SAMPLES)
    pool = (pool / pool.std() * 300).astype(np.int16)
    windows = np.empty((count, channels, SAMPLES), np.int16)
    for number in range(count):
        windows[number] = np.roll(pool[number % 64], number * 31, axis=1)
    return windows


def make_shards(windows: np.ndarray, root: Path, codecs: list[str]) -> None:
    """Take the windows through the front door: WFDB records, ingest, shard."""
    import wfdb

    import physioprep as pp

    raw, store = root / "raw", root / "store.zarr"
    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    leads = leads[: windows.shape[1]]
    if not store.exists():
        raw.mkdir(exist_ok=True)
        for start in range(0, len(windows), 200):
            wfdb.wrsamp(
                f"r{start:06d}",
                fs=200,
                units=["mV"] * len(leads),
                sig_name=leads,
                d_signal=np.concatenate(list(windows[start : start + 200]), axis=1).T.astype(int),
                fmt=["16"] * len(leads),
                adc_gain=[1000.0] * len(leads),
                baseline=[0] * len(leads),
                write_dir=str(raw),
            )
        pp.ingest(pp.scan(raw, "folder", hashes=False), store, "native")
        shutil.rmtree(raw)
    for codec in codecs:
        if not (root / codec).exists():
            pp.shard(store, root / codec, window_s=10.0, codec=codec)


def ours(path: Path, workers: int = 0, **options: Any) -> Iterator[Any]:
    batches: Any = ShardStream(path, batch_size=BATCH, **options)
    if workers:
        batches = DataLoader(batches, batch_size=None, num_workers=workers)
    for batch in batches:
        yield batch["ecg"]


def rate(batches: Iterator[Any]) -> float:
    began = time.perf_counter()
    count = sum(len(batch) for batch in batches)
    return count / (time.perf_counter() - began)


def drop_from_cache(path: Path) -> None:
    for file in path.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def read_into_cache(path: Path) -> None:
    """Read every file: what was read minutes ago may have left the page cache since."""
    for file in path.rglob("*"):
        if file.is_file():
            with file.open("rb", buffering=0) as handle:
                while handle.read(1 << 24):
                    pass


def prepare(root: Path, count: int, codecs: list[str]) -> dict[str, dict[int, tuple[Path, Way]]]:
    """Write every format; return, by name and number of workers, how each is read."""
    windows = make_windows(count)
    make_shards(windows, root, codecs)
    ways: dict[str, dict[int, tuple[Path, Way]]] = {}
    for name, (write, read, settings) in PEERS.items():
        path = root / "peers" / name.replace(" ", "_")
        if not path.exists():
            part = path.with_name(f"{path.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            try:
                write(windows, part)
            except ImportError as error:
                shutil.rmtree(part)
                print(f"{name}: not installed ({error.name}), left out", file=sys.stderr)
                continue
            part.rename(path)
        ways[name] = {
            workers: (path, lambda read=read, path=path, workers=workers: read(path, workers))
            for workers in settings
        }
    for codec in codecs:
        path = root / codec
        ways[f"shards, {codec}"] = {
            workers: (path, lambda path=path, workers=workers: ours(path, workers))
            for workers in (0, 2)
        }
    return ways


def throughput(ways: dict[str, dict[int, tuple[Path, Way]]], rounds: int, cold: bool) -> None:
    best: dict[tuple[str, int], float] = {}
    for _ in range(rounds):
        for name, settings in ways.items():
            for workers, (path, way) in settings.items():
                (drop_from_cache if cold else read_into_cache)(path)
                found = rate(way())
                print(f"{name}, {workers} workers: {found:,.0f}", file=sys.stderr, flush=True)
                best[name, workers] = max(found, best.get((name, workers), 0))
    top = {name: max(best[name, workers] for workers in ways[name]) for name in ways}
    print(f"\n{'cold' if cold else 'warm'}, windows/s")
    print("| | in process | 2 workers | in process / floor | shards none / it | shards lz4 / it |")
    print("|---|---|---|---|---|---|")
    for name in ways:
        here, two = (best.get((name, workers)) for workers in (0, 2))
        ratios = [top[f"shards, {codec}"] / top[name] for codec in ("none", "lz4")]
        print(
            f"| {name} | {here:,.0f} | {'' if two is None else format(two, ',.0f')} | "
            f"{here / best[FLOOR, 0]:.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} |"
        )


def many(source: Path, target: Path, n_windows: int) -> Path:
    """Lay out shards of `n_windows`, every chunk of which is a link to one real chunk."""
    shutil.rmtree(target, ignore_errors=True)
    for file in source.rglob("zarr.json"):
        made = target / file.relative_to(source)
        made.parent.mkdir(parents=True, exist_ok=True)
        described = json.loads(file.read_text())
        if described["node_type"] == "array":
            described["shape"][0] = n_windows
        elif "n_windows" in described["attributes"]:
            described["attributes"]["n_windows"] = n_windows
        made.write_text(json.dumps(described))
        if described["node_type"] == "array":
            chunk = described["chunk_grid"]["configuration"]["chunk_shape"]
            first = ".".join(["c", "0"] + ["0"] * (len(chunk) - 1))
            for number in range(-(-n_windows // chunk[0])):
                name = ".".join(["c", str(number)] + ["0"] * (len(chunk) - 1))
                if (file.parent / first).exists():
                    (made.parent / name).symlink_to((file.parent / first).resolve())
    return target


def start_and_memory(path: Path) -> None:
    """Time to the first batch, imports apart, and the most memory resident in 200 batches."""
    code = """if True:
        import sys, time
        from pathlib import Path
        from physioprep.stream import ShardStream
        began = time.perf_counter()
        stream = ShardStream(sys.argv[1], batch_size=256)
        if sys.argv[2] == "resume":
            stream.load_state_dict(stream.state_dict(batches=stream.n_windows // 256 // 2))
        batches = iter(stream)
        next(batches)
        first = time.perf_counter() - began
        for _ in range(200):
            if next(batches, None) is None:
                break
        status = Path("/proc/self/status").read_text().splitlines()
        print(first, [int(line.split()[1]) / 1e6 for line in status if "VmHWM" in line][0])
    """
    for how in ("start", "resume"):
        run = [sys.executable, "-c", code, str(path), how]
        found = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
        print(f"first batch after {how}: {float(found[0]):.2f} s; peak memory {found[1][:5]} GB")


def trainer(path: Path, rounds: int) -> None:
    """Steps a second of a small encoder, on one batch held and on batches from the stream."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        *(torch.nn.Conv1d(CHANNELS, 32, 15, 4), torch.nn.GELU(), torch.nn.Conv1d(32, 64, 15, 4)),
        *(torch.nn.GELU(), torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten()),
        torch.nn.Linear(64, 5),
    )
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)

    def step(x: torch.Tensor) -> None:
        optimiser.zero_grad()
        model(x).square().mean().backward()
        optimiser.step()

    ratios = []
    for _ in range(rounds):
        stream = ShardStream(path, batch_size=BATCH)
        held = next(iter(stream))["ecg"].clone()
        seconds = []
        for batches in (
            [held] * 20,
            (batch["ecg"] for batch in ShardStream(path, batch_size=BATCH)),
        ):
            count, began = 0, time.perf_counter()
            for x in batches:
                step(x)
                count += 1
                if count == 20:
                    break
            seconds.append((time.perf_counter() - began) / count)
        ratios.append(seconds[0] / seconds[1])
    print(
        f"trainer beside the stream ({path.name}): {np.median(ratios):.3f} of its own rate "
        f"(rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)}; {seconds[0]:.3f} s a step)"
    )


def real_sizes(data: Path, out: Path) -> None:
    """Bytes of shards of real filtered ECG, as a part of float32."""
    import physioprep as pp

    store = out / "real.zarr"
    if not store.exists():
        pp.ingest(pp.scan(data, "cinc2017", hashes=False), store, "ecg-200hz")
    for codec in ("none", "lz4", "zstd", "pcodec"):
        target = out / f"real-{codec}"
        shutil.rmtree(target, ignore_errors=True)
        pp.shard(store, target, window_s=10.0, codec=codec)
        shards = pp.stream.ShardStream(target, batch_size=1).shards
        held = shards.modalities["ecg"]
        size = sum(file.stat().st_size for file in (target / "ecg/signal").iterdir())
        ratio = size / (shards.n_windows * len(held.channels) * held.n_samples * 4)
        print(f"cinc2017, ecg-200hz, {codec}: {ratio:.3f} of float32")


def main() -> None:
    parts = ("warm", "cold", "many", "trainer", "size", "real")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("build/bench-stream"))
    parser.add_argument("--data", type=Path, help="folder of cinc2017, for the sizes on real ECG")
    parser.add_argument("--only", nargs="*", choices=parts, default=parts)
    options = parser.parse_args()
    torch.set_num_threads(1)
    root = options.out / str(options.windows)
    root.mkdir(parents=True, exist_ok=True)
    ways = prepare(root, options.windows, ["none", "lz4"])
    print(f"{os.cpu_count()} cores, {options.windows} windows of {CHANNELS} x {SAMPLES}")
    if "warm" in options.only:
        throughput(ways, options.rounds, cold=False)
    if "cold" in options.only:
        throughput(ways, options.rounds, cold=True)
    if "many" in options.only:
        start_and_memory(many(root / "none", root / "many", 10_000_000))
        shutil.rmtree(root / "many")
    if "trainer" in options.only:
        for codec in ("none", "lz4"):
            trainer(root / codec, options.rounds)
    if "size" in options.only:
        for codec in ("none", "lz4"):
            size = sum(file.stat().st_size for file in (root / codec).rglob("c.*"))
            print(f"{codec}: {size / (options.windows * CHANNELS * SAMPLES * 4):.2f} of float32")
    if "real" in options.only and options.data:
        real_sizes(options.data, root)


if __name__ == "__main__":
    main()
