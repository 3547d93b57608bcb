"""The bytes that are named hold the samples that were asked for: decoded here, in a few lines."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from physioprep.readers import read_header, read_recording
from physioprep.readers.byte_range import ByteRange, byte_ranges


def data_of(found: ByteRange) -> bytes:
    return found.file.read_bytes()[found.first : found.stop]


def decode_16(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 2], "little", signed=True) for i in range(0, len(data), 2)]


def decode_212(data: bytes) -> list[int]:
    out = []
    for i in range(0, len(data) - 2, 3):
        for value in (data[i] | (data[i + 1] & 15) << 8, data[i + 2] | (data[i + 1] >> 4) << 8):
            out.append(value - 4096 if value >= 2048 else value)
    return out


def encode_212(values: list[int]) -> bytes:
    out = bytearray()
    for a, b in zip(values[::2], [*values[1::2], 0], strict=False):
        out += bytes([a & 255, (a >> 8 & 15) | (b >> 8 & 15) << 4, b & 255])
    return bytes(out)


def record(folder: Path, lines: list[str], data: bytes) -> Path:
    (folder / "a.hea").write_text("\n".join(lines) + "\n")
    (folder / "a.dat").write_bytes(data)
    return folder / "a"


VALUES = np.random.default_rng(0).integers(-2000, 2000, (3, 50))


@pytest.mark.parametrize("sample", [0, 1, 17, 49])
@pytest.mark.parametrize("lead", [0, 1, 2])
def test_wfdb_16_with_an_offset(tmp_path: Path, sample: int, lead: int) -> None:
    lines = ["a 3 250 50", *(f"a.dat 16+7 200 16 0 0 0 0 L{i}" for i in range(3))]
    path = record(tmp_path, lines, b"ignored" + VALUES.T.astype("<i2").tobytes())
    [found] = byte_ranges(read_header(path), sample / 250, sample / 250, [f"L{lead}"])
    assert decode_16(data_of(found)) == [VALUES[lead, sample]]
    assert (found.first_sample, found.stop_sample) == (sample, sample + 1)
    [found] = byte_ranges(read_header(path), sample / 250, 49 / 250)
    assert decode_16(data_of(found)) == VALUES[:, sample:].T.ravel().tolist()
    assert found.note == ""


@pytest.mark.parametrize("sample", [0, 1, 24, 49])
@pytest.mark.parametrize("lead", [0, 1, 2])
def test_wfdb_212(tmp_path: Path, sample: int, lead: int) -> None:
    """Two samples share three bytes, so that one sample's bytes hold a neighbour, too."""
    lines = ["a 3 250 50", *(f"a.dat 212 200 12 0 0 0 0 L{i}" for i in range(3))]
    path = record(tmp_path, lines, encode_212(VALUES.T.ravel().tolist()))
    [found] = byte_ranges(read_header(path), sample / 250, sample / 250, [f"L{lead}"])
    place = 3 * sample + lead
    assert found.stop - found.first == 3
    assert decode_212(data_of(found))[place % 2] == VALUES[lead, sample]


def test_wfdb_frames_of_two_rates_and_skew(tmp_path: Path) -> None:
    """Two samples of F and one of S a frame; S is stored two frames late."""
    fast, slow = np.arange(20), np.arange(100, 110)
    frames = [[fast[2 * i], fast[2 * i + 1], slow[i - 2] if i >= 2 else 0] for i in range(10)]
    lines = ["a 2 100 10", "a.dat 16x2 200 16 0 0 0 0 F", "a.dat 16:2 200 16 0 0 0 0 S"]
    path = record(tmp_path, lines, np.array(frames, "<i2").tobytes())
    header = read_header(path)
    read = {g.channels[0]: g.digital[0] for g in read_recording(path, verify=False).groups}
    for at in range(20):
        [found] = byte_ranges(header, at / 200, at / 200, ["F"])
        assert decode_16(data_of(found)) == [fast[at]] == [read["F"][at]]
    for at in range(8):
        [found] = byte_ranges(header, at / 100, at / 100, ["S"])
        assert decode_16(data_of(found)) == [slow[at]] == [read["S"][at]]


def test_challenge_mat(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"val": VALUES.astype(np.int16)}, format="4")
    lines = ["a 3 500 50", *(f"a.mat 16+24 1000/mV 16 0 0 0 0 L{i}" for i in range(3))]
    (tmp_path / "a.hea").write_text("\n".join(lines) + "\n")
    for lead, sample in ((0, 0), (2, 31), (1, 49)):
        [found] = byte_ranges(read_header(tmp_path / "a"), sample / 500, sample / 500, [f"L{lead}"])
        assert found.file.name == "a.mat"
        assert decode_16(data_of(found)) == [VALUES[lead, sample]]


