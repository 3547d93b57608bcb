"""A unit that a scan does not understand is counted and named: in notes, summary, JSON, info."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.corpora.unknown_units import unit_notes


@pytest.fixture
def raw(tmp_path: Path, wfdb, edf) -> Path:
    """Five recordings: units that are understood, not stated, another quantity, and unknown."""
    for name in ("a", "b", "c"):
        wfdb(tmp_path / "raw" / name, ("II", "V1"), gain="1000/10uV")
    wfdb(tmp_path / "raw" / "good", ("II", "V1"))
    wfdb(tmp_path / "raw" / "none", ("II",), gain="1000/NU")
    wfdb(tmp_path / "raw" / "pressure", ("ABP",), gain="10/mmHg")
    edf(tmp_path / "raw" / "e.edf", ["EEG Cz"], units="uV/bit")
    return tmp_path / "raw"


NOTES = [
    "unit not understood: '10uV': channels II, V1 of 3 recordings: a, b, c",
    "unit not understood: 'NU': channel II of 1 recording: none",
    "unit not understood: 'uV/bit': channel EEG Cz of 1 recording: e",
]


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_a_scan_notes_them(raw: Path, scheduler: str, caplog: pytest.LogCaptureFixture) -> None:
    frame = pp.scan(raw, "folder", scheduler=scheduler)
    assert frame.attrs["notes"] == NOTES
    assert frame["error"].isna().all()
    assert all(f"folder: {note}" in caplog.text for note in NOTES)


def test_the_summary_the_json_and_info_say_them(raw: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "m.parquet")
    arguments = ["scan", str(raw), "--corpus", "folder", "-o", out]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0
    assert "'10uV': channels II, V1 of 3 recordings" in " ".join(shown.stdout.split())
    said = json.loads(CliRunner().invoke(app, [*arguments, "--overwrite", "--json"]).stdout)
    lines = [note.removeprefix("unit not understood: ") for note in NOTES]
    assert said["unit not understood"] == lines
    assert pp.info(out)["unit not understood"] == lines
    assert pp.info(out)["not taken"] == 0


def test_a_csv_says_that_it_keeps_no_notes(
    raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (raw / "notes.txt").write_text("recorded on Monday")
    frame = pp.scan(raw, "folder")
    for ending, lost in (("parquet", False), ("json", False), ("csv", True)):
        caplog.clear()
        path = pp.write_manifest(frame, tmp_path / f"made-{ending}" / f"m.{ending}")
        assert (f"{path}: a CSV has no place for notes: the 4 of the scan" in caplog.text) == lost
        assert pp.info(path)["not taken"] == ("not kept in a CSV" if lost else 1)
        assert len(pp.info(path)["unit not understood"]) == 3  # its rows tell
    caplog.clear()
    pp.write_manifest(frame.assign().pipe(without_notes), tmp_path / "n.csv")
    assert "no place for notes" not in caplog.text


def without_notes(frame):
    frame.attrs = {}
    return frame


def test_many_channels_and_recordings_are_counted_and_the_first_named() -> None:
    n = 50
    names, units = [[f"V{i}" for i in range(9)]], [["bit"] * 4 + ["x"] * 5]
    notes = unit_notes(map(str, range(n)), [names] * n, [units] * n)
    assert notes == [
        "unit not understood: 'x': channels V4, V5, V6, … of 50 recordings: 0, 1, 2, …"
    ]
    assert unit_notes(["a"], [[]], [[]]) == []


def test_a_channel_without_a_unit_is_named_where_a_recipe_would_ask_for_it() -> None:
    notes = unit_notes(["a"], [[["EEG Fp1", "Cz", "box"]]], [[["", "uV", " "]]])
    assert notes == ["unit not understood: none stated: channel EEG Fp1 of 1 recording: a"]
