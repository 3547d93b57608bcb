"""DICOM waveforms, of files that are written here byte by byte."""

from __future__ import annotations

import time
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, dicom, read_header, read_recording
from physioprep.readers.recognise import read_head
from physioprep.recording import Recording
from tests.readers.dicom_file import (
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    as_file,
    channel,
    code,
    multiplex,
    recording,
)

SAMPLES = np.array([[0, 1, -2, 300], [5, -32768, 7, 8]])
PLANTED = "PLANTEDNAME"
_TEXTS = ("PN", "LO", "SH", "ST", "LT", "UT", "UC", "CS", "AE")
TWO = [channel(), channel(("5.6.3-9-62", "SCPECG", "whatever"), step="4.88", baseline="-10")]


def read(folder: Path, groups: Any, more: Any = (), **how: Any) -> Recording:
    path = folder / "a.dcm"
    path.write_bytes(as_file(recording(groups, more), **how))
    return read_recording(path)


def every_text() -> list[Any]:
    """Return an element for each text of the standard's dictionary, and private ones."""
    from pydicom.datadict import DicomDictionary

    taken = {(8, 0x16), (8, 0x2A), (0x10, 0x20), (0x10, 0x40), (0x10, 0x1010)}
    out = []
    for tag, (kind, *_) in DicomDictionary.items():
        group, number = tag >> 16, tag & 0xFFFF
        if group > 4 and kind in _TEXTS and (group, number) not in taken | {(8, 5)}:
            out.append((group, number, kind, PLANTED))
    private = [(0x9, 0x10, "LO", PLANTED), (0x9, 0x1001, "LT", PLANTED), (0x9, 0x1002, "UN", b"x")]
    return [*out, *private]


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    texts = every_text()
    assert len(texts) > 500
    label, meaning = (0x3A, 0x203), (8, 0x104)
    inside = [each for each in texts if each[:2] not in (label, meaning, (0x70, 6))]
    inside = [each for each in inside if each[0] != 0x5400 and each[:2] != (0x3A, 4)]
    unit = [(0x3A, 0x211, "SQ", [code(PLANTED, PLANTED, PLANTED)])]
    definition = [each for each in channel() if each[1] not in (0x208, 0x211)]
    source = (0x3A, 0x208, "SQ", [[*code("2:1", "MDC", "Lead I"), (8, 0x103, "SH", PLANTED)]])
    bare = [each for each in inside if each[0] != 8]
    channels = [[*definition, source, *unit, *bare]] * 2
    items = [
        [(0x70, 6, "ST", "SINUS RHYTHM")],
        [(0x70, 6, "ST", f"seen in the ward of {PLANTED.lower()}")],
        [(0x40, 0xA123, "PN", PLANTED), (0x40, 0xA160, "UT", PLANTED)],
    ]
    more = [
        *[each for each in texts if each[:2] != (0x40, 0xB020)],
        (0x40, 0xB020, "SQ", items), (0x10, 0x20, "LO", PLANTED), (0x10, 0x40, "CS", "F"),
        (0x10, 0x1010, "AS", "061Y"),
    ]  # fmt: skip
    return {"a.dcm": as_file(recording([multiplex(SAMPLES, channels, more=bare)], more))}


def test_samples_scale_names_units_and_start(tmp_path: Path) -> None:
    found = read(tmp_path, [multiplex(SAMPLES, TWO)], [(8, 0x201, "SH", "-0330")])
    (group,) = found.groups
    assert (group.channels, group.units) == (("I", "aVR"), ("uV", "uV"))
    assert group.digital.dtype == np.int16
    assert np.array_equal(group.digital, SAMPLES)
    assert group.sampling_rate == 250.0
    expected = [[0, 2.5, -5, 750], [5 * 4.88 - 10, -32768 * 4.88 - 10, 7 * 4.88 - 10, 29.04]]
    np.testing.assert_allclose(group.physical(), expected, rtol=1e-14)
    assert found.start_time == datetime(2024, 2, 29, 23, 59, 59, 250000)
    assert found.metadata["utc_offset"] == "-0330"
    assert found.metadata["lead_codes"] == ["2:1 (MDC)", "5.6.3-9-62 (SCPECG)"]
    header = read_header(tmp_path / "a.dcm")
    assert (header.groups[0].n_samples, header.start_time) == (4, found.start_time)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4"])
