"""Every check has a fault that it finds, and the same data without it, on which it is silent."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.auditing import Finding, audit
from physioprep.auditing.checks import (
    annotations,
    completeness,
    labels,
    leakage,
    privacy,
    start_times,
    synchrony,
)
from physioprep.auditing.inputs import Input, namer
from physioprep.auditing.measure.measure import measure
from physioprep.auditing.one_pass import RECORD_CHECKS
from physioprep.auditing.report.advice import ADVICE
from physioprep.auditing.signals import Signal
from physioprep.manifest import make_manifest, write_manifest

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
NAME = namer(many=False)
Case = Callable[[Path, Callable[..., np.ndarray], bool], list[Finding]]
CASES: dict[str, Case] = {}


def case(check: str) -> Callable[[Case], Case]:
    """Register what gives the findings with the fault (True) and without (False)."""

    def add(function: Case) -> Case:
        CASES[check] = function
        return function

    return add


@pytest.mark.parametrize("check", sorted(ADVICE))
def test_the_fault_is_found_and_its_absence_is_silent(check: str, tmp_path: Path, ecg: Any) -> None:
    for bad in (True, False):
        folder = tmp_path / str(bad)
        folder.mkdir()
        found = {finding.check for finding in CASES[check](folder, ecg, bad)}
        assert (check in found) is bad, (check, bad, found)


def ids_in(source: str) -> set[str]:
    """Return every check id that code gives to `Finding`, by name or by a variable."""
    tree = ast.parse(source)
    found: set[str] = set()

    def texts(node: ast.AST) -> set[str]:
        if isinstance(node, ast.IfExp):
            return texts(node.body) | texts(node.orelse)
        return {
            one.value
            for one in ast.walk(node)
            if isinstance(one, ast.Constant)
            and isinstance(one.value, str)
            and re.fullmatch(r"[a-z]+(-[a-z]+)*", one.value)
        }

    def at(targets: ast.AST, values: ast.AST, name: str) -> set[str]:
        """Return the texts that a variable gets, also as one of several."""
        if isinstance(targets, ast.Name):
            return texts(values) if targets.id == name else set()
        if not isinstance(targets, ast.Tuple):
            return set()
        out: set[str] = set()
        for place, target in enumerate(targets.elts):
            if isinstance(target, ast.Name) and target.id == name:
                rows = [
                    one for one in ast.walk(values)
                    if isinstance(one, ast.Tuple) and len(one.elts) == len(targets.elts)
                    and not isinstance(one.elts[0], ast.Tuple)
                ]  # fmt: skip
                out |= {text for row in rows for text in texts(row.elts[place])}
        return out

    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Finding" and call.args:
            first = call.args[0]
            if isinstance(first, ast.Constant):
                found.add(str(first.value))
            elif isinstance(first, ast.Name):
                given: set[str] = set()
                for node in ast.walk(tree):
                    if isinstance(node, ast.Assign):
                        given |= at(node.targets[0], node.value, first.id)
                    elif isinstance(node, ast.For):
                        given |= at(node.target, node.iter, first.id)
                assert given, f"where does {first.id} come from?"
                found |= given
    return found


def test_every_check_there_is_has_a_case_and_advice() -> None:
    folder = Path(pp.__file__).parent / "auditing"
    made = set().union(*(ids_in(path.read_text("utf-8")) for path in folder.rglob("*.py")))
    assert made == set(CASES), "a check without a case, or a case without a check"
    assert made == set(ADVICE), "a check without advice, or advice on none"
    assert ids_in("check = 'a-b' if x == 'no' else 'c'\nFinding(check)") == {"a-b", "c"}
    assert ids_in("for check, n in (('a', 'not'), ('b', 'this')):\n Finding(check)") == {"a", "b"}


# signals


def of_ecg(values: np.ndarray, rate_hz: float = 500.0, **changes: Any) -> list[Finding]:
    channels = LEADS[: len(values)]
    signal = Signal(
        ("x", "a"), "ecg", channels, ("mV",) * len(channels), rate_hz,
        values.astype(np.float32), 0.0, np.full(len(channels), 0.001), channels,
    )  # fmt: skip
    return judged([replace(signal, **changes)])


def judged(signals: list[Signal]) -> list[Finding]:
    from physioprep.auditing.checks.amplitude import check_amplitude

    measured = [measure(signal) for signal in signals]
    found = [finding for check in RECORD_CHECKS for finding in check(measured, NAME)]
    return found + check_amplitude(measured, NAME)


TEN_TWENTY = ("Fp1", "Fp2", "F3", "F4", "F7", "F8", "T7", "T8", "C3", "C4", "P7", "P8", "P3",
              "P4", "O1", "O2", "Fz", "Cz", "Pz")  # fmt: skip


def eeg(seed: int = 0, seconds: int = 40) -> np.ndarray:
    """EEG (µV, 200 Hz) of sources whose reach falls with distance; own code."""
    from physioprep.auditing.checks.eeg import _places

    rng = np.random.default_rng(seed)
    at = np.array([_places()[name] for name in TEN_TWENTY])
    sources = rng.normal(size=(60, 3))
    sources[:, 2] = np.abs(sources[:, 2])
    sources /= np.linalg.norm(sources, axis=1, keepdims=True)
    reach = np.exp(-(np.linalg.norm(at[:, None] - sources[None], axis=-1) ** 2) / 0.5)
    n = 200 * seconds
    spectrum = np.fft.rfft(rng.normal(size=(60, n)), axis=1)
    spectrum /= np.maximum(np.fft.rfftfreq(n, 1 / 200), 1.0)
    waves = np.fft.irfft(spectrum, n, axis=1)
    return np.asarray(
        20 * reach @ waves / waves.std() + rng.normal(0, 1.5, (19, n)) + 5 * waves[0] / waves.std()
    )


def of_eeg(values: np.ndarray, sources: tuple[str, ...] = TEN_TWENTY) -> list[Finding]:
    signal = Signal(
        ("x", "a"), "eeg", TEN_TWENTY, ("uV",) * 19, 200.0, values.astype(np.float32), 0.0,
        np.full(19, 0.1), sources,
    )  # fmt: skip
    return judged([signal])


@case("amplitude")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1) * (10 if bad else 1))


@case("clipping")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(np.clip(ecg(1), -0.2, 0.3) if bad else ecg(1))


@case("coarse-resolution")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1), step=np.full(12, 0.5 if bad else 0.001))


@case("flat-lead")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x[8] *= not bad
    return of_ecg(x)


@case("gap")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x[:, 2000 : 2000 + (1000 if bad else 100)] = np.nan
    return of_ecg(x)


@case("heart-rate")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1, 40.0), 125.0 if bad else 500.0)


@case("sampling-rate")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1), 1250.0 if bad else 500.0)


@case("lead-inconsistent")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    if bad:
        x[[0, 3, 5]] += np.random.default_rng(0).normal(0, 0.2, (3, x.shape[1]))
    return of_ecg(x)


@case("lead-inverted")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x[4] *= -1 if bad else 1
    return of_ecg(x)


@case("lead-swap")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    if bad:
        x[[0, 1]] = x[[1, 0]]
    return of_ecg(x)


@pytest.mark.parametrize(("one", "two"), [("Fp1", "O2"), ("C3", "F8"), ("T7", "T8")])
def test_swapped_eeg_electrodes_are_named(one: str, two: str) -> None:
    x = eeg(3)
    places = [TEN_TWENTY.index(one), TEN_TWENTY.index(two)]
    assert [f for f in of_eeg(x) if f.check == "lead-swap"] == []
    x[places] = x[places[::-1]]
    (swap,) = [f for f in of_eeg(x) if f.check == "lead-swap"]
    assert set(str(swap.evidence["fault"]).split(" and ")) == {one, two}


@case("mains")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x = x + 0.15 * np.sin(2 * np.pi * 50 * np.arange(x.shape[1]) / 500)
    return of_ecg(x, 360.0 if bad else 500.0)


def test_several_lines_of_no_family_are_not_the_mains(ecg: Any) -> None:
    x = ecg(1)
    for hz in (25, 35, 45):  # a maker's test pattern
        x = x + 0.15 * np.sin(2 * np.pi * hz * np.arange(x.shape[1]) / 500)
    assert "mains" not in {f.check for f in of_ecg(x)}


@case("missing-samples")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    x[3, :1000] = np.nan if bad else x[3, :1000]
    return of_ecg(x)


@case("modality-drift")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    rng = np.random.default_rng(0)
    beats = 1 + np.cumsum(np.clip(rng.normal(0.85, 0.06, 400), 0.5, 1.4))
    t = np.arange(0, 320, 0.01)

    def bumps(at: np.ndarray, width_s: float) -> np.ndarray:
        out = np.zeros((1, t.size))
        for peak in at[at < 319]:
            out[0] += np.exp(-0.5 * ((t - peak) / width_s) ** 2)
        return out

    heart = bumps(beats, 0.02) + rng.normal(0, 0.01, (1, t.size))
    pulse = bumps((beats + 0.25) * (1.002 if bad else 1.0), 0.1)
    signals = [
        Signal(("x", "a"), kind, (lead,), (unit,), 100.0, x.astype(np.float32))
        for kind, lead, unit, x in (("ecg", "II", "mV", heart), ("ppg", "PPG", "NU", pulse))
    ]
    return judged(signals)


@case("noisy")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    return of_ecg(np.random.default_rng(0).normal(0, 0.3, x.shape) if bad else x)


@case("sentinel")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = ecg(1)
    if bad:
        x[2, [100, 101, 2000, 3000]] = -32.768
    return of_ecg(x)


@case("offset")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1) + 1024 / 200 * bad)  # the baseline of twelve bits, left out


@case("uncalibrated")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    digital = np.round(ecg(1)[1] * 200).astype("<i2")
    (folder / "a.dat").write_bytes(digital.tobytes())
    (folder / "a.hea").write_text(
        f"a 1 500 {digital.size}\na.dat 16 {0 if bad else 200}/mV 16 0 "
        f"{digital[0]} {checksum(digital)} 0 II\n"
    )
    write_manifest(pp.scan(folder, "folder"), folder / "m.parquet")
    return list(audit([folder / "m.parquet"]).findings)


def test_an_edf_channel_without_a_range_is_uncalibrated(tmp_path: Path) -> None:
    from physioprep.auditing.signals import _uncalibrated
    from physioprep.recording import Recording

    one = Recording(tmp_path, "edf", (), (), metadata={"uncalibrated": ["Fp1"], "signals": []})
    assert _uncalibrated(one) == {"Fp1"}


@case("units")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    return of_ecg(ecg(1), units=("mmHg" if bad else "mV",) * 12)


@case("bad-channel")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = eeg()
    if bad:
        x[5] = np.random.default_rng(1).normal(0, 300, x.shape[1])
    return of_eeg(x)


def test_a_small_channel_beside_the_reference_is_not_bad_but_a_silent_one_is() -> None:
    for factor, n in ((0.35, 0), (0.001, 1)):
        x = eeg()
        x[6] *= factor
        assert sum(f.check == "bad-channel" for f in of_eeg(x)) == n


@case("eeg-bridge")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = eeg()
    if bad:
        x[2] = x[4] + np.random.default_rng(1).normal(0, 0.3, x.shape[1])
    return of_eeg(x)


@case("eeg-duplicate-channel")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = eeg()
    if bad:
        x[2] = x[4]
    return of_eeg(x)


@case("eeg-reference")
def _(folder: Path, ecg: Any, bad: bool) -> list[Finding]:
    x = eeg()
    return of_eeg(x - x.mean(axis=0) * bad, tuple(f"EEG {name}-REF" for name in TEN_TWENTY))


# tables


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


def test_records_that_a_list_names_and_nobody_has(tmp_path: Path) -> None:
    for present, n in (("100\n101\n", 1), ("100\n", 0)):
        (tmp_path / "RECORDS").write_text(present)
        found = tabled(tmp_path, record_id=["100"], path=["100.hea"], root=[str(tmp_path)],
                       error=["x"])  # fmt: skip
        assert sum(f.check == "missing-file" for f in found) == n


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


def test_evaluation_records_inside_the_corpus_they_were_cut_of(tmp_path: Path) -> None:
    one = table(tmp_path, "a.parquet", corpus=["tueg"], record_id=["aaaaaaaa_s001_t000"],
                subject_id=["aaaaaaaa"])  # fmt: skip
    two = table(tmp_path, "b.parquet", corpus=["tuab"], record_id=["aaaaaaaa_s001_t000"],
                subject_id=["aaaaaaaa"])  # fmt: skip
    checks = {f.check for f in audit([one], against=[two]).findings}
    assert checks == {"duplicate-leak", "subject-leak"}


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


def test_label_versions_beside_each_other(tmp_path: Path) -> None:
    found = tabled(tmp_path, record_id=["a", "b"], label_rhythm=["n", "a"],
                   label_rhythm_v1=["n", "o"])  # fmt: skip
    assert [(f.check, f.severity, f.records) for f in found] == [("label-version", "info", ("b",))]


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


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("MCH-0234567 F 02-MAY-1951 Haagse_Harry", {"name", "birth date"}),
        ("X X X X", set()),
        ("0 M 01-JAN-1990 Subject0", set()),
        ("Harry, born 2.5.1951", {"birth date"}),
        ("", set()),
    ],
)
def test_the_patient_field_of_edf(field: str, what: set[str], tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    path.write_bytes(
        b"0       " + field.encode().ljust(80) + b" " * 80 + b"01.01.8500.00.00".ljust(88)
    )
    assert set(privacy.header_faults(path)) == what


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


def checksum(row: np.ndarray) -> int:
    total = int(row.sum(dtype=np.int64)) & 0xFFFF
    return total - 0x10000 if total >= 0x8000 else total


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


def test_durations_of_refused_records_are_not_judged() -> None:
    frame = make_manifest({"corpus": ["x"], "record_id": ["a"], "path": ["a"], "error": ["bad"],
                           "modality": [["ecg"]], "sampling_rate": [[100.0]], "n_samples": [[0]],
                           "channels": [[["I"]]], "units": [[["mV"]]]})  # fmt: skip
    assert synchrony.check_durations(frame, NAME) == []
