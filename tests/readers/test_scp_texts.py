"""What SCP-ECG says beside its samples, who it is about, and damage of any byte."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording, scp
from tests.readers.scp_files import (
    DEFAULT,
    beats,
    huffman,
    leads,
    person_tags,
    record,
    text,
    waveforms,
)

CURVE = np.arange(-40, 40)


def statement(number: int, content: bytes) -> bytes:
    return struct.pack("<BH", number, len(content)) + content


def report(every: list[bytes], kind: int = 0) -> bytes:
    head = struct.pack("<BHBBBBBB", kind, 2020, 2, 1, 9, 10, 11, len(every))
    return head + b"".join(statement(n, each) for n, each in enumerate(every, 1))


MEASURED = struct.pack("<BBHH", 1, 1, 850, 29999)
MEASURED += struct.pack("<5H3h", 100, 192, 267, 355, 653, 48, -30, 999)
MEASURED += struct.pack("<Hh", 1500, 300) + struct.pack("<BBHH", 1, 1, 0, 500)
MEASURED += struct.pack("<HBB", 2, 0, 0) + struct.pack("<HHHB", 71, 29999, 386, 1)
LEADS_MEASURED = struct.pack("<HH", 2, 0)
for _code in (1, 2):
    LEADS_MEASURED += struct.pack("<HH4h", _code, 8, 92, 167, 29999, 386)


def bodies(**changes: bytes) -> dict[int, bytes]:
    every = {
        1: person_tags(last="Muster", first="Ada", id="4711", model="AT10"),
        2: DEFAULT,
        3: leads((1, 2), 1, 80),
        4: beats(160, 40, [(0, 1, 40, 80)], [(30, 50)]),
        5: waveforms([huffman(CURVE)] * 2),
        6: waveforms([huffman(CURVE)] * 2),
        7: MEASURED,
        8: report([text("Sinus rhythm"), text("Left axis"), text("Confirmed by Dr. X")]),
        10: LEADS_MEASURED,
        11: report([b"\1SR\0PR\0", b"\2" + text("ST elevation"), b"\2" + text("see MUSTER")]),
    }
    return every | {int(name[1:]): body for name, body in changes.items()}


def write(folder: Path, content: dict[int, bytes]) -> Path:
    (folder / "a.scp").write_bytes(record(content))
    return folder / "a.scp"


def test_measurements_statements_and_the_person(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, bodies()))
    said = recording.metadata
    assert said["measurements"] == {
        **{"rr_ms": 850, "p_onset_ms": 100, "p_offset_ms": 192, "qrs_onset_ms": 267},
        **{"qrs_offset_ms": 355, "t_offset_ms": 653, "p_axis_deg": 48, "qrs_axis_deg": -30},
        **{"heart_rate_bpm": 71, "qtc_ms": 386, "qtc_formula": "Bazett"},
        **{"p_ms": 92, "pr_ms": 167, "qrs_ms": 88, "qt_ms": 386},
    }
    measured = {"p_ms": 92, "pr_ms": 167, "qt_ms": 386}
    assert said["lead_measurements"] == {"I": measured, "II": measured}
    assert said["statements"] == [
        {"code": "", "text": "Sinus rhythm"},
        {"code": "", "text": "Left axis"},
        {"code": "SR", "text": "PR"},
        {"code": "", "text": "ST elevation"},
    ]
    assert said["statements_left_out"] == 2  # who confirmed it, and the person's name
    assert said["age"] == 50.0
    assert said["sex"] == "F"
    assert said["manufacturer"] == "Schiller"
    assert said["device"] == "AT10"
    assert said["highpass_hz"] == 0.05
    assert said["lowpass_hz"] == 150.0
    assert said["mains_hz"] == 50
    assert said["filters"] == ["notch 50 Hz"]
    assert said["utc_offset_minutes"] == 60
    assert said["format_version"] == 2.0
    assert recording.annotations["text"].tolist() == ["QRS", "pace"]
    assert recording.annotations["onset"].tolist() == [39 / 500, 1.5]


def test_block_lengths_of_section_10_may_count_their_headers(tmp_path: Path) -> None:
    other = struct.pack("<HH", 2, 0)
    for code in (1, 2):
        other += struct.pack("<HH4h", code, 12, 92, 167, 29999, 386)
    said = read_recording(write(tmp_path, bodies(s10=other))).metadata
    assert said["lead_measurements"]["II"] == {"p_ms": 92, "pr_ms": 167, "qt_ms": 386}


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    return {"a.scp": record(bodies(s1=person_tags("PLANTEDNAME"), s9=b"PLANTEDNAME"))}


def test_no_name_of_the_file_is_handed_on(tmp_path: Path) -> None:
    path = tmp_path / "a.scp"
    path.write_bytes(planted()[path.name])
    recording = read_recording(path)
    texts = repr((recording, dict(recording.metadata), recording.annotations.to_dict()))
    assert "PLANTED" not in texts
    assert recording.metadata["identifying"] == ["id", "name", "birth date"]


@pytest.mark.parametrize("number", [1, 7, 8, 10, 11])
def test_a_damaged_text_section_costs_only_itself(tmp_path: Path, number: int) -> None:
    content = bodies()
    content[number] = content[number][: 14 if number != 7 else 8]
    recording = read_recording(write(tmp_path, content))
    assert recording.metadata["not_read"] == [f"section {number}"]
    assert recording.groups[0].digital.tolist() == [CURVE.tolist()] * 2


def test_sections_of_manufacturers_are_named(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, bodies() | {9: b"abc", 200: b"xyz"}))
    assert recording.metadata["not_read"] == ["section 200", "section 9"]


def test_version_3_with_a_long_rhythm_is_refused(tmp_path: Path) -> None:
    content = bodies() | {12: b"abc"}
    del content[6]
    with pytest.raises(UnreadableFileError, match="section 12"):
        read_recording(write(tmp_path, content))


WHOLE = record(bodies(s3=leads((1, 2), 1, 80, flags=5)))


@settings(
    max_examples=250, deadline=4000, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), max_size=6),
    cut=st.integers(0, 4 * len(WHOLE)),
    verify=st.booleans(),
)
def test_damaged_bytes_give_a_recording_or_one_error(
    tmp_path: Path, changes: Any, cut: int, verify: bool
) -> None:
    out = bytearray(WHOLE)
    for place, value in changes:
        out[int(place * len(out))] = value
    (tmp_path / "a.scp").write_bytes(bytes(out[:cut]))
    with contextlib.suppress(UnreadableFileError):
        recording = scp.read(tmp_path / "a.scp", verify=verify)  # here: its own errors only
        assert sum(group.digital.nbytes for group in recording.groups) < 1 << 20
