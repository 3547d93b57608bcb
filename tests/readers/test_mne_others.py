"""GDF, Neuroscan and Nihon Kohden: files written here byte by byte, read through MNE-Python.

No small public file of these formats is at hand; what is written follows the published layouts
(GDF 1.25: Schloegl, arXiv cs/0608052; CNT: paulbourke.net/dataformats/eeg; Nihon Kohden: the
block structure that MNE-Python's reader documents).
"""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

pytestmark = pytest.mark.filterwarnings("ignore")
RATE_HZ, SECONDS = 200, 3
DIGITAL = np.random.default_rng(0).integers(-2000, 2000, (3, RATE_HZ * SECONDS)).astype("<i2")


def gdf_file(path: Path) -> None:
    """Write GDF 1.25: three channels of 0.5 µV a step, and two events."""
    names = ("Fz", "Cz", "ECG")
    n = len(names)
    head = b"GDF 1.25" + b"X X".ljust(80) + b"none".ljust(80) + b"2020013112000000"
    head += struct.pack("<q", 256 * (n + 1)) + bytes(24 + 20)
    head += struct.pack("<qIII", SECONDS, 1, 1, n)
    head += b"".join(name.encode().ljust(16) for name in names) + b" " * 80 * n
    head += b"uV".ljust(8) * n
    head += struct.pack(f"<{n}d", *[-16384.0] * n) + struct.pack(f"<{n}d", *[16383.5] * n)
    head += struct.pack(f"<{n}q", *[-32768] * n) + struct.pack(f"<{n}q", *[32767] * n)
    head += b" " * 80 * n
    head += struct.pack(f"<{n}i", *[RATE_HZ] * n) + struct.pack(f"<{n}i", *[3] * n)  # 3: int16
    head += bytes(32 * n)
    assert len(head) == 256 * (n + 1)
    records = DIGITAL.reshape(n, SECONDS, RATE_HZ).transpose(1, 0, 2)
    events = b"\x01" + RATE_HZ.to_bytes(3, "little") + struct.pack("<I", 2)
    events += struct.pack("<II", 101, 301) + struct.pack("<HH", 769, 770)  # counted from 1
    path.write_bytes(head + records.tobytes() + events)


def cnt_file(path: Path) -> None:
    """Write a Neuroscan CNT of 16 bits: 0.5 µV a step, baseline 7, one event."""
    names = ("FZ", "CZ", "ECG")
    n, n_samples = DIGITAL.shape
    head = bytearray(900 + 75 * n)
    head[0:12] = b"Version 3.0\0"
    head[225:235], head[235:247] = b"01/31/20\0\0", b"12:00:00\0\0\0\0"
    struct.pack_into("<H", head, 370, n)
    struct.pack_into("<H", head, 376, RATE_HZ)
    struct.pack_into("<i", head, 864, n_samples)
    events_at = len(head) + DIGITAL.nbytes
    struct.pack_into("<i", head, 886, events_at)
    for i, name in enumerate(names):
        at = 900 + 75 * i
        head[at : at + 10] = name.encode().ljust(10, b"\0")
        struct.pack_into("<h", head, at + 47, 7)
        struct.pack_into("<f", head, at + 59, 204.8)
        struct.pack_into("<f", head, at + 71, 0.5)
    event = struct.pack("<HBbi", 5, 0, 0, events_at - 2 * n * (n_samples - 100))
    table = struct.pack("<Bii", 1, len(event), 0) + event
    path.write_bytes(bytes(head) + DIGITAL.T.tobytes() + table)


def nihon_file(path: Path) -> None:
    """Write a Nihon Kohden .EEG with .21E, .PNT and .LOG: three electrodes."""
    version = b"EEG-1100C V01.00"
    indices = (16, 17, 200)  # FZ, CZ of the manufacturer's list, and one that .21E names
    head = bytearray(0x1800)
    head[0:16] = head[0x81:0x91] = version
    control, block = 0x400, 0x1800
    head[0x91] = 1
    struct.pack_into("<I", head, 0x92, control)
    head[control + 17] = 1
    struct.pack_into("<I", head, control + 18, block)
    head[0x17FE] = 1
    n = len(indices)
    wave = bytearray(0x27 + 10 * n)
    struct.pack_into("<H", wave, 0x1A, RATE_HZ | 0xC000)
    struct.pack_into("<I", wave, 0x1C, 10 * SECONDS)  # tenths of a second
    wave[0x26] = n
    for i, index in enumerate(indices):
        wave[0x27 + 10 * i] = index
    mark = np.zeros((1, DIGITAL.shape[1]), "<i2")  # every block ends in a channel of marks
    stored = (np.vstack([DIGITAL, mark]).astype(np.int32) + 0x8000).astype("<u2")
    path.write_bytes(bytes(head) + bytes(wave) + stored.T.tobytes())
    path.with_suffix(".21E").write_text("[ELECTRODE]\n0200=ECG\n[OTHER]\n")
    pnt = bytearray(0x60)
    pnt[0:16], pnt[0x40:0x4E] = version, b"20200131120000"
    path.with_suffix(".PNT").write_bytes(bytes(pnt))
    log = bytearray(0x200)
    log[0:16], log[0x91] = version, 1
    struct.pack_into("<I", log, 0x92, 0x100)
    log[0x101:0x111], log[0x112] = version, 1
    log[0x114 : 0x114 + 45] = b"REC START".ljust(20, b"\0") + b"000001" + bytes(19)
    path.with_suffix(".LOG").write_bytes(bytes(log))


