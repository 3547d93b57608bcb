"""Micromed's files, made byte by byte: scales, reductions, annotations, people, damage."""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_recording
from tests.readers.planted import NAME

ZONES = [
    "ORDER",
    "LABCOD",
    "NOTE",
    "FLAGS",
    "TRONCA",
    "IMPED_B",
    "IMPED_E",
    "MONTAGE",
    "COMPRESS",
    "AVERAGE",
    "HISTORY",
    "DVIDEO",
    "EVENT_A",
    "EVENT_B",
    "TRIGGER",
]
SAMPLES = np.random.default_rng(5).integers(0, 65536, (40, 3))
LOW, HIGH, GROUND = 0, 65535, 32768
NONE = 0xFFFFFFFF


def electrode(name: bytes, other: bytes, span: tuple[int, ...], unit: int, factor: int) -> bytes:
    body = b"\1\0" + name.ljust(6, b"\0") + other.ljust(6, b"\0")
    body += struct.pack("<5ih4HH", *span, unit, 150, 0, 1000, 0, factor)
    return body.ljust(76, b"\0")[:64] + NAME.encode().ljust(32, b"\0") + bytes(32)


def made(
    samples: Any = SAMPLES,
    kind: str = "<u2",
    span: tuple[int, ...] = (LOW, HIGH, GROUND, -3200, 3200),
    pieces: tuple[tuple[int, int], ...] = (),
    factors: tuple[int, ...] = (1, 1, 1),
    **changed: int,
) -> bytes:
    width = np.dtype(kind).itemsize
    said = {"header": 4, "packed": 0, "interval": 3 * width, "rate": 256, "unit": 0} | changed
    labels = [
        electrode(b"nobody", b"", span, 0, 1),
        electrode(b"Fp1", b"G2", span, said["unit"], factors[0]),
        electrode(b"MKR+", b"MKR-", (0, 65535, 32768, -50, 50), 1, factors[1]),
        electrode(b"ECG1", b"ECG2", (0, 4095, 2048, -5, 5), 2, factors[2]),
    ]
    zones = {
        "ORDER": struct.pack("<3H", 1, 3, 2).ljust(64, b"\0"),
        "LABCOD": b"".join(labels),
        "NOTE": b"".join(
            struct.pack("<I40s", at, text)
            for at, text in ((5, b"eyes open"), (12, NAME.encode() + b" moves"), (0, b""))
        ),
        "FLAGS": struct.pack("<4I", 2, 6, NONE, NONE),
        "TRONCA": b"".join(struct.pack("<2I", *piece) for piece in pieces).ljust(80, b"\0"),
        "TRIGGER": struct.pack("<IHIHIH", 7, 9, 99, 1, NONE, 65535),
        "EVENT_A": struct.pack("<6I", 4, 20, 30, 0, 0, 0),
        "HISTORY": NAME.encode(),
    }
    at = 640
    listed, body = b"", b""
    for name in ZONES:
        content = zones.get(name, bytes(16))
        listed += name.replace("_A", " A").replace("_B", " B").encode().ljust(8)[:8] if (
            name.startswith("EVENT")) else name.encode().ljust(8)  # fmt: skip
        listed += struct.pack("<II", at, len(content))
        body += content
        at += len(content)
    head = b"* MICROMED  Brain-Quick file *\0\0" + NAME.encode().ljust(32)
    head += NAME.encode().ljust(22) + NAME.encode().ljust(20) + bytes([3, 31, 70])
    head += NAME.encode().ljust(19) + bytes([29, 2, 124, 13, 14, 15]) + struct.pack("<HH", 20, 74)
    head += struct.pack("<I5H", at, 3, said["interval"], said["rate"], width, said["packed"])
    head = head.ljust(175, b"\0") + bytes([said["header"]]) + listed
    return head.ljust(640, b"\0") + body + np.asarray(samples).astype(kind).tobytes()


def write(folder: Path, data: bytes) -> Path:
    (folder / "a.TRC").write_bytes(data)
    return folder / "a.TRC"


def planted() -> dict[str, bytes]:
    return {"a.TRC": made()}


