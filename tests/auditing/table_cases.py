"""Manifests, files and shards with the fault that a check finds, and without it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import physioprep as pp
from physioprep.auditing import Finding, audit
from physioprep.auditing.checks import (
    annotations,
    completeness,
    damage,
    labels,
    leakage,
    privacy,
    start_times,
)
from physioprep.auditing.inputs import Input
from physioprep.auditing.measure.measure import measure
from physioprep.auditing.signals import Signal
from physioprep.hashes import write_hashes
from physioprep.manifest import make_manifest, write_manifest
from physioprep.shards.checksums import write_sums
from tests.auditing.cases import LEADS, NAME, case, checksum


def table(folder: Path, name: str = "m.parquet", **columns: Any) -> Path:
    n = len(columns["record_id"])
    columns.setdefault("corpus", ["mine"] * n)
    columns.setdefault("path", [f"{record}.dat" for record in columns["record_id"]])
    return write_manifest(make_manifest(columns), folder / name, overwrite=True)


def tabled(folder: Path, **columns: Any) -> list[Finding]:
    return list(audit([table(folder, **columns)]).findings)


@case("checksum")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    content = b"samples"
    (folder / "a.dat").write_bytes(content)
    stated = hashlib.sha256(content + b"!" * bad).hexdigest()
    (folder / "SHA256SUMS.txt").write_text(f"{stated} a.dat\n")
    own = hashlib.sha256(content).hexdigest()
    return tabled(folder, record_id=["a"], root=[str(folder)], files=[["a.dat"]],
                  file_sha256=[[own]], error=["not a recording"])  # fmt: skip


@case("missing-file")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    for name in ("a.dat", "b.dat")[: 1 if bad else 2]:
        (folder / name).write_bytes(b"x")
    (folder / "SHA256SUMS.txt").write_text("".join(f"{'0' * 64} {n}.dat\n" for n in "ab"))
    return tabled(folder, record_id=["a"], root=[str(folder)], files=[["a.dat"]], error=["x"])


@case("extra-file")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    (folder / "a.dat").write_bytes(b"x")
    (folder / "SHA256SUMS.txt").write_text(f"{'0' * 64} {'b' if bad else 'a'}.dat\n")
    return tabled(folder, record_id=["a"], root=[str(folder)], files=[["a.dat"]], error=["x"])


@case("corpus-overlap")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    one = table(folder, "a.parquet", corpus=["tueg"], record_id=["aaaaaaaa_s001_t000"])
    other = f"aaaaaaa{'a' if bad else 'b'}_s001_t000"
    two = table(folder, "b.parquet", corpus=["tuab"], record_id=[other])
    return list(audit([one, two]).findings)


@case("duplicate-file")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    hashes = [["x"], ["x" if bad else "y"]]
    return tabled(folder, record_id=["a", "b"], files=[["a.dat"], ["b.dat"]], file_sha256=hashes)


@case("duplicate-leak")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a", "b"], files=[["a.dat"], ["b.dat"]],
                  file_sha256=[["x"], ["x"]],
                  split=["train", "test" if bad else "train"])  # fmt: skip


@case("duplicate-subject")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a", "b"], files=[["a.dat"], ["b.dat"]],
                  file_sha256=[["x"], ["x"]], subject_id=["p", "q" if bad else "p"])  # fmt: skip


def copies(folder: Path, signals: list[np.ndarray]) -> list[Finding]:
    from physioprep.auditing.checks.duplicates import find_pairs, report_pairs

    own = {
        ("x", str(n)): Signal(("x", str(n)), "ecg", LEADS, ("mV",) * 12, 500.0,
                              values.astype(np.float32))
        for n, values in enumerate(signals)
    }  # fmt: skip
    pairs = find_pairs(
        [measure(one) for one in own.values()], lambda key, _: own[key], lambda *_: False
    )
    return report_pairs(pairs, [], NAME)[0]


@case("duplicate-signal")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return copies(folder, [ecg(1), 2 * ecg(1) if bad else ecg(2)])


@case("near-duplicate")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    noise = np.random.default_rng(0).normal(0, 0.02, ecg(1).shape)
    return copies(folder, [ecg(1), -ecg(1) + noise if bad else ecg(2)])


@case("duration-mismatch")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a"], modality=[["ecg", "eeg"]], sampling_rate=[[100.0] * 2],
                  n_samples=[[1000, 1000 + 500 * bad]], channels=[[["I"], ["Cz"]]],
                  units=[[["mV"], ["uV"]]])  # fmt: skip


@case("empty-record")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a"], modality=[["ecg"]], sampling_rate=[[100.0]],
                  n_samples=[[0 if bad else 10]], channels=[[["I"]]], units=[[["mV"]]])  # fmt: skip


@case("empty-file")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a"], bytes=[0 if bad else 10])


@case("incomplete")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    n = 8527 if bad else 8528
    frame = make_manifest({"corpus": ["cinc2017"] * n, "record_id": [f"{i}" for i in range(n)],
                           "path": ["x"] * n, "label_rhythm": ["normal"] * n})  # fmt: skip
    found = completeness.check_expected(frame, "cinc2017==1.0.0")
    return [f for f in found if f.evidence["what"] == "records"]


@case("label-counts")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    values = ["normal"] * 5076 + ["af"] * 758 + ["other"] * 2415 + ["noise"] * 279
    values[0] = "af" if bad else "normal"
    n = len(values)
    frame = make_manifest({"corpus": ["cinc2017"] * n, "record_id": [f"{i}" for i in range(n)],
                           "path": ["x"] * n, "label_rhythm": values})  # fmt: skip
    return completeness.check_expected(frame, "cinc2017==1.0.0")


@case("known-fault")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a"], corpus=["cinc2017"],
                  faults=[["label-changed"] if bad else []])  # fmt: skip


@case("label-missing")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a", "b", "c"], label_x=["1", "2", None if bad else "3"])


@case("label-orphan")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    (folder / "REFERENCE-v3.csv").write_text("A00001,N\n" + "A00002,A\n" * bad)
    frame = make_manifest({"corpus": ["cinc2017"], "record_id": ["A00001"],
                           "path": ["training/A00001.hea"], "root": [str(folder)]})  # fmt: skip
    return labels.check_orphans(frame)


@case("label-version")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    one = table(folder, "a.parquet", record_id=["a", "b"], label_x=["1", "2"])
    two = table(folder, "b.parquet", record_id=["a", "b"], label_x=["1", "3" if bad else "2"])
    return list(audit([one, two]).findings)


@case("overlap")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    starts = [
        pd.Timestamp("2001-02-03 10:00:00"),
        pd.Timestamp(f"2001-02-03 10:0{0 if bad else 1}:30"),
    ]
    frame = make_manifest({"corpus": ["x"] * 2, "record_id": ["a", "b"], "path": ["a", "b"],
                           "subject_id": ["p", "p"], "start_time": starts,
                           "duration_s": [60.0, 60.0]})  # fmt: skip
    return start_times.check_overlaps(frame, NAME)


@case("annotation-time")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    from physioprep.recording import ANNOTATION_COLUMNS

    rows = {name: [kind()] * 2 for name, kind in ANNOTATION_COLUMNS.items()}
    rows |= {"onset": [1.0, 99.0 if bad else 5.0], "duration": [1.0, 1.0]}
    one = measure(Signal(("x", "a"), "ecg", LEADS, ("mV",) * 12, 500.0, ecg(1).astype("f4")))
    return annotations.check_annotations(("x", "a"), pd.DataFrame(rows), [one], NAME)


@case("start-time")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    year = 2199 if bad else 1999
    return tabled(folder, record_id=["a"], start_time=[pd.Timestamp(f"{year}-05-06 10:00")])


@case("privacy")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    text = "a 1 500 10\n# Patient name: " + ("Maria Muster" if bad else "X") + "\n"
    (folder / "a.hea").write_text(text)
    frame = make_manifest({"corpus": ["x"], "record_id": ["a"], "path": ["a.hea"],
                           "root": [str(folder)]})  # fmt: skip
    found = privacy.check_privacy(frame, NAME)
    assert "Muster" not in str(found), "a finding must not spread what it found"
    return found


@case("privacy-date")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a"], path=["eeg_2011-03-04.edf" if bad else "eeg_7.edf"])


@case("subject-leak")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a", "b"], subject_id=["p", "p" if bad else "q"],
                  split=["train", "test"])  # fmt: skip


@case("subject-unknown")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a", "b"], subject_id=["p", None if bad else "q"],
                  split=["train", "test"])  # fmt: skip


@case("unreadable-file")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return tabled(folder, record_id=["a"], error=["truncated" if bad else None])


@case("not-ingested")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    one = pd.DataFrame({"corpus": ["x"], "record_id": ["a"], "path": ["a.edf"], "reason": ["why"],
                        "stage": ["plan" if bad else "read"]})  # fmt: skip
    return completeness.check_left_out(one, NAME) + completeness.check_unreadable(one, NAME)


def shards(windows: pd.DataFrame, counted: int) -> Input:
    one = Input(Path("s"), "shards", windows, windows.iloc[:0], windows=windows)
    one.__dict__["statistics"] = {"ecg": (counted, 100)}  # what zarr's attributes would give
    return one


@case("window-leak")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    windows = pd.DataFrame({"corpus": ["x"] * 2, "record_id": ["a", "a" if bad else "b"],
                            "split": ["train", "test"]})  # fmt: skip
    return leakage.check_windows(shards(windows, 0), NAME)[0]


@case("statistics-leak")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    windows = pd.DataFrame({"corpus": ["x"] * 2, "record_id": ["a", "b"],
                            "split": ["train", "test"]})  # fmt: skip
    return leakage.check_statistics(shards(windows, 200 if bad else 100))


@case("damaged-shards")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    (folder / "scale").write_bytes(b"1234")
    write_sums(folder, {})
    if bad:
        (folder / "scale").write_bytes(b"1235")
    return damage.check_damage(folder, "shards")


@case("damaged-store")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    (folder / "scale").write_bytes(b"1234")
    write_hashes(folder)
    if bad:
        (folder / "scale").write_bytes(b"1235")
    return damage.check_damage(folder, "store")


@case("recipe-mismatch")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    raw = folder / "raw"
    raw.mkdir()
    for n in range(3):
        digital = np.round(ecg(n) * 1000).astype("<i2")
        (raw / f"r{n}.dat").write_bytes(digital.T.tobytes())
        lines = [f"r{n} 12 500 {digital.shape[1]}"]
        lines += [f"r{n}.dat 16 1000(0)/mV 16 0 {row[0]} {checksum(row)} 0 {lead}"
                  for lead, row in zip(LEADS, digital, strict=True)]  # fmt: skip
        (raw / f"r{n}.hea").write_text("\n".join(lines) + "\n")
    manifest = pp.scan(raw, "folder")
    write_manifest(manifest, folder / "m.parquet", overwrite=True)
    pp.ingest(manifest, folder / "s.zarr", recipe="ecg-200hz")
    if bad:  # the sources are others than those the store was made of
        for end in (".dat", ".hea"):
            text = (raw / f"r2{end}").read_bytes()
            (raw / f"r1{end}").write_bytes(text.replace(b"r2", b"r1") if end == ".hea" else text)
        write_manifest(pp.scan(raw, "folder"), folder / "m.parquet", overwrite=True)
    report = audit([folder / "m.parquet", folder / "s.zarr"])
    assert [one.n for one in report.compared if one.what == "recipe"] == [3]
    named = {f.records for f in report.findings if f.check == "recipe-mismatch"}
    assert named == ({("r1",)} if bad else set())
    return list(report.findings)
