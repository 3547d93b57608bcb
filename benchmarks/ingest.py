"""Ingest beside the script that people write today, in one run, as ratios.

    pip install lmdb
    python benchmarks/ingest.py [--records 2000] [--edf 20] [--holter 48] [--keep FOLDER]
                                [--only ROW]...

The baseline is `baseline_wfdb` and `baseline_edf` of `ingest_baseline`: wfdb or MNE, SciPy in
float64 at the source's rate, `resample_poly`, 10 s windows pickled into LMDB in one transaction
each. Every row is the CPU time of one process on one core, ours and theirs in turns, the best
of `--repeat` (wall time says little on a machine that others use too); start-up is left out but
in the row that says whole process. The parallel row is wall time beside a calibration of the
same machine: two busy loops at once against one, before and after; its start-up, that of a run
of two records, is taken off.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy loads

import numpy as np  # noqa: E402
from ingest_baseline import (  # noqa: E402
    LEADS,
    baseline_edf,
    baseline_wfdb,
    make_edf,
    make_mat,
    make_wfdb,
    zarr_a_record,
)

import physioprep as pp  # noqa: E402
from physioprep.store.build.sources import _hash_file  # noqa: E402


def cpu(do: Callable[[], object]) -> float:
    began = time.process_time()
    do()
    return time.process_time() - began


class Bench:
    def __init__(self, work: Path, repeat: int) -> None:
        self.work, self.repeat, self.rows = work, repeat, []

    def fresh(self, name: str) -> Path:
        path = self.work / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def compare(
        self,
        what: str,
        goal: float,
        ours: Callable[[], object],
        theirs: Callable[[], object],
        *,
        n_ours: int,
        n_theirs: int,
    ) -> None:
        a, b = [], []
        for _ in range(self.repeat):
            b.append(cpu(theirs) / n_theirs)
            a.append(cpu(ours) / n_ours)
        self.add(what, min(b) / min(a), goal, f"{min(a) * 1e3:.3f} against {min(b) * 1e3:.3f} ms")

    def add(self, what: str, ratio: float, goal: float, note: str) -> None:
        met = "yes" if ratio >= goal else "no"
        self.rows.append((what, f"{ratio:.2f}", f"{goal:g}", met, note))
        print(f"{what:58s} {ratio:8.2f}  goal {goal:g}  {met:4s} {note}", flush=True)


def map_list(do: Callable[[Path], object], paths: list[Path]) -> None:
    for path in paths:
        do(path)


def size_of(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def ingest_rows(bench: Bench, folder: Path, recipe: str, what: str, goal: float) -> None:
    manifest = pp.scan(folder, "folder", hashes=False)
    is_edf = manifest["format"].iloc[0] == "edf"
    paths = [folder / path for path in manifest["path"]]
    if len(paths) > 200:  # the baseline's time a record is the same for fewer
        paths = paths[:: len(paths) // 200]
    baseline = zarr_a_record if recipe == "native" else baseline_edf if is_edf else baseline_wfdb
    store, theirs = bench.fresh("ours.zarr"), bench.fresh("theirs")

    def ours_anew() -> None:
        _hash_file.cache_clear()  # a process that ingests a corpus again remembers some hashes
        pp.ingest(manifest, bench.fresh("ours.zarr"), recipe, scheduler="sync")

    bench.compare(
        what,
        goal,
        ours_anew,
        lambda: baseline(paths, bench.fresh("theirs")),
        n_ours=len(manifest),
        n_theirs=len(paths),
    )
    if recipe != "native":
        ours, other = size_of(store) / len(manifest), size_of(theirs) / len(paths)
        bench.add(f"  bytes on disk, {what}", other / ours, 2, f"{ours:.0f} against {other:.0f} B")


def scan_row(bench: Bench, folder: Path) -> None:
    import wfdb

    headers = sorted(folder.glob("*.hea"))
    some = [str(path.with_suffix("")) for path in headers[:200]]
    bench.compare(
        "scan, hashes off / rdheader",
        12,
        lambda: pp.scan(folder, "folder", hashes=False),
        lambda: [wfdb.rdheader(path) for path in some],
        n_ours=len(headers),
        n_theirs=len(some),
    )


def read_rows(bench: Bench, wfdb_folder: Path, mat: Path, holter: Path, edf: Path) -> None:
    import mne
    import pyedflib
    import wfdb

    def ours(paths: list[Path]) -> Callable[[], object]:
        def read() -> None:
            for path in paths:
                for group in pp.read_recording(path).groups:
                    group.physical(np.float32)  # NaN where invalid, as rdrecord has it

        return read

    def edflib(path: Path) -> None:
        with pyedflib.EdfReader(str(path)) as reader:
            for i in range(reader.signals_in_file):
                reader.readSignal(i)

    def rdrecord(path: Path) -> None:
        wfdb.rdrecord(str(path.with_suffix("")))

    def through_mne(path: Path) -> None:
        mne.io.read_raw_edf(path, preload=True, verbose="error")

    short, long = sorted(wfdb_folder.glob("*.hea"))[:200], sorted(holter.glob("*.hea"))
    matlab, files = sorted(mat.glob("*.hea"))[:200], sorted(edf.glob("*.edf"))
    for what, goal, paths, read in (
        ("read WFDB 16 / rdrecord", 12, short, rdrecord),
        ("read WFDB 212 / rdrecord", 12, long, rdrecord),
        ("read Challenge .mat / rdrecord", 12, matlab, rdrecord),
        ("read EDF / pyedflib", 15, files, edflib),
        ("read EDF / mne", 7, files, through_mne),
    ):
        theirs = partial(map_list, read, paths)
        bench.compare(what, goal, ours(paths), theirs, n_ours=len(paths), n_theirs=len(paths))


def whole_process(bench: Bench, folder: Path, n: int) -> None:
    """A small corpus, start of Python included: scan and ingest against the script."""
    small = bench.fresh("small")
    small.mkdir()
    for path in sorted(folder.glob("*.hea"))[:n]:
        for suffix in (".hea", ".dat"):
            shutil.copy(path.with_suffix(suffix), small)
    ours = (
        "import physioprep as pp, sys; m = pp.scan(sys.argv[1], 'folder', hashes=False); "
        "pp.ingest(m, sys.argv[2], 'ecg-200hz')"
    )
    theirs = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[3]); import ingest_baseline; "
        "p = sorted(pathlib.Path(sys.argv[1]).glob('*.hea')); "
        "ingest_baseline.baseline_wfdb(p, pathlib.Path(sys.argv[2]))"
    )
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(bench.repeat):
        for who, code in (("theirs", theirs), ("ours", ours)):
            target = bench.fresh(f"whole-{who}.zarr")
            before = os.times()
            here = str(Path(__file__).parent)
            subprocess.run([sys.executable, "-c", code, small, target, here], check=True)
            after = os.times()
            used = after.children_user - before.children_user
            seconds[who].append(used + after.children_system - before.children_system)
    a, b = min(seconds["ours"]), min(seconds["theirs"])
    bench.add(f"whole process, {n} records, scan included", b / a, 1, f"{a:.2f} against {b:.2f} s")


def spin(n: int) -> float:
    began = time.perf_counter()
    sum(i * i for i in range(n))
    return time.perf_counter() - began


def two_at_once(pool: ProcessPoolExecutor) -> float:
    """Say how much more this machine does with two busy loops than with one."""
    one = min(spin(4_000_000) for _ in range(2))
    began = time.perf_counter()
    list(pool.map(spin, [4_000_000] * 2))
    return 2 * one / (time.perf_counter() - began)


def parallel(bench: Bench, folder: Path, copies: int = 4) -> None:
    """Two workers against one, on some thousand records (`copies` of those in `folder`)."""
    many = bench.fresh("many")
    for copy in range(copies):
        (many / str(copy)).mkdir(parents=True)
        for path in folder.iterdir():
            os.link(path, many / str(copy) / path.name)
    manifest = pp.scan(many, "folder", hashes=False)
    seconds: dict[tuple[str, int], list[float]] = {}
    with ProcessPoolExecutor(2) as pool:
        gives = [two_at_once(pool)]
        for _ in range(bench.repeat):
            for way in (("processes", 1), ("processes", 2), ("cluster", 2)):
                for part in (manifest.iloc[:2], manifest):
                    began = time.perf_counter()
                    target = bench.fresh("p.zarr")
                    pp.ingest(part, target, "ecg-200hz", scheduler=way[0], workers=way[1])
                    seconds.setdefault(way, []).append(time.perf_counter() - began)
            gives.append(two_at_once(pool))
    start = {way: min(found[::2]) for way, found in seconds.items()}
    whole = {way: min(found[1::2]) for way, found in seconds.items()}
    for scheduler in ("processes", "cluster"):
        way, one = (scheduler, 2), ("processes", 1)
        ratio = (whole[one] - start[one]) / (whole[way] - start[way])
        note = (
            f"{len(manifest)} records; with start-up {whole[one]:.2f} against {whole[way]:.2f} s, "
            f"start-up {start[one]:.2f} and {start[way]:.2f} s; two busy loops: {max(gives):.2f}"
        )
        bench.add(f"2 workers, {scheduler}, against 1 process", ratio, 1.75, note)


def accuracy() -> None:
    """Largest error of a stretch cut out of a long signal, against filtering all of it in float64.

    Each way is held against its own filters: ours step by step (`harmonise.reference`), the
    script's as they are. Within a second of the cuts every filter errs.
    """
    from harmonise import made, reference, script, with_mne

    from physioprep.harmonise import harmonise, load_recipe

    ecg = ("ecg-200hz", 12, 500, "mV", 1000, (0.5, 40.0), (), 10, script, 1e3)
    eeg = ("eeg-200hz", 23, 256, "uV", 10, (0.3, 75.0), (50.0, 60.0), 60, with_mne, 1.0)
    for name, channels, rate, unit, gain, band, mains, seconds, baseline, microvolts in (ecg, eeg):
        whole = made(channels, rate, 3 * seconds, unit, gain)
        group = whole.groups[0]
        if channels == len(LEADS):
            group = replace(group, channels=LEADS)
            whole = replace(whole, groups=(group,))
        part = group.digital[:, seconds * rate : 2 * seconds * rate]
        cut = replace(whole, groups=(replace(group, n_samples=part.shape[1], digital=part),))
        out = harmonise(cut, load_recipe(name))[name[:3]]
        order = np.argsort([group.channels.index(each) for each in out.source_channels])
        middle = slice(200 * seconds, 400 * seconds)
        for who, found, wanted in (
            ("ours", out.physical()[order], reference(whole, band, mains)),
            ("script", baseline(cut, band, mains), baseline(whole, band, mains)),
        ):
            error = np.abs(found - wanted[:, middle]) * microvolts
            inner = error[:, 1000:-1000] if seconds >= 20 else error[:, 800:-800]
            print(
                f"accuracy {name}, {who}: largest error {inner.max():.2f} uV in the middle, "
                f"{error[:, 200:-200].max():.2f} beyond 1 s of the ends, {error.max():.1f} in all; "
                f"rms of the signal {wanted.std() * microvolts:.0f} uV"
            )


def plan_row(bench: Bench, folder: Path, n: int = 1_000_000) -> None:
    """Plan a million records from their manifest, in a process of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pp.write_manifest(pp.scan(folder, "folder", hashes=False), bench.work / "some.parquet")
    some = pq.read_table(bench.work / "some.parquet")
    tiles = -(-n // len(some))
    table = pa.concat_tables([some] * tiles).slice(0, n)
    for name in ("record_id", "path"):
        at = table.column_names.index(name)
        new = pa.array([f"{i // 1000:04d}/{i:07d}" for i in range(n)])
        table = table.set_column(at, name, new)
    pq.write_table(table, bench.work / "million.parquet", compression="zstd")
    code = (
        "import resource, sys, time; began = time.perf_counter(); "
        "from physioprep.harmonise import load_recipe; from physioprep.manifest import "
        "read_manifest; from physioprep.store.build.plan import make_plan; "
        "make_plan(read_manifest(sys.argv[1], shared=True), load_recipe('ecg-200hz')); "
        "print(time.perf_counter() - began, "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)"
    )
    command = [sys.executable, "-c", code, bench.work / "million.parquet"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, gigabytes = map(float, ran.stdout.split())
    note = f"{seconds:.0f} s, {gigabytes:.2f} GB at most, imports and reading the manifest included"
    bench.add(f"plan of {n} records: 60 s over ours", 60 / seconds, 1, note)
    bench.add(f"plan of {n} records: 2 GB over ours", 2 / gigabytes, 1, note)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--edf", type=int, default=20)
    parser.add_argument("--holter", type=int, default=48)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder for the generated corpora")
    parser.add_argument("--only", action="append", metavar="ROW", help="scan, read, native, ...")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.keep or Path(folder)
        bench = Bench(Path(folder), arguments.repeat)
        short, mat, holter, edf = (
            data / f"{name}-{n}"
            for name, n in (
                ("wfdb", arguments.records),
                ("mat", min(200, arguments.records)),
                ("holter", arguments.holter),
                ("edf", arguments.edf),
            )
        )
        if not short.exists():
            make_wfdb(short, arguments.records, LEADS, 500, 10)
        if not mat.exists():
            make_mat(mat, short)
        if not holter.exists():
            make_wfdb(holter, arguments.holter, ("I", "II"), 360, 1800)
        if not edf.exists():
            make_edf(edf, arguments.edf)
        rows: dict[str, Callable[[], None]] = {
            "scan": lambda: scan_row(bench, short),
            "read": lambda: read_rows(bench, short, mat, holter, edf),
            "native": lambda: ingest_rows(
                bench, short, "native", "ingest native / rdrecord + one zarr array a record", 14
            ),
            "ecg": lambda: ingest_rows(bench, short, "ecg-200hz", "ingest ecg-200hz, 12 x 10 s", 9),
            "holter": lambda: ingest_rows(
                bench, holter, "ecg-200hz", "ingest ecg-200hz, 2 x 30 min", 9
            ),
            "eeg": lambda: ingest_rows(
                bench, edf, "eeg-200hz", "ingest eeg-200hz, 23 x 20 min EDF", 5
            ),
            "whole": lambda: whole_process(bench, short, 200),
            "parallel": lambda: parallel(bench, short),
            "plan": lambda: plan_row(bench, short),
            "accuracy": accuracy,
        }
        for row in arguments.only or rows:
            rows[row]()
        if arguments.json:
            arguments.json.write_text(json.dumps(bench.rows, indent=1))


if __name__ == "__main__":
    main()
