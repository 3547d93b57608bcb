"""ISHNE Holter files that are written here byte by byte, and their files of beats."""

from __future__ import annotations

import binascii
import contextlib
import struct
import tracemalloc
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording, streamed

FIELDS: dict[str, Any] = {
    "magic": b"ISHNE1.0",
    "first": b"Ada",
    "last": b"Muster",
    "id": b"4711",
    "sex": 2,
    "born": (1, 3, 1950),
    "day": (9, 8, 2019),
    "clock": (10, 5, 0),
    "leads": (5, 1, 11),
    "quality": (1, 0, 3),
    "steps": (2441, 1000, 500),
    "pacemaker": 0,
    "recorder": b"digital",
    "rate": 128,
    "owner": b"",
    "remarks": b"",
}


def ishne(samples: Any, **changes: Any) -> bytes:
    """Return a file; `samples` is an array (channel, sample), or the bytes of the data."""
    what = FIELDS | changes
    data = samples if isinstance(samples, bytes) else samples.T.astype("<i2").tobytes()
    stated = what.get("stated", 0 if isinstance(samples, bytes) else samples.shape[1])
    twelve = [(*what[key], *[-9] * (12 - len(what[key]))) for key in ("leads", "quality", "steps")]
    remarks = what["remarks"]
    block = struct.pack("<iiiih", len(remarks), stated, 522, 522 + len(remarks), 1)
    block += struct.pack("<40s40s20s", what["first"], what["last"], what["id"])
    block += struct.pack("<hh3h3h3h3h", what["sex"], 1, *what["born"], *what["day"], 1, 1, 2020,
                         *what["clock"])  # fmt: skip
    block += struct.pack("<h", what.get("n_leads", sum(code != -9 for code in twelve[0])))
    block += b"".join(struct.pack("<12h", *values) for values in twelve)
    block += struct.pack("<h40sh80s80s88s", what["pacemaker"], what["recorder"], what["rate"],
                         what["owner"], what["owner"], what["owner"])  # fmt: skip
    block += remarks
    checksum = what.get("checksum", binascii.crc_hqx(block, 0xFFFF))
    return what["magic"] + struct.pack("<H", checksum) + block + data


def beats(rows: list[tuple[str, int, int]], start: int, **changes: Any) -> bytes:
    data = struct.pack("<I", start)
    data += b"".join(struct.pack("<cBH", label.encode(), own, gap) for label, own, gap in rows)
    return ishne(data, **{"magic": b"ANN  1.0"} | changes)


SAMPLES = np.array([[1, -2, 3, 300], [0, 5, -32768, 7], [9, 8, 7, 6]])


def write(folder: Path, content: bytes, name: str = "a.ecg") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def test_samples_leads_scale_and_start(tmp_path: Path) -> None:
    path = write(tmp_path, ishne(SAMPLES))
    assert detect_format(path) == "ishne"
    recording = read_recording(path)
    (group,) = recording.groups
    assert group.digital.dtype == np.int16
    assert group.digital.tolist() == SAMPLES.tolist()
    assert group.channels == ("I", "lead 2 (spec 1)", "V1")
    assert group.units == ("uV",) * 3
    assert group.sampling_rate == 128.0
    np.testing.assert_allclose(group.physical()[0], SAMPLES[0] * 2.441, rtol=1e-15)
    assert np.isnan(group.physical()[1, 2])
    assert recording.start_time == datetime(2019, 8, 9, 10, 5)
    said = recording.metadata
    assert said["age"] == 69.0
    assert said["sex"] == "F"
    assert said["lead_codes"] == [5, 1, 11]
    assert said["lead_quality"] == {"I": "good", "V1": "frequent noise (>10%)"}
    assert said["recorder"] == "digital"
    assert said["pacemaker"] == "none"
    header = read_header(path)
    assert header.groups[0].channels == group.channels
    assert header.groups[0].n_samples == 4


def test_absent_leads_among_the_others_are_no_channels(tmp_path: Path) -> None:
    path = write(tmp_path, ishne(SAMPLES[:2], leads=(6, -9, 12), steps=(100, -9, 200)))
    (group,) = read_recording(path).groups
    assert group.channels == ("II", "V2")
    np.testing.assert_allclose(1 / group.gain, [0.1, 0.2])


@pytest.mark.parametrize("stated", [4, 12])
def test_the_number_of_samples_counts_one_lead_or_all(tmp_path: Path, stated: int) -> None:
    recording = read_recording(write(tmp_path, ishne(SAMPLES, stated=stated)))
    assert recording.groups[0].n_samples == 4
    assert "notes" not in recording.metadata


@pytest.mark.parametrize("behind", [b"\xff" * 6, b"\xff" * 6000, b"\xff", ishne(SAMPLES)])
def test_bytes_behind_the_stated_samples_are_noted_and_not_read(
    tmp_path: Path, behind: bytes
) -> None:
    recording = read_recording(write(tmp_path, ishne(SAMPLES) + behind))
    assert recording.groups[0].digital.tolist() == SAMPLES.tolist()
    (note,) = recording.metadata["notes"]
    assert note.startswith(f"{len(behind)} byte")
    assert note.endswith("behind the 4 samples that its header states: not read")


def test_a_header_that_states_no_number_leaves_all_samples(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, ishne(SAMPLES, stated=0)))
    assert recording.groups[0].digital.tolist() == SAMPLES.tolist()
    assert recording.metadata["notes"] == [
        "4 samples of 3 leads, its header states 0: all are read"
    ]


def test_remarks_move_the_samples_and_are_not_handed_on(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, ishne(SAMPLES, remarks=b"PLANTEDNAME was here")))
    assert recording.groups[0].digital.tolist() == SAMPLES.tolist()


