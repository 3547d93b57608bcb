"""Multi-segment WFDB records made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import read_header, read_recording


def test_fixed_layout_with_a_gap(write_record: Any, tmp_path: Path) -> None:
    one = write_record("s1", 212, spf=(2, 1), n_frames=10)
    two = write_record("s2", 212, spf=(2, 1), n_frames=5, seed=3)
    (tmp_path / "m.hea").write_text("m/3 2 250 19\ns1 10\n~ 4\ns2 5\n# of two\n")
    recording = read_recording(tmp_path / "m")
    fast, slow = recording.groups
    assert fast.digital.tolist() == [one[0] + [-2048] * 8 + two[0]]
    assert slow.digital.tolist() == [one[1] + [-2048] * 4 + two[1]]
    assert fast.digital.dtype == np.int16
    assert fast.sampling_rate == 500.0
    assert np.isnan(slow.physical()[0, 10:14]).all()
    assert recording.metadata["layout"] == "fixed"
    assert recording.metadata["comments"] == ["of two"]
    header = read_header(tmp_path / "m")
    assert [group.n_samples for group in header.groups] == [38, 19]
    assert {file.name for file in header.files} == {
        "m.hea", "s1.hea", "s1.dat", "s2.hea", "s2.dat"
    }  # fmt: skip


def test_formats_of_segments_may_differ(write_record: Any, tmp_path: Path) -> None:
    one = write_record("s1", 80, spf=(1,), n_frames=300)
    two = write_record("s2", 16, spf=(1,), n_frames=300)
    (tmp_path / "m.hea").write_text("m/2 1 250 600\ns1 300\ns2 300\n")
    group = read_recording(tmp_path / "m").groups[0]
    assert -128 in one[0]  # format 80's own mark, which is a value in format 16
    wanted = [-32768 if value == -128 else value for value in one[0]] + two[0]
    assert group.digital[0].tolist() == wanted


def _variable(write_record: Any, folder: Path, gain: str) -> tuple[list[Any], list[Any]]:
    (folder / "lay.hea").write_text(
        "lay 3 250 0\n~ 0 200/mV 8 0 0 0 0 II\n~ 0 200/mV 8 0 0 0 0 V\n~ 0 1/mmHg 8 0 0 0 0 ABP\n"
    )
    one = write_record("s1", 80, spf=(1, 1), n_frames=6, names=("II", "V"))
    two = write_record("s2", 80, spf=(1, 1), n_frames=4, names=("ABP", "II"), seed=5)
    text = (folder / "s2.hea").read_text().replace("200/mV 12 0", "1/mmHg 12 0", 1)
    (folder / "s2.hea").write_text(text.replace("200/mV", gain))
    (folder / "m.hea").write_text("m/4 3 250 12\nlay 0\ns1 6\n~ 2\ns2 4\n")
    return one, two


def test_variable_layout_of_one_scale_keeps_integers(write_record: Any, tmp_path: Path) -> None:
    one, two = _variable(write_record, tmp_path, "200/mV")
    recording = read_recording(tmp_path / "m")
    group = recording.groups[0]
    gap = -128
    assert group.channels == ("II", "V", "ABP")
    assert group.units == ("mV", "mV", "mmHg")
    assert group.digital.tolist() == [
        one[0] + [gap] * 2 + two[1],
        one[1] + [gap] * 6,
        [gap] * 8 + two[0],
    ]
    assert recording.metadata["gains_vary"] is False


def test_variable_layout_of_several_gains_is_physical(write_record: Any, tmp_path: Path) -> None:
    import wfdb

    _variable(write_record, tmp_path, "50(3)/mV")
    recording = read_recording(tmp_path / "m")
    theirs = wfdb.rdrecord(str(tmp_path / "m"), m2s=True)
    assert recording.metadata["gains_vary"] is True
    assert recording.groups[0].channels == tuple(theirs.sig_name)
    np.testing.assert_allclose(recording.groups[0].physical().T, theirs.p_signal, rtol=1e-12)


@pytest.mark.parametrize(
    ("master", "cause"),
    [
        ("m/1 2 250 11\ns1 11\n", "10 samples"),
        ("m/2 2 250 30\ns1 10\n~ 1\n", "its segments have 11"),
        ("m/1 3 250 10\ns1 10\n", "its first line says 3 signals"),
        ("m/1 2 500 10\ns1 10\n", "Hz in a record of"),
        ("m/1 2 250 10\nm 10\n", "itself has segments"),
        ("m/2 2 250 99999999999\ns1 10\n~ 99999999989\n", "with its gaps"),
        ("m/1 2 250 10\n../s1 10\n", "outside its folder"),
        ("m/1 2 250 10\nnone 10\n", "no such file"),
    ],
)
def test_contradictions_are_errors(
    write_record: Any, tmp_path: Path, master: str, cause: str
) -> None:
    write_record("s1", 16, n_frames=10)
    (tmp_path / "m.hea").write_text(master)
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(tmp_path / "m")


def test_a_damaged_segment_is_named(write_record: Any, tmp_path: Path) -> None:
    write_record("s1", 16, n_frames=10)
    (tmp_path / "s1.dat").write_bytes(bytes(40))
    (tmp_path / "m.hea").write_text("m/1 2 250 10\ns1 10\n")
    with pytest.raises(ChecksumError, match=r"s1\.dat"):
        read_recording(tmp_path / "m")


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ((("II", "V1"), ("V1", "II")), (1, 0)),  # the same in another order: by name
        ((("II", "V1"), ("ii", " V1 ")), (0, 1)),
        ((("signal 0", "signal 1"), ("II", "V1")), (0, 1)),  # one header states no names
        ((("II", "V1"), ("signal 0", "V1")), (0, 1)),
        ((("II", "II"), ("II", "II")), (0, 1)),
    ],
)
def test_a_fixed_layout_holds_the_same_signals(
    write_record: Any, tmp_path: Path, names: Any, order: tuple[int, int]
) -> None:
    one = write_record("s1", 16, n_frames=10, names=names[0])
    two = write_record("s2", 16, n_frames=5, seed=3, names=names[1])
    (tmp_path / "m.hea").write_text("m/2 2 250 15\ns1 10\ns2 5\n")
    group = read_recording(tmp_path / "m").groups[0]
    assert group.channels == (names[0] if "signal" not in names[0][0] else names[1])
    assert group.digital.tolist() == [one[row] + two[order[row]] for row in (0, 1)]
    assert read_header(tmp_path / "m").groups[0].channels == group.channels


@pytest.mark.parametrize(
    "names", [(("I",), ("V5",)), (("signal 0",), ("I",), ("V5",)), (("I", "II"), ("I", "V5"))]
)
def test_another_signal_in_a_fixed_layout_is_an_error(
    write_record: Any, tmp_path: Path, names: tuple[tuple[str, ...], ...]
) -> None:
    lines = []
    for number, each in enumerate(names):
        write_record(f"s{number}", 16, n_frames=9, spf=(1,) * len(each), names=each)
        lines.append(f"s{number} 9\n")
    (tmp_path / "m.hea").write_text(
        f"m/{len(names)} {len(names[0])} 250 {9 * len(names)}\n" + "".join(lines)
    )
    for read in (read_header, read_recording):
        with pytest.raises(UnreadableFileError, match=r"is 'V5', in the segments before 'I+'"):
            read(tmp_path / "m")


def test_a_segment_without_its_length_has_that_of_the_master(
    write_record: Any, tmp_path: Path
) -> None:
    one = write_record("s1", 16, n_frames=10, length=False)
    two = write_record("s2", 16, n_frames=5, length=False)
    (tmp_path / "m.hea").write_text("m/2 2 250 14\ns1 9\ns2 5\n")
    recording = read_recording(tmp_path / "m", verify=False)
    wanted = [one[row][:9] + two[row] for row in (0, 1)]
    assert recording.groups[0].digital.tolist() == wanted
    assert recording.metadata["notes"] == ["s1.dat: 4 bytes longer than stated, not read"]


def test_segments_in_one_file_are_not_longer_than_stated(write_record: Any, tmp_path: Path) -> None:
    whole = write_record("s1", 16, n_frames=10)
    head = (tmp_path / "s1.hea").read_text()
    (tmp_path / "s1.hea").write_text(head.replace("s1 2 250 10", "s1 2 250 6"))
    (tmp_path / "s2.hea").write_text(
        head.replace("s1 2 250 10", "s2 2 250 4").replace("dat 16", "dat 16+24")
    )
    (tmp_path / "m.hea").write_text("m/2 2 250 10\ns1 6\ns2 4\n")
    recording = read_recording(tmp_path / "m", verify=False)
    assert recording.groups[0].digital.tolist() == whole
    assert recording.metadata["notes"] == []
