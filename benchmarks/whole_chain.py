"""Scan, ingest and shard of the same records, ms of processor time a record.

    python benchmarks/whole_chain.py [--records 2000] [--repeat 3] [--before CHECKOUT]

Generated 12-lead records (10 s, 500 Hz; `ingest_baseline.make_wfdb`), one process, hashes on,
recipe ecg-200hz, windows of 10 s. "in one": as `ingest --corpus` does it, the scan leaves the
hashes to the ingest. Each round is a process of its own; with `--before`, another checkout's run in
turn. The shortest of the repeats counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy loads

HERE = Path(__file__).resolve()
STEPS = ("scan", "ingest", "shard", "scan in one")


def cpu(do: Callable[[], object]) -> float:
    began = time.process_time()
    do()
    return time.process_time() - began


def one_round(raw: Path) -> None:
    """Print the processor time of each step, after a small round that loads the libraries."""
    import physioprep as pp

    def chain(source: Path, out: Path) -> list[float]:
        kept = {}
        times = [cpu(lambda: kept.update(m=pp.scan(source, "folder", scheduler="sync")))]
        times.append(cpu(lambda: pp.ingest(kept["m"], out / "s.zarr", scheduler="sync")))
        shard = lambda: pp.shard(out / "s.zarr", out / "w", window_s=10, scheduler="sync")  # noqa: E731
        times.append(cpu(shard))
        return [*times, cpu(lambda: pp.scan(source, "folder", hashes=False, scheduler="sync"))]

    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as out:
        chain(raw / "few", Path(first))
        times = chain(raw / "all", Path(out))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps([*times, peak]))


def in_process(checkout: Path, raw: Path) -> list[float]:
    path = os.pathsep.join((str(checkout), str(checkout / "models")))
    out = subprocess.run(
        [sys.executable, str(HERE), "--raw", str(raw)],
        env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    found: list[float] = json.loads(out.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--raw", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.raw:
        one_round(options.raw)
        return
    from ingest_baseline import LEADS, make_wfdb

    print("| | scan | ingest | shard | scan without hashes | sum | in one | peak |")
    places = {"now": HERE.parents[1]}
    if options.before:
        places = {"before": options.before, **places}
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        for name, n in (("few", 20), ("all", options.records)):
            make_wfdb(raw / name, n, LEADS, 500, 10)
        rounds = [
            {what: in_process(place, raw) for what, place in places.items()}
            for _ in range(options.repeat)
        ]
    for what in places:
        *times, peak = (min(values) for values in zip(*(r[what] for r in rounds), strict=True))
        each = dict(zip(STEPS, (1e3 * seconds / options.records for seconds in times), strict=True))
        apart = sum(each[name] for name in STEPS[:3])
        in_one = each["scan in one"] + each["ingest"] + each["shard"]
        cells = " | ".join(f"{value:.2f}" for value in [*each.values(), apart, in_one])
        print(f"| {what} | {cells} | {peak:.0f} MB |")


if __name__ == "__main__":
    main()
