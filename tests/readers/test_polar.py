"""Files of Polar Sensor Logger."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

import physioprep as pp
from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

FIRST = "Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]"
STEP = 7_692_308  # ns, at 130 Hz
ZERO = 599_636_646_177_065_964


def ecg(lost: tuple[int, ...] = (), n: int = 12, step: int = STEP, end: str = "") -> str:
    rows = [
        f"2026-07-16T21:34:53.{930 + at};{ZERO + at * step};{at * step / 1e6};{10 * at - 25}{end}"
        for at in range(n)
        if at not in lost
    ]
    return "\n".join([FIRST, *rows]) + "\n"


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    return {"a.txt": ecg().replace("2026-07-16T21:34:53", "PLANTEDNAME").encode()}


def write(folder: Path, text: str, name: str = "Polar_H10_ECG.txt") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize("end", ["", ";"])
def test_ecg(tmp_path: Path, end: str) -> None:
    path = write(tmp_path, ecg(end=end))
    assert detect_format(path) == "polar"
    found = read_recording(path)
    group = found.groups[0]
    assert (group.channels, group.units, group.sampling_rate) == (("ecg",), ("uV",), 130.0)
    assert group.digital.dtype == "int16"
    assert group.digital[0].tolist() == [10 * at - 25 for at in range(12)]
    assert found.start_time == datetime(2026, 7, 16, 21, 34, 53, 930000)
    assert read_header(path).groups[0].n_samples == 12
    assert "states no rate" in found.metadata["notes"][0]


def test_lost_samples_are_gaps(tmp_path: Path) -> None:
    group = read_recording(write(tmp_path, ecg(lost=(3, 4, 9)))).groups[0]
    assert group.segments == ((0, 0.0), (3, 5 / 130), (7, 10 / 130))
    assert group.n_samples == 9


def test_motion_has_the_rate_that_its_stamps_agree_with(tmp_path: Path) -> None:
    rows = [f"2026-07-16T21:34:53.9;{ZERO + at * 19_230_769};{at};-{at};1000" for at in range(9)]
    text = "\n".join(["Phone timestamp;sensor timestamp [ns];X [mg];Y [mg];Z [mg]", *rows, ""])
    group = read_recording(write(tmp_path, text, "ACC.txt")).groups[0]
    assert (group.channels, group.units[0], group.sampling_rate) == (("X", "Y", "Z"), "mg", 52.0)
    assert group.digital[2].tolist() == [1000] * 9


def test_stamps_of_the_sensor_that_stand_still_give_way_to_the_other(tmp_path: Path) -> None:
    lines = ecg().splitlines()
    still = [";".join([row.split(";")[0], "5", *row.split(";")[2:]]) for row in lines[1:]]
    found = read_recording(write(tmp_path, "\n".join([lines[0], *still, ""])))
    assert found.groups[0].sampling_rate == 130.0


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("Phone timestamp;RR-interval [ms]\n2026-07-16T21:34:53.9;800\n", "RR-interval"),
        ("Phone timestamp;HR [bpm];HRV [ms]\n2026-07-16T21:34:53.9;60;5\n", "HR"),
        (ecg(step=5_000_000), "which no sensor of Polar has.*sampling_rate in NAME.yaml"),
        (ecg(n=1), "do not grow"),
        (ecg(n=0), "has no sample"),
        (ecg().replace(";-25", ";PLANTEDNAME"), "what is no number"),
        (ecg().replace(";-15\n", "\n"), "line 3 has 3 cells, the others 4"),
        (ecg().replace(f";{ZERO};0.0", f";{ZERO - 10**15};-9e8"), "its clock was set"),
    ],
)
def test_what_holds_no_signal_or_is_damaged_is_one_error(
    tmp_path: Path, text: str, cause: str
) -> None:
    with pytest.raises(UnreadableFileError, match=cause) as error:
        read_recording(write(tmp_path, text))
    assert "PLANTEDNAME" not in str(error.value)


def test_a_cut_row_is_left_out_if_one_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, ecg().rstrip("\n").rsplit(";", 1)[0])
    with pytest.raises(UnreadableFileError, match="cells"):
        read_recording(path)
    found = read_recording(path, verify=False)
    assert found.groups[0].n_samples == 11
    assert "its last line is cut off: left out" in found.metadata["notes"]


def test_a_scan_takes_the_signals_and_says_why_not_the_intervals(tmp_path: Path) -> None:
    write(tmp_path, ecg())
    write(tmp_path, "Phone timestamp;RR-interval [ms]\n2026-07-16T21:34:53.9;800\n", "RR.txt")
    table = pp.scan(tmp_path, "folder")
    assert table["record_id"].tolist() == ["Polar_H10_ECG"]
    assert list(table["modality"][0]) == ["ecg"]
    assert any("RR.txt: Polar's RR-interval" in note for note in table.attrs["notes"])
