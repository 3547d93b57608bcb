"""WFDB records made here: every storage format and every oddity of the header."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording
from physioprep.readers.wfdb_formats import n_bytes, unpack
from physioprep.readers.wfdb_header import parse_header
from physioprep.recording import reader_flags

PACKED = (8, 16, 24, 32, 61, 80, 160, 212, 310, 311)
INVALID = {
    16: -32768, 24: -(2**23), 32: -(2**31), 61: -32768, 80: -128, 160: -32768, 212: -2048,
    310: -512, 311: -512,
}  # fmt: skip


@given(data=st.binary(max_size=64), format=st.sampled_from(PACKED))
def test_unpack_equals_the_slow_decoder(
    data: bytes,
    format: int,
    decode_slowly: Callable[[bytes, int, int], list[int]],
    count_bytes: Callable[[int, int], int],
) -> None:
    n = 0
    while count_bytes(format, n + 1) <= len(data):
        n += 1
    size = n_bytes(format, n)
    assert size == count_bytes(format, n)
    fast = unpack(np.frombuffer(data[:size], np.uint8).copy(), format, n)
    assert fast.tolist() == decode_slowly(data[:size], format, n)


@pytest.mark.parametrize("format", PACKED)
@pytest.mark.parametrize("spf", [(1,), (1, 1), (1, 1, 1), (4, 1, 4), (3, 2)])
@pytest.mark.parametrize("offset", [0, 24])
def test_every_format_layout_and_offset(
    write_record: Any, tmp_path: Path, format: int, spf: tuple[int, ...], offset: int
) -> None:
    signals = write_record("r", format, spf=spf, offset=offset, n_frames=41)
    recording = read_recording(tmp_path / "r")
    rates = list(dict.fromkeys(spf))
    assert [group.sampling_rate for group in recording.groups] == [250.0 * n for n in rates]
    for width, group in zip(rates, recording.groups, strict=True):
        wanted = [signal for signal, n in zip(signals, spf, strict=True) if n == width]
        assert group.digital.tolist() == wanted
        assert group.digital.dtype == (np.int32 if format in (8, 24, 32) else np.int16)
        assert group.digital.flags.c_contiguous
    assert recording.metadata["checksums"] == ["verified"] * len(spf)
    assert recording.metadata["initial_value_differs"] == []


def test_long_record_crosses_pieces(write_record: Any, tmp_path: Path) -> None:
    for format in (212, 310, 24):
        signals = write_record(f"r{format}", format, spf=(1, 1), n_frames=70_001)
        recording = read_recording(tmp_path / f"r{format}")
        assert np.array_equal(recording.groups[0].digital, np.array(signals))


@pytest.mark.parametrize("format", [508, 516, 524])
def test_flac_formats(tmp_path: Path, format: int) -> None:
    import wfdb

    bits = format - 500
    rng = np.random.default_rng(1)
    digital = rng.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), (300, 2))
    wfdb.wrsamp(
        "f", fs=200, units=["mV"] * 2, sig_name=["a", "b"], d_signal=digital, fmt=[str(format)] * 2,
        adc_gain=[200.0] * 2, baseline=[0] * 2, write_dir=str(tmp_path),
    )  # fmt: skip
    group = read_recording(tmp_path / "f").groups[0]
    assert np.array_equal(group.digital, digital.T)
    (tmp_path / "f.dat").write_bytes((tmp_path / "f.dat").read_bytes()[:-40])
    with pytest.raises(UnreadableFileError, match=r"f\.dat"):
        read_recording(tmp_path / "f")


@pytest.mark.parametrize("format", [16, 212, 24, 80, 310])
def test_wfdb_agrees_on_generated_records(write_record: Any, tmp_path: Path, format: int) -> None:
    import wfdb

    write_record("r", format, spf=(1, 1, 1), n_frames=100, gain="123.5(-7)/uV")
    theirs = wfdb.rdrecord(str(tmp_path / "r"))
    group = read_recording(tmp_path / "r").groups[0]
    np.testing.assert_allclose(group.physical().T, theirs.p_signal, rtol=1e-12)
    assert group.units == ("uV",) * 3
    assert group.baseline.tolist() == [-7.0] * 3


def test_invalid_samples_become_nan(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r 1 250 3\nr.dat 16 100(5)/mV 16 0\n")
    (tmp_path / "r.dat").write_bytes(np.array([105, -32768, 5], "<i2").tobytes())
    group = read_recording(tmp_path / "r").groups[0]
    assert group.digital.tolist() == [[105, -32768, 5]]
    np.testing.assert_array_equal(group.physical(), [[1.0, np.nan, 0.0]])
    assert group.channels == ("signal 0",)


@pytest.mark.parametrize("format", [16, 212, 80, 24, 310])
def test_skew_shifts_whole_frames_and_marks_the_end(
    write_record: Any, tmp_path: Path, format: int
) -> None:
    stored = write_record("r", format, spf=(1, 2), skew=(3, 4), n_frames=30)
    single, double = read_recording(tmp_path / "r").groups
    assert single.digital[0].tolist() == stored[0][3:] + [INVALID[format]] * 3
    assert double.digital[0].tolist() == stored[1][8:] + [INVALID[format]] * 8
    assert np.isnan(double.physical()[0, -8:]).all()


def test_two_files_two_formats(write_record: Any, tmp_path: Path) -> None:
    first = write_record("a", 212, spf=(1, 1), n_frames=50)
    second = write_record("b", 24, spf=(1,), n_frames=50, seed=1)
    lines = (tmp_path / "a.hea").read_text().splitlines()[1:]
    lines += (tmp_path / "b.hea").read_text().splitlines()[1:]
    (tmp_path / "ab.hea").write_text("ab 3 250 50\n" + "\n".join(lines) + "\n")
    recording = read_recording(tmp_path / "ab")
    assert recording.groups[0].digital.tolist() == first + second
    assert recording.groups[0].digital.dtype == np.int32
    assert recording.groups[0].invalid.tolist() == [-2048, -2048, -(2**23)]
    assert [file.name for file in recording.files] == ["ab.hea", "a.dat", "b.dat"]


def test_mat_signal_file(tmp_path: Path) -> None:
    from scipy.io import savemat

    values = np.arange(-12, 12, dtype=np.int16).reshape(3, 8)
    savemat(tmp_path / "r.mat", {"val": values}, format="4")
    lines = [f"r.mat 16+24 1000/mV 16 0 {v[0]} {int(v.sum())} 0 L{i}" for i, v in enumerate(values)]
    (tmp_path / "r.hea").write_text("r 3 500 8\n" + "\n".join(lines) + "\n")
    assert np.array_equal(read_recording(tmp_path / "r").groups[0].digital, values)
    assert np.array_equal(read_recording(tmp_path / "r.mat").groups[0].digital, values)
    (tmp_path / "r.hea").write_text("r 2 500 8\n" + "\n".join(lines[:2]) + "\n")
    with pytest.raises(UnreadableFileError, match="holds a 3 x 8 matrix"):
        read_recording(tmp_path / "r")


def test_zeroed_bytes_are_found(write_record: Any, tmp_path: Path) -> None:
    write_record("r", 212, n_frames=1000)
    raw = bytearray((tmp_path / "r.dat").read_bytes())
    raw[600:900] = bytes(300)
    (tmp_path / "r.dat").write_bytes(raw)
    with pytest.raises(ChecksumError, match=r"r\.dat: signal 0 \(lead 0\) has the checksum"):
        read_recording(tmp_path / "r")
    unverified = read_recording(tmp_path / "r", verify=False)
    assert unverified.metadata["checksums"] == ["not verified"] * 2


def test_checksum_0_counts_as_not_stated(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r 1 300 2\nr.dat 16 1000/mV 16 0 9 0 0 ECG\n")
    (tmp_path / "r.dat").write_bytes(bytes([1, 0, 2, 0]))
    metadata = read_recording(tmp_path / "r").metadata
    assert metadata["checksums"] == ["not stated"]
    assert metadata["initial_value_differs"] == [0]


def test_no_length_takes_it_from_the_file(write_record: Any, tmp_path: Path) -> None:
    for format in (16, 212, 310):
        signals = write_record("r", format, spf=(2, 1), n_frames=44, length=False)
        assert read_header(tmp_path / "r").groups[0].n_samples == 88
        assert read_recording(tmp_path / "r").groups[1].digital[0].tolist() == signals[1]


def test_crlf_and_comments(write_record: Any, tmp_path: Path) -> None:
    comments = "# Age: 60\r\n\r\n#Dx: AF\r\n"
    write_record("r", 16, comments=comments, newline="\r\n", extra=" 23:07:00 19/1/1989")
    header = read_header(tmp_path / "r.hea")
    assert header.metadata["comments"] == ["Age: 60", "Dx: AF"]
    assert header.start_time == datetime(1989, 1, 19, 23, 7)


@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ("10:51:55.082 04/05/2704", datetime(2704, 5, 4, 10, 51, 55, 82000)),
        ("05-May-2020 14:50:55", datetime(2020, 5, 5, 14, 50, 55)),
        ("10:51:55", None),
        ("25:00:00 01/01/2000", None),
        ("12:00 32/01/2000", None),
    ],
)
def test_start_times(fields: str, start: datetime | None) -> None:
    record = parse_header(f"r 0 250 10 {fields}\n", Path("r.hea"))
    assert record.start_time == start
    assert bool(record.notes) == ((start is None and " " in fields) or "May" in fields)


def test_georgia_header_with_extension_in_its_name(tmp_path: Path) -> None:
    text = "E1.mat 1 500 2 05-May-2020 14:50:55\nE1.mat 16+24 4880/mV 16 0 1 3 0 I\n#Age: 74\n"
    (tmp_path / "E1.hea").write_text(text)
    (tmp_path / "E1.mat").write_bytes(bytes(24) + bytes([1, 0, 2, 0]))
    recording = read_recording(tmp_path / "E1")
    assert recording.groups[0].digital.tolist() == [[1, 2]]
    assert len(recording.metadata["notes"]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "r\n",
        "r x 250 10\n",
        "r -1 250 10\n",
        "r 1 0 10\nr.dat 16\n",
        "r 1 nan 10\nr.dat 16\n",
        "r 1 250 1e3\nr.dat 16\n",
        "r 2 250 10\nr.dat 16\n",
        "r 1 250 10\nr.dat 16\nr.dat 16\n",
        "r 1 250 10\nr.dat\n",
        "r 1 250 10\nr.dat 17\n",
        "r 1 250 10\nr.dat 16x 200\n",
        "r 1 250 10\nr.dat 16 2oo\n",
        "r 1 250 10\nr.dat 16 nan\n",
        "r 1 250 10\nr.dat 16 200 12 zero\n",
        "r 1 250 10\n/etc/passwd 16 200\n",
        "r 1 250 10\n../r.dat 16 200\n",
        "r 1 250 10\n.. 16 200\n",
        "r 2 250 10\nr.dat 16\nr.dat 212\n",
        "r 2 250 10\nr.dat 16\nr.dat 16+2\n",
        "r 1 250 999999999999999\nr.dat 16\n",
        "r 1 250 999999999999\nr.dat 516\n",
        "r 1 250 10\nr.dat 16x999999999\n",
        "r/2 1 250 10\na 5\n",
        "r/0 1 250 10\n",
        "r/x 1 250 10\n",
        "r/1 1 250 10\n~ 10\n",
        "r/1 1 250 10\nr 10\n",
        "<<<<<<< Updated upstream\nr 1 250 10\nr.dat 16\n",
    ],
)
def test_unreadable_headers_are_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.hea").write_text(text)
    (tmp_path / "r.dat").write_bytes(bytes(100))
    with pytest.raises(UnreadableFileError) as caught:
        read_recording(tmp_path / "r")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_short_files(write_record: Any, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="no such file"):
        read_recording(tmp_path / "nothing")
    write_record("r", 16)
    raw = (tmp_path / "r.dat").read_bytes()
    (tmp_path / "r.dat").write_bytes(raw[:-3])
    with pytest.raises(UnreadableFileError, match="3 bytes shorter"):
        read_recording(tmp_path / "r")
    (tmp_path / "r.dat").unlink()
    with pytest.raises(UnreadableFileError, match=r"r\.dat: no such file"):
        read_recording(tmp_path / "r")
    assert read_header(tmp_path / "r").groups[0].n_samples == 60


@pytest.mark.parametrize("format", [16, 212, 310, 24])
@pytest.mark.parametrize("spf", [(1,), (1, 1), (2, 1)])
def test_a_header_notes_signal_files_that_are_too_short(
    write_record: Any, tmp_path: Path, format: int, spf: tuple[int, ...]
) -> None:
    write_record("a", format, spf=spf, n_frames=7)
    assert read_header(tmp_path / "a").metadata["notes"] == []
    (tmp_path / "a.dat").write_bytes((tmp_path / "a.dat").read_bytes()[:-2])
    note = "a.dat: 2 bytes shorter than its header says"
    assert reader_flags(read_header(tmp_path / "a").metadata) == [f"note:{note}"]
    with pytest.raises(UnreadableFileError, match=note):
        read_recording(tmp_path / "a")


@pytest.mark.parametrize("format", [16, 212, 310, 24])
@pytest.mark.parametrize(("spf", "n"), [((1,), 7), ((1, 1), 8), ((2, 1), 7)])
def test_samples_behind_those_stated_are_noted(
    write_record: Any, tmp_path: Path, format: int, spf: tuple[int, ...], n: int
) -> None:
    signals = write_record("a", format, spf=spf, n_frames=n)
    assert read_recording(tmp_path / "a").metadata["notes"] == []
    raw = (tmp_path / "a.dat").read_bytes()
    if format == 212 and len(raw) % 3:  # some writers fill up the last group
        (tmp_path / "a.dat").write_bytes(raw + bytes(1))
        assert read_recording(tmp_path / "a").metadata["notes"] == []
    (tmp_path / "a.dat").write_bytes(raw + bytes(12))
    recording = read_recording(tmp_path / "a")
    assert recording.groups[0].digital[0].tolist() == signals[0]
    assert recording.metadata["notes"] == ["a.dat: 12 bytes longer than stated, not read"]
    assert reader_flags(recording.metadata) == ["note:a.dat: 12 bytes longer than stated, not read"]


@pytest.mark.parametrize("offset", [0, 20])
@pytest.mark.parametrize("spf", [(1, 1), (2, 1)])
@pytest.mark.parametrize("there", [0, 2, 3, 5])
def test_skewed_signals_go_on_behind_the_end(
    write_record: Any, tmp_path: Path, offset: int, spf: tuple[int, int], there: int
) -> None:
    signals = write_record("a", 16, spf=spf, n_frames=17 + there, skew=(0, 3), offset=offset)
    head = (tmp_path / "a.hea").read_text().replace(f"a 2 250 {17 + there}", "a 2 250 17")
    (tmp_path / "a.hea").write_text(head)
    groups = read_recording(tmp_path / "a", verify=False).groups
    found = [row.tolist() for group in groups for row in group.digital]
    missing = max(0, 3 - there)
    assert found == [
        signals[0][: 17 * spf[0]],
        [*signals[1][3 : 20 - missing], *[-32768] * missing],
    ]


def test_skewed_signals_need_samples_behind_the_end(write_record: Any, tmp_path: Path) -> None:
    write_record("a", 16, n_frames=20, skew=(0, 3))
    head = (tmp_path / "a.hea").read_text().replace("a 2 250 20", "a 2 250 17")
    (tmp_path / "a.hea").write_text(head)
    assert read_recording(tmp_path / "a", verify=False).metadata["notes"] == []


@pytest.mark.parametrize("first", ["a 2", "a/1 2"])
def test_the_default_rate_is_noted(write_record: Any, tmp_path: Path, first: str) -> None:
    write_record("b", 16, n_frames=9)
    lines = (tmp_path / "b.hea").read_text().splitlines()[1:] if first == "a 2" else ["b 9"]
    (tmp_path / "a.hea").write_text("\n".join([first, *lines]))
    for found in (read_header(tmp_path / "a"), read_recording(tmp_path / "a")):
        assert found.groups[0].sampling_rate == 250.0
        note = "states no sampling rate: 250 Hz, the default of the format"
        assert found.metadata["notes"] == [note]


def test_detect_format(write_record: Any, tmp_path: Path) -> None:
    write_record("r", 16)
    for name in ("r", "r.hea", "r.dat"):
        assert detect_format(tmp_path / name) == "wfdb"
    (tmp_path / "x.bin").write_bytes(b"nothing known")
    with pytest.raises(UnreadableFileError, match="no reader"):
        detect_format(tmp_path / "x.bin")
    with pytest.raises(UnreadableFileError, match="unknown format 'abc'"):
        read_recording(tmp_path / "r", format="abc")


def test_negative_and_missing_gain(tmp_path: Path) -> None:
    text = "r 3 250 2\nr.dat 16 -200/mV 12 0\nr.dat 16 0 12 7\nr.dat 16\n"
    (tmp_path / "r.hea").write_text(text)
    (tmp_path / "r.dat").write_bytes(np.array([100, 7, 0, -100, 207, 200], "<i2").tobytes())
    recording = read_recording(tmp_path / "r")
    assert recording.groups[0].physical().tolist() == [[-0.5, 0.5], [0.0, 1.0], [0.0, 1.0]]
    calibrated = [signal.calibrated for signal in recording.metadata["signals"]]
    assert calibrated == [True, False, False]


def test_header_reading_needs_no_wfdb_or_pandas(write_record: Any, tmp_path: Path) -> None:
    import subprocess
    import sys

    write_record("r", 16)
    code = (
        "import sys\nfrom physioprep.readers import read_header\n"
        f"read_header({str(tmp_path / 'r')!r})\n"
        "print(*(name for name in ('wfdb', 'pandas', 'mne', 'torch') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
