"""Damaged files of formats that libraries parse: the one allowed error, or an array as promised.

These formats have no checksum of their samples (FLAC has): a changed sample cannot be told from
a true one, but no other shape, no other exception, no hang and no unbounded memory may come out.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording

FUZZ = settings(
    max_examples=60,
    deadline=5000,  # ms; a hang is a failure
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
edits = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4)
cuts = st.floats(0, 1)
VALUES = np.arange(400, dtype=np.int16).reshape(2, 200) - 100
ABOUT = "sampling_rate: 100\nchannels: [I, II]\nunits: mV\n"
FLAC = "r 2 250 200\nr.dat 516 200 16 0 -100 0 0 I\nr.dat 516 200 16 0 100 0 0 II\n"


def as_csv(path: Path) -> None:
    pd.DataFrame(VALUES.T, columns=["I", "II"]).to_csv(path, index=False)


def as_parquet(path: Path) -> None:
    pd.DataFrame(VALUES.T, columns=["I", "II"]).to_parquet(path)


def as_npy(path: Path) -> None:
    np.save(path, VALUES.T)


def as_npz(path: Path) -> None:
    np.savez(path, val=VALUES.T)


def as_flac(path: Path) -> None:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, VALUES.T, 8000, format="FLAC", subtype="PCM_16")
    path.write_bytes(buffer.getvalue())


def as_vhdr(path: Path) -> None:
    path.with_suffix(".vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nDataFile=a.eeg\n"
        "DataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=2\n"
        "SamplingInterval=4000\n[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\n"
        "Ch1=Fp1,,0.5,µV\nCh2=Fp2,,0.5,µV\n",
        encoding="utf-8",
    )
    path.with_suffix(".eeg").write_bytes(np.ascontiguousarray(VALUES.T).tobytes())


MAKERS: dict[str, Callable[[Path], None]] = {
    "a.csv": as_csv, "a.parquet": as_parquet, "a.npy": as_npy, "a.npz": as_npz, "r.dat": as_flac,
    "a.vhdr": as_vhdr,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAKERS)
@FUZZ
@given(changes=edits, cut=st.one_of(st.none(), cuts))
def test_one_error_or_an_array_as_promised(
    tmp_path: Path, name: str, changes: list[tuple[float, int]], cut: float | None
) -> None:
    path = tmp_path / name
    MAKERS[name](path)
    (tmp_path / "physioprep.yaml").write_text(ABOUT)
    if name == "r.dat":
        (tmp_path / "r.hea").write_text(FLAC)
    raw = bytearray(path.read_bytes())
    for place, value in changes:
        raw[int(place * len(raw))] = value
    path.write_bytes(raw if cut is None else raw[: int(cut * len(raw))])
    try:
        groups = read_recording(tmp_path / "r" if name == "r.dat" else path).groups
    except UnreadableFileError as error:
        assert "\n" not in str(error)  # noqa: PT017
        assert str(tmp_path) in str(error)  # noqa: PT017
        return
    for group in groups:
        assert group.digital.shape == (len(group.channels), group.n_samples)
        assert group.digital.nbytes < 1 << 24


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MAKERS)
def test_the_same_files_undamaged_are_read(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path / name)
    (tmp_path / "physioprep.yaml").write_text(ABOUT)
    if name == "r.dat":
        (tmp_path / "r.hea").write_text(FLAC)
    path = tmp_path / ("r" if name == "r.dat" else name)
    (group,) = read_recording(path).groups
    scale = 0.5e-6 if name == "a.vhdr" else 1  # MNE gives V
    np.testing.assert_allclose(group.digital, VALUES * scale, rtol=1e-6)
