"""SCP-ECG records that are written here byte by byte: every way of compression."""

from __future__ import annotations

import struct
import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording, scp
from tests.readers.scp_files import (
    DEFAULT,
    beats,
    default_bits,
    differences,
    huffman,
    leads,
    pack_bits,
    person_tags,
    plain,
    record,
    tables,
    waveforms,
)

RNG = np.random.default_rng(16)
CURVES = np.cumsum(RNG.integers(-30, 31, (3, 200)), axis=1)
CODES = (1, 2, 62)


def write(folder: Path, bodies: dict[int, bytes]) -> Path:
    (folder / "a.scp").write_bytes(record(bodies))
    return folder / "a.scp"


def simple(**changes: bytes) -> dict[int, bytes]:
    bodies = {
        1: person_tags(last="Muster", first="Ada", id="4711", model="AT10"),
        3: leads(CODES, 1, 200),
        6: waveforms([plain(curve) for curve in CURVES]),
    }
    return bodies | {int(name[1:]): body for name, body in changes.items()}


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("compressed", [False, True])
def test_samples(tmp_path: Path, order: int, compressed: bool) -> None:
    coder = huffman if compressed else plain
    data = [coder(differences(curve, order)) for curve in CURVES]
    bodies = simple(s6=waveforms(data, order=order, interval_us=1667))
    path = write(tmp_path, bodies | ({2: DEFAULT} if compressed else {}))
    assert detect_format(path) == "scp"
    recording = read_recording(path)
    (group,) = recording.groups
    assert group.digital.dtype == np.int16
    assert group.digital.tolist() == CURVES.tolist()
    assert group.channels == ("I", "II", "aVR")
    assert group.units == ("uV",) * 3
    assert group.sampling_rate == 1e6 / 1667  # what it says, not 600 Hz
    np.testing.assert_allclose(group.physical(), 2.5 * CURVES, rtol=1e-15)
    assert recording.start_time == datetime(2020, 2, 1, 9, 10, 11)
    assert "notes" not in recording.metadata
    assert read_header(path).groups[0].n_samples == 200


@pytest.mark.parametrize("order", [1, 2])
def test_differences_of_16_bits(tmp_path: Path, order: int) -> None:
    """Steps over the range of samples wrap, as those who write them count in 16 bits."""
    curve = np.array([30000, -30000, 32767, -32768, 0, 1])
    wrapped = [(value + 2**15) % 2**16 - 2**15 for value in differences(curve, order)]
    bodies = {3: leads((1,), 1, 6), 6: waveforms([plain(wrapped)], order=order)}
    assert read_recording(write(tmp_path, bodies)).groups[0].digital.tolist() == [curve.tolist()]


# "10" and then 4 bits; one switches to the second table, where codes mean other values
OWN = [
    [("0", 1, True, 0), ("10", 6, True, 0), ("110", 3, False, 2), ("111", 19, True, 0)],
    [("0", 1, True, 7), ("10", 2, True, -7), ("11", 2, False, 1)],
]


def test_own_tables_and_switches_between_them(tmp_path: Path) -> None:
    bits = "0" + "10" + "1000" + "110" + "0" + "10" + "0" + "11" + "10" + "0111" + "0"
    values = [0, -8, 7, -7, 7, 7, 0]
    bits += "111" + f"{-3000 & 0xFFFF:016b}"
    data = pack_bits(bits)
    bodies = {2: tables(OWN), 3: leads((1, 2), 1, 8), 6: waveforms([data, data])}
    recording = read_recording(write(tmp_path, bodies))  # each lead begins with the first table
    assert recording.groups[0].digital.tolist() == [[*values, -3000]] * 2


def test_a_switch_before_the_first_value(tmp_path: Path) -> None:
    data = pack_bits("110" + "0" + "10" + "0")
    bodies = {2: tables(OWN), 3: leads((1,), 1, 3), 6: waveforms([data])}
    assert read_recording(write(tmp_path, bodies)).groups[0].digital.tolist() == [[7, -7, 7]]


def test_codes_of_more_than_16_bits(tmp_path: Path) -> None:
    long = [("1" * 20 + "0", 21, True, 5), ("1" * 20 + "1", 29, True, 100)]
    own = [[("0", 1, True, 1), *long]]
    bits = "0" + "1" * 20 + "0" + "0" + "1" * 20 + "1" + f"{-3 & 0xFF:08b}" + "0"
    bodies = {2: tables(own), 3: leads((1,), 1, 5), 6: waveforms([pack_bits(bits)])}
    assert read_recording(write(tmp_path, bodies)).groups[0].digital.tolist() == [[1, 5, 1, 97, 1]]


def test_a_code_that_is_none_is_an_error(tmp_path: Path) -> None:
    own = [[("0", 1, True, 1), ("10", 2, True, 2)]]
    bodies = {2: tables(own), 3: leads((1,), 1, 4), 6: waveforms([pack_bits("01011000")])}
    with pytest.raises(UnreadableFileError, match="lead 1: 4 samples in section 3, 2 in section 6"):
        read_recording(write(tmp_path, bodies))


