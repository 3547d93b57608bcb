"""Nicolet's files, made byte by byte: sections, segments, events, people, damage."""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, person, read_recording
from tests.readers.planted import NAME

CHANNELS = "{A271CCCB-515D-4590-B6A1-DC170C8D6EE2}"
PATIENT = "{D0B3FD0B-49D9-4BF0-8929-296DE5A55910}"
EVENT = bytes.fromhex("80f699b7a472d31193d300500400c148")
ANNOTATION = bytes.fromhex("1256a9a5f8a7cf11831a0800091b5bda")
OPEN = bytes.fromhex("c6a23a584e1fcf47a8d480c69eb8a5f3")
DAY = 43831.5  # 2020-01-01 12:00
EEG = np.random.default_rng(9).integers(-9000, 9000, (2, 30)).astype("<i2")
SLOW = np.arange(15, dtype="<i2")
#: Seconds at 10 Hz: 20 samples, then 10, 60 s later.
SEGMENTS = ((DAY, 2.0), (DAY + 62 / 86400, 1.0))


def wide(text: str, n: int) -> bytes:
    return text.encode("utf-16-le").ljust(2 * n, b"\0")[: 2 * n]


def segment(day: float, duration: float) -> bytes:
    return struct.pack("<3d", day, 0.0, duration).ljust(152, b"\0")


def channel(name: str, rate: float, step: float = 0.5, offset: float = 0.0) -> bytes:
    body = wide(name, 64) + wide(NAME, 32) + wide("REF", 32)
    body += struct.pack("<4dHHd", 0.1, 35.0, rate, step, 0, 0, offset)
    return body.ljust(552, b"\0")


def described(*channels: bytes) -> bytes:
    head = wide(NAME, 376)
    return head + struct.pack("<II", len(channels), len(channels)) + b"".join(channels)


def change(guid: str, day: float, first: int, size: int) -> bytes:
    a, b, c, *rest = guid.strip("{}").split("-")
    raw = struct.pack("<IHH", int(a, 16), int(b, 16), int(c, 16)) + bytes.fromhex("".join(rest))
    return raw + struct.pack("<2d2Q", day, 0.0, first, size)


def event(
    seconds: float, kind: bytes, text: str = "", lasts: float = 0.0, day: float = DAY
) -> bytes:
    body = bytes(8) + struct.pack("<3d", day, seconds, lasts) + bytes(48) + wide(NAME, 12)
    body += struct.pack("<Q", len(text)) + kind + bytes(16) + wide("", 32) + bytes(32)
    body += wide(text, len(text) + 4)
    return EVENT + struct.pack("<Q", len(body) + 24) + body


def patient() -> bytes:
    texts = {1: "PAT-17", 2: NAME, 4: NAME, 9: NAME, 12: NAME}
    body = bytes(24) + struct.pack("<2Q", 2, len(texts))
    body += struct.pack("<QdQ", 7, 29221.0, 10)  # born 1980-01-01
    body += b"".join(struct.pack("<2Q", key, len(text)) for key, text in texts.items())
    return body + b"".join(wide(text, len(text) + 1) for text in texts.values())


def parts() -> dict[str, list[bytes]]:
    told = described(channel("Fp1", 10.0), channel("ECG", 10.0, -0.25, 3.0), channel("SaO2", 5.0))
    return {
        "SegmentStream": [b"".join(segment(*each) for each in SEGMENTS)],
        "InfoChangeStream": [change(CHANNELS, DAY - 1, 16, len(told))],
        CHANNELS: [bytes(16) + told[:900], told[900:]],
        PATIENT: [patient()],
        "Events": [
            event(0.25, OPEN, lasts=0.25, day=DAY + 62 / 86400)
            + event(0.5, ANNOTATION, "seizure")
            + event(0.75, ANNOTATION, f"{NAME} asks")
        ],
        "0": [EEG[0, :12].tobytes(), EEG[0, 12:20].tobytes(), EEG[0, 20:].tobytes()],
        "1": [EEG[1, :20].tobytes(), EEG[1, 20:].tobytes()],
        "2": [SLOW[:10].tobytes(), SLOW[10:].tobytes()],
    }


