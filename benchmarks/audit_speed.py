"""How fast the audit is: tables of a million rows, a million fingerprints, signals, the report.

python benchmarks/audit_speed.py manifest      a generated manifest of 1,000,000 rows
python benchmarks/audit_speed.py fingerprints  10,000 to 1,000,000 generated fingerprints
python benchmarks/audit_speed.py signals       reading a store, and reading with all checks
python benchmarks/audit_speed.py report        100,000 records in a headless Chromium

Each prints one row of docs/audit.md. DATA (second argument, default ../shared/data) is only read
by `signals`.
"""

from __future__ import annotations

import importlib.util
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
ROWS = 1_000_000


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def write_rows(path: Path, n: int, block: int = 20_000) -> None:
    """Write a manifest of 12-lead recordings of n / 5 persons; one leak, one shared file."""
    import pyarrow.parquet as pq

    from physioprep.manifest import make_manifest, write_manifest

    leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    writer = None
    rng = np.random.default_rng(0)
    part = path.with_suffix(".part.parquet")
    for first in range(0, n, block):
        ids = range(first, min(n, first + block))
        k = len(ids)
        hashes = [rng.bytes(64).hex() for _ in ids]
        hashes = [text if i not in (2, n - 10) else "0" * 128 for i, text in zip(ids, hashes)]  # noqa: B905
        table: dict[str, list[Any]] = {
            "corpus": ["generated"] * k,
            "record_id": [f"r{i:07d}" for i in ids],
            "path": [f"f/{i:07d}.hea" for i in ids],
            "files": [[f"f/{i:07d}.hea", f"f/{i:07d}.dat"] for i in ids],
            "file_sha256": [[text[:63] + "h", text[64:]] for text in hashes],
            "subject_id": [f"p{i // 5}" for i in ids],
            "split": ["test" if i // 5 % 10 == 0 or i == 8 else "train" for i in ids],
            "modality": [["ecg"]] * k,
            "sampling_rate": [[500.0]] * k,
            "n_samples": [[5000]] * k,
            "duration_s": [10.0] * k,
            "channels": [[leads]] * k,
            "units": [[["mV"] * 12]] * k,
            "age": [20.0 + i % 60 for i in ids],
            "sex": ["F" if i % 2 else "M" for i in ids],
            "label_rhythm": ["SR" if i % 7 else "AF" for i in ids],
            "bytes": [120_000] * k,
        }
        write_manifest(make_manifest(table), part, overwrite=True)
        rows = pq.read_table(part)
        writer = writer or pq.ParquetWriter(path, rows.schema)
        writer.write_table(rows.cast(writer.schema))
    part.unlink()
    assert writer is not None
    writer.close()


def manifest(path: Path) -> None:
    from physioprep.auditing import audit

    began = time.perf_counter()
    report = audit([path])
    seconds = time.perf_counter() - began
    found = sorted(finding.check for finding in report.findings)
    assert found == ["duplicate-file", "duplicate-leak", "duplicate-subject", "subject-leak"], found
    print(f"| manifest checks, {ROWS:,} generated rows | {seconds:.0f} s | {peak_gb():.2f} GB |")


def fingerprints(n: int) -> None:
    """Hearts of 8 to 14 beats in 10 s seen in three leads; every 1,000th has an altered copy."""
    from physioprep.auditing.measure.fingerprint import WAVE, candidates

    rng = np.random.default_rng(0)
    copies = n // 1000
    mean = rng.uniform(0.7, 1.1, (n, 1))
    gaps = np.clip(mean + rng.normal(0, 0.035, (n, 14)), 0.4, 1.9).astype(np.float32)
    beats = np.cumsum(gaps, axis=1) - gaps[:, :1] * rng.uniform(0, 1, (n, 1)).astype(np.float32)
    beats[-copies:] = beats[:copies] + 0.4  # what a crop of the beginning shifts
    times = np.repeat(beats[:, None], 3, axis=1)
    times += rng.normal(0, 0.001, times.shape).astype(np.float32)
    keep = (times > 0) & (times < 10)
    waves = np.empty(int(keep.sum()), WAVE)
    signal, channel = np.broadcast_arrays(np.arange(n)[:, None, None], np.arange(3)[None, :, None])
    for name, values in (("signal", signal), ("channel", channel)):
        waves[name] = np.broadcast_to(values, times.shape)[keep]
    waves["time_s"] = times[keep]
    del times, keep, beats, gaps
    before = peak_gb()
    began = time.perf_counter()
    pairs = candidates(waves)
    seconds = time.perf_counter() - began
    right = sum(two - one == n - copies for one, two, _, _ in pairs)
    print(
        f"| near-duplicates among {n:,} generated fingerprints ({waves.size / 1e6:.0f} million "
        f"waves, {copies} copies): {right} found, {len(pairs) - right} others proposed | "
        f"{seconds:.0f} s | {peak_gb():.1f} GB ({before:.1f} before) |"
    )


def signals(data: Path) -> None:
    """Interleave reading a store with reading and checking it, processor time; median ratios."""
    import physioprep as pp
    from physioprep.auditing.one_pass import open_inputs, read_signals
    from physioprep.auditing.signals import signals_of

    with tempfile.TemporaryDirectory() as folder:
        for name, corpus, pattern, times in (
            ("PTB-XL, 12 leads, 10 s", "ptbxl/records500/*/*", "*_hr", 8),
            ("MIT-BIH, 2 leads, 30 min", "mitdb/*", "*", 2),
            ("eegmat, 20 + 1 channels, 1 to 3 min", "eegmat/*", "*", 1),
        ):
            root = Path(folder) / corpus.partition("/")[0]
            root.mkdir()
            for copy in range(times):
                for path in sorted(data.glob(corpus)):
                    if path.suffix in (".hea", ".dat", ".edf") and path.match(f"{pattern}.*"):
                        stem = f"{path.stem}x{copy}"
                        target = root / f"{stem}{path.suffix}"
                        if path.suffix == ".hea":
                            text = path.read_text().replace(path.stem, stem)
                            target.write_text(text)
                        else:
                            shutil.copy(path, target)
            store = Path(folder) / f"{root.name}.zarr"
            rows = pp.scan(root, "folder", hashes=False).head(220)
            pp.ingest(rows, store, recipe="native")
            opened = open_inputs([store], [], None)
            (one,) = opened.inputs
            assert one.store is not None
            ratios, labelled, reads = [], [], []
            for _ in range(5):
                began = time.process_time()
                n_bytes = sum(signal.values.nbytes for signal in signals_of(one))
                reading = time.process_time() - began
                began = time.process_time()
                for record in one.records["record_id"]:
                    one.store.record(record).load()
                arrays = time.process_time() - began
                began = time.process_time()
                read_signals(opened, None, scheduler="sync")
                checking = time.process_time() - began
                ratios.append(reading / checking)
                labelled.append(arrays / checking)
                reads.append(n_bytes / reading / 1e6)
            print(
                f"| {name}: {len(one.records)} records | reads {statistics.median(reads):.0f} "
                f"MB/s | with all checks {statistics.median(ratios[1:]):.2f} of that, "
                f"{statistics.median(labelled[1:]):.2f} of reading by `store.record` |"
            )


def report() -> None:
    module = browser_module()
    with tempfile.TemporaryDirectory() as folder:
        page = module.write_page(100_000, Path(folder) / "a.html")
        browser = module.Browser(Path(folder) / "profile")
        try:
            times = []
            for _ in range(5):
                browser.open(page)
                shown = "performance.getEntriesByType('navigation')[0].loadEventEnd"
                times.append(browser.run(shown) / 1e3)
            print(
                f"| report of 100,000 records | {page.stat().st_size / 1e6:.1f} MB | opens in "
                f"{statistics.median(times):.2f} s (five times: {min(times):.2f} to "
                f"{max(times):.2f}) |"
            )
        finally:
            browser.close()


def browser_module() -> ModuleType:
    path = HERE.parents[1] / "tests" / "auditing" / "test_browser.py"
    spec = importlib.util.spec_from_file_location("test_browser", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if what == "manifest":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "generated.parquet"
            write_rows(path, ROWS)
            # a process of its own: the writing above must not count
            subprocess.run([sys.executable, HERE, "manifest-of", path], check=True)
    elif what == "manifest-of":
        manifest(Path(sys.argv[2]))
    elif what == "fingerprints":
        for n in (10_000, 100_000, ROWS):
            # each in a process of its own: its memory must not count for the next
            subprocess.run([sys.executable, HERE, "fingerprints-of", str(n)], check=True)
    elif what == "fingerprints-of":
        fingerprints(int(sys.argv[2]))
    elif what == "signals":
        default = HERE.parents[2] / "shared" / "data"
        signals(Path(sys.argv[2]) if len(sys.argv) > 2 else default)
    elif what == "report":
        report()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
