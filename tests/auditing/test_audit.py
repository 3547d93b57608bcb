from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

import physioprep as pp
from physioprep.auditing import AuditReport, audit, write_html, write_json
from physioprep.auditing.advice import ADVICE
from physioprep.auditing.inputs import open_input
from physioprep.auditing.signals import signals_of
from physioprep.errors import PhysioprepError

LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
Ecg = Callable[..., np.ndarray]


def write_record(folder: Path, name: str, signal_mv: np.ndarray, rate_hz: int = 500) -> None:
    """Write WFDB format 16 at 1 µV a step, by hand: the tests need no writer of ours."""
    digital = np.round(signal_mv * 1000).astype("<i2")
    (folder / f"{name}.dat").write_bytes(digital.T.tobytes())
    lines = [f"{name} {len(LEADS)} {rate_hz} {digital.shape[1]}"]
    for lead, row in zip(LEADS, digital, strict=True):
        checksum = int(row.sum(dtype=np.int64)) & 0xFFFF
        checksum -= 0x10000 if checksum >= 0x8000 else 0
        lines.append(f"{name}.dat 16 1000(0)/mV 16 0 {row[0]} {checksum} 0 {lead}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def planted(tmp_path_factory, ecg: Ecg) -> dict[str, Path]:
    """A folder of clean records and one with a fault each; scanned, and ingested."""
    out = {}
    for kind in ("clean", "faulty"):
        root = tmp_path_factory.mktemp(kind)
        for n in range(8):
            write_record(root, f"r{n}", ecg(n))
        if kind == "faulty":
            plant(root, ecg)
        manifest = pp.scan(root, "folder")
        path, store = root / "m.parquet", tmp_path_factory.mktemp("stores") / "s.zarr"
        pp.write_manifest(manifest, path)
        pp.ingest(manifest, store, recipe="ecg-200hz")
        out |= {kind: path, f"{kind}-store": store}
    return out


def plant(root: Path, ecg: Ecg) -> None:
    dead = ecg(20)
    dead[8] = 0
    write_record(root, "dead", dead)
    arms = ecg(21)
    arms[[0, 1, 2, 3, 4, 5]] = arms[[0, 2, 1, 4, 3, 5]] * [[-1], [1], [1], [1], [1], [1]]
    write_record(root, "arms", arms)
    names = ecg(22)
    names[[0, 1]] = names[[1, 0]]
    write_record(root, "names", names)
    upside = ecg(23)
    upside[2] *= -1
    write_record(root, "upside", upside)
    write_record(root, "loud", 10 * ecg(24))
    write_record(root, "faint", ecg(25) / 50)
    shutil.copy(root / "r1.dat", root / "copy.dat")
    (root / "copy.hea").write_text((root / "r1.hea").read_text().replace("r1", "copy"))
    write_record(root, "scaled", 1.5 * ecg(2))
    write_record(root, "altered", -resample_poly(ecg(3), 1, 2, axis=1), rate_hz=250)
    write_record(root, "short", ecg(26))
    whole = (root / "short.dat").read_bytes()
    (root / "short.dat").write_bytes(whole[: len(whole) // 2])


def found(report: AuditReport) -> set[tuple[str, tuple[str, ...]]]:
    return {(f.check, f.records) for f in report.findings if f.severity != "info"}


EXPECTED = {
    ("flat-lead", ("dead",)),
    ("lead-swap", ("arms",)),
    ("lead-swap", ("names",)),
    ("lead-inverted", ("upside",)),
    ("amplitude", ("loud",)),
    ("amplitude", ("faint",)),
    ("duplicate-file", ("copy", "r1")),
    ("near-duplicate", ("altered", "r3")),
    ("unreadable-file", ("short",)),
}


@pytest.mark.parametrize("kinds", [["faulty"], ["faulty-store"], ["faulty", "faulty-store"]])
def test_every_planted_fault_is_found_and_nothing_else(
    planted: dict[str, Path], kinds: list[str]
) -> None:
    report = audit([planted[kind] for kind in kinds])
    got = found(report)
    # scaled by 1.5 and rounded: sample for sample but for the last bit
    scaled = {item for item in got if item[1] == ("r2", "scaled")}
    assert {check for check, _ in scaled} <= {"duplicate-signal", "near-duplicate"}
    assert len(scaled) == 1
    assert got - scaled == EXPECTED
    names = [(f.check, f.records) for f in report.findings]
    assert len(names) == len(set(names)), "each is said once"
    assert report.verdict == "error"
    assert report.exit_code("error") == 1


@pytest.mark.parametrize("kinds", [["clean"], ["clean-store"], ["clean", "clean-store"]])
def test_clean_recordings_are_silent(planted: dict[str, Path], kinds: list[str]) -> None:
    report = audit([planted[kind] for kind in kinds])
    assert report.findings == ()
    assert report.verdict == "clean"
    assert report.exit_code("warning") == 0
    assert any(one.what == "signals" and one.n == 8 for one in report.compared)


def test_findings_in_a_store_name_the_rates_of_its_sources(planted: dict[str, Path]) -> None:
    signal = next(signals_of(open_input(planted["clean-store"])))
    assert (signal.rate_hz, signal.source_rate_hz) == (200, 500)
    (copy,) = (
        f for f in audit([planted["faulty-store"]]).findings if f.records == ("altered", "r3")
    )
    (pair,) = copy.evidence["pairs"]
    assert sorted(pair["sampling_rates_hz"]) == [250, 500]
    assert pair["read_at_hz"] == [200, 200]
    assert "at 250 and 500 Hz" in copy.detail


def test_native_store_says_the_same(planted: dict[str, Path], tmp_path: Path) -> None:
    manifest = pp.read_manifest(planted["faulty"])
    pp.ingest(manifest, tmp_path / "n.zarr", recipe="native")
    checks = {f.check for f in audit([tmp_path / "n.zarr"]).findings}
    assert {check for check, _ in EXPECTED} <= checks


def test_against_finds_the_same_signals_under_other_names(
    planted: dict[str, Path], tmp_path: Path, ecg: Ecg
) -> None:
    root = tmp_path / "other"
    root.mkdir()
    write_record(root, "elsewhere", ecg(4)[:, 500:])
    write_record(root, "new", ecg(50))
    other = tmp_path / "other.parquet"
    pp.write_manifest(pp.scan(root, "folder"), other)
    report = audit([planted["clean"]], against=[other])
    assert [(f.check, f.records) for f in report.findings] == [
        ("duplicate-leak", ("r4", "elsewhere"))
    ]
    assert any(one.sets == ("audited", "against") and one.overlaps == 1 for one in report.compared)


def test_json_is_schema_1(planted: dict[str, Path], tmp_path: Path) -> None:
    report = audit([planted["faulty"]])
    read = json.loads(write_json(report, tmp_path / "a.json").read_text(encoding="utf-8"))
    assert read["schema"] == 1
    assert read["verdict"] == "error"
    assert {"schema", "verdict", "inputs", "findings", "compared"} <= set(read)
    for finding in read["findings"]:
        assert {"check", "severity", "records", "detail", "evidence"} == set(finding)
        assert finding["severity"] in ("error", "warning", "info")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_records_carry_their_corpus_where_several_are_read(manifest_of) -> None:
    one = manifest_of("a.parquet", record_id=["1"], corpus=["a"])
    two = manifest_of(
        "b.parquet", record_id=["1", "2"], corpus=["b", "b"], subject_id=["p", "p"],
        split=["train", "test"],
    )  # fmt: skip
    (leak,) = audit([one, two]).findings
    assert leak.records == ("b/1", "b/2")


def test_subject_leak_and_its_absence_as_a_statement(manifest_of) -> None:
    columns = {"record_id": ["1", "2", "3"], "subject_id": ["p", "q", "p"]}
    leaky = manifest_of("l.parquet", **columns, split=["train", "test", "test"])
    (leak,) = audit([leaky]).findings
    assert (leak.check, leak.severity, leak.records) == ("subject-leak", "error", ("1", "3"))
    sound = audit([manifest_of("s.parquet", **columns, split=["train", "test", "train"])])
    assert sound.verdict == "clean"
    (statement,) = (one for one in sound.compared if one.what == "subjects")
    assert (statement.sets, statement.n, statement.overlaps) == (("test", "train"), 2, 0)


def test_subjects_against_another_set(manifest_of) -> None:
    ours = manifest_of("o.parquet", record_id=["1", "2"], subject_id=["p", "q"])
    other = manifest_of("t.parquet", record_id=["3"], subject_id=["q"])
    (leak,) = audit([ours], against=[other]).findings
    assert leak.check == "subject-leak"
    assert leak.records == ("2", "3")


def test_recordings_without_a_subject_are_not_claimed_to_be_split(manifest_of) -> None:
    path = manifest_of(record_id=["1", "2"], subject_id=["p", None], split=["train", "test"])
    assert [f.check for f in audit([path]).findings] == ["subject-unknown"]


def test_shared_headers_are_no_duplicates(manifest_of) -> None:
    path = manifest_of(
        record_id=["1", "2"],
        files=[["1.hea", "1.dat"], ["2.hea", "2.dat"]],
        file_sha256=[["same", "x"], ["same", "y"]],
    )
    assert audit([path]).verdict == "clean"


def test_expected_counts(manifest_of) -> None:
    path = manifest_of(record_id=["100"], corpus=["mitdb"], subject_id=["100"])
    report = audit([path], expect="mitdb==1.0.0")
    incomplete = [f for f in report.findings if f.check == "incomplete"]
    assert any(f.evidence["found"] == 1 and f.evidence["expected"] == 48 for f in incomplete)
    with pytest.raises(PhysioprepError, match="CORPUS==VERSION"):
        audit([path], expect="mitdb")
    with pytest.raises(PhysioprepError, match="no known version"):
        audit([path], expect="mitdb==9")


def test_what_cannot_be_opened_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PhysioprepError, match="neither a manifest"):
        audit([tmp_path / "empty"])
    with pytest.raises(PhysioprepError):
        audit([tmp_path / "absent.parquet"])


def test_html_shows_pictures_of_examples(planted: dict[str, Path], tmp_path: Path) -> None:
    out = write_html(audit([planted["faulty"]]), tmp_path / "r.html")
    page = out.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,iVBOR") >= 3  # flat, swapped, inverted
    assert "lead-swap" in page


def test_progress_counts_recordings(planted: dict[str, Path]) -> None:
    seen: list[tuple[int, int]] = []
    audit([planted["clean"]], progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (8, 8)


def test_sample_reads_fewer_signals(planted: dict[str, Path]) -> None:
    report = audit([planted["clean"]], sample=3)
    assert report.inputs[0]["signals_read"] == 3
    assert report.inputs[0]["records"] == 8


def test_every_check_is_explained(planted: dict[str, Path]) -> None:
    assert {f.check for f in audit([planted["faulty"]]).findings} <= set(ADVICE)


@pytest.mark.realdata
def test_ptb_xl_twins_real_pairs_and_nothing_else(shared_data: Path, tmp_path: Path) -> None:
    for name, root, corpus in (
        ("a", shared_data / "ptbxl", "ptb-xl"),
        ("b", shared_data / "cinc2021_ptbxl_twins", "folder"),
    ):
        manifest = pp.scan(root, corpus)
        manifest = manifest[~manifest["record_id"].str.endswith("_lr")]
        pp.write_manifest(manifest.reset_index(drop=True), tmp_path / f"{name}.parquet")
    report = audit([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    kinds = ("duplicate-file", "duplicate-signal", "near-duplicate")
    groups = {frozenset(f.records) for f in report.findings if f.check in kinds}
    pairs = [(137, 138), (143, 144), (456, 457), (459, 460), (145, 463)]
    expected = {frozenset(f"ptb-xl/{n:05d}_hr" for n in pair) for pair in pairs}
    expected |= {frozenset((f"ptb-xl/{n:05d}_hr", f"folder/HR{n:05d}")) for n in range(1, 11)}
    assert groups == expected
    leaks = {frozenset(f.records) for f in report.findings if f.check == "duplicate-leak"}
    assert leaks == {frozenset(("ptb-xl/00145_hr", "ptb-xl/00463_hr"))}


@pytest.mark.realdata
def test_dead_leads_of_a_real_record(shared_data: Path, tmp_path: Path) -> None:
    pp.write_manifest(pp.scan(shared_data / "cinc2021", "folder"), tmp_path / "m.parquet")
    flat = [f for f in audit([tmp_path / "m.parquet"]).findings if f.check == "flat-lead"]
    assert [f.records for f in flat] == [("JS20004",)]
    assert flat[0].evidence["leads"] == ["V2", "V4", "V6"]
