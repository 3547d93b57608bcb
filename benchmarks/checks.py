"""What checksums cost: a stream of shards, and reading a store, with them and without.

    python benchmarks/checks.py [--windows 20000] [--rounds 5] [--out build/bench-checks]

The windows are those of `stream.py`. Each way is taken in turn with checks and with the comparison
left out (nothing else differs), in a new process's state: every file counts as not yet compared.
The stream reads two epochs, of which only the first compares. Of a store all records are read, and
it is cut into shards without codec. Files lie in the page cache. The shortest of the rounds, by
the clock and in processor time, which other load on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from stream import make_shards, make_windows, read_into_cache

import physioprep as pp
from physioprep.shards.cache import ShardFiles
from physioprep.store import listed

CODECS = ("none", "lz4")
Times = dict[str, list[tuple[float, float]]]


@contextmanager
def checks(*, on: bool) -> Iterator[None]:
    """Begin as a new process does; leave out every comparison where not `on`."""
    listed._CHECKED.clear()
    if on:
        yield
        return
    with (
        patch.object(ShardFiles, "_check", lambda *_: None),
        patch.object(listed, "sha256_of", lambda path: _Any()),
    ):
        yield


class _Any(str):
    """Equal to every hash."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


def clock(times: Times, name: str, work: Callable[[], Any]) -> None:
    began, used = time.perf_counter(), time.process_time()
    work()
    times.setdefault(name, []).append((time.perf_counter() - began, time.process_time() - used))


def one_round(root: Path, times: Times, way: str) -> None:
    for codec in CODECS:
        read_into_cache(root / codec)
        stream = pp.ShardStream(root / codec, batch_size=256, seed=1)
        for epoch in ("first", "second"):
            clock(times, f"stream {codec}, {epoch} epoch|{way}", lambda s=stream: [0 for _ in s])
    read_into_cache(root / "store.zarr")
    store = pp.open_store(root / "store.zarr")
    records = store.records["record_id"].tolist()
    clock(times, f"read a store|{way}", lambda: [store.digital(r, "ecg").max() for r in records])
    listed._CHECKED.clear()
    made = root / "again"
    shutil.rmtree(made, ignore_errors=True)
    clock(
        times, f"shard a store|{way}",
        lambda: pp.shard(root / "store.zarr", made, window_s=10.0, codec="none"),
    )  # fmt: skip
    shutil.rmtree(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("build/bench-checks"))
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    given.out.mkdir(parents=True, exist_ok=True)
    if not all((given.out / codec).exists() for codec in CODECS):
        make_shards(make_windows(given.windows), given.out, list(CODECS))
    times: Times = {}
    for number in range(given.rounds):
        for on in (True, False) if number % 2 else (False, True):
            with checks(on=on):
                one_round(given.out, times, "with" if on else "without")
    print(f"{given.windows} windows, {given.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    for name in dict.fromkeys(key.partition("|")[0] for key in times):
        cells = []
        for which, label in ((0, "wall"), (1, "processor")):
            best = {
                way: min(each[which] for each in times[f"{name}|{way}"])
                for way in ("with", "without")
            }
            ratio = best["with"] / best["without"]
            both = f"{best['with']:.2f} s with, {best['without']:.2f} s without"
            cells.append(f"{label} {both}: {ratio:.3f}")
        print(f"{name}: {'; '.join(cells)}")


if __name__ == "__main__":
    main()