def made(*, per_block: int = 7, n_entries: int | None = None, **changed: list[bytes]) -> bytes:
    content = parts() | changed
    tags = b"".join(wide(tag, 40) + struct.pack("<I", 50 + at) for at, tag in enumerate(content))
    head = bytes(172) + struct.pack("<I", len(content)) + tags
    entries, body, at = [], b"", 172_208 + 24 + 8 * len(content)
    for number, sections in enumerate(content.values()):
        for section in sections:
            entries.append(struct.pack("<2QII", 50 + number, at + len(body), 99, len(section)))
            body += section
    blocks = [entries[i : i + per_block] for i in range(0, len(entries), per_block)]
    pointer = at + len(body)
    n = len(entries) if n_entries is None else n_entries
    index = struct.pack("<4IQ", n, 0, pointer, 0, 0) + bytes(8 * len(content))
    for block in blocks:
        pointer += 16 + 24 * len(block)
        body += struct.pack("<Q", len(block)) + b"".join(block) + struct.pack("<Q", pointer)
    return head.ljust(172_208, b"\0") + index + body


def write(folder: Path, data: bytes) -> Path:
    (folder / "a.e").write_bytes(data)
    return folder / "a.e"


def planted() -> dict[str, bytes]:
    return {"a.e": made()}


def test_groups_segments_and_events(tmp_path: Path) -> None:
    path = write(tmp_path, made())
    assert detect_format(path) == "nicolet"
    found = read_recording(path)
    fast, slow = found.groups
    assert (fast.channels, fast.units, fast.sampling_rate) == (("Fp1", "ECG"), ("uV",) * 2, 10.0)
    assert fast.digital.dtype == np.int16
    assert np.array_equal(fast.digital, EEG)
    want = EEG * np.array([[0.5], [-0.25]]) + np.array([[0.0], [3.0]])
    assert np.array_equal(fast.physical(), want)
    assert fast.segments == ((0, 0.0), (20, 62.0))
    assert (slow.channels, slow.sampling_rate) == (("SaO2",), 5.0)
    assert np.array_equal(slow.digital[0], SLOW)
    assert slow.segments == ((0, 0.0), (10, 62.0))
    assert found.metadata["references"] == [["REF", "REF"], ["REF"]]
    assert found.start_time == datetime(2020, 1, 1, 12)
    rows = found.annotations
    assert rows["text"].tolist() == ["seizure", "Eyes open"]
    assert rows["code"].tolist() == ["Annotation", "Eyes open"]
    assert rows["onset"].tolist() == [0.5, 62.25]
    assert rows["duration"].tolist() == [0.0, 0.25]
    assert found.metadata["notes"] == ["1 events that may name people are left out"]


def test_nobody_is_named(tmp_path: Path) -> None:
    person.use_key(b"key")
    found = read_recording(write(tmp_path, made()))
    assert NAME not in repr(found) + repr(found.metadata) + found.annotations.to_csv()
    assert found.metadata["identifying"] == ["id", "name", "birth date"]
    assert found.metadata["pseudonym"] == person.pseudonym("PAT-17")
    assert found.metadata["age"] == 40.0


def test_the_description_in_force_is_taken(tmp_path: Path) -> None:
    """Of several descriptions the last before a segment counts, not the first in the file."""
    first = described(channel("X1", 20.0))
    told = parts()[CHANNELS][0][16:] + parts()[CHANNELS][1]
    changes = change(CHANNELS, DAY - 3, 0, len(first))
    changes += change(CHANNELS, DAY - 1, len(first), len(told))
    path = write(tmp_path, made(**{"InfoChangeStream": [changes], CHANNELS: [first, told]}))
    assert read_recording(path).groups[0].channels == ("Fp1", "ECG")
    changes = change(CHANNELS, DAY - 3, 0, len(first))
    changes += change(CHANNELS, DAY + 1 / 86400, len(first), len(told))
    path = write(tmp_path, made(**{"InfoChangeStream": [changes], CHANNELS: [first, told]}))
    with pytest.raises(UnreadableFileError, match="change between segments"):
        read_recording(path)