def test_every_width_in_every_transfer_syntax(tmp_path: Path, syntax: str, kind: str) -> None:
    info = np.iinfo(kind)
    samples = np.array([[info.min, 1, 2], [3, 4, info.max]], dtype=object)
    made = multiplex(samples, TWO, kind=kind, big=syntax == BIG)
    found = read(tmp_path, [made], syntax=syntax)
    assert found.groups[0].digital.astype(np.int64).tolist() == samples.tolist()


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_file_without_preamble(tmp_path: Path, syntax: str) -> None:
    found = read(tmp_path, [multiplex(SAMPLES, TWO)], syntax=syntax, preamble=False)
    assert np.array_equal(found.groups[0].digital, SAMPLES)
    assert detect_format(tmp_path / "a.dcm") == "dicom"


@pytest.mark.parametrize(("kind", "law"), [("MB", "µ-law"), ("AB", "A-law")])
def test_companded_samples_are_refused(tmp_path: Path, kind: str, law: str) -> None:
    made = multiplex(SAMPLES % 100, TWO, kind="u1", more=[(0x5400, 0x1006, "CS", kind)])
    with pytest.raises(UnreadableFileError, match=f"group 1: samples compressed by {law}"):
        read(tmp_path, [made])


def test_padding_is_missing_also_in_big_endian(tmp_path: Path) -> None:
    for syntax, padding in ((EXPLICIT, b"\x00\x80"), (BIG, b"\x80\x00")):
        made = multiplex(SAMPLES, TWO, big=syntax == BIG, more=[(0x5400, 0x100A, "OW", padding)])
        (group,) = read(tmp_path, [made], syntax=syntax).groups
        assert group.invalid.tolist() == [-32768, -32768]
        assert np.isnan(group.physical()).tolist() == (SAMPLES == -32768).tolist()


def test_correction_factor_and_a_channel_without_sensitivity(tmp_path: Path) -> None:
    channels = [channel(step="0.1", correction="1.1", unit="mV"), channel(step=None)]
    found = read(tmp_path, [multiplex(SAMPLES, channels)])
    (group,) = found.groups
    np.testing.assert_allclose(group.physical()[0], SAMPLES[0] * 0.11, rtol=1e-14)
    assert np.isnan(group.physical()[1]).all()
    assert found.metadata["uncalibrated"] == ["I"]
    assert found.metadata["flags"] == ["no-scale:I"]


def test_several_groups_with_offsets_of_their_own(tmp_path: Path) -> None:
    later = [(0x18, 0x1068, "DS", "2500")]
    groups = [
        multiplex(SAMPLES, TWO),
        multiplex(SAMPLES[:1], [channel(("2:5", "MDC", ""))], rate="125", more=later),
    ]
    one, other = read(tmp_path, groups).groups
    assert (one.segments, other.segments) == (((0, 0.0),), ((0, 2.5),))
    assert (other.channels, other.sampling_rate) == (("V3",), 125.0)


def test_a_derived_short_group_is_a_median_beat(tmp_path: Path) -> None:
    long = np.zeros((2, 2500), int)
    derived = [(0x3A, 4, "CS", "DERIVED")]
    found = read(tmp_path, [multiplex(long, TWO), multiplex(SAMPLES, TWO, more=derived)])
    assert len(found.groups) == 1
    (beat,) = found.metadata["median_beats"]
    assert np.array_equal(beat["digital"], SAMPLES)
    assert (beat["channels"], beat["sampling_rate"]) == (["I", "aVR"], 250.0)
    # as long as the original: filtered, not a beat
    found = read(tmp_path, [multiplex(long, TWO), multiplex(long, TWO, more=derived)])
    assert len(found.groups) == 2
    assert "1 of 2 groups are derived from others" in found.metadata["notes"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (("MDC_ECG_LEAD_AVL", "MDC", ""), "aVL"),
        (("2:11", "MDC", "Lead V3R"), "V3R"),
        (("7:1217", "MDC", "AF3"), "AF3"),
        (("x", "CPI", "Lead V2 (vendor)"), "V2"),
        (("x", "99LOCAL", "Abdomen"), "Abdomen"),
        (("", "", ""), "channel 1"),
    ],
)
def test_names_of_sources(tmp_path: Path, source: tuple[str, str, str], name: str) -> None:
    assert read(tmp_path, [multiplex(SAMPLES[:1], [channel(source)])]).groups[0].channels == (name,)


