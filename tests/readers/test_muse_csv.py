"""CSV files of Muse headbands."""

from __future__ import annotations

from pathlib import Path

import pytest

from physioprep.errors import UnreadableFileError
from physioprep.harmonise.channels import canonical_channel, modality_of
from physioprep.readers import detect_format, read_recording


def muse_lsl(step_s: float = 1 / 256, n: int = 8) -> str:
    rows = [f"{5 + at * step_s:.5f},{at}.5,0,0,0,0,{2.0 if at == 3 else 0.0}" for at in range(n)]
    return "\n".join(["timestamps,TP9,AF7,AF8,TP10,Right AUX,Marker", *rows]) + "\n"


def mind_monitor() -> str:
    lines = ["TimeStamp,Delta_TP9,RAW_TP9,RAW_AF7,Accelerometer_X,Elements"]
    for at in range(6):
        lines.append(f"2021-04-05 15:48:04.{4 * at:03d},0.7,{800 + at}.25,790.5,0.1")
    lines.insert(3, "2021-04-05 15:48:04.005,,,,,/muse/elements/blink")
    return "\n".join(lines) + "\n"


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text but markers."""
    first, *lines = mind_monitor().splitlines()
    kept = [f"{line}," if line.count(",") == 4 else line for line in lines]
    return {
        "a.csv": "\n".join(
            [f"{first},PLANTEDNAME", *(f"{line},PLANTEDNAME" for line in kept), ""]
        ).encode()
    }


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_muse_lsl(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", muse_lsl())
    assert detect_format(path) == "muse_csv"
    found = read_recording(path)
    group = found.groups[0]
    assert (group.channels[0], group.units[0], group.sampling_rate) == ("TP9", "uV", 256.0)
    assert group.digital[0].tolist() == [at + 0.5 for at in range(8)]
    assert found.annotations[["sample", "text"]].values.tolist() == [[3, "Marker=2"]]


def test_mind_monitor_s_elements_are_annotations(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path / "a.csv", mind_monitor()))
    group = found.groups[0]
    assert group.channels == ("RAW_TP9", "RAW_AF7")
    assert group.digital[0].tolist() == [800 + at + 0.25 for at in range(6)]
    assert found.annotations["text"].tolist() == ["/muse/elements/blink"]
    assert found.annotations["onset"].tolist() == pytest.approx([0.005])
    assert any("Accelerometer_X" in note for note in found.metadata["notes"])


def stamped(stamps: list[float], path: Path) -> Path:
    lines = ["timestamps,TP9,AF7,AF8,TP10,Marker"]
    lines += [f"{stamp:.3f},{at},0,0,0,{int(at == 3000)}" for at, stamp in enumerate(stamps)]
    return write(path, "\n".join([*lines, ""]))


@pytest.mark.parametrize(("lost", "chunk"), [(2560, 1), (128, 1), (2560, 12), (192, 12)])
def test_lost_samples_are_a_gap_and_leave_the_rate(tmp_path: Path, lost: int, chunk: int) -> None:
    kept = [at for at in range(60 * 256) if not 2400 <= at < 2400 + lost]
    stamps = [500_000 + at // chunk * chunk / 256 + at % chunk / 1e5 for at in kept]
    found = read_recording(stamped(stamps, tmp_path / "a.csv"))
    group = found.groups[0]
    assert group.sampling_rate == 256
    assert [first for first, _ in group.segments] == [0, 2400]
    gone = group.segments[1][1] * 256 - 2400
    assert gone == pytest.approx(lost, abs=chunk)
    assert any("samples were lost, in 1 places" in note for note in found.metadata["notes"])
    assert found.annotations["onset"][0] == pytest.approx((3000 + gone) / 256)  # behind the gap


def test_samples_that_only_come_late_are_not_lost(tmp_path: Path) -> None:
    stamps = [at / 256 + max(0.0, 12 - at / 256 if at >= 2560 else 0) for at in range(20 * 256)]
    group = read_recording(stamped(stamps, tmp_path / "a.csv")).groups[0]
    assert group.segments == ((0, 0.0),)


def test_lost_samples_of_mind_monitor_are_a_gap(tmp_path: Path) -> None:
    lines = ["TimeStamp,RAW_TP9,RAW_AF7,Elements"]
    for at in range(2000):
        ms = 1000 * (at // 12 * 12) // 256 + at % 2 + (700 if at >= 1200 else 0)
        lines.append(f"2021-04-05 15:48:{ms // 1000:02d}.{ms % 1000:03d},{at},1")
    found = read_recording(write(tmp_path / "a.csv", "\n".join([*lines, ""])))
    _, (first, onset) = found.groups[0].segments
    assert first == 1200
    assert onset == pytest.approx(1200 / 256 + 0.7, abs=0.05)


def test_a_clock_that_was_set_back_is_noted(tmp_path: Path) -> None:
    stamps = [at / 256 - (2 if at >= 1000 else 0) for at in range(2000)]
    found = read_recording(stamped(stamps, tmp_path / "a.csv"))
    assert found.groups[0].segments == ((0, 0.0),)
    assert any("go back in 1 places" in note for note in found.metadata["notes"])


def test_columns_of_names_that_no_program_gives_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", muse_lsl().replace("Marker", "Ada Smith"))
    assert read_recording(path).annotations["text"].tolist() == ["Ada Smith=2"]  # a marker's name
    write(path, muse_lsl().replace("Marker", "Ada Smith").replace(",2.0", ",x"))
    with pytest.raises(UnreadableFileError, match="column 7 holds what is no number"):
        read_recording(path)
    write(path, mind_monitor().replace("Accelerometer_X", "Ada Smith"))
    assert "columns not read: 1 of other names" in read_recording(path).metadata["notes"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (muse_lsl(step_s=0.01), "which no Muse has"),
        (muse_lsl(n=0), "has no sample"),
        (muse_lsl().replace("1.5,0", "1,5,0"), "line 3 has 8 cells"),
        (muse_lsl().replace("3.5", "x"), "no number"),
        (muse_lsl(step_s=0.0, n=3000), "over 2000 rows have one stamp"),
        (mind_monitor().replace("2021-04-05 15:48:04.004", "noon"), "no time"),
        (muse_lsl().replace("5.01953", ""), "no time"),
        (muse_lsl(n=600).replace("6.95312", "96999.0"), "clock was set"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path / "a.csv", text))


def test_an_eeg_recipe_finds_the_electrodes() -> None:
    assert canonical_channel("RAW_AF7") == "AF7"
    assert modality_of("RAW_AF7", "uV") == "eeg"


def test_a_description_goes_before(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", muse_lsl())
    (tmp_path / "a.yaml").write_text("sampling_rate: 250\nchannels: [TP9]\nunits: uV\n")
    assert read_recording(path).groups[0].sampling_rate == 250
