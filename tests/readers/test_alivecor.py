"""AliveCor's ATC files, written byte by byte after its specification 1.7."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

I_MV = [0, -297, 393, 32767, -32768]


def add_up(content: bytes) -> int:
    return sum(content) & 0xFFFFFFFF


def block(name: bytes, data: bytes, check: Callable[[bytes], int] = add_up) -> bytes:
    whole = name + struct.pack("<I", len(data)) + data
    return whole + struct.pack("<I", check(whole))


def info(date: bytes = b"2010-12-08T15:54:23.245+10:00") -> bytes:
    fields = ((date, 32), (b"PLANTEDNAME", 40), (b"PLANTEDNAME", 44), (b"PLANTEDNAME", 32))
    more = ((b"AliveECG v1.6.7", 32), (b"PLANTEDNAME", 32), (b"SN=PLANTEDNAME,BAT=55", 52))
    return b"".join(text.ljust(size, b"\0") for text, size in (*fields, *more))


def atc(
    check: Callable[[bytes], int] = add_up,
    form: tuple[int, int, int, int, int] = (1, 300, 500, 2 | 4 | 64, 0),
    leads: dict[bytes, list[int]] | None = None,
    more: bytes = b"",
) -> bytes:
    samples = leads if leads is not None else {b"ecg ": I_MV, b"ecg6": I_MV[::-1]}
    beats = struct.pack("<IIHIH", 300, 4, 2, 1, 1)
    return b"".join(
        (
            b"ALIVE\0\0\0" + struct.pack("<I", 5),
            block(b"info", info(), check),
            block(b"fmt ", struct.pack("<BHHBH", *form), check),
            *(block(name, np.array(row, "<i2").tobytes(), check) for name, row in samples.items()),
            block(b"avg2", np.array([7, 8], "<i2").tobytes(), check),
            block(b"ann ", beats, check),
            more,
        )
    )


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    return {"a.atc": atc()}


def write(folder: Path, content: bytes) -> Path:
    (folder / "a.atc").write_bytes(content)
    return folder / "a.atc"


@pytest.mark.parametrize("check", [add_up, zlib.crc32])
def test_leads_beats_and_annotations(tmp_path: Path, check: Callable[[bytes], int]) -> None:
    path = write(tmp_path, atc(check))
    assert detect_format(path) == "alivecor"
    found = read_recording(path)
    group = found.groups[0]
    assert (group.channels, group.units, group.sampling_rate) == (("I", "aVF"), ("uV",) * 2, 300.0)
    assert group.digital.dtype == "int16"
    assert group.digital.tolist() == [I_MV, I_MV[::-1]]
    assert group.physical()[0].tolist() == [value / 2 for value in I_MV]
    assert found.start_time == datetime(2010, 12, 8, 15, 54, 23, 245000)
    assert found.annotations["text"].tolist() == ["normal beat", "ventricular beat"]
    assert found.annotations["onset"].tolist() == [1 / 300, 4 / 300]
    about = found.metadata
    assert about["median_beats"][0]["channels"] == ["II"]
    assert about["median_beats"][0]["digital"].tolist() == [[7, 8]]
    assert (about["mains_frequency_hz"], about["filters"]) == (60, ["mains", "enhanced"])
    assert (about["software"], about["utc_offset"]) == ("AliveECG v1.6.7", "+1000")
    assert read_header(path).groups[0].n_samples == 5


def test_ids_and_serial_numbers_stay_in_the_file(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, atc()))
    assert "PLANTEDNAME" not in repr((found, found.metadata, found.annotations))


def test_a_wrong_checksum_is_an_error_or_a_note(tmp_path: Path) -> None:
    content = atc()
    at = content.index(b"ecg ") + 9
    path = write(tmp_path, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(ChecksumError, match="block ecg: its checksum is wrong"):
        read_recording(path)
    assert read_recording(path, verify=False).metadata["notes"] == [
        "block ecg: its checksum is wrong"
    ]


def test_a_cut_file_is_an_error_or_a_note(tmp_path: Path) -> None:
    path = write(tmp_path, atc()[:-3])
    with pytest.raises(UnreadableFileError, match="cut off within its block 6"):
        read_recording(path)
    found = read_recording(path, verify=False)
    assert found.groups[0].n_samples == 5
    assert not len(found.annotations)


def test_blocks_that_are_not_known_are_named(tmp_path: Path) -> None:
    more = block(b"acc ", bytes(24))
    assert read_recording(write(tmp_path, atc(more=more))).metadata["not_read"] == ["block acc"]


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (atc(form=(2, 300, 500, 0, 0)), "format 2"),
        (atc(form=(1, 0, 500, 0, 0)), "a rate or a scale of 0"),
        (atc(form=(1, 300, 0, 0, 0)), "a rate or a scale of 0"),
        (atc(leads={}), "no sample of any lead"),
        (atc(leads={b"ecg ": [1, 2], b"ecg2": [1]}), "different numbers of samples"),
        (atc(more=block(b"ecg ", bytes(4))), "has block ecg twice"),
        (atc(more=block(b"\xff\x00\x01\x02", bytes(4))), "has no name"),
        (b"ALIVE\0\0\0\2\0\0\0", "no whole block fmt"),
        (b"ALIVE\0\0\0\2\0\0\0info\xff\xff\xff\xff", "cut off"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, content: bytes, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path, content))
