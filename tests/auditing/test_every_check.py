"""Every check has a fault that it finds, and the same data without it, on which it is silent."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import physioprep as pp
from physioprep.auditing import audit
from physioprep.auditing.advice import ADVICE
from physioprep.auditing.checks import privacy, synchrony
from physioprep.auditing.checks.eeg import check_bad_channels
from physioprep.manifest import make_manifest
from tests.auditing.cases import CASES, NAME
from tests.auditing.signal_cases import TEN_TWENTY, eeg, of_ecg, of_eeg
from tests.auditing.table_cases import table, tabled


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


@pytest.mark.parametrize(("one", "two"), [("Fp1", "O2"), ("C3", "F8"), ("T7", "T8")])
def test_swapped_eeg_electrodes_are_named(one: str, two: str) -> None:
    x = eeg(3)
    places = [TEN_TWENTY.index(one), TEN_TWENTY.index(two)]
    assert [f for f in of_eeg(x) if f.check == "lead-swap"] == []
    x[places] = x[places[::-1]]
    (swap,) = [f for f in of_eeg(x) if f.check == "lead-swap"]
    assert set(str(swap.evidence["fault"]).split(" and ")) == {one, two}


def test_several_lines_of_no_family_are_not_the_mains(ecg: Any) -> None:
    x = ecg(1)
    for hz in (25, 35, 45):  # a maker's test pattern
        x = x + 0.15 * np.sin(2 * np.pi * hz * np.arange(x.shape[1]) / 500)
    assert "mains" not in {f.check for f in of_ecg(x)}


def test_a_gap_is_placed_in_the_recording_not_in_its_piece(ecg: Any) -> None:
    x = ecg(1)
    x[:, 500:1000] = x[:, 2000:3000] = np.nan  # of 1 and 2 s, at 500 Hz; the piece begins at 60 s
    (gap,) = [one for one in of_ecg(x, start_s=60.0) if one.check == "gap"]
    assert (gap.evidence["start_s"], gap.evidence["stop_s"]) == (64.0, 66.0)
    assert gap.detail == "ECG stops for 2.0 s, at 64.0 s"


def test_an_edf_channel_without_a_range_is_uncalibrated(tmp_path: Path) -> None:
    from physioprep.auditing.signals import _uncalibrated
    from physioprep.recording import Recording

    one = Recording(tmp_path, "edf", (), (), metadata={"uncalibrated": ["Fp1"], "signals": []})
    assert _uncalibrated(one) == {"Fp1"}


def test_a_small_channel_beside_the_reference_is_not_bad_but_a_silent_one_is() -> None:
    for factor, n in ((0.35, 0), (0.001, 1)):
        x = eeg()
        x[6] *= factor
        assert sum(f.check == "bad-channel" for f in of_eeg(x)) == n


@pytest.mark.parametrize(("n", "n_odd", "found"), [(8, 1, 1), (8, 4, 1), (8, 5, 0), (3, 1, 0)])
def test_no_channel_is_bad_where_there_are_no_others_to_differ_from(
    n: int, n_odd: int, found: int
) -> None:
    alike = np.array([0.1] * n_odd + [0.9] * (n - n_odd) + [np.nan])  # the last one is flat
    quality = {"deviation": np.zeros(n + 1), "correlation": alike}
    names = ("Fp1", "Fp2", "C3", "C4", "P3", "P4", "O1", "O2", "Cz")[: n + 1]
    one: Any = SimpleNamespace(modality="eeg", quality=quality, channels=names, key=("x", "a"))
    findings = check_bad_channels([one], NAME)
    assert [finding.evidence["leads"] for finding in findings] == [list(names[:n_odd])] * found


def test_records_that_a_list_names_and_nobody_has(tmp_path: Path) -> None:
    for present, n in (("100\n101\n", 1), ("100\n", 0)):
        (tmp_path / "RECORDS").write_text(present)
        found = tabled(tmp_path, record_id=["100"], path=["100.hea"], root=[str(tmp_path)],
                       error=["x"])  # fmt: skip
        assert sum(f.check == "missing-file" for f in found) == n


def test_a_dot_in_the_name_of_a_folder_is_no_ending_of_a_record(tmp_path: Path) -> None:
    (tmp_path / "RECORDS").write_text("site\nsite.1/r2\n")
    found = tabled(tmp_path, record_id=["r2"], path=["site.1/r2"], root=[str(tmp_path)],
                   error=["x"])  # fmt: skip
    (missing,) = (f for f in found if f.check == "missing-file")
    assert missing.evidence["files"] == ["site"]


def test_evaluation_records_inside_the_corpus_they_were_cut_of(tmp_path: Path) -> None:
    one = table(tmp_path, "a.parquet", corpus=["tueg"], record_id=["aaaaaaaa_s001_t000"],
                subject_id=["aaaaaaaa"])  # fmt: skip
    two = table(tmp_path, "b.parquet", corpus=["tuab"], record_id=["aaaaaaaa_s001_t000"],
                subject_id=["aaaaaaaa"])  # fmt: skip
    checks = {f.check for f in audit([one], against=[two]).findings}
    assert checks == {"duplicate-leak", "subject-leak"}


def test_label_versions_beside_each_other(tmp_path: Path) -> None:
    found = tabled(tmp_path, record_id=["a", "b"], label_rhythm=["n", "a"],
                   label_rhythm_v1=["n", "o"])  # fmt: skip
    assert [(f.check, f.severity, f.records) for f in found] == [("label-version", "info", ("b",))]


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


def test_durations_of_refused_records_are_not_judged() -> None:
    frame = make_manifest({"corpus": ["x"], "record_id": ["a"], "path": ["a"], "error": ["bad"],
                           "modality": [["ecg"]], "sampling_rate": [[100.0]], "n_samples": [[0]],
                           "channels": [[["I"]]], "units": [[["mV"]]]})  # fmt: skip
    assert synchrony.check_durations(frame, NAME) == []
