"""Damaged files of wearables: the one allowed error, or a recording."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording

OPENBCI = (
    b"%OpenBCI Raw EXG Data\n%Number of channels = 1\n%Sample Rate = 250 Hz\n"
    b"Sample Index, EXG Channel 0, Timestamp, Marker Channel\n"
    b"0, 1.5, 1557936053329, 0\n1, 2.5, 1557936053333, 1\n5, 3.5, 1557936053341, 0\n"
)
MUSE = b"timestamps,TP9,AF7,AF8,TP10\n5.0,1,2,3,4\n5.00390625,1,2,3,4\n5.0078125,1,2,3,4\n"
MONITOR = (
    b"TimeStamp,RAW_TP9,Elements\n2021-04-05 15:48:04.000,800.5\n"
    b"2021-04-05 15:48:04.002,,blink\n2021-04-05 15:48:04.004,800.5\n"
)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BVP.csv", "100.0\n64.0\n" + "0.5\n" * 50)
        archive.writestr("EDA.csv", "100.0\n4.0\n" + "0.25\n" * 9)
        archive.writestr("tags.csv", "101.5\n")
    return buffer.getvalue()


FILES = {
    "openbci": ("a.txt", OPENBCI),
    "muse_csv": ("a.csv", MUSE),
    "mind": ("a.csv", MONITOR),
    "empatica": ("a.zip", _zip()),
}
edits = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.mark.parametrize("kind", FILES)
@settings(
    max_examples=60,
    deadline=5000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edits=edits, cut=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_damage_gives_one_error_or_a_recording(
    tmp_path: Path, kind: str, edits: list[tuple[float, int]], cut: float
) -> None:
    name, content = FILES[kind]
    data = bytearray(content[: int(cut * len(content))])
    for where, value in edits:
        if data:
            data[int(where * len(data))] = value
    path = tmp_path / name
    path.write_bytes(data)
    format = "muse_csv" if kind == "mind" else kind
    for verify in (True, False):
        try:
            found = read_recording(path, format=format, verify=verify)
        except UnreadableFileError as error:
            assert "its reader failed" not in str(error)  # noqa: PT017 - an error is allowed
            continue
        for group in found.groups:
            assert group.digital.shape == (len(group.channels), group.n_samples)
            assert np.isfinite(group.sampling_rate)
