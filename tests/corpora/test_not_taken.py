"""What a scan found and did not take is counted and named, and readable files are listed."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.cli import app
from physioprep.corpora.not_taken import by_kind, in_words
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError

VHDR = (
    "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=%s\n"
    "DataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=%d\nSamplingInterval=4000\n"
    "[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\nCh1=Cz,,0.5,µV\n"
)


@pytest.fixture
def folder(tmp_path: Path, wfdb, edf) -> Path:
    """Two recordings and what lies about in real folders."""
    wfdb(tmp_path / "a")
    edf(tmp_path / "b.edf", ["EEG Fp1"])
    for name in ("x.xyz", "sub/y.xyz", "README", "notes.txt", "raw.zip", "lost.dat.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("hello")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "sub" / "up").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe.edf")
    return tmp_path


NOTES = [
    "not taken: .hidden: hidden",
    "not taken: README: a text, table or picture",
    "not taken: loop: Too many levels of symbolic links",
    "not taken: lost.dat.gz: compressed: unpack it",
    "not taken: notes.txt: a text, table or picture",
    "not taken: pipe.edf: a pipe, not a file",
    "not taken: raw.zip: compressed: unpack it",
    "not taken: sub/up: a link to a folder that is scanned anyway",
    "not taken: sub/y.xyz: unknown kind",
    "not taken: x.xyz: unknown kind",
]


def test_an_archive_is_a_file_and_its_cause_is_no_part_of_the_name() -> None:
    held = {kind["kind"]: (kind["files"], kind["why"]) for kind in by_kind(NOTES)}
    assert held[".gz"] == (["lost.dat.gz"], "compressed: unpack it")
    assert held[".xyz"] == (["sub/y.xyz", "x.xyz"], "unknown kind")


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_every_file_that_is_not_taken_is_named(folder: Path, scheduler: str) -> None:
    frame = scan(folder, "folder", scheduler=scheduler)
    assert frame["record_id"].tolist() == ["a", "b"]
    assert frame["error"].isna().all()
    assert frame.attrs["notes"] == NOTES


@pytest.mark.parametrize("ending", ["parquet", "json"])
def test_the_manifest_keeps_the_notes(folder: Path, tmp_path: Path, ending: str) -> None:
    frame = scan(folder, "folder", hashes=False)
    file = pp.write_manifest(frame, tmp_path / "out" / f"m.{ending}")
    assert pp.read_manifest(file).attrs["notes"] == NOTES
    assert pp.info(file)["not taken"] == len(NOTES)


def test_the_command_counts_them(folder: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    out = tmp_path / "out.parquet"
    arguments = ["scan", str(folder), "--corpus", "folder", "--no-hashes", "-o", str(out)]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0
    assert "2 .xyz (unknown kind: sub/y.xyz, x.xyz)" in shown.stdout.replace("\n", " ")
    said = json.loads(CliRunner().invoke(app, [*arguments, "--overwrite", "--json"]).stdout)
    kinds = {(kind["kind"], kind["why"]): kind for kind in said["not taken"]}
    assert kinds[".xyz", "unknown kind"]["files"] == ["sub/y.xyz", "x.xyz"]
    # the manifest of the first run lies in the folder, too, and is not counted
    assert sum(kind["count"] for kind in said["not taken"]) == len(NOTES)


def test_a_clean_folder_has_no_notes(tmp_path: Path, wfdb) -> None:
    wfdb(tmp_path / "a")
    assert scan(tmp_path, "folder").attrs == {}


def test_a_folder_without_a_recording_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("hello")
    with pytest.raises(CorpusError, match=r"it holds 1 \.xyz \(unknown kind: a\.xyz\)"):
        scan(tmp_path, "folder")


def test_other_corpora_name_what_is_not_theirs(tmp_path: Path, wfdb, edf) -> None:
    wfdb(tmp_path / "100", ("MLII", "V1"))
    edf(tmp_path / "stray.edf", ["EEG Fp1"])
    (tmp_path / "RECORDS").write_text("100\n")
    assert scan(tmp_path, "mitdb").attrs["notes"] == [
        "not taken: RECORDS: a text, table or picture",
        "not taken: stray.edf: not part of a recording that was found",
    ]


def test_readable_files_of_other_endings_are_listed(tmp_path: Path, edf) -> None:
    names = ["b.rec", "c.EDF+", "d.bak.edf", "e.raw", "f", "g.edf_old"]
    for name in names:
        edf(tmp_path / "made.edf", ["EEG Fp1"]).rename(tmp_path / name)
    (tmp_path / "h.ahdr").write_text(VHDR % ("h.eeg", 1), encoding="utf-8")
    (tmp_path / "i.vhdr").write_text(VHDR % ("i.eeg", 1), encoding="utf-8")
    for name in ("h.eeg", "i.eeg"):
        np.arange(500, dtype="<i2").tofile(tmp_path / name)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("0       " + "x" * 400)
    frame = scan(tmp_path, "folder")
    assert sorted(frame["path"]) == [*names, "h.ahdr", "i.vhdr"]
    assert frame["error"].isna().all()
    assert by_kind(frame.attrs["notes"]) == [
        {"kind": "empty", "why": "unknown kind", "count": 1, "files": ["empty"]},
        {"kind": "text", "why": "unknown kind", "count": 1, "files": ["text"]},
    ]


@pytest.mark.parametrize("name", ["notes.txt", "README.txt", "people.csv"])
def test_a_stray_text_beside_described_tables_is_no_recording(tmp_path: Path, name: str) -> None:
    (tmp_path / "physioprep.yaml").write_text(
        "sampling_rate: 250\nchannels: {I: lead}\nunits: mV\n"
    )
    (tmp_path / "a.csv").write_text("t,lead\n0,1\n1,2\n")
    (tmp_path / "b.csv").write_text("")  # lost, and said to be
    (tmp_path / name).write_text("recorded on Monday, by Eve\n")
    frame = scan(tmp_path, "folder").set_index("record_id")
    assert frame.index.tolist() == ["a", "b"]
    assert frame["error"].notna().tolist() == [False, True]
    is_table = name.endswith(".csv")
    why = "no column of it stands in physioprep.yaml" if is_table else "a text, table or picture"
    assert frame.attrs["notes"] == [f"not taken: {name}: {why}"]


@pytest.mark.parametrize(
    ("description", "why"),
    [
        (None, "a table that no physioprep.yaml beside it describes"),
        ("sampling_rate: 250\nchannels: {II: EKG}\n", "no column of it stands in physioprep.yaml"),
    ],
)
def test_a_folder_of_tables_says_what_their_description_lacks(
    tmp_path: Path, description: str | None, why: str
) -> None:
    (tmp_path / "a.csv").write_text("ecg\n1\n2\n")
    if description is not None:
        (tmp_path / "physioprep.yaml").write_text(description)
    with pytest.raises(CorpusError, match=rf"it holds 1 \.csv \({why}: a\.csv\)"):
        scan(tmp_path, "folder")


def test_a_broken_description_is_the_error_of_the_tables_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ecg\n1\n2\n")
    (tmp_path / "physioprep.yaml").write_text("sampling_rate: [250\n")
    (error,) = scan(tmp_path, "folder")["error"]
    assert error.startswith("physioprep.yaml: ")


@pytest.mark.parametrize("name", ["a.mff", "a.MFF", "a.ds", "a.mefd"])
def test_a_folder_that_is_a_recording_is_one_row(tmp_path: Path, wfdb, name: str) -> None:
    wfdb(tmp_path / "ok")
    (tmp_path / name / "inner").mkdir(parents=True)
    (tmp_path / name / "info.xml").write_text("<x/>")
    (tmp_path / name / "inner" / "signal1.bin").write_bytes(bytes(100))
    frame = scan(tmp_path, "folder").set_index("path")
    row = frame.loc[name]  # it is damaged: that is said, and its files are hashed
    assert name in row["error"]
    assert row["files"] == [f"{name}/info.xml", f"{name}/inner/signal1.bin"]
    assert row["bytes"] == 104
    assert all(len(digest) == 64 for digest in row["file_sha256"])
    assert frame.attrs == {}


@pytest.mark.parametrize("ending", [".lay", ".cdt", ".nedf", ".snirf", ".con", ".sqd", ".ns3"])
def test_what_mne_reads_is_listed(tmp_path: Path, wfdb, ending: str) -> None:
    wfdb(tmp_path / "ok")
    (tmp_path / f"a{ending}").write_bytes(b"damaged")
    frame = scan(tmp_path, "folder", hashes=False).set_index("path")
    assert f"a{ending}" in frame.loc[f"a{ending}", "error"]


def test_a_header_describes_files_of_its_own_folder_only(tmp_path: Path, wfdb, edf) -> None:
    wfdb(tmp_path / "a")
    wfdb(tmp_path / "x" / "c")
    for name in ("a.b/plain", "a.b/c.edf", "x/plain", "x.1/c", "a.b/deep.er/a"):
        edf(tmp_path / name, ["EEG Fp1"])
    frame = scan(tmp_path, "folder", hashes=False)
    found = ["a.b/c.edf", "a.b/deep.er/a", "a.b/plain", "a.hea", "x.1/c", "x/c.hea", "x/plain"]
    assert sorted(frame["path"]) == found
    assert frame.attrs == {}


def test_the_line_names_a_few_of_each_kind() -> None:
    notes = [f"not taken: {i}.xyz: unknown kind" for i in range(9)]
    assert in_words(by_kind(notes)) == "9 .xyz (unknown kind: 0.xyz, 1.xyz, 2.xyz, …)"
    assert in_words(by_kind(["another note"])) == ""


def test_a_missing_file_of_another_name_says_which_recording_names_it(folder: Path) -> None:
    (folder / "r5.hea").write_text("r5 1 200 4000\nmissing.dat 16 1000 16 0 0 0 0 II\n")
    (folder / "r6.hea").write_text("r6 1 200 4000\nr6.dat 16 1000 16 0 0 0 0 II\n")
    errors = scan(folder, "folder").set_index("record_id")["error"]
    assert errors["r5"] == "missing.dat: no such file (named by r5.hea)"
    assert errors["r6"] == "r6.dat: no such file"
