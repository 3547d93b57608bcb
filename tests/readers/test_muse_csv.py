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
        (mind_monitor().replace("2021-04-05 15:48:04.004", "noon"), "no time"),
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