def test_gdf(tmp_path: Path) -> None:
    path = tmp_path / "a.gdf"
    gdf_file(path)
    recording = read_recording(path)
    group = recording.groups[0]
    assert (detect_format(path), group.units, group.sampling_rate) == ("mne", ("V",) * 3, RATE_HZ)
    assert group.channels == ("Fz", "Cz", "ECG")
    np.testing.assert_allclose(group.physical(), DIGITAL * 0.5e-6, rtol=1e-9, atol=1e-12)
    assert recording.annotations["onset"].tolist() == [0.5, 1.5]
    assert recording.annotations["text"].tolist() == ["769", "770"]
    assert recording.start_time == datetime(2020, 1, 31, 12)
    assert read_header(path).groups[0].n_samples == RATE_HZ * SECONDS


@pytest.mark.parametrize("n_bytes", [1, 11, 12])  # of others, MNE makes an error
def test_cut_gdf_events_are_noted(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "a.gdf"
    gdf_file(path)
    assert "not_read" not in read_recording(path).metadata
    path.write_bytes(path.read_bytes()[:-n_bytes])
    recording = read_recording(path)
    expected = DIGITAL * 0.5e-6
    np.testing.assert_allclose(recording.groups[0].physical(), expected, rtol=1e-9, atol=1e-12)
    assert len(recording.annotations) == 0
    assert recording.metadata["not_read"] == ["events"]
    assert "table of events is cut off" in recording.metadata["notes"][-1]


@pytest.mark.parametrize("name", ["a.gdf", "a.cnt", "a.EEG"])
def test_a_cut_file_never_gives_wrong_samples(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    {"a.gdf": gdf_file, "a.cnt": cnt_file, "a.EEG": nihon_file}[name](path)
    whole, raw = read_recording(path).groups[0].physical(), path.read_bytes()
    for n_bytes in (1, 3, 64, 500, len(raw) // 3, len(raw) // 2, len(raw) - 100):
        path.write_bytes(raw[:-n_bytes])
        try:
            recording = read_recording(path)
        except UnreadableFileError:
            continue
        assert np.array_equal(recording.groups[0].physical(), whole)
        assert recording.metadata["notes"]


def test_neuroscan_cnt(tmp_path: Path) -> None:
    path = tmp_path / "a.cnt"
    cnt_file(path)
    recording = read_recording(path)
    group = recording.groups[0]
    assert (group.channels, group.sampling_rate) == (("FZ", "CZ", "ECG"), RATE_HZ)
    expected = (DIGITAL.astype(float) - 7) * 0.5e-6
    np.testing.assert_allclose(group.physical(), expected, rtol=1e-6, atol=1e-12)
    assert recording.annotations["text"].tolist() == ["5"]
    # MNE places an event one sample before the one that its file offset points at
    assert recording.annotations["onset"].tolist() == [0.5 - 1 / RATE_HZ]
    assert recording.start_time == datetime(2020, 1, 31, 12)


def test_nihon_kohden(tmp_path: Path) -> None:
    path = tmp_path / "A.EEG"
    nihon_file(path)
    recording = read_recording(path)
    group = recording.groups[0]
    assert (detect_format(path), group.sampling_rate) == ("mne", RATE_HZ)
    assert group.channels[:3] == ("FZ", "CZ", "ECG")
    step_v = (3199.902 + 3200) / 65535 * 1e-6  # of the electrodes' inputs
    expected = DIGITAL[:2] * step_v
    np.testing.assert_allclose(group.physical()[:2], expected, atol=2e-6 * step_v * 32768)
    assert recording.annotations["text"].tolist() == ["REC START"]
    assert recording.annotations["onset"].tolist() == [1.0]
    assert recording.start_time == datetime(2020, 1, 31, 12)
    assert {file.suffix for file in recording.files} == {".EEG", ".21E", ".PNT", ".LOG"}


@pytest.mark.parametrize("write", [gdf_file, nihon_file])
def test_cut_files_are_one_error_or_whole_channels(tmp_path: Path, write) -> None:
    path = tmp_path / ("A.EEG" if write is nihon_file else "a.gdf")
    write(path)
    raw = path.read_bytes()
    for length in (0, 10, 300, len(raw) // 2):
        path.write_bytes(raw[:length])
        with pytest.raises(UnreadableFileError, match=path.name) as caught:
            read_recording(path)
        assert "\n" not in str(caught.value)