def test_a_bipolar_eeg_channel_names_both_electrodes(tmp_path: Path) -> None:
    against = [code("109006", "DCM", "Differential"), code("7:1289", "MDC", "A1")]
    source = [*code("7:1217", "MDC", "AF3"), (0x3A, 0x209, "SQ", against)]
    definition = [each for each in channel() if each[1] != 0x208] + [(0x3A, 0x208, "SQ", [source])]
    assert read(tmp_path, [multiplex(SAMPLES[:1], [definition])]).groups[0].channels == ("AF3-A1",)


def item(*more: Any, channels: tuple[int, ...] = (1, 0)) -> list[Any]:
    return [(0x40, 0xA0B0, "US", list(channels)), *more]


def test_annotations_measurements_and_statements(tmp_path: Path) -> None:
    concept = (0x40, 0xA043, "SQ", [code("5.13.5-9", "SCPECG", "QRS Duration")])
    unit = (0x40, 0x8EA, "SQ", [code("ms", "UCUM", "")])
    mark = (0x40, 0xA043, "SQ", [code("5.10.3-3", "SCPECG", "QRS Onset")])
    amplitude = (0x40, 0xA043, "SQ", [code("2:2048", "MDC", "R amplitude")])
    beat = (0x40, 0xA168, "SQ", [code("2:7472", "MDC", "Ventricular premature")])
    items = [
        item((0x70, 6, "ST", "SINUS RHYTHM")),
        item((0x70, 6, "ST", "Confirmed by: someone")),
        item(concept, unit, (0x40, 0xA30A, "DS", "96")),
        item(amplitude, unit, (0x40, 0xA30A, "DS", "1200"), channels=(1, 2)),
        item(mark, (0x40, 0xA130, "CS", "POINT"), (0x40, 0xA132, "UL", 3), channels=(1, 2)),
        item(beat, (0x40, 0xA130, "CS", "SEGMENT"), (0x40, 0xA138, "DS", "0.5\\0.75")),
        item(mark, (0x40, 0xA13A, "DT", "20240301000000.25")),
        item(),
    ]
    later = [(0x18, 0x1068, "DS", "1000")]
    more = [(0x40, 0xB020, "SQ", items)]
    found = read(tmp_path, [multiplex(SAMPLES, TWO, more=later)], more)
    assert found.metadata["measurements"] == {"qrs_ms": 96.0, "r_amplitude_ms_avr": 1200.0}
    assert found.metadata["statements"] == [{"code": "", "text": "SINUS RHYTHM"}]
    table = found.annotations
    assert table["text"].tolist() == ["QRS Onset", "QRS Onset", "Ventricular premature"]
    assert table["onset"].tolist() == [1.0, 1.008, 1.5]  # the first by date and time
    assert table["sample"].tolist() == [-1, 2, -1]  # the standard counts from 1
    assert table["channel"].tolist() == [-1, 1, -1]
    assert table["duration"].tolist()[2] == 0.25
    assert table["code"].tolist() == ["5.10.3-3", "5.10.3-3", "2:7472"]
    assert found.metadata["not_read"] == ["1 annotation"]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ([(0x3A, 0x10, "UL", 5)], "16 bytes of samples, 20 are stated"),
        ([(0x3A, 0x10, "UL", 2**31)], "bytes of samples"),
        ([(0x3A, 0x10, "UL", 3)], "4 bytes more than the samples that are stated"),
        ([(0x3A, 5, "US", 1)], "8 bytes more"),
        ([(0x3A, 0x200, "SQ", [channel()])], "1 channel definition for 2 channels"),
        ([(0x3A, 0x1A, "DS", "0")], "no sampling frequency"),
        ([(0x5400, 0x1004, "US", 24)], "24 bits of type SS are not read"),
        ([(0x3A, 0x1A, "DS", "PLANTEDNAME")], r"SamplingFrequency \(003A,001A\) holds no number"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, change: Any, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause) as caught:
        read(tmp_path, [multiplex(SAMPLES, TWO, more=change)])
    assert "PLANTEDNAME" not in f"{caught.value}{caught.value.__cause__}"


def test_without_verifying_the_stated_samples_are_read_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    made = multiplex(SAMPLES, TWO, more=[(0x3A, 0x10, "UL", 3)])
    path.write_bytes(as_file(recording([made])))
    found = read_recording(path, verify=False)
    assert np.array_equal(found.groups[0].digital, SAMPLES[:, :3])
    assert "4 bytes more" in found.metadata["notes"][0]


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    raw = as_file(recording([multiplex(SAMPLES, TWO)]))
    for end in range(140, len(raw), 7):
        path.write_bytes(raw[:end])
        with pytest.raises(UnreadableFileError):
            read_recording(path)


