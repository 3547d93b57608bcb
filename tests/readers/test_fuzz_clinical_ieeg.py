"""Damaged Micromed, Nicolet and MEF files: the one allowed error, or arrays as promised."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioprep.readers import read_recording
from tests.readers import mef_made, test_micromed, test_nicolet
from tests.readers.fuzz_damage import FUZZ, Maker, check_damaged, cuts, edits, of_one_file

SESSION = mef_made.session()


def _in_mef(damaged: str) -> Maker:
    def write(path: Path) -> Path:
        for name, content in SESSION.items():
            file = path / name.removeprefix("s.mefd/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return path / damaged

    return write


PLACE = "A1.timd/A1-000000.segd/A1-000000"
MAKERS: dict[str, Maker] = {
    "made.trc": of_one_file(test_micromed.made()),
    "made.e": of_one_file(test_nicolet.made()),
    "samples.mefd": _in_mef(f"{PLACE}.tdat"),
    "index.mefd": _in_mef(f"{PLACE}.tidx"),
    "about.mefd": _in_mef(f"{PLACE}.tmet"),
    "records.mefd": _in_mef("s.rdat"),
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
