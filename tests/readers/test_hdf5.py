"""CODE-15% parts made here."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording


@pytest.fixture
def part(tmp_path: Path) -> tuple[Path, np.ndarray]:
    path = tmp_path / "exams_part0.hdf5"
    tracings = np.random.default_rng(0).normal(0, 1, (4, 4096, 12)).astype(np.float32)
    tracings[1, :648] = tracings[1, 3448:] = 0  # 7 s
    tracings[2] = tracings[3] = 0
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array([1169160, 2873686, 77, 0])
        file["tracings"] = tracings
    return path, tracings


def test_exams_by_id(part: tuple[Path, np.ndarray]) -> None:
    path, tracings = part
    assert detect_format(f"{path}#2873686") == "hdf5"
    recording = read_recording(f"{path}#2873686")
    group = recording.groups[0]
    assert np.array_equal(group.digital, tracings[1].T)
    assert group.digital.dtype == np.float32
    assert group.sampling_rate == 400.0
    assert group.channels[:4] == ("DI", "DII", "DIII", "AVR")
    assert recording.metadata["zero_padding"] == [648, 648]
    assert read_recording(f"{path}#1169160").metadata["zero_padding"] == [0, 0]
    assert read_recording(f"{path}#77").metadata["zero_padding"] == [4096, 0]
    assert read_header(f"{path}#77").groups[0].n_samples == 4096


@pytest.mark.parametrize(("name", "cause"), [("#0", "no exam 0"), ("#5", "no exam 5"), ("", "#")])
def test_the_dummy_and_unknown_exams(part: tuple[Path, np.ndarray], name: str, cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(f"{part[0]}{name}")


def test_damaged_parts_are_one_error(part: tuple[Path, np.ndarray]) -> None:
    path, _ = part
    raw = path.read_bytes()
    for length in (8, 100, 2000, len(raw) // 2):
        path.write_bytes(raw[:length])
        with pytest.raises(UnreadableFileError):
            read_recording(f"{path}#77", format="hdf5")
    for at in range(0, 2048, 29):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :])
        try:
            digital = read_recording(f"{path}#77", format="hdf5").groups[0].digital
        except UnreadableFileError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        assert digital.shape == (12, 4096)
    with h5py.File(path, "w") as file:
        file["something"] = 1
    with pytest.raises(UnreadableFileError, match=r"no known corpus: something; NAME\.yaml"):
        read_recording(f"{path}#77")