def test_samples_scales_and_annotations(tmp_path: Path) -> None:
    path = write(tmp_path, made())
    assert detect_format(path) == "micromed"
    found = read_recording(path)
    (group,) = found.groups
    assert (group.channels, group.units) == (("Fp1", "ECG1", "MKR+"), ("uV", "V", "mV"))
    assert found.metadata["references"] == ["G2", "ECG2", "MKR-"]
    assert np.array_equal(group.digital, SAMPLES.T)
    assert group.sampling_rate == 256.0
    steps = np.array([[6400 / 65536], [10 / 4096], [100 / 65536]])
    want = (SAMPLES.T - np.array([[32768], [2048], [32768]])) * steps
    assert np.allclose(group.physical(), want, rtol=1e-15, atol=0)
    assert found.start_time == datetime(2024, 2, 29, 13, 14, 15)
    rows = found.annotations
    assert rows["text"].tolist() == ["flag", "eyes open", "9", "event a 4"]
    assert rows["sample"].tolist() == [2, 5, 7, 20]
    assert rows["onset"].tolist() == [2 / 256, 5 / 256, 7 / 256, 20 / 256]
    assert rows["duration"].fillna(-1).tolist() == [4 / 256, -1, -1, 10 / 256]
    assert "1 notes that may name people are left out" in found.metadata["notes"]
    assert "1 annotations behind the last sample are left out" in found.metadata["notes"]


def test_neo_reads_the_same(tmp_path: Path) -> None:
    neo = pytest.importorskip("neo.rawio")
    path = write(tmp_path, made(unit=0))
    reader = neo.MicromedRawIO(str(path))
    reader.parse_header()
    raw = reader.get_analogsignal_chunk()
    (group,) = read_recording(path).groups
    assert np.array_equal(raw.T, group.digital)
    scaled = reader.rescale_signal_raw_to_float(raw, "float64").T
    assert np.allclose(scaled, group.physical(), rtol=1e-12, atol=1e-9)
    assert tuple(reader.header["signal_channels"]["name"]) == group.channels


def test_nobody_is_named(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, made()))
    assert NAME not in repr(found) + repr(found.metadata) + found.annotations.to_csv()
    assert found.metadata["identifying"] == ["name", "birth date"]
    assert found.metadata["age"] == 53.0


@pytest.mark.parametrize(
    ("kind", "low", "values"),
    [("<u1", 0, SAMPLES & 255), ("<u4", 0, SAMPLES), ("<i4", -65536, SAMPLES - 32768)],
)
def test_other_widths(tmp_path: Path, kind: str, low: int, values: Any) -> None:
    found = read_recording(write(tmp_path, made(values, kind, (low, HIGH, 0, -3200, 3200))))
    assert np.array_equal(found.groups[0].digital, values.T)
    assert found.groups[0].baseline.tolist() == [0, 2048, 32768]


def test_reduced_recordings_have_gaps(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, made(pieces=((256, 0), (1024, 10), (2048, 25)))))
    assert found.groups[0].segments == ((0, 1.0), (10, 4.0), (25, 8.0))
    assert found.annotations["onset"].tolist() == [
        *(1 + 2 / 256, 1 + 5 / 256, 1 + 7 / 256, 4 + 10 / 256),
    ]


@pytest.mark.parametrize("pieces", [((256, 0), (128, 10)), ((256, 0), (1024, 99))])
def test_pieces_that_contradict_are_flagged(tmp_path: Path, pieces: Any) -> None:
    found = read_recording(write(tmp_path, made(pieces=pieces)))
    assert found.groups[0].segments == ((0, 0.0),)
    assert found.metadata["flags"] == ["discontinuous"]


def test_a_factor_of_the_rate(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, made(factors=(2, 2, 2))))
    assert found.groups[0].sampling_rate == 512.0


WHOLE = made()


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (WHOLE[:-1], "ends within a sample: 5 bytes"),
        (WHOLE[:300], "no whole header"),
        (WHOLE[:660], "begin behind its end"),
        (made(header=3), "header type 3"),
        (made(packed=1), "compression 1"),
        (made(interval=8), "8 apart"),
        (made(rate=0), "at 0 Hz"),
        (made(unit=7), "unknown range, unit or rate"),
        (made(factors=(1, 2, 1)), "several rates"),
        (made(span=(10, 9, 0, 0, 1)), "unknown range"),
        (WHOLE.replace(b"TRONCA", b"TRONCX"), "damaged at TRONCA"),
        (made(np.zeros((0, 3))), "0 samples"),
        (WHOLE[:176] + b"ORDER   " + b"\xff" * 8 + WHOLE[192:], "ends behind the file"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, data: bytes, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path, data))


def test_whole_samples_of_a_cut_file_are_read_only_when_asked(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, WHOLE[:-1]), verify=False)
    assert np.array_equal(found.groups[0].digital, SAMPLES[:-1].T)
    assert found.metadata["flags"] == ["cut-off"]