def test_a_wrong_checksum_is_an_error_or_a_note(tmp_path: Path) -> None:
    raw = bytearray(ishne(SAMPLES))
    raw[300] ^= 1
    path = write(tmp_path, bytes(raw))
    with pytest.raises(ChecksumError):
        read_recording(path)
    recording = read_recording(path, verify=False)
    assert "checksum" in recording.metadata["notes"][0]
    assert recording.groups[0].digital.tolist() == SAMPLES.tolist()
    read_recording(write(tmp_path, ishne(SAMPLES, checksum=0)))  # not computed


@pytest.mark.parametrize("cut", [1, 2, 6, 24, 100, 540])
def test_a_cut_file_is_one_error(tmp_path: Path, cut: int) -> None:
    raw = ishne(SAMPLES)
    with pytest.raises(UnreadableFileError, match=r"a\.ecg: "):
        read_recording(write(tmp_path, raw[:-cut]))


def test_a_cut_file_is_read_to_its_end_without_verification(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, ishne(SAMPLES)[:-1]), verify=False)
    assert recording.groups[0].digital.tolist() == SAMPLES[:, :3].tolist()
    assert recording.metadata["notes"]


@pytest.mark.parametrize(
    "changes", [{"n_leads": 0}, {"n_leads": 13}, {"n_leads": -9}, {"rate": 0}, {"rate": -1}]
)
def test_headers_of_nothing(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableFileError):
        read_recording(write(tmp_path, ishne(SAMPLES, **changes)))


def test_a_lead_without_a_resolution_has_no_scale(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, ishne(SAMPLES, steps=(2441, -9, 500))))
    assert recording.metadata["flags"] == ["no-scale:lead 2 (spec 1)"]
    assert np.isnan(recording.groups[0].physical()[1]).all()


def test_beats_beside_are_annotations(tmp_path: Path) -> None:
    path = write(tmp_path, ishne(np.zeros((3, 200_000), int)))
    rows = [("N", 0, 100), ("!", 0, 65535), ("V", 3, 50), ("N", 0, 128)]
    write(tmp_path, beats(rows, 28), "a.ann")
    recording = read_recording(path)
    table = recording.annotations
    assert table["code"].tolist() == ["N", "V", "N"]
    assert table["sample"].tolist() == [128, 65713, 65841]
    assert table["onset"].tolist() == [1.0, 65713 / 128, 65841 / 128]
    assert table["subtype"].tolist() == [0, 3, 0]
    assert set(table["source"]) == {"ann"}
    assert [file.name for file in recording.files] == ["a.ecg", "a.ann"]


@pytest.mark.parametrize(
    "content",
    [
        beats([("N", 0, 9)], 0)[:-1],
        beats([("N", 0, 9)], 0)[:400],
        beats([("N", 0, 9)], 0, rate=200),
        beats([("N", 0, 9)], 0, checksum=1),
        b"N 1\n",
    ],
)
def test_damaged_beats_cost_only_themselves(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, ishne(SAMPLES))
    write(tmp_path, content, "a.ann")
    recording = read_recording(path)
    assert recording.metadata["not_read"] == ["a.ann"]
    assert recording.groups[0].digital.tolist() == SAMPLES.tolist()
    assert len(recording.annotations) == 0


def planted() -> dict[str, bytes]:
    """Return a file and its beats, with a name in every text."""
    texts = ("first", "last", "id", "recorder", "owner", "remarks")
    every = dict.fromkeys(texts, b"PLANTEDNAME")
    return {"a.ecg": ishne(SAMPLES, **every), "a.ann": beats([("N", 0, 1)], 0, **every)}


def test_no_name_of_the_file_is_handed_on(tmp_path: Path) -> None:
    for name, content in planted().items():
        write(tmp_path, content, name)
    recording = read_recording(tmp_path / "a.ecg")
    texts = repr((recording, dict(recording.metadata), recording.annotations.to_dict()))
    assert "PLANTED" not in texts
    assert recording.metadata["identifying"] == ["id", "name", "birth date"]
    assert len(recording.metadata["pseudonym"]) == 16


def test_a_long_recording_stays_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "LARGE_BYTES", 1 << 20)
    rng = np.random.default_rng(0)
    samples = rng.integers(-1000, 1000, (3, 2_000_000), np.int16)
    path = write(tmp_path, ishne(samples))
    tracemalloc.start()
    recording = read_recording(path)
    group = recording.groups[0]
    piece = group.digital[1:, 1_500_000:1_500_100]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1 << 20  # of 12 MB
    assert np.array_equal(piece, samples[1:, 1_500_000:1_500_100])
    assert np.array_equal(np.asarray(group.digital), samples)
    write(tmp_path, ishne(samples[:, ::-1]))
    with pytest.raises(UnreadableFileError, match="changed"):
        group.digital[:, :10]


@settings(
    max_examples=150, deadline=2000, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 600),
    verify=st.booleans(),
    damaged=st.sampled_from(["a.ecg", "a.ann"]),
)
def test_damage_gives_a_recording_or_one_error(
    tmp_path: Path, changes: Any, cut: int, verify: bool, damaged: str
) -> None:
    files = {"a.ecg": ishne(SAMPLES), "a.ann": beats([("N", 0, 1), ("V", 0, 2)], 0)}
    out = bytearray(files[damaged])
    for place, value in changes:
        out[int(place * len(out))] = value
    files[damaged] = bytes(out[: len(out) - cut] if cut < 300 else out)
    for name, content in files.items():
        write(tmp_path, content, name)
    with contextlib.suppress(UnreadableFileError):
        recording = read_recording(tmp_path / "a.ecg", format="ishne", verify=verify)
        assert recording.groups[0].digital.nbytes < 1 << 16