def test_other_dicom_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(as_file([(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2")]))
    with pytest.raises(UnreadableFileError, match=r"without waveforms \(CT Image Storage\)"):
        read_recording(path)
    made = recording([multiplex(SAMPLES, TWO)])
    made[0] = (8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.9.4.1")
    path.write_bytes(as_file(made))
    with pytest.raises(UnreadableFileError, match="speech"):
        read_recording(path)


def test_a_deflated_bomb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    zeros = [(0x7FE0, 0x10, "OW", bytes(300 << 20))]
    path.write_bytes(as_file(recording([multiplex(SAMPLES, TWO)], zeros), DEFLATED))
    with pytest.raises(UnreadableFileError, match="inflated"):
        read_recording(path)


def test_is_mine_never_raises(tmp_path: Path) -> None:
    for head in (b"", b"\2\0", bytes(4096), b"DICM", b"<?xml"):
        assert not dicom.is_mine(tmp_path, head)
    path = tmp_path / "a"
    path.write_bytes(as_file(recording([multiplex(SAMPLES, TWO)])))
    assert dicom.is_mine(path, read_head(path))


def test_without_pydicom_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    path = tmp_path / "a.dcm"
    path.write_bytes(as_file(recording([multiplex(SAMPLES, TWO)])))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(UnreadableFileError, match=r"pip install 'physioprep\[clinical\]'"):
        dicom.read(path)


def test_damage_is_said_by_element_place_and_length(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    whole = as_file(recording([multiplex(SAMPLES, TWO)]))
    for changed, cause in {
        whole[:-5]: r"WaveformData \(5400,1010\) at byte \d+ states 16 bytes, 11 bytes left in",
        whole[:100]: "no DICOM",
        whole[:136]: "ends at byte 136 within the head of an element",
        whole[
            :170
        ]: r"MediaStorageSOPClassUID \(0002,0002\) at byte \d+ states \d+ bytes, \d+ bytes left",
        whole[: whole.index(b"\x08\0\x16\0")]: "ends after its meta information",
        whole[: whole.index(b"\0\x54\0\x01")]: r"its WaveformSequence \(5400,0100\) is missing",
        whole.replace(b"US\2\0\x10\0", b"US\1\0\x10"): "holds what it may not hold|states|items?",
    }.items():
        path.write_bytes(changed)
        with pytest.raises(UnreadableFileError, match=cause):
            dicom.read(path)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
def test_zeros_behind_the_last_element_are_no_damage_but_noted(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "a.dcm"
    made = as_file(recording([multiplex(SAMPLES, TWO, big=syntax == BIG)]), syntax)
    path.write_bytes(made + bytes(1001))
    found = dicom.read(path)
    assert np.array_equal(found.groups[0].digital, SAMPLES)
    assert found.metadata["notes"] == ["1001 bytes behind its last element: not read"]


def test_padding_behind_the_elements_of_the_standard_is_noted(tmp_path: Path) -> None:
    padding = [(0xFFFC, 0xFFFC, "OB", bytes(1000)), (0xFFFF, 0, "UN", b"z" * 100)]
    found = read(tmp_path, [multiplex(SAMPLES, TWO)], padding)
    assert found.metadata["notes"] == ["1100 bytes behind its last element: not read"]


def test_a_picture_in_pieces_is_told_from_damage(tmp_path: Path) -> None:
    pieces = b"\xfe\xff\0\xe0\4\0\0\0abcd\xfe\xff\xdd\xe0\0\0\0\0"
    image = as_file([(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.2")])
    pixels = b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + pieces
    path = tmp_path / "a.dcm"
    path.write_bytes(image + pixels)
    with pytest.raises(UnreadableFileError, match=r"without waveforms \(CT Image Storage\)"):
        dicom.read(path)


@pytest.mark.parametrize("n_mib", [3, 300])
def test_elements_are_counted_before_they_are_read(tmp_path: Path, n_mib: int) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(n_mib)) + packer.flush()
    path = tmp_path / "a.dcm"
    path.write_bytes(as_file([], DEFLATED)[:-2] + body)
    begun = time.process_time()
    with pytest.raises(UnreadableFileError, match=r"elements|inflated"):
        dicom.read(path)
    assert time.process_time() - begun < 2
