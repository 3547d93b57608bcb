"""What the fuzz tests of EEG formats share: writing, damaging, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording

FUZZ = settings(
    max_examples=25,
    deadline=5000,  # ms; a hang is a failure
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
edits = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=0, max_size=4)
cuts = st.one_of(st.none(), st.floats(0, 1))
#: Writes a whole recording to a path, and returns the file of it that is damaged.
Maker = Callable[[Path], Path]


def of_one_file(data: bytes) -> Maker:
    def write(path: Path) -> Path:
        path.write_bytes(data)
        return path

    return write


def check_damaged(
    path: Path,
    make: Maker,
    changes: list[tuple[float, int]],
    cut: float | None,
    verify: bool,
) -> None:
    damaged = make(path)
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