def test_one_description_needs_no_change(tmp_path: Path) -> None:
    told = parts()[CHANNELS][0][16:] + parts()[CHANNELS][1]
    empty = change(CHANNELS, DAY - 1, 0, 0)
    path = write(tmp_path, made(**{"InfoChangeStream": [empty], CHANNELS: [told]}))
    assert read_recording(path).groups[0].channels == ("Fp1", "ECG")


def test_durations_that_are_no_whole_samples(tmp_path: Path) -> None:
    stream = segment(DAY, 1.96) + segment(DAY + 62 / 86400, 1.02)
    found = read_recording(write(tmp_path, made(SegmentStream=[stream])))
    assert found.groups[0].segments == ((0, 0.0), (20, 62.0))


def test_fractions_of_a_second_in_ms(tmp_path: Path) -> None:
    """Nicolet-Reader takes them for seconds, neo for milliseconds: none is a second or more."""
    events = event(500.0, ANNOTATION, "a") + event(0.25, ANNOTATION, "b", day=DAY + 1 / 86400)
    found = read_recording(write(tmp_path, made(Events=[events])))
    assert found.annotations["onset"].tolist() == [0.5, 1.00025]


def test_channels_without_samples_are_said(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path, made(**{"2": []})))
    assert len(found.groups) == 1
    assert found.metadata["not_read"] == ["channel SaO2 (no samples)"]


WHOLE = made()
INDEX = 172_208


def _index(number: int, value: int) -> bytes:
    at = INDEX + 4 * number
    return WHOLE[:at] + struct.pack("<I", value) + WHOLE[at + 4 :]


LOOP = struct.pack("<2QII", 50, 0, 0, len(WHOLE) - 40)


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (WHOLE[:5000], "within its tags or index"),
        (WHOLE[:-30], "index is damaged or cut off"),
        (_index(0, 0), "older Nervus"),
        (_index(0, 2**32 - 1), "over the limit"),
        (_index(0, 99), "index is damaged"),
        (_index(2, 2**32 - 1), "index is damaged"),
        (made(SegmentStream=[]), "no segment"),
        (made(SegmentStream=[segment(-5.0, 1.0)]), "without time"),
        (made(SegmentStream=[segment(DAY, float("nan"))]), "without time"),
        (made(SegmentStream=[segment(DAY, 90.0)]), "fewer than"),
        (made(SegmentStream=[segment(DAY, 2.0), segment(DAY - 9, 1.0)]), "not in order"),
        (made(**{"InfoChangeStream": [], CHANNELS: []}), "no description"),
        (made(InfoChangeStream=[change(CHANNELS, DAY, 0, 9999)]), "cut off"),
        (made(**{CHANNELS: [bytes(9000)]}), "no channel has samples"),
        (made(**{"0": [], "1": [], "2": []}), "no channel has samples"),
        (made(**{CHANNELS: [bytes(16) + described(channel("a", 0.0))]}), "cut off|rate"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, data: bytes, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path, data))


def test_sections_over_each_other_are_refused(tmp_path: Path) -> None:
    raw = bytearray(WHOLE)
    at = struct.unpack_from("<I", raw, INDEX + 8)[0] + 8
    for number in range(3):
        struct.pack_into("<QII", raw, at + 24 * number + 8, 0, 0, len(raw) - 10)
    with pytest.raises(UnreadableFileError, match="over each other"):
        read_recording(write(tmp_path, bytes(raw)))


def test_what_is_there_of_a_short_file_is_read_only_when_asked(tmp_path: Path) -> None:
    changed: dict[str, Any] = {"SegmentStream": [segment(DAY, 90.0)]}
    found = read_recording(write(tmp_path, made(**changed)), verify=False)
    assert np.array_equal(found.groups[0].digital, EEG)
    assert found.metadata["flags"] == ["cut-off"]
