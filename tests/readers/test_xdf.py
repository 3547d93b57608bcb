"""XDF files of LabStreamingLayer."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import physioprep as pp
from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, extras, read_header, read_recording, xdf

BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
DESC = (
    "<desc><channels><channel><label>C3</label><unit>microvolts</unit></channel>"
    "<channel><label>C4</label><unit>microvolts</unit></channel></channels></desc>"
)


def chunk(tag: int, body: bytes) -> bytes:
    return b"\4" + struct.pack("<IH", len(body) + 2, tag) + body


def header(number: int, name: str, kind: str, n: int, rate: float, dtype: str, more: str) -> bytes:
    text = (
        f"<info><name>{name}</name><type>{kind}</type><channel_count>{n}</channel_count>"
        f"<nominal_srate>{rate}</nominal_srate><channel_format>{dtype}</channel_format>{more}</info>"
    )
    return chunk(2, struct.pack("<I", number) + text.encode())


def samples(number: int, rows: list[tuple[float | None, bytes]]) -> bytes:
    body = struct.pack("<IBI", number, 4, len(rows))
    for stamp, values in rows:
        body += (b"\0" if stamp is None else struct.pack("<Bd", 8, stamp)) + values
    return chunk(3, body)


def text(value: str) -> bytes:
    return bytes([1, len(value.encode())]) + value.encode()


def footer(number: int, n: int) -> bytes:
    said = f"<info><sample_count>{n}</sample_count></info>"
    return chunk(6, struct.pack("<I", number) + said.encode())


START = b"XDF:" + chunk(1, b"<info><datetime>2024-05-06T07:08:09+0200</datetime></info>")
EEG = header(7, "Amp", "EEG", 2, 100.0, "int16", DESC)
ROWS = [(5000.0 if at == 0 else None, struct.pack("<2h", at, -at)) for at in range(4)]
MOTION = header(2, "Motion", "Accelerometer", 1, 50.0, "float32", "")
MARKS = header(9, "Marks", "Markers", 1, 0.0, "string", "")
OFFSET = chunk(4, struct.pack("<Idd", 7, 5000.0, -0.5))
WHOLE = (
    START + EEG + MOTION + MARKS + chunk(5, BOUNDARY) + samples(7, ROWS) + OFFSET
    + samples(2, [(5000.25, struct.pack("<f", 0.1)), (5000.27, struct.pack("<f", np.nan))])
    + samples(9, [(5000.02, text("go")), (4999.99, text("hélas"))])
    + footer(7, 4) + footer(2, 2) + footer(9, 2)
)  # fmt: skip


def write(folder: Path, data: bytes, name: str = "a.xdf") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def test_each_stream_is_a_group_and_markers_are_annotations(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE)
    assert detect_format(path) == "xdf"
    found = read_recording(path)
    eeg, motion = found.groups
    assert (eeg.channels, eeg.units) == (("C3", "C4"), ("microvolts",) * 2)
    assert (eeg.sampling_rate, eeg.segments) == (100.0, ((0, 0.0),))
    assert eeg.digital.dtype == np.int16
    assert eeg.digital.tolist() == [[0, 1, 2, 3], [0, -1, -2, -3]]
    assert (motion.channels, motion.units, motion.segments) == (("0",), ("",), ((0, 0.25),))
    assert motion.digital.dtype == np.float32
    assert motion.digital[0, 0] == np.float32(0.1)
    assert np.isnan(motion.digital[0, 1])
    assert found.annotations["text"].tolist() == ["hélas", "go"]
    assert found.annotations["onset"].tolist() == pytest.approx([-0.01, 0.02])
    assert found.annotations["num"].tolist() == [2, 2]
    assert found.metadata["notes"] == []
    assert (str(found.start_time), found.metadata["utc_offset"]) == ("2024-05-06 07:08:09", "+0200")
    facts = found.metadata["streams"][0]
    assert (facts["n_clock_offsets"], facts["clock_offset_s"], facts["first_stamp_s"]) == (
        *(1, -0.5),
        5000.0,
    )
    assert read_header(path).groups[0].n_samples == 4


def test_files_in_gzip_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(WHOLE)
    for name in ("a.xdfz", "a.xdf.gz"):
        path = write(tmp_path, packed, name)
        assert detect_format(path) == "xdf"
        assert np.array_equal(
            read_recording(path).groups[0].digital, [[0, 1, 2, 3], [0, -1, -2, -3]]
        )
    members = gzip.compress(WHOLE[:50]) + gzip.compress(WHOLE[50:])
    noise = np.random.default_rng(0).bytes(300_000)  # several pieces
    for content, unpacked in ((members, WHOLE), (gzip.compress(WHOLE + noise), WHOLE + noise)):
        found = xdf._content(write(tmp_path, content, "d.xdfz"), verify=True)
        assert found == (unpacked, [])
    with pytest.raises(UnreadableFileError, match="its gzip is cut off"):
        read_recording(write(tmp_path, packed[:-9], "b.xdfz"))
    monkeypatch.setattr(limits, "MAX_INFLATED_BYTES", 1 << 20)
    bomb = gzip.compress(WHOLE + bytes(4 << 20))
    with pytest.raises(UnreadableFileError, match="unpacked"):
        xdf.read(write(tmp_path, bomb, "c.xdfz"))


ENTITIES = '<!DOCTYPE info [<!ENTITY a "b">]>'


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (START + samples(7, ROWS) + EEG, "without a header before it"),
        (START + EEG + samples(7, ROWS)[:-1], "are left"),
        (START + EEG + samples(7, [*ROWS[:3], (None, b"\1")]), "a sample that is cut off"),
        (START + EEG + samples(7, [*ROWS, (None, b"\1\0\2\0\0")]), "more than its samples"),
        (START + EEG + chunk(3, struct.pack("<IBQ", 7, 8, 1 << 60)), "samples in 0 bytes"),
        (START + EEG + chunk(3, b"\7\0\0\0\1\1" + b"\5abcd"), "cut off or damaged"),
        (START + EEG + EEG, "second header"),
        (START + EEG + chunk(4, b"\7\0\0\0\0"), "clock offset of 5 bytes"),
        (START + EEG + chunk(5, BOUNDARY[::-1]), "is no boundary"),
        (START + header(1, "a", "b", 0, 1.0, "int8", ""), "states 0 channels, which"),
        (START + header(1, "a", "b", 1, -2.5, "int8", ""), "states a rate of -2.5 Hz, which"),
        (START + header(1, "a", "b", 1, 1.0, "int7", ""), "of a type that"),
        (START + header(1, "a", "b", 99999, 1.0, "int8", ""), "99999 channels, over the limit"),
        (START + chunk(2, b"\1\0\0\0" + ENTITIES.encode() + b"<info/>"), "is no XML"),
        (START + MARKS, "no stream of regular samples"),
        (START + EEG, "no stream of regular samples"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, data: bytes, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path, data))


def test_what_is_before_the_damage_is_read_only_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE + samples(7, ROWS)[:-3])  # pyxdf repeats a sample that is cut
    with pytest.raises(UnreadableFileError, match="are left"):
        read_recording(path)
    found = read_recording(path, verify=False)
    assert found.groups[0].n_samples == 4
    assert any("left out" in note for note in found.metadata["notes"])


def streams(first: float, second: list[float]) -> bytes:
    one = header(1, "A", "EEG", 1, 10.0, "int8", "")
    two = header(2, "B", "EEG", 1, 10.0, "int8", "")
    rows = [(stamp, b"\1") for stamp in second]
    return START + one + two + samples(1, [(first, b"\1")]) + samples(2, rows)


@pytest.mark.parametrize(
    ("second", "onset", "note"),
    [
        ([11.5, 11.6], 1.5, "has no footer"),
        ([1e6, 1e6 + 0.1], 0.0, "a clock of its own"),
        ([11.5, 11.6, 3.0, 3.1], 0.0, "was reset"),
        ([11.5, 11.6, 80.0], 1.5, "jump in 1 places"),
        ([11.5, 11.59], 1.5, "of 10 Hz, by its stamps of 11.1111 Hz"),
    ],
)
def test_clocks_that_disagree_are_noted(
    tmp_path: Path, second: list[float], onset: float, note: str
) -> None:
    found = read_recording(write(tmp_path, streams(10.0, second)))
    assert found.groups[1].segments == ((0, onset),)
    assert found.groups[1].n_samples == len(second)
    assert any(note in text for text in found.metadata["notes"])


def test_offsets_of_clocks_that_differ_are_noted(tmp_path: Path) -> None:
    more = chunk(4, struct.pack("<Idd", 2, 5000.0, 0.75))
    (note,) = read_recording(write(tmp_path, WHOLE + more)).metadata["notes"]
    assert note.startswith("clocks of streams are 1.25 s apart")


@pytest.mark.parametrize(
    ("value", "rounded"), [(1 << 53, False), (-(1 << 63), True), ((1 << 53) + 1, True)]
)
def test_integers_that_no_float_holds_are_noted(
    tmp_path: Path, value: int, rounded: bool
) -> None:  # fmt: skip
    eeg = header(7, "A", "EEG", 1, 10.0, "int64", "")
    rows = [(1.0, struct.pack("<q", value)), (None, bytes(8))]
    found = read_recording(write(tmp_path, START + eeg + samples(7, rows) + footer(7, 2)))
    assert found.groups[0].digital.tolist() == [[float(value), 0.0]]
    assert ["53 bits" in note for note in found.metadata["notes"]] == [True] * rounded


@pytest.mark.parametrize("name", ["", "<b>x</b>", "µ"])
def test_a_stream_may_lack_a_name(tmp_path: Path, name: str) -> None:
    data = START + header(7, name, "", 2, 100.0, "int16", DESC) + samples(7, ROWS)
    data = data.replace("µ".encode(), b"\xb5\xb5")  # Latin-1: pyxdf takes it, too
    assert read_recording(write(tmp_path, data)).groups[0].n_samples == 4


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    more = header(3, "Gaze", "Gaze", 1, 0.0, "float32", "") + header(
        4, "Trig", "Stim", 1, 0.0, "int32", ""
    )
    rows = samples(3, [(5000.0, bytes(4))]) + samples(4, [(5000.01, struct.pack("<i", 33))])
    found = read_recording(write(tmp_path, WHOLE + more + rows + footer(7, 9) + chunk(99, b"x")))
    assert found.metadata["not_read"] == ["stream 'Gaze' (irregular)"]
    assert "33" in found.annotations["text"].tolist()
    notes = " ".join(found.metadata["notes"])
    assert "has 4 samples, its footer says 9" in notes
    assert "1 chunks of a kind" in notes


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text but labels, units and names of streams."""
    token = "PLANTEDNAME"
    fields = ("manufacturer", "hostname", "source_id", "uid", "session_id", "created_at", "note")
    desc = "".join(f"<{each}>{token}</{each}>" for each in fields)
    subject = f"<subject><id>{token}</id><name>{token}</name><age>44</age><sex>F</sex></subject>"
    more = desc + DESC.replace("</desc>", f"{subject}{desc}</desc>")
    eeg = header(7, "Amp", "EEG", 2, 100.0, "int16", more)
    start = b"XDF:" + chunk(1, f"<info><datetime>{token}</datetime>{desc}</info>".encode())
    end = chunk(6, b"\7\0\0\0" + f"<info><writer>{token}</writer></info>".encode())
    return {"a.xdf": start + eeg + samples(7, ROWS) + end}