def test_segments_and_gaps(tmp_path: Path) -> None:
    for name, first in (("b", 0), ("c", 10)):
        (tmp_path / f"{name}.hea").write_text(f"{name} 1 100 10\n{name}.dat 16 200 16 0 0 0 0 I\n")
        (tmp_path / f"{name}.dat").write_bytes(np.arange(first, first + 10).astype("<i2").tobytes())
    (tmp_path / "a.hea").write_text("a/3 1 100 25\nb 10\n~ 5\nc 10\n")
    header = read_header(tmp_path / "a")
    found = byte_ranges(header, 0.08, 0.16)
    assert [(each.file.name, decode_16(data_of(each))) for each in found] == [
        ("b.dat", [8, 9]),
        ("c.dat", [10, 11]),
    ]
    assert byte_ranges(header, 0.11, 0.13) == []


@pytest.mark.parametrize("seed", range(3))
def test_any_sample_is_what_the_reader_reads(tmp_path: Path, seed: int) -> None:
    """Formats of one byte or more a sample, in files of several signals."""
    rng = np.random.default_rng(seed)
    for format, width, kind in ((80, 1, "u1"), (16, 2, "<i2"), (61, 2, ">i2"), (32, 4, "<i4")):
        values = rng.integers(0, 100, (4, 33)).astype(kind)
        lines = ["a 4 125 33", *(f"a.dat {format} 200 16 0 0 0 0 L{i}" for i in range(4))]
        path = record(tmp_path, lines, values.T.tobytes())
        digital = read_recording(path, verify=False).groups[0].digital
        lead, sample = int(rng.integers(4)), int(rng.integers(33))
        [found] = byte_ranges(read_header(path), sample / 125, sample / 125, [f"L{lead}"])
        assert found.stop - found.first == width
        value = int(np.frombuffer(data_of(found), kind)[0]) - (128 if format == 80 else 0)
        assert value == digital[lead, sample]


def test_edf(tmp_path: Path) -> None:
    import pyedflib

    path = tmp_path / "a.edf"
    rates, n_s = (8, 8, 4), 5
    signals = [VALUES[i, : rate * n_s].astype(np.int32) for i, rate in enumerate(rates)]
    with pyedflib.EdfWriter(str(path), 3, file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeaders(
            [
                {
                    "label": name,
                    "sample_frequency": rate,
                    "physical_min": -100.0,
                    "physical_max": 100.0,
                    "digital_min": -2048,
                    "digital_max": 2047,
                    "dimension": "uV",
                    "transducer": "",
                    "prefilter": "",
                }
                for name, rate in zip("ABC", rates, strict=True)
            ]
        )
        writer.writeSamples(signals, digital=True)
    header = read_header(path)
    for signal, (name, rate) in enumerate(zip("ABC", rates, strict=True)):
        for sample in range(rate * n_s):
            [found] = byte_ranges(header, sample / rate, sample / rate, [name])
            assert decode_16(data_of(found)) == [signals[signal][sample]]
            assert found.note == ""
    [found] = byte_ranges(header, 1.0, 2.5, ["B"])  # from data record 1 into data record 2
    assert decode_16(data_of(found)[:16]) == signals[1][8:16].tolist()
    assert "data records 1 to 2" in found.note


def test_other_formats_are_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "A0001.mat"
    savemat(path, {"ECG": {"sex": "Male", "age": 60, "data": np.ones((12, 500))}})
    [found] = byte_ranges(read_header(path), 0.1, 0.1, ["II"])
    assert (found.first, found.stop) == (0, path.stat().st_size)
    assert (found.first_sample, found.stop_sample) == (50, 51)
    assert "not computed" in found.note


@pytest.mark.realdata
def test_real_mitdb(shared_data: Path) -> None:
    path = shared_data / "mitdb" / "114"  # its leads stand in another order than in the others
    if not path.with_suffix(".hea").exists():
        path = next(iter(sorted((shared_data / "mitdb").glob("*.hea")))).with_suffix("")
    header, digital = read_header(path), read_recording(path).groups[0].digital
    names = header.groups[0].channels
    for sample in (0, 1, 12_345, digital.shape[1] - 1):
        for lead, name in enumerate(names):
            [found] = byte_ranges(header, sample / 360, sample / 360, [name])
            assert decode_212(data_of(found))[(2 * sample + lead) % 2] == digital[lead, sample]
