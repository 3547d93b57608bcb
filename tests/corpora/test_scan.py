"""Scanning: a row for every recording, one clear line for what cannot be scanned."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from physioprep.corpora import corpus_module, file_hashes, read_annotations
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError
from physioprep.manifest import groups_of, read_manifest, validate, write_manifest


def test_a_row_says_what_the_header_says(tmp_path: Path, wfdb, monkeypatch: pytest.MonkeyPatch):
    wfdb(tmp_path / "208", ("MLII", "V1"), rate_hz=360, comments=["23 F 2546 N/A x1"])
    monkeypatch.chdir(tmp_path.parent)
    frame = scan(tmp_path.name, "mitdb")
    validate(frame)
    row = frame.iloc[0]
    assert row["root"] == str(tmp_path.resolve())
    assert (row["record_id"], row["path"], row["format"]) == ("208", "208.hea", "wfdb")
    assert row["files"] == ["208.hea", "208.dat"]
    assert row["bytes"] == sum((tmp_path / name).stat().st_size for name in row["files"])
    (ecg,) = groups_of(row)
    assert (ecg.modality, ecg.sampling_rate, ecg.n_samples) == ("ecg", 360.0, 50)
    assert ecg.channels == ("MLII", "V1")
    assert (row["age"], row["sex"], row["subject_id"]) == (23.0, "F", "208")
    assert row["duration_s"] == 50 / 360
    assert row["error"] is None


def test_hashes_are_those_of_sha256sum(tmp_path: Path, wfdb):
    wfdb(tmp_path / "208", ("MLII",))
    row = scan(tmp_path, "mitdb").iloc[0]
    each = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in row["files"]]
    assert row["file_sha256"] == each
    lines = f"{each[0]}  208.hea\n{each[1]}  208.dat\n"
    assert row["sha256"] == hashlib.sha256(lines.encode()).hexdigest()


def test_hashes_can_be_left_off(tmp_path: Path, wfdb):
    wfdb(tmp_path / "208", ("MLII",))
    row = scan(tmp_path, "mitdb", hashes=False).iloc[0]
    assert row["sha256"] is None
    assert row["file_sha256"] is None


def test_one_file_has_its_own_hash(tmp_path: Path, edf):
    path = edf(tmp_path / "Subject00_1.edf", ["EEG Fp1", "ECG ECG"])
    row = scan(tmp_path, "eegmat").iloc[0]
    assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_cannot_be_scanned_is_a_row_with_its_error(tmp_path: Path, wfdb):
    wfdb(tmp_path / "100", ("MLII",))
    (tmp_path / "101.hea").write_text("not a header\n")
    wfdb(tmp_path / "102", ("MLII",))
    (tmp_path / "102.dat").unlink()
    (tmp_path / "103.dat").write_bytes(b"1234")
    frame = scan(tmp_path, "mitdb").set_index("record_id")
    assert frame["error"].isna().tolist() == [True, False, False, False]
    assert frame.loc["101", "error"].startswith("101.hea: ")  # relative: fit for a report
    assert "102.dat" in frame.loc["102", "error"]
    assert frame.loc["103", "error"] == "103.dat: no header 103.hea beside it"
    assert frame.loc["101", "modality"] == []
    assert pd.isna(frame.loc["101", "duration_s"])


def test_a_reader_that_breaks_costs_one_row_and_is_not_taken_for_a_bad_file(
    tmp_path: Path, wfdb, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG", logger="physioprep.corpora")
    wfdb(tmp_path / "100", ("MLII",))
    wfdb(tmp_path / "101", ("MLII",))
    import physioprep.readers as readers

    whole = readers.read_header

    def breaking(path, **more):
        if str(path).endswith("100.hea"):
            raise ZeroDivisionError("by zero")
        return whole(path, **more)

    monkeypatch.setattr(readers, "read_header", breaking)
    frame = scan(tmp_path, "mitdb")
    first, second = frame["error"]
    place = r"\(unexpected error at physioprep/corpora/headers\.py:\d+\)"
    assert re.fullmatch(rf"ZeroDivisionError: by zero {place}", first)
    assert second is None
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    warning = warnings[0]  # then that 250 Hz is not mitdb's
    assert all("mitdb? " in each.getMessage() for each in warnings[1:])
    assert warning.getMessage() == f"100.hea: {first}; this may be a fault of physioprep"
    (debug,) = [record for record in caplog.records if record.levelname == "DEBUG"]
    assert debug.getMessage().startswith("100.hea: physioprep/corpora/headers.py:")
    assert debug.getMessage().endswith(" in breaking\nZeroDivisionError: by zero")


def test_a_file_that_cannot_be_hashed_is_an_error_of_its_row(
    tmp_path: Path, wfdb, monkeypatch: pytest.MonkeyPatch
):
    wfdb(tmp_path / "100", ("MLII",))
    whole = file_hashes.sha256_of

    def breaking(path: str) -> str:
        if path.endswith(".dat"):
            raise OSError(5, "Input/output error")
        return whole(path)

    monkeypatch.setattr(file_hashes, "sha256_of", breaking)
    row = scan(tmp_path, "mitdb").iloc[0]
    assert row["error"] == "100.dat: Input/output error"
    assert row["sha256"] is None
    assert row["file_sha256"][1] is None
    assert len(row["file_sha256"][0]) == 64


def test_folders_without_recordings_are_refused_in_one_line(tmp_path: Path):
    with pytest.raises(CorpusError, match=r"no recording of mitdb here \(looked for NNN\.hea"):
        scan(tmp_path, "mitdb")
    with pytest.raises(CorpusError, match="no such folder"):
        scan(tmp_path / "absent", "mitdb")
    with pytest.raises(CorpusError, match=r"unknown corpus 'mitbd'; did you mean 'mitdb'"):
        scan(tmp_path, "mitbd")
    with pytest.raises(CorpusError, match="unknown corpus"):
        corpus_module("scan")


def test_version_is_told_by_the_folder_or_by_the_user(tmp_path: Path, wfdb):
    folder = tmp_path / "ptb-xl-1.0.1"
    wfdb(folder / "records100" / "00000" / "00001_lr", rate_hz=100)
    assert scan(folder, "ptb-xl")["corpus_version"].tolist() == ["1.0.1"]
    plain = folder.rename(tmp_path / "ptbxl")
    assert scan(plain, "ptb-xl")["corpus_version"].tolist() == [None]
    assert scan(plain, "ptb-xl", version="1.0.3")["corpus_version"].tolist() == ["1.0.3"]
    with pytest.raises(CorpusError, match="no known version '7'"):
        scan(plain, "ptb-xl", version="7")


def test_progress_counts_headers_and_hashes(tmp_path: Path, wfdb):
    for i in range(70):
        wfdb(tmp_path / f"{100 + i}", ("MLII",))
    seen: list[tuple[int, int]] = []
    scan(tmp_path, "mitdb", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)  # tasks end in any order, and are counted
    assert (70, 140) in seen
    assert seen[-1] == (140, 140)


@pytest.mark.parametrize(
    ("scheduler", "workers"), [("sync", 3), ("threads", 1), ("threads", 4), ("processes", 2)]
)
def test_the_manifest_is_the_same_for_every_scheduler(
    tmp_path: Path, wfdb, scheduler: str, workers: int
):
    raw = tmp_path / "raw"
    for i in range(40):
        comments = [f"{20 + i} F x"] if i % 7 else []
        wfdb(raw / f"{100 + i}", ("MLII", "V1")[: 1 + i % 2], comments=comments)
    (raw / "120.dat").unlink()
    (raw / "121.hea").write_text("not a header\n")
    default = write_manifest(scan(raw, "mitdb"), tmp_path / "default.parquet")
    frame = scan(raw, "mitdb", scheduler=scheduler, workers=workers)
    asked = write_manifest(frame, tmp_path / "asked.parquet")
    assert asked.read_bytes() == default.read_bytes()


def test_a_header_that_kills_its_process_costs_one_row(tmp_path: Path, wfdb):
    for name in ("100", "101", "102"):
        wfdb(tmp_path / name, ("MLII",))
    code = (
        "import os, sys, physioprep.readers as readers\n"
        "whole = readers.read_header\n"
        "readers.read_header = lambda p, **m: os.abort() if '101' in str(p) else whole(p, **m)\n"
    )
    (tmp_path / ".site").mkdir()
    (tmp_path / ".site" / "sitecustomize.py").write_text(code)
    script = (
        "import json, sys; from physioprep.corpora.scan import scan\n"
        "frame = scan(sys.argv[1], 'mitdb', scheduler='processes', workers=2)\n"
        "print(json.dumps(dict(zip(frame['record_id'], frame['error']))))"
    )
    path = os.pathsep.join([str(tmp_path / ".site"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    errors = json.loads(done.stdout)
    assert errors["100"] is errors["102"] is None
    assert errors["101"] == "101.hea: the process that read its header died (SIGABRT)"


def test_one_cluster_reads_headers_and_hashes(tmp_path: Path, wfdb):
    for name in ("100", "101"):
        wfdb(tmp_path / name, ("MLII",))
    links: list[str] = []
    frame = scan(tmp_path, "mitdb", scheduler="cluster", workers=1, announce=links.append)
    assert len(links) == 1
    pd.testing.assert_frame_equal(frame, scan(tmp_path, "mitdb"))


def test_an_unknown_scheduler_is_refused_before_any_work(tmp_path: Path):
    with pytest.raises(CorpusError, match="unknown scheduler 'gpu': sync, threads"):
        scan(tmp_path / "absent", "mitdb", scheduler="gpu")


def test_segments_and_other_parts_of_a_record_are_no_rows(tmp_path: Path, wfdb):
    wfdb(tmp_path / "s_0001", ("I",))
    wfdb(tmp_path / "s_0002", ("I",))
    (tmp_path / "s.hea").write_text("s/2 1 500 100\ns_0001 50\ns_0002 50\n")
    frame = scan(tmp_path, "folder")
    assert frame["record_id"].tolist() == ["s"]
    assert frame["n_samples"].tolist() == [[100]]


def test_two_recordings_of_one_id_are_told_apart(tmp_path: Path, wfdb):
    wfdb(tmp_path / "a" / "100", ("MLII",))
    wfdb(tmp_path / "b" / "100", ("MLII",))
    frame = scan(tmp_path, "mitdb")
    assert frame["record_id"].tolist() == ["100", "b/100.hea"]
    assert frame["flags"].tolist() == [[], ["same-record-id"]]


def test_known_faults_and_what_is_done_stand_in_the_row(tmp_path: Path, wfdb):
    wfdb(tmp_path / "Q0400", suffix=".mat")
    wfdb(tmp_path / "Q0401", suffix=".mat")
    frame = scan(tmp_path, "cinc2021").set_index("record_id")
    assert frame.loc["Q0400", "faults"] == ["flat-record"]
    assert frame.loc["Q0400", "flags"] == ["note:no diagnosis is stated (Dx)", "drop:flat-record"]
    assert frame.loc["Q0401", "faults"] == []


def test_a_scan_survives_every_format(tmp_path: Path, wfdb):
    wfdb(tmp_path / "208", ("MLII", "V1"))
    frame = scan(tmp_path, "mitdb")
    for ending in ("parquet", "csv", "json"):
        again = read_manifest(write_manifest(frame, tmp_path / f"{ending}.{ending}"))
        pd.testing.assert_frame_equal(again, frame)


def test_hidden_files_are_left_alone(tmp_path: Path, wfdb):
    wfdb(tmp_path / "100", ("MLII",))
    wfdb(tmp_path / ".trash" / "101", ("MLII",))
    (tmp_path / "._100.hea").write_bytes(b"\x00\x05\x16\x07")  # what macOS leaves on USB disks
    assert scan(tmp_path, "mitdb")["record_id"].tolist() == ["100"]


def test_corpora_without_own_annotation_files_give_none():
    assert read_annotations("mitdb", Path("208.hea")) == {}
