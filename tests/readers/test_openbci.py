"""Text files of the OpenBCI GUI."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

HEAD = (
    "%OpenBCI Raw EXG Data\n%Number of channels = 2\n%Sample Rate = 250 Hz\n"
    "%Board = OpenBCI_GUI$BoardCytonSerial\n"
)
NAMES = (
    "Sample Index, EXG Channel 0, EXG Channel 1, Accel Channel 0, Not Used, Timestamp, "
    "Marker Channel, Timestamp (Formatted)\n"
)


def rows(counter: list[int], *, marker: int | None = None, ms: list[float] | None = None) -> str:
    out = []
    for at, number in enumerate(counter):
        stamp = 1557936053000 + (ms[at] if ms else 4 * at)
        cells = [number, at + 0.5, -at, 0.25, 0, int(stamp), 3 if at == marker else 0]
        out.append(", ".join(map(str, cells)) + ", 2019-05-15 12:00:53.000")
    return "\n".join(out) + "\n"


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    head = HEAD.replace("%Board = OpenBCI_GUI$BoardCytonSerial", "%Board = PLANTEDNAME")
    lines = rows([0, 1, 2]).replace("2019-05-15 12:00:53.000", "PLANTEDNAME")
    return {"a.txt": f"{head}%Subject = PLANTEDNAME\n{NAMES}{lines}".encode()}


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_electrodes_motion_and_markers_are_read_as_written(tmp_path: Path) -> None:
    zeros = "0, 0.0, 0.0, 0.0, 0, 0.0, 0.0, x\n"
    text = HEAD + NAMES + zeros + rows([0, 1, 2, 3], marker=2)
    path = write(tmp_path / "a.txt", text)
    assert detect_format(path) == "openbci"
    found = read_recording(path)
    exg, motion = found.groups
    assert exg.channels == ("EXG Channel 0", "EXG Channel 1")
    assert exg.units == ("uV", "uV")
    assert exg.digital.tolist() == [[0.5, 1.5, 2.5, 3.5], [0, -1, -2, -3]]
    assert (motion.units, motion.n_samples) == (("g",), 4)
    assert str(found.start_time) == "2019-05-15 12:00:53"
    assert found.annotations[["onset", "text"]].values.tolist() == [[2 / 250, "3"]]


@pytest.mark.parametrize(
    ("counter", "ms", "first", "lost"),
    [
        ([254, 255, 0, 1], None, [0], 0),
        ([254, 1, 2], None, [0, 1], 2),
        ([0, 1, 2], [0, 4, 4 * (2 + 256)], [0, 2], 256),  # a whole turn: by the clock
        ([0, 2, 4, 10], None, [0, 3], 2),  # with Daisy, every second number
    ],
)
def test_samples_that_the_counter_misses_are_a_gap(
    tmp_path: Path, counter: list[int], ms: list[float] | None, first: list[int], lost: int
) -> None:
    path = write(tmp_path / "a.txt", HEAD + NAMES + rows(counter, ms=ms))
    found = read_recording(path)
    segments = found.groups[0].segments
    assert [number for number, _ in segments] == first
    assert found.metadata["samples_lost"] == lost
    if lost:
        assert segments[1][1] == pytest.approx((first[1] + lost) / 250)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (HEAD.replace("%Sample Rate = 250 Hz\n", "") + NAMES, "does not state the sample rate"),
        (HEAD + NAMES, "has no sample"),
        (HEAD + NAMES + rows([0, 1, 2]).replace(", 0.5", ""), "line 6 has 7 cells, the others 8"),
        (HEAD + NAMES + rows([0, 1])[:-40], "the last row has"),
        (HEAD + NAMES + rows([0, 1]).replace("0.5", "x"), "holds what is no number"),
        (HEAD + "0,1,2\n", "no layout of the GUI"),
    ],
)
def test_damage_is_one_error(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path / "a.txt", text))


def test_a_cut_last_row_is_left_out_only_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", HEAD + NAMES + rows([0, 1, 2])[:-40])
    with pytest.raises(UnreadableFileError, match="the last row has 6 cells"):
        read_recording(path)
    assert read_header(path).groups[0].n_samples == 2  # a header is not verified, of no format
    found = read_recording(path, verify=False)
    assert found.groups[0].n_samples == 2
    assert any("cut off" in note for note in found.metadata["notes"])


def test_version_4_names_no_columns(tmp_path: Path) -> None:
    head = "%OpenBCI Raw EEG Data\n%Number of channels = 8\n%Sample Rate = 250.0 Hz\n%\n"
    row = "{}, " + "1.25, " * 8 + "0.1, 0.2, 0.3, 12:00:53.329, 1557936053329\n"
    path = write(tmp_path / "a.txt", head + row.format(0) + row.format(1))
    group = read_recording(path).groups[0]
    assert (group.channels[0], group.channels[-1]) == ("EXG 1", "EXG 8")
    assert np.array_equal(group.digital, np.full((8, 2), 1.25))


def test_a_store_with_several_groups_of_one_modality_and_rate_is_audited(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write(tmp_path / "raw" / "a.txt", HEAD + NAMES + rows([at % 256 for at in range(600)]))
    pp.ingest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "a.zarr", recipe="native")
    store = pp.open_store(tmp_path / "a.zarr")
    assert sorted(store.modalities) == ["other", "other_250hz"]
    pp.audit(tmp_path / "a.zarr")  # raised ValueError


def test_a_recipe_s_aliases_say_where_the_electrodes_are(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw / "a.txt", HEAD + NAMES + rows([at % 256 for at in range(1000)]))
    manifest = pp.scan(raw, "folder", hashes=False)
    with pytest.raises(pp.StoreError, match="unknown channels 'EXG Channel 0', "):
        pp.ingest(manifest, tmp_path / "no.zarr", recipe="eeg-200hz")
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "name: mine\nbase: eeg-200hz\naliases: {EXG Channel 0: Fz, EXG Channel 1: Cz}\n"
    )
    pp.ingest(manifest, tmp_path / "s.zarr", recipe=recipe)
    store = pp.open_store(tmp_path / "s.zarr")
    assert store.quarantine.empty
    assert sorted(store.channels("eeg")) == ["Cz", "Fz"]
