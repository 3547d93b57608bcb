"""Damaged EGI and NWB files: the one allowed error, or arrays as promised."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioprep.readers import read_recording
from tests.readers import mff_files, test_egi_raw, test_nwb
from tests.readers.fuzz_damage import FUZZ, Maker, check_damaged, cuts, edits, of_one_file


def _in_mff(name: str) -> Maker:
    return lambda path: mff_files.make(path) / name


MAKERS: dict[str, Maker] = {
    "signal.mff": _in_mff("signal1.bin"),
    "epochs.mff": _in_mff("epochs.xml"),
    "about.mff": _in_mff("info1.xml"),
    "info.mff": _in_mff("info.xml"),
    "events.mff": _in_mff("Events_ECI.xml"),
    "continuous.raw": of_one_file(test_egi_raw.continuous(2)),
    "segments.raw": of_one_file(test_egi_raw.segmented(5)),
    "made.nwb": of_one_file(test_nwb.made()),
}


@pytest.mark.parametrize("name", MAKERS)
@FUZZ
@given(changes=edits, cut=cuts, verify=st.booleans())
def test_one_error_or_arrays_as_promised(
    tmp_path: Path, name: str, changes: list[tuple[float, int]], cut: float | None, verify: bool
) -> None:
    check_damaged(tmp_path / name, MAKERS[name], changes, cut, verify)


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_files_undamaged_are_read(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path / name)
    assert read_recording(tmp_path / name).groups[0].n_samples > 0
