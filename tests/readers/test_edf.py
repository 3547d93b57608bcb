"""EDF and BDF files made here: continuous, with gaps, with odd headers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording
from physioprep.recording import reader_flags


@dataclass
class Edf:
    """Write an EDF or BDF file field by field, as its specification words it."""

    signals: list[tuple[str, int]]  # label, samples a record
    n_records: int = 4
    duration: str = "1"
    reserved: str = ""
    bdf: bool = False
    times: list[float] | None = None  # of the data records; makes an annotation signal
    notes: dict[int, bytes] = field(default_factory=dict)
    limits: tuple[str, str, str, str] = ("-100", "100", "-2048", "2047")
    stated: str | None = None
    units: str = "uV"
    start: str = "24.04.8916.13.00"
    recording: str = "Startdate 24-APR-1989 X X X"
    seed: int = 0

    def write(self, path: Path) -> list[np.ndarray]:
        """Write the file; return the digital samples of each ordinary signal."""
        width, tal_samples = (3, 40) if self.bdf else (2, 60)
        rng = np.random.default_rng(self.seed)
        values = [
            rng.integers(-2048, 2048, (self.n_records, n)) if self.n_records else np.empty((0, n))
            for _, n in self.signals
        ]
        rows = [(label, n, self.units, self.limits) for label, n in self.signals]
        if self.times is not None:
            label = "BDF Annotations" if self.bdf else "EDF Annotations"
            rows.append((label, tal_samples, "", ("-1", "1", "-32768", "32767")))
        head = (b"\xffBIOSEMI" if self.bdf else b"0       ") + f"{'X F X X':<80}".encode()
        head += f"{self.recording:<80}{self.start}{256 * (len(rows) + 1):<8}".encode()
        stated = str(self.n_records) if self.stated is None else self.stated
        head += f"{self.reserved:<44}{stated:<8}{self.duration:<8}{len(rows):<4}".encode()
        columns: list[tuple[int, list[str]]] = [
            (16, [row[0] for row in rows]),
            (80, ["AgAgCl"] * len(rows)),
            (8, [row[2] for row in rows]),
            *[(8, [row[3][i] for row in rows]) for i in range(4)],
            (80, ["HP:0.1Hz"] * len(rows)),
            (8, [str(row[1]) for row in rows]),
            (32, [""] * len(rows)),
        ]
        for size, texts in columns:
            head += "".join(f"{text:<{size}}" for text in texts).encode("latin-1")
        body = b""
        for record in range(self.n_records):
            for value in values:
                for sample in value[record]:
                    body += int(sample).to_bytes(width, "little", signed=True)
            if self.times is not None:
                tal = f"{self.times[record]:+g}\x14\x14\0".encode() + self.notes.get(record, b"")
                body += tal.ljust(tal_samples * width, b"\0")
        path.write_bytes(head + body)
        return [value.reshape(-1) for value in values]


@pytest.mark.parametrize("bdf", [False, True])
def test_mixed_rates_become_groups(tmp_path: Path, bdf: bool) -> None:
    path = tmp_path / ("a.bdf" if bdf else "a.edf")
    labels = [("EEG Fp1", 100), ("Temp", 1), ("EEG Fp2", 100), ("Resp", 1), ("ECG", 250)]
    values = Edf(labels, duration="0.5", bdf=bdf).write(path)
    assert detect_format(path) == "edf"
    recording = read_recording(path)
    assert [group.channels for group in recording.groups] == [
        ("EEG Fp1", "EEG Fp2"), ("Temp", "Resp"), ("ECG",)
    ]  # fmt: skip
    assert [group.sampling_rate for group in recording.groups] == [200.0, 2.0, 500.0]
    for group, numbers in zip(recording.groups, [(0, 2), (1, 3), (4,)], strict=True):
        assert group.digital.tolist() == [values[number].tolist() for number in numbers]
        assert group.digital.dtype == (np.int32 if bdf else np.int16)
        physical = (group.digital + 2048.0) * 200 / 4095 - 100
        np.testing.assert_allclose(group.physical(), physical, rtol=0, atol=1e-10)
    assert recording.start_time == datetime(1989, 4, 24, 16, 13)
    assert recording.duration_s == 2.0


@pytest.mark.parametrize("bdf", [False, True])
def test_wide_values_keep_their_sign(tmp_path: Path, bdf: bool) -> None:
    path = tmp_path / "a.edf"
    Edf([("x", 3)], n_records=1, bdf=bdf).write(path)
    width, top = (3, 2**23) if bdf else (2, 2**15)
    raw = b"".join(v.to_bytes(width, "little", signed=True) for v in (-top, top - 1, -1))
    path.write_bytes(path.read_bytes()[: -3 * width] + raw)
    assert read_recording(path).groups[0].digital.tolist() == [[-top, top - 1, -1]]


def test_pieces_of_a_long_file_join(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    times = [float(i) for i in range(700)]
    values = Edf([("a", 200), ("b", 50)], n_records=700, times=times, reserved="EDF+C").write(path)
    recording = read_recording(path)
    assert np.array_equal(recording.groups[0].digital[0], values[0])
    assert np.array_equal(recording.groups[1].digital[0], values[1])


def test_annotations_with_a_subsecond_start(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    notes = {
        0: b"+0.75\x14T0\x14\0",
        1: b"+1.5\x152.25\x14Sleep stage W\x14two at once\x14\0-0.5\x14before\x14\0",
        2: "+2\x150\x14µ-arousal\x14\0".encode(),
    }
    times = [0.25, 1.25, 2.25, 3.25]
    Edf([("a", 10)], times=times, notes=notes, reserved="EDF+C").write(path)
    recording = read_recording(path)
    table = recording.annotations
    assert table["onset"].tolist() == [-0.75, 0.5, 1.25, 1.25, 1.75]
    assert table["text"].tolist() == ["before", "T0", "Sleep stage W", "two at once", "µ-arousal"]
    np.testing.assert_array_equal(table["duration"], [np.nan, np.nan, 2.25, 2.25, 0.0])
    assert set(table["source"]) == {"edf+"}
    for found in (recording, read_header(path)):
        assert found.start_time == datetime(1989, 4, 24, 16, 13, 0, 250_000)
        assert found.groups[0].segments == ((0, 0.0),)


def test_gaps_of_a_discontinuous_file_stay_gaps(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    times = [0.5, 1.5, 10.0, 11.0]
    values = Edf([("a", 10), ("b", 4)], times=times, reserved="EDF+D").write(path)
    for found in (read_recording(path), read_header(path)):
        assert found.groups[0].segments == ((0, 0.0), (20, 9.5))
        assert found.groups[1].segments == ((0, 0.0), (8, 9.5))
        assert found.duration_s == 11.5
    assert np.array_equal(read_recording(path).groups[0].digital[0], values[0])
    Edf([("a", 10)], times=[0, 1, 1.5, 3], reserved="EDF+D").write(path)
    with pytest.raises(UnreadableFileError, match="data record 2 starts before"):
        read_recording(path)


def test_continuous_file_with_other_times_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    Edf([("a", 10)], times=[0, 1, 7, 8], reserved="EDF+C").write(path)
    recording = read_recording(path)
    assert recording.groups[0].segments == ((0, 0.0),)
    assert "do not fit" in recording.metadata["notes"][0]


def test_annotations_only(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    notes = {0: b"+30\x1560\x14Sleep stage 1\x14\0"}
    Edf([], n_records=1, duration="0", times=[0], notes=notes, reserved="EDF+C").write(path)
    recording = read_recording(path)
    assert recording.groups == ()
    assert recording.annotations[["onset", "duration"]].to_numpy().tolist() == [[30.0, 60.0]]


def test_labels_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    Edf([("Fc5.", 5), ("EEG F1-Ref", 5), ("EEG F1-Ref", 5)], units="µV").write(path)
    group = read_recording(path).groups[0]
    assert group.channels == ("Fc5.", "EEG F1-Ref", "EEG F1-Ref")
    assert group.units == ("µV",) * 3


@pytest.mark.parametrize(
    ("limits", "slope", "offset"),
    [
        (("-100", "100", "2047", "-2048"), -200 / 4095, -100 + 2047 * 200 / 4095),
        (("100", "-100", "-2048", "2047"), -200 / 4095, 100 - 2048 * 200 / 4095),
        (("-3,2", "3.2E0", "-32", "32"), 0.1, 0.0),
    ],
)
def test_reversed_limits(
    tmp_path: Path, limits: tuple[str, str, str, str], slope: float, offset: float
) -> None:
    path = tmp_path / "a.edf"
    values = Edf([("a", 50)], limits=limits).write(path)
    physical = read_recording(path).groups[0].physical()[0]
    np.testing.assert_allclose(physical, values[0] * slope + offset, rtol=0, atol=1e-9)


@pytest.mark.parametrize("limits", [("0", "0", "-1", "1"), ("-1", "1", "5", "5")])
def test_empty_range_has_no_physical_values(
    tmp_path: Path, limits: tuple[str, str, str, str]
) -> None:
    path = tmp_path / "a.edf"
    values = Edf([("IBI", 50)], limits=limits).write(path)
    recording = read_recording(path)
    assert recording.metadata["uncalibrated"] == ["IBI"]
    note = "note:the stated range is empty, so the scale is unknown: IBI"
    for found in (recording, read_header(path)):
        assert reader_flags(found.metadata) == ["no-scale:IBI", note]
    assert np.array_equal(recording.groups[0].digital[0], values[0])
    assert np.isnan(recording.groups[0].physical()).all()


def test_unknown_number_of_records(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    values = Edf([("a", 10)], stated="-1").write(path)
    path.write_bytes(path.read_bytes()[:-3])
    recording = read_recording(path)
    assert np.array_equal(recording.groups[0].digital[0], values[0][:30])
    assert "cut off after 17 bytes" in recording.metadata["notes"][1]
    assert read_header(path).groups[0].n_samples == 30


@pytest.mark.parametrize(
    ("change", "cause", "left"),
    [(-3, "3 bytes shorter", 30), (-25, "2 of 4 data records", 20), (20, "20 bytes longer", 40)],
)
def test_truncated_file_is_an_error_unless_not_verified(
    tmp_path: Path, change: int, cause: str, left: int
) -> None:
    path = tmp_path / "a.edf"
    values = Edf([("a", 10)]).write(path)
    raw = path.read_bytes()
    path.write_bytes(raw[:change] if change < 0 else raw + bytes(change))
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(path)
    recording = read_recording(path, verify=False)
    assert np.array_equal(recording.groups[0].digital[0], values[0][:left])
    assert cause in recording.metadata["notes"][0]
    assert read_header(path).metadata["notes"] == recording.metadata["notes"]  # a scan says it, too


@pytest.mark.parametrize("label", ["Status", "STATUS", "status", "Trigger", "BDF Status"])
def test_status_channel_gives_triggers(tmp_path: Path, label: str) -> None:
    path = tmp_path / "a.bdf"
    Edf([("A1", 4), (label, 4)], n_records=2, bdf=True, reserved="24BIT").write(path)
    status = [0x100000, 0x100004, 0x100004, 0x100000, 0x800005, 0x800005, 0x800007, 7]
    raw = bytearray(path.read_bytes())
    for record in range(2):
        at = 256 * 3 + record * 24 + 12
        for i, value in enumerate(status[4 * record : 4 * record + 4]):
            raw[at + 3 * i : at + 3 * i + 3] = value.to_bytes(3, "little")
    path.write_bytes(raw)
    recording = read_recording(path)
    table = recording.annotations
    assert table["code"].tolist() == ["4", "5", "7"]
    assert table["sample"].tolist() == [1, 4, 6]
    assert table["onset"].tolist() == [0.25, 1.0, 1.5]
    assert recording.groups[0].digital[1].tolist() == [
        value - (1 << 24) if value >> 23 else value for value in status
    ]


@pytest.mark.parametrize(
    ("start", "recording", "expected"),
    [
        ("01.02.8403.04.05", "", datetime(2084, 2, 1, 3, 4, 5)),
        ("01.02.8503.04.05", "", datetime(1985, 2, 1, 3, 4, 5)),
        ("01.02.yy03.04.05", "Startdate 01-FEB-2099 X X X", datetime(2099, 2, 1, 3, 4, 5)),
        ("01.02.1503.04.05", "Startdate X X X X", datetime(2015, 2, 1, 3, 4, 5)),
        ("01.02.0003.04.05", "Startdate 01-FEB-2100 X X X", datetime(2100, 2, 1, 3, 4, 5)),
        ("99.99.9999.99.99", "", None),
    ],
)
def test_start_times(tmp_path: Path, start: str, recording: str, expected: datetime | None) -> None:
    path = tmp_path / "a.edf"
    Edf([("a", 10)], start=start, recording=recording).write(path)
    assert read_header(path).start_time == expected
    assert read_header(path).metadata["notes"] == (
        [] if expected else ["unreadable start time '99.99.9999.99.99'"]
    )


@pytest.mark.parametrize(
    ("start", "recording", "expected", "note"),
    [
        ("02.03.20", "05-APR-2021", "2021-04-05", "start date '02.03.20', but 05-APR-2021 in"),
        ("02.03.20", "02-MAR-1921", "1921-03-02", "start date '02.03.20', but 02-MAR-1921 in"),
        ("02.03.yy", "05-APR-2090", "2090-04-05", "start date '02.03.yy', but 05-APR-2090 in"),
        ("00.00.00", "05-APR-2021", "2021-04-05", "start date '00.00.00', but 05-APR-2021 in"),
        ("02.03.20", "31-FEB-2021", "2020-03-02", "unreadable date in the recording field: '31-"),
        ("02.03.20", "05-MAI-2021", "2020-03-02", "unreadable date in the recording field: '05-"),
        ("02.03.yy", "X", None, "unreadable start time '02.03.yy03.04.05'"),
    ],
)
def test_dates_that_differ_are_noted(
    tmp_path: Path, start: str, recording: str, expected: str | None, note: str
) -> None:
    path = tmp_path / "a.edf"
    Edf([("a", 10)], start=f"{start}03.04.05", recording=f"Startdate {recording} X X X").write(path)
    for found in (read_header(path), read_recording(path)):
        day = found.start_time and found.start_time.isoformat()
        assert day == (expected and f"{expected}T03:04:05")
        assert found.metadata["notes"][0].startswith(note)


def test_seizure_annotations_beside(tmp_path: Path) -> None:
    path = tmp_path / "chb06_04.edf"
    Edf([("a", 256)]).write(path)
    raw = np.array([32 << 10 | 256, 33 << 10 | 512, 0], "<u2").tobytes()
    (tmp_path / "chb06_04.edf.seizures").write_bytes(raw)
    table = read_recording(path).annotations
    assert table["onset"].tolist() == [1.0, 3.0]
    assert table["code"].tolist() == ["[", "]"]
    assert [file.name for file in read_header(path).files][1] == "chb06_04.edf.seizures"


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, b"1       "),
        (184, b"999     "),
        (236, b"many    "),
        (236, b"-7      "),
        (236, b"4.5     "),
        (236, b"99999999"),
        (244, b"-1      "),
        (244, b"0       "),
        (244, b"inf     "),
        (252, b"0   "),
        (252, b"9999"),
        (256 + 16 + 80 + 8, b"lots    "),
        (256 + 16 + 80 + 8 + 32 + 80, b"0       "),
        (256 + 16 + 80 + 8 + 32 + 80, b"-10     "),
        (256 + 16 + 80 + 8 + 32 + 80, b"99999999"),
    ],
)
def test_mangled_headers_are_one_error(tmp_path: Path, at: int, text: bytes) -> None:
    path = tmp_path / "a.edf"
    Edf([("a", 10)]).write(path)
    raw = bytearray(path.read_bytes())
    raw[at : at + len(text)] = text
    path.write_bytes(raw)
    with pytest.raises(UnreadableFileError, match=r"a\.edf"):
        read_recording(path, format="edf")


def test_damaged_annotations_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    Edf([("a", 10)], times=[0, 1, 2, 3], notes={2: b"no onset\x14\0"}, reserved="EDF+C").write(path)
    with pytest.raises(UnreadableFileError, match="damaged annotation in data record 2") as caught:
        read_recording(path)
    assert caught.value.in_annotations
    assert not read_header(path).metadata.get("not_read")  # which looks at the first data record


@pytest.mark.parametrize("record", [0, 3])
def test_damaged_annotations_do_not_cost_the_samples(tmp_path: Path, record: int) -> None:
    path = tmp_path / "a.edf"
    edf = Edf(
        [("a", 10)], times=[0, 1, 2, 3], reserved="EDF+C",
        notes={1: b"+1.5\x14blink\x14\0", record: b"0,5\x14bad\x14\0"},
    )  # fmt: skip
    values = edf.write(path)
    recording = read_recording(path, verify=False)
    assert np.array_equal(recording.groups[0].digital[0], values[0])
    assert recording.annotations["text"].tolist() == ["blink"]
    assert f"damaged annotation in data record {record}" in recording.metadata["notes"][0]
    assert recording.metadata["not_read"] == ["damaged annotations"]
    header = read_header(path)
    assert header.groups[0].n_samples == 40
    assert ("not_read" in header.metadata) == (record == 0)


@pytest.mark.parametrize("bdf", [False, True])
@pytest.mark.parametrize("text", ["hello", "x" * 104, "a\x14second"])
def test_annotations_without_an_end_are_noted(tmp_path: Path, text: str, bdf: bool) -> None:
    path = tmp_path / "a.edf"
    notes = {1: b"+1.5\x14blink\x14\0", 2: b"+2.5\x151\x14" + text.encode()}
    Edf([("a", 10)], times=[0, 1, 2, 3], reserved="EDF+C", notes=notes, bdf=bdf).write(path)
    recording = read_recording(path)
    assert recording.annotations["text"].tolist() == ["blink", *text.split("\x14")]
    (note,) = reader_flags(recording.metadata)
    last = text.split("\x14")[-1][-40:]
    said = f"annotations have no end, so their text may be cut: {last!r} in data record 2"
    assert note == f"note:1 {said}"


def test_short_files(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    Edf([("a", 10)]).write(path)
    raw = path.read_bytes()
    for length in (0, 8, 255, 256, 300, 511):
        path.write_bytes(raw[:length])
        with pytest.raises(UnreadableFileError):
            read_recording(path, format="edf")
    with pytest.raises(UnreadableFileError, match="no such file"):
        read_recording(tmp_path / "none.edf")