def test_no_name_leaves_the_reader(tmp_path: Path) -> None:
    token = "PLANTEDNAME"
    path = write(tmp_path, planted()["a.xdf"])
    found = read_recording(path)
    assert token not in repr(found) + repr(found.metadata) + repr(found.annotations)
    assert (found.metadata["age"], found.metadata["sex"]) == (44.0, "F")
    assert found.metadata["identifying"] == ["id", "name"]
    with pytest.raises(UnreadableFileError) as raised:
        read_recording(write(tmp_path, path.read_bytes()[:-3]))
    assert token not in str(raised.value)


def test_without_the_library_it_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(UnreadableFileError, match=r"pip install 'physioprep\[clinical\]'"):
        xdf.read(write(tmp_path, WHOLE))


@settings(
    max_examples=400,
    deadline=5000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    edits=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), max_size=4),
    cut=st.one_of(st.just(1.0), st.floats(0, 1)),
    verify=st.booleans(),
)
def test_damage_gives_one_error_or_a_recording(
    tmp_path: Path, edits: list[tuple[float, int]], cut: float, verify: bool
) -> None:
    data = bytearray(WHOLE[: int(cut * len(WHOLE))])
    for where, value in edits:
        if data:
            data[int(where * len(data))] = value
    try:
        found = xdf.read(write(tmp_path, bytes(data)), verify=verify)
    except UnreadableFileError as error:
        assert "(" not in error.cause or "limit" in error.cause  # noqa: PT017 - none unexpected
        return
    for group in found.groups:
        assert group.digital.shape == (len(group.channels), group.n_samples)
        assert np.isfinite(group.segments[0][1])


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["minimal", "clock_resets"])
def test_real_files_are_as_expected(shared_data: Path, tmp_path: Path, name: str) -> None:
    path = shared_data / "clinical_formats" / "xdf" / f"{name}.xdf"
    expected = json.loads(Path(f"{path}.expected.json").read_text())
    found = read_recording(path)
    signals = [group for group in expected["groups"] if group["format"] != "string"]
    facts = {each["name"]: each for each in found.metadata["streams"]}
    for group in expected["groups"]:
        said = facts[group["name"]]
        first = (group.get("first5_raw_time") or group["first3_raw_time"])[0]
        assert said["first_stamp_s"] == first
        assert said["n_clock_offsets"] == group["n_clock_offsets"]
        assert (said["n_samples"], said["type"]) == (group["n_samples"], group["type"])
    for ours, group in zip(found.groups, signals, strict=True):
        assert ours.channels == tuple(each["name"] for each in group["channels"])
        assert ours.sampling_rate == group["sampling_rate_hz"]
        assert facts[group["name"]]["last_stamp_s"] == group["last5_raw_time"][-1]
        for row, channel in enumerate(group["channels"]):
            digital = "digital_sha256_int32le" in channel
            values = ours.digital[row] if digital else ours.physical()[row]
            key = "digital_sha256_int32le" if digital else "physical_sha256_float64le"
            raw = values.astype("<i4" if digital else "<f8").tobytes()
            assert hashlib.sha256(raw).hexdigest() == channel[key]
    assert len(found.annotations) == expected["n_annotations"]
    zero = signals[0]["first5_raw_time"][0]
    for row, said in enumerate(expected["first3_annotations"]):
        assert found.annotations["text"][row] == said["value"][0]
        assert found.annotations["onset"][row] == said["raw_time"] - zero
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / path.name).write_bytes(path.read_bytes())
    manifest = pp.scan(tmp_path / "raw", "folder")
    assert len(manifest) == 1


@pytest.mark.realdata
@pytest.mark.parametrize("verify", [True, False])
def test_a_chunk_out_of_order_is_one_error(shared_data: Path, verify: bool) -> None:
    path = shared_data / "clinical_formats" / "xdf" / "out_of_order_sample_chunk.xdf"
    with pytest.raises(UnreadableFileError, match="the chunk at byte"):
        read_recording(path, verify=verify)
