"""Batches per second of small windows: shards against LMDB with float64 pickles, in one process.

    pip install -e '.[bench]'
    OMP_NUM_THREADS=1 python benchmarks/stream_small.py [--windows 20000] [--rounds 5]

Windows of 1 lead and of 12 leads x 2000 samples (simulated noise) in batches of 16, 64 and 256,
read in turn by `ShardStream` and by a `DataLoader` without workers over CBraMod's LMDB reader, all
in the page cache. Rates are by the clock; the medians of the rounds' ratios are printed, for a
shared machine drifts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import stream
from stream_peers import LmdbPickles, write_lmdb
from torch.utils.data import DataLoader

from physioprep.stream import ShardStream

BATCHES = (16, 64, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--windows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    for leads in (1, 12):
        count = args.windows if leads == 1 else args.windows // 4
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            windows = stream.make_windows(count, leads)
            stream.make_shards(windows, root, ["none"])
            write_lmdb(windows, root)
            for size in BATCHES:
                compare(root, f"{leads} x 2000", size, count, args.rounds)


def compare(root: Path, what: str, size: int, count: int, rounds: int) -> None:
    found: dict[str, list[float]] = {"ours": [], "theirs": []}
    ours = ShardStream(root / "none", batch_size=size)
    theirs = DataLoader(LmdbPickles(root), size, shuffle=True)
    for turn in range(rounds + 1):
        rates = {
            "ours": stream.rate(signals(ours)),
            "theirs": stream.rate(islice(iter(theirs), min(100, count // size))),
        }
        if turn:  # the first warms up
            for name, value in rates.items():
                found[name].append(value)
    ratios = [a / b for a, b in zip(found["ours"], found["theirs"], strict=True)]
    ms = 1e3 * size / statistics.median(found["ours"])
    print(
        f"{what}, batch {size}: {statistics.median(found['ours']):,.0f} windows/s ({ms:.2f} ms a "
        f"batch), LMDB {statistics.median(found['theirs']):,.0f}: "
        f"{statistics.median(ratios):.2f} x ({min(ratios):.2f} to {max(ratios):.2f})",
        flush=True,
    )


def signals(batches: ShardStream) -> Iterator[Any]:
    return (batch["ecg"] for batch in batches)


if __name__ == "__main__":
    main()
