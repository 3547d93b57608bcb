"""The audit of a store against the ingest of the same records, in processor time.

    python benchmarks/audit_store.py [--records 640] [--repeat 3] [--data ../shared/data]
                                     [--before CHECKOUT]

Generated 12-lead records (10 s, 500 Hz; `ingest_baseline.make_wfdb`) and the PTB-XL at hand, each
in a store of ecg-200hz and in a native one. Ingest and audit run in turns in one process, the
shortest of the repeats counts. With `--before`, the audit of another checkout runs on the same
stores, in turn with this one, each in a process of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy loads

from ingest_baseline import LEADS, make_wfdb  # noqa: E402

HERE = Path(__file__).resolve()


def cpu(do: Callable[[], object]) -> float:
    began = time.process_time()
    do()
    return time.process_time() - began


def audited(store: Path) -> None:
    """Print the processor time of one audit, after another that loads the libraries."""
    from physioprep.auditing import audit

    audit([store], scheduler="sync")
    print(cpu(lambda: audit([store], scheduler="sync")))


def in_process(checkout: Path, store: Path) -> float:
    path = os.pathsep.join((str(checkout), str(checkout / "models")))
    out = subprocess.run(
        [sys.executable, str(HERE), "--store", str(store)],
        env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(out.stdout.split()[-1])


def row(what: str, source: Path, corpus: str, recipe: str, options: argparse.Namespace) -> None:
    import physioprep as pp
    from physioprep.auditing import audit
    from physioprep.store.build.sources import _hash_file

    manifest = pp.scan(source, corpus, hashes=False)
    n = len(manifest)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "s.zarr"

        def ingest() -> None:
            _hash_file.cache_clear()
            shutil.rmtree(store, ignore_errors=True)
            pp.ingest(manifest, store, recipe, scheduler="sync")

        turns = [
            (cpu(ingest), cpu(lambda: audit([store], scheduler="sync")))
            for _ in range(options.repeat)
        ]
        one, two = (1e3 * min(times) / n for times in zip(*turns, strict=True))
        line = (
            f"| {what}, {recipe}: {n} records | {one:.2f} ms | {two:.2f} ms | {two / one:.2f} x |"
        )
        if options.before:
            places = [(options.before, HERE.parents[1]) for _ in range(options.repeat)]
            pairs = [(in_process(a, store), in_process(b, store)) for a, b in places]
            old, new = (1e3 * min(times) / n for times in zip(*pairs, strict=True))
            line += f" before {old:.2f}, now {new:.2f} ms: {old / new:.1f} x |"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=640)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data", type=Path, default=HERE.parents[2] / "shared" / "data")
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.store:
        audited(options.store)
        return
    print("| store | ingest, per record | audit, per record | audit against ingest |")
    print("|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        made = make_wfdb(Path(folder) / "made", options.records, LEADS, 500, 10)
        for recipe in ("ecg-200hz", "native"):
            row("generated, 12 x 10 s", made, "folder", recipe, options)
            if (options.data / "ptbxl").is_dir():
                row("PTB-XL", options.data / "ptbxl", "ptb-xl", recipe, options)


if __name__ == "__main__":
    main()