def reduced(curve: Any, beat: Any, zones: Any, fiducial: int) -> Any:
    """Return a curve without a beat at each zone of kind 0, sample by sample."""
    out = [int(value) for value in curve]
    for kind, start, centre, end in zones:
        for sample in range(start, end + 1):
            place = fiducial - 1 + sample - centre
            if kind == 0 and 0 <= place < len(beat):
                out[sample - 1] -= int(beat[place])
    return out


ZONES = [(0, 11, 30, 50), (1, 61, 80, 100), (0, 121, 140, 160)]
BEAT = np.round(300 * np.exp(-(((np.arange(50) - 19) / 4) ** 2))).astype(int)


@pytest.mark.parametrize(("step", "beat_step"), [(2500, 2500), (5000, 2500), (2500, 5000)])
def test_the_reference_beat_is_added(tmp_path: Path, step: int, beat_step: int) -> None:
    common = np.gcd(step, beat_step)
    curves = CURVES * (step // common)
    for curve in curves:  # what remains of a curve has whole steps
        for kind, start, centre, _ in ZONES:
            if kind == 0:
                first = start - 1
                place = 20 - 1 + start - centre
                piece = BEAT[max(0, place) :] * (beat_step // common)
                curve[first : first + 40] += piece[:40]
    rests = [reduced(curve, BEAT * (beat_step // common), ZONES, 20) for curve in curves]
    rests = [np.array(rest) // (step // common) for rest in rests]
    bodies = simple(
        s2=DEFAULT, s3=leads(CODES, 1, 200, flags=5),
        s4=beats(100, 20, [(kind, a, b, a + 39) for kind, a, b, _ in ZONES]),
        s5=waveforms([huffman(differences(BEAT, 1))] * 3, beat_step, order=1),
        s6=waveforms([huffman(differences(rest, 2)) for rest in rests], step, order=2),
    )  # fmt: skip
    recording = read_recording(write(tmp_path, bodies))
    (group,) = recording.groups
    assert group.digital.tolist() == curves.tolist()
    np.testing.assert_allclose(1 / group.gain, common / 1000)
    (medians,) = recording.metadata["median_beats"]
    assert medians["digital"].tolist() == [BEAT.tolist()] * 3
    assert medians["sampling_rate"] == 500.0
    assert medians["gain"] == [1000 / beat_step] * 3
    table = recording.annotations
    assert table["sample"].tolist() == [29, 79, 139]
    assert table["code"].tolist() == ["0", "1", "0"]
    assert table["onset"].tolist() == [29 / 500, 79 / 500, 139 / 500]


def test_zones_wider_than_the_reference_beat(tmp_path: Path) -> None:
    zones = [(0, 5, 30, 90)]  # the beat lies at samples 11 to 60
    rest = reduced(CURVES[0], BEAT, zones, 20)
    bodies = {
        **{3: leads((1,), 1, 200, flags=5), 4: beats(100, 20, zones)},
        **{5: waveforms([plain(BEAT)]), 6: waveforms([plain(rest)])},
    }
    (group,) = read_recording(write(tmp_path, bodies)).groups
    assert group.digital[0].tolist() == CURVES[0].tolist()


def slowly(stored: list[int], areas: Any, zones: Any, n: int, times: int) -> list[int]:
    """Undo the lower rate sample by sample, as BioSig's scp-decode.cpp does."""
    out: list[int] = []
    source = iter(stored)
    bounds = [0, *(bound for area in areas for bound in (area[0] - 1, area[1])), n]
    for number, (start, end) in enumerate(pairwise(bounds)):
        if number % 2:
            out += [next(source) for _ in range(end - start)]
            continue
        low = [next(source) for _ in range((end - start) // times)]
        if low:
            out += [low[0]] * 2
            for one, two in pairwise(low):
                out += [int(one + j * (two - one) / times) for j in range(times)]
            out += [low[-1]] * 2
        out += [next(source) for _ in range((end - start) % times)]
    smooth = [*out]
    edges = {0, n - 1}
    for (kind, first, _, last), area in zip(zones, areas, strict=True):
        edges |= {*range(area[0] - 1, area[1])}
        if kind == 0:
            edges |= {first - 2, first - 1, last - 1, last}
    for at in range(n):
        if at not in edges:
            three = sum(out[at - 1 : at + 2])
            smooth[at] = int((three + (1 if three >= 0 else -1)) / 3)
    return smooth


AREAS = [(22, 38), (72, 88), (132, 150)]


@pytest.mark.parametrize("subtracted", [False, True])
def test_bimodal_rhythms(tmp_path: Path, subtracted: bool) -> None:
    free = [21, 33, 43, 50]
    n_stored = sum(size // 4 + size % 4 for size in free) + sum(b - a + 1 for a, b in AREAS)
    stored = np.cumsum(RNG.integers(-30, 31, n_stored))
    wanted = slowly(stored.tolist(), AREAS, ZONES, 200, 4)
    if subtracted:
        negative = reduced([0] * 200, BEAT, ZONES, 20)
        wanted = [a - b for a, b in zip(wanted, negative, strict=True)]
    bodies = {
        **{2: DEFAULT, 3: leads((1,), 1, 200, flags=5 if subtracted else 4)},
        **{4: beats(100, 20, ZONES, AREAS), 5: waveforms([huffman(BEAT)])},
        6: waveforms([huffman(differences(stored, 2))], interval_us=8000, order=2, bimodal=1),
    }
    (group,) = read_recording(write(tmp_path, bodies)).groups
    assert group.sampling_rate == 500.0
    assert group.digital[0].tolist() == wanted


@pytest.mark.parametrize(
    "changes",
    [
        {"s3": leads(CODES, 1, 200, flags=5)},  # no beat to add
        {"s6": waveforms([plain(curve) for curve in CURVES], bimodal=1)},
        {
            "s4": beats(100, 20, ZONES, AREAS), "s5": waveforms([plain(BEAT)] * 3),
            "s6": waveforms([plain(curve) for curve in CURVES], interval_us=3000, bimodal=1),
        },
        {"s6": waveforms([plain(curve) for curve in CURVES], order=3)},
        {"s6": waveforms([plain(curve) for curve in CURVES], interval_us=0)},
        {"s6": waveforms([plain(curve)[:-2] for curve in CURVES])},
        {"s6": waveforms([plain(CURVES[0])] * 2)},
        {"s3": leads(CODES, 1, 4_000_000_000)},
        {"s3": leads(CODES, 9, 8)},
        {"s3": b"\x09\x04"},
        {"s2": struct.pack("<HH", 1, 9)},
        {"s2": tables([[("0", 1, False, 3)]])},
        {"s4": struct.pack("<HHH", 100, 20, 500) + bytes(20)},
    ],
)  # fmt: skip
def test_what_is_not_there_or_makes_no_sense_is_one_error(tmp_path: Path, changes: Any) -> None:
    with pytest.raises(UnreadableFileError, match=r"a\.scp: "):
        read_recording(write(tmp_path, simple(**changes)))


def test_sections_3_and_6_may_count_otherwise(tmp_path: Path) -> None:
    for start, end, note in ((0, 200, "201 samples in section 3, 200"), (1, 199, "199 samples")):
        recording = read_recording(write(tmp_path, simple(s3=leads(CODES, start, end))))
        assert recording.groups[0].digital.tolist() == CURVES.tolist()
        assert note in recording.metadata["notes"][0]


def test_leads_of_other_times_are_groups_of_their_own(tmp_path: Path) -> None:
    rows = struct.pack("<IIB", 1, 200, 1) + struct.pack("<IIB", 101, 150, 3)
    data = [plain(CURVES[0]), plain(CURVES[1][:50])]
    bodies = {3: b"\2\0" + rows, 6: waveforms(data)}
    first, second = read_recording(write(tmp_path, bodies)).groups
    assert (first.channels, second.channels) == (("I",), ("V1",))
    assert second.segments == ((0, 0.2),)
    assert second.digital.tolist() == [CURVES[1][:50].tolist()]


@pytest.mark.parametrize("number", [0, 1, 3, 6])
def test_wrong_checksums(tmp_path: Path, number: int) -> None:
    raw = bytearray(record(simple()))
    at = (
        6 + 10
        if number == 0
        else int.from_bytes(raw[28 + 10 * number : 32 + 10 * number], "little")
    )
    raw[at + 17 - (17 if number == 0 else 0)] ^= 0x20
    path = tmp_path / "a.scp"
    path.write_bytes(bytes(raw))
    with pytest.raises(ChecksumError, match="the record"):
        read_recording(path)
    named = f"section {number}"
    assert named in read_recording(path, verify=False).metadata["notes"][0]


def test_a_cut_record_is_an_error(tmp_path: Path) -> None:
    raw = record(simple())
    for size in (0, 1, 30, 100, 150, len(raw) // 2, len(raw) - 1):
        (tmp_path / "a.scp").write_bytes(raw[:size])
        for verify in (True, False):
            with pytest.raises(UnreadableFileError):
                read_recording(tmp_path / "a.scp", format="scp", verify=verify)


def test_twelve_leads_of_ten_seconds_take_a_moment(tmp_path: Path) -> None:
    curves = np.cumsum(np.clip(RNG.normal(0, 4, (12, 5000)), -50, 50).astype(int), axis=1)
    data = [huffman(differences(curve, 2)) for curve in curves]
    bodies = {2: DEFAULT, 3: leads(range(1, 13), 1, 5000), 6: waveforms(data, order=2)}
    path = write(tmp_path, bodies)
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        recording = scp.read(path, verify=True)
        taken.append(time.perf_counter() - begun)
    assert recording.groups[0].digital.tolist() == curves.tolist()
    assert min(taken) < 0.1


def test_the_default_table_is_that_of_the_standard() -> None:
    assert [default_bits(value) for value in (0, 1, -1, 8, -8)] == [
        *("0", "100", "101", "1111111100", "1111111101")
    ]  # fmt: skip
