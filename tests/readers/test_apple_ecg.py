"""ECGs of the Apple Watch, as the Health app exports them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

ENGLISH = """Name,PLANTEDNAME
Date of Birth,"Jan 31, 1980"
Recorded Date,2020-10-19 18:40:53 +0200
Classification,Sinus Rhythm
Symptoms,"Rapid, pounding, or fluttering heartbeat"
Software Version,1.90
Device,"Watch5,2"
Sample Rate,512.414 hertz


Lead,Lead I
Unit,µV

-3.25
17
1.5e2
"""
GERMAN = """Name,
Geburtsdatum,
Aufzeichnungsdatum,2020-10-19 18:40:53 +0200
Klassifizierung,Vorhofflimmern
Symptome,
Softwareversion,1.90
Gerät,"Watch5,2"
Messrate,"511,749 Hertz"

Ableitung,Ableitung I
Einheit,µV

-3,250
17,125
"""


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    texts = ENGLISH.replace("Sinus Rhythm", "Sinus Rhythm of Plantedname")
    texts = texts.replace("1.90", "PLANTEDNAME 1.90").replace("Jan 31, 1980", "PLANTEDNAME")
    texts = texts.replace('"Rapid, pounding, or fluttering heartbeat"', "PLANTEDNAME")
    return {"a.csv": texts.replace("Watch5,2", "PLANTEDNAME Watch5,2").encode()}


def write(folder: Path, text: str) -> Path:
    path = folder / "ecg_2020-10-19.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_english_file(tmp_path: Path) -> None:
    path = write(tmp_path, ENGLISH)
    assert detect_format(path) == "apple_ecg"
    found = read_recording(path)
    group = found.groups[0]
    assert (group.channels, group.units, group.sampling_rate) == (("I",), ("µV",), 512.414)
    assert group.digital.tolist() == [[-3.25, 17.0, 150.0]]
    assert read_header(path).groups[0].n_samples == 3
    assert found.start_time == datetime(2020, 10, 19, 18, 40, 53)
    about = found.metadata
    assert about["statements"] == [{"code": "", "text": "Sinus Rhythm"}]
    assert about["symptoms"] == "Rapid, pounding, or fluttering heartbeat"
    assert (about["device"], about["software"], about["utc_offset"], about["age"]) == (
        *("Watch5,2", "1.90", "+0200"),
        40.0,
    )
    assert about["source_leads"] == ["Lead I"]
    assert about["identifying"] == ["name", "birth date"]


def test_a_decimal_comma_and_another_language(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, GERMAN))
    assert found.groups[0].sampling_rate == 511.749
    assert found.groups[0].digital.tolist() == [[-3.25, 17.125]]
    assert found.metadata["statements"] == [{"code": "", "text": "Vorhofflimmern"}]
    assert (found.groups[0].channels, found.metadata["identifying"]) == (("I",), [])
    assert "age" not in found.metadata


def test_a_name_stays_in_the_file(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, planted()["a.csv"].decode()))
    assert "plantedname" not in repr((found, found.metadata, found.annotations)).lower()
    assert found.metadata["statements_left_out"] == 1
    assert found.metadata["identifying"] == ["name", "birth date"]


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("17\n", "PLANTEDNAME\n", "sample 2 is no number"),
        ("17\n", "17,5\n", "decimal comma"),
        ("512.414 hertz", "fast", "no sample rate is stated.*sampling_rate in NAME.yaml"),
        ("µV", "some", "no unit is stated.*units in NAME.yaml"),
        ("-3.25\n17\n1.5e2\n", "", "has no sample"),
    ],
)
def test_what_is_not_stated_or_damaged_is_one_error(
    tmp_path: Path, old: str, new: str, cause: str
) -> None:
    path = write(tmp_path, ENGLISH.replace(old, new))
    with pytest.raises(UnreadableFileError, match=cause) as error:
        read_recording(path, format="apple_ecg")
    assert "PLANTEDNAME" not in str(error.value)


def test_a_line_less_makes_no_channel_of_a_name(tmp_path: Path) -> None:
    text = ENGLISH.replace("Lead,Lead I\n", "")
    with pytest.raises(UnreadableFileError, match=r"no lead is stated.*channels in NAME.yaml"):
        read_recording(write(tmp_path, text))


def test_a_file_of_an_old_system_has_no_symptoms(tmp_path: Path) -> None:
    text = "\n".join(line for line in ENGLISH.splitlines() if not line.startswith("Symptoms"))
    found = read_recording(write(tmp_path, text))
    assert found.metadata["statements"] == [{"code": "", "text": "Sinus Rhythm"}]
    assert found.metadata["software"] == "1.90"
    assert any("no end" in note for note in found.metadata["notes"])
