"""EGI's simple binary: files made byte by byte, against MNE, and with damage."""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_recording

TYPES = {1: ">i2", 2: ">f4", 3: ">f8"}
DIGITAL = np.random.default_rng(3).integers(-3000, 3000, (3, 12))
EVENTS = np.zeros((2, 12), int)
EVENTS[0, 4] = EVENTS[0, 9] = EVENTS[1, 6] = EVENTS[1, 7] = 1
EVENTS[1, 8] = 2


def fixed(version: int, bits: int = 16, span: int = 5000, rate: int = 250) -> bytes:
    return struct.pack(">i6hi5h", version, 2019, 3, 4, 5, 6, 7, 890, rate, 3, 1, bits, span)


def frames(kind: str, samples: np.ndarray = DIGITAL, events: np.ndarray = EVENTS) -> bytes:
    return np.concatenate([samples, events]).T.astype(kind).tobytes()


def continuous(version: int, **said: int) -> bytes:
    head = fixed(version, **said) + struct.pack(">ih", 12, 2) + b"stm+DIN1"
    return head + frames(TYPES[version >> 1])


def segmented(
    version: int, times: tuple[int, int] = (100, 400), cells: tuple[int, int] = (2, 1)
) -> bytes:
    head = fixed(version) + struct.pack(">h", 2) + b"\3odd\4even" + struct.pack(">hih", 2, 6, 2)
    head += b"stm+DIN1"
    for at, (cell, time) in enumerate(zip(cells, times, strict=True)):
        part = slice(6 * at, 6 * at + 6)
        head += struct.pack(">hi", cell, time)
        head += frames(TYPES[version >> 1], DIGITAL[:, part], EVENTS[:, part])
    return head


def write(folder: Path, data: bytes, name: str = "a.raw") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize("version", [2, 4, 6])
def test_continuous_files_of_each_type(tmp_path: Path, version: int) -> None:
    path = write(tmp_path, continuous(version))
    assert detect_format(path) == "egi_raw"
    found = read_recording(path)
    (group,) = found.groups
    assert (group.channels, group.units, group.sampling_rate) == (
        *(("E1", "E2", "E3"), ("uV",) * 3),
        250.0,
    )
    assert group.digital.dtype == np.dtype(TYPES[version >> 1]).newbyteorder("=")
    assert np.array_equal(group.digital, DIGITAL)
    assert np.allclose(group.physical(), DIGITAL * (5000 / 65536), rtol=1e-15, atol=0)
    assert found.start_time == datetime(2019, 3, 4, 5, 6, 7, 890000)
    table = found.annotations
    assert table["text"].tolist() == ["stm+", "DIN1", "DIN1", "stm+"]
    assert table["sample"].tolist() == [4, 6, 8, 9]
    assert table["onset"].tolist() == [0.016, 0.024, 0.032, 0.036]
    assert table["duration"].tolist() == [0.004, 0.008, 0.004, 0.004]


def test_mne_reads_the_same_numbers(tmp_path: Path) -> None:
    import mne

    for version, span in ((2, 5000), (4, 0)):
        path = write(tmp_path, continuous(version, span=span))
        raw = mne.io.read_raw_egi(path, verbose="error", events_as_annotations=False)
        ours = read_recording(path).groups[0].physical()
        volts = 1e-6 if span == 0 else 1.0  # with a range, MNE takes microvolts for volts
        assert np.allclose(raw.get_data(picks=[0, 1, 2]), ours * volts, rtol=1e-12)


@pytest.mark.parametrize("version", [3, 5, 7])
def test_segments_have_their_times_and_categories(tmp_path: Path, version: int) -> None:
    found = read_recording(write(tmp_path, segmented(version)))
    (group,) = found.groups
    assert np.array_equal(group.digital, DIGITAL)
    assert group.segments == ((0, 0.1), (6, 0.4))
    table = found.annotations
    category = table[table["source"] == "egi_raw category"]
    assert category["text"].tolist() == ["even", "odd"]
    assert category["onset"].tolist() == [0.1, 0.4]
    assert category["duration"].tolist() == [0.024, 0.024]
    events = table[table["source"] == "egi_raw"]
    assert events["onset"].round(9).tolist() == [0.116, 0.4, 0.408, 0.412]


def test_an_event_ends_with_its_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "EVENTS", np.ones((2, 12), int))
    table = read_recording(write(tmp_path, segmented(3))).annotations
    events = table[table["source"] == "egi_raw"]
    assert events["onset"].tolist() == [0.1, 0.1, 0.4, 0.4]
    assert events["duration"].tolist() == [0.024] * 4


def test_segments_that_overlap_are_laid_apart(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, segmented(3, (400, 100), (9, 1))))
    assert found.groups[0].segments == ((0, 0.0), (6, 1.024))
    assert found.metadata["epoch_begin_s"] == [0.4, 0.1]
    assert "category 9" in found.annotations["text"].tolist()


def test_values_without_a_range_are_microvolts(tmp_path: Path) -> None:
    (group,) = read_recording(write(tmp_path, continuous(4, span=0))).groups
    assert group.gain.tolist() == [1.0] * 3


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (continuous(2)[:-1], "bytes of samples"),
        (continuous(2) + b"\0", "bytes of samples"),
        (segmented(3)[:-7], "bytes of samples"),
        (continuous(2)[:38], "header is cut off"),
        (fixed(2) + struct.pack(">ih", 2**31 - 1, 2) + b"stm+DIN1", "bytes of samples"),
        (fixed(2) + struct.pack(">ih", 0, 0), "0 samples"),
        (fixed(3) + struct.pack(">hhih", 0, 0, 5, 0), "in 0 segments"),
        (fixed(2)[:22] + struct.pack(">h", 5000) + continuous(2)[24:], "over the limit"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, data: bytes, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path, data))


def test_whole_samples_of_a_cut_file_are_read_only_when_asked(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, continuous(2)[:-11]), verify=False)
    assert np.array_equal(found.groups[0].digital, DIGITAL[:, :10])
    assert found.metadata["flags"] == ["cut-off"]
    found = read_recording(write(tmp_path, segmented(3)[:-1]), verify=False)
    assert np.array_equal(found.groups[0].digital, DIGITAL[:, :6])
