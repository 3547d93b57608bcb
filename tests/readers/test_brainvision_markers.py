"""Our reading of long lists of BrainVision markers, against MNE's of the same lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physioprep.readers import brainvision_markers, read_header, read_recording
from physioprep.readers.mne import read
from physioprep.recording import reader_flags

HEADER = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
DataFile=a.eeg
MarkerFile={markers}
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=1
SamplingInterval=4000
[Binary Infos]
BinaryFormat=INT_16
[Channel Infos]
Ch1=Cz,,0.5,µV
"""
HEAD = "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nDataFile=a.eeg\n"
NEW = "New Segment,,1,1,0,20200131123456789012"


def written(folder: Path, *rows: str, encoding: str = "utf-8", end: str = "\n") -> Path:
    np.zeros(1000, "<i2").tofile(folder / "a.eeg")
    (folder / "a.vhdr").write_text(HEADER.format(markers="a.vmrk"), encoding="utf-8")
    lines = [*HEAD.splitlines(), "[Marker Infos]", *(f"Mk{i}={r}" for i, r in enumerate(rows, 1))]
    (folder / "a.vmrk").write_bytes((end.join(lines) + end).encode(encoding))
    return folder / "a.vhdr"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("rows", "encoding", "end"),
    [
        ((NEW, "Stimulus,S  1,10,1,0", "Response,R  2,11,5,1", "Comment,,500,0,0"), "utf-8", "\n"),
        ((NEW, "Stimulus,S  1,10,1,0", "Stimulus,S  9,9,1,0"), "utf-8", "\r\n"),
        (("Stimulus,S  1,1,1,0", NEW, "Comment,a\\1 b,20,x,0"), "utf-8", "\n"),
        ((NEW, "Comment,Müde,20,1,0"), "utf-8", "\n"),
        (("New Segment,,1,1,0,0", "Stimulus,S  1,10,1,0"), "utf-8", "\n"),
        ((NEW, "S,1,999,1,0", "S,2,1000,1,0", "S,3,1001,1,0", "S,4,5000,1,0"), "utf-8", "\n"),
        ((NEW, "Stimulus,S  1,990,100,0", "S,2,0,1,0", "S,3,-5,1,0", "S,4,-5,20,0"), "utf-8", "\n"),
        ((), "utf-8", "\n"),
    ],
)  # fmt: skip
def test_they_are_those_of_mne(
    tmp_path: Path, rows: tuple[str, ...], encoding: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, *rows, encoding=encoding, end=end)
    slow = read(path)
    monkeypatch.setattr(brainvision_markers, "LONG_BYTES", 0)
    fast = read(path)
    assert fast.start_time == slow.start_time
    assert fast.files == slow.files
    assert len(fast.annotations) == len(slow.annotations)
    for name in fast.annotations:
        if name in ("onset", "duration"):
            np.testing.assert_allclose(fast.annotations[name], slow.annotations[name], atol=1e-6)
        else:
            assert fast.annotations[name].tolist() == slow.annotations[name].tolist(), name


def test_a_long_list_is_read_within_the_limits_of_a_parser(tmp_path: Path) -> None:
    n = 300_000
    path = written(tmp_path, NEW, *(f"Stimulus,S{i % 200:3d},{1 + i % 1000},1,0" for i in range(n)))
    recording = read_recording(path)
    assert len(recording.annotations) == n
    assert recording.annotations["onset"].is_monotonic_increasing
    assert recording.annotations["text"].value_counts().loc["Stimulus/S  1"] == n // 200
    assert read_header(path).groups[0].n_samples == 1000


@pytest.mark.parametrize("limit", [0, 1 << 20])
@pytest.mark.parametrize(
    "row",
    ["Mk3=Stimulus", "Mk3=", "Mk3=S,1,abc,1,0", "Mk3=S,1,7.5,1,0", "Mk3=S,1,,1,0", "Mk3", "x"],
)
def test_one_damaged_row_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str, limit: int
) -> None:
    monkeypatch.setattr(brainvision_markers, "LONG_BYTES", limit)
    path = written(tmp_path, NEW, "Stimulus,S  1,10,1,0", "?", "Stimulus,S  2,20,1,0")
    markers = tmp_path / "a.vmrk"
    markers.write_text(markers.read_text().replace("Mk3=?", row) + "\n[Marker User Infos]\nany\n")
    recording = read(path)
    assert recording.groups[0].digital.shape == (1, 1000)
    assert recording.annotations["text"].tolist() == ["Stimulus/S  1", "Stimulus/S  2"]
    np.testing.assert_allclose(recording.annotations["onset"], [9 / 250, 19 / 250])
    for metadata in (recording.metadata, read_header(path).metadata):
        assert reader_flags(metadata) == ["not-read:damaged annotations of a.vmrk"]
        note = f"damaged annotations of a.vmrk: 1, the first is {row!r}"
        assert metadata["notes"] == [note]


@pytest.mark.parametrize("content", [bytes(range(256)), b"", b"garbage\n", HEAD.encode()])
def test_a_file_that_is_no_list_costs_the_markers_alone(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, NEW, "Stimulus,S  1,10,1,0")
    (tmp_path / "a.vmrk").write_bytes(content)
    recording = read_recording(path)
    assert recording.groups[0].n_samples == 1000
    assert recording.annotations.empty
    assert reader_flags(recording.metadata) == ["not-read:a.vmrk"]


def test_a_byte_of_another_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, NEW, "Comment,Müde,10,1,0", encoding="latin-1")
    recording = read_recording(path)
    assert recording.annotations["text"].tolist() == ["Comment/Müde"]
    assert recording.start_time is not None
    assert reader_flags(recording.metadata) == ["note:a.vmrk: is no 'utf-8': read as Latin-1"]


@pytest.mark.parametrize("name", ["\0UTF-8", "UTF-88"])
def test_an_encoding_that_is_none_costs_no_recording(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "Stimulus,S  1,10,1,0")
    content = (tmp_path / "a.vmrk").read_text()
    stated = content.replace("[Common Infos]", f"[Common Infos]\nCodepage={name}")
    (tmp_path / "a.vmrk").write_text(stated)
    recording = read_recording(path)
    assert recording.annotations["text"].tolist() == ["Stimulus/S  1"]
    note = f"note:a.vmrk: is no {name!r}: read as Latin-1"
    assert reader_flags(recording.metadata) == [note]
