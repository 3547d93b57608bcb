"""Damaged EEG files of laboratories: the one allowed error, or arrays as promised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording
from tests.readers import mff_files, test_egi_raw, test_micromed, test_nicolet, test_nwb

FUZZ = settings(
    max_examples=30,
    deadline=5000,  # ms; a hang is a failure
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
edits = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=0, max_size=4)


def _file(data: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


def _in_mff(name: str) -> Callable[[Path], Path]:
    return lambda path: mff_files.make(path) / name


#: What writes a whole recording, and returns the file of it that is damaged.
MAKERS: dict[str, Callable[[Path], Path]] = {
    "signal.mff": _in_mff("signal1.bin"),
    "epochs.mff": _in_mff("epochs.xml"),
    "about.mff": _in_mff("info1.xml"),
    "info.mff": _in_mff("info.xml"),
    "events.mff": _in_mff("Events_ECI.xml"),
    "continuous.raw": _file(test_egi_raw.continuous(2)),
    "made.trc": _file(test_micromed.made()),
    "made.e": _file(test_nicolet.made()),
    "made.nwb": _file(test_nwb.made()),
    "segments.raw": _file(test_egi_raw.segmented(5)),
}


@pytest.mark.parametrize("name", MAKERS)
@FUZZ
@given(changes=edits, cut=st.one_of(st.none(), st.floats(0, 1)), verify=st.booleans())
def test_one_error_or_arrays_as_promised(
    tmp_path: Path, name: str, changes: list[tuple[float, int]], cut: float | None, verify: bool
) -> None:
    path = tmp_path / name
    damaged = MAKERS[name](path)
    raw = bytearray(damaged.read_bytes())
    for place, value in changes:
        raw[int(place * len(raw))] = value
    damaged.write_bytes(raw if cut is None else raw[: int(cut * len(raw))])
    try:
        found = read_recording(path, verify=verify)
    except UnreadableFileError as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert "its reader" not in str(error)  # noqa: PT017 (a fault that it did not expect)
        return
    n = len(found.annotations)
    assert all(len(column) == n for column in found.annotation_columns.values())
    for group in found.groups:
        assert group.digital.shape == (len(group.channels), group.n_samples)
        assert group.digital.nbytes < 1 << 20
        firsts = [first for first, _ in group.segments]
        assert firsts == sorted(set(firsts))


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_files_undamaged_are_read(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path / name)
    assert read_recording(tmp_path / name).groups[0].n_samples > 0
