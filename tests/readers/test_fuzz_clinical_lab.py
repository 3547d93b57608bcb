"""Damaged DICOM files: the one allowed error, or arrays as promised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import dicom as reader
from tests.readers import dicom_file

FUZZ = settings(
    max_examples=60,
    deadline=5000,  # ms; a hang is a failure
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
edits = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=0, max_size=4)
VALUES = np.arange(40, dtype=np.int16).reshape(2, 20) - 10


def dicom(syntax: str = dicom_file.EXPLICIT) -> bytes:
    channels = [dicom_file.channel(), dicom_file.channel(("2:2", "MDC", "Lead II"))]
    items = [[(0x70, 6, "ST", "SINUS RHYTHM")], [(0x40, 0xA132, "UL", [1, 2])]]
    made = [dicom_file.multiplex(VALUES, channels)]
    person = [(0x10, 0x30, "DA", "19500101"), (0x10, 0x1010, "AS", "061Y")]
    return dicom_file.as_file(
        dicom_file.recording(made, [*person, (0x40, 0xB020, "SQ", items)]), syntax
    )


MAKERS: dict[str, Callable[[], bytes]] = {
    "explicit.dcm": dicom,
    "implicit.dcm": lambda: dicom(dicom_file.IMPLICIT),
    "deflated.dcm": lambda: dicom(dicom_file.DEFLATED),
}


@pytest.mark.parametrize("name", MAKERS)
@FUZZ
@given(changes=edits, cut=st.one_of(st.none(), st.floats(0, 1)), verify=st.booleans())
def test_one_error_or_arrays_as_promised(
    tmp_path: Path, name: str, changes: list[tuple[float, int]], cut: float | None, verify: bool
) -> None:
    path = tmp_path / name
    raw = bytearray(MAKERS[name]())
    for place, value in changes:
        raw[int(place * len(raw))] = value
    path.write_bytes(raw if cut is None else raw[: int(cut * len(raw))])
    try:
        found = reader.read(path, verify=verify)  # the guard would turn a fault into the error
    except UnreadableFileError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    n = len(found.annotations)
    assert all(len(column) == n for column in found.annotation_columns.values())
    for group in found.groups:
        assert group.digital.shape == (len(group.channels), group.n_samples)
        assert group.digital.nbytes < 1 << 20


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_files_undamaged_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(MAKERS[name]())
    assert np.array_equal(reader.read(path).groups[0].digital, VALUES)
