"""BrainVision: what a header states of its samples is compared with them, and notes are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from physioprep.readers.notes import collected

SAMPLES = np.stack([np.arange(100), 1000 + np.arange(100)])  # µV


def write(
    folder: Path,
    *,
    names: tuple[str, ...] = ("Cz", "Pz"),
    units: tuple[str, ...] = ("µV", "µV"),
    orientation: str = "MULTIPLEXED",
    points: int | None = None,
    dtype: str = "<i2",
    change: int = 0,
    markers: str = "",
) -> Path:
    """Write two channels; `change` bytes are added to the file of samples, or cut off."""
    form = {"<i2": "INT_16", "<i4": "INT_32", "<f4": "IEEE_FLOAT_32"}[dtype]
    lines = [
        "Brain Vision Data Exchange Header File Version 1.0", "[Common Infos]", "DataFile=b.eeg",
        *(["MarkerFile=b.vmrk"] if markers else []), "DataFormat=BINARY",
        f"DataOrientation={orientation}", f"NumberOfChannels={len(names)}",
        *([] if points is None else [f"DataPoints={points}"]), "SamplingInterval=4000",
        "[Binary Infos]", f"BinaryFormat={form}", "[Channel Infos]",
        *(f"Ch{i}={n},,1,{u}" for i, (n, u) in enumerate(zip(names, units, strict=True), 1)),
    ]  # fmt: skip
    (folder / "b.vhdr").write_text("\n".join(lines) + "\n", encoding="utf-8")
    stored = SAMPLES.T if orientation == "MULTIPLEXED" else SAMPLES
    raw = stored.astype(dtype).tobytes()
    (folder / "b.eeg").write_bytes(raw[:change] if change < 0 else raw + bytes(change))
    if markers:
        head = "Brain Vision Data Exchange Marker File, Version 1.0\n[Marker Infos]\n"
        (folder / "b.vmrk").write_text(head + markers)
    return folder / "b.vhdr"


@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<f4"])
@pytest.mark.parametrize("orientation", ["MULTIPLEXED", "VECTORIZED"])
def test_a_whole_file_is_read(tmp_path: Path, orientation: str, dtype: str) -> None:
    recording = read_recording(write(tmp_path, orientation=orientation, points=100, dtype=dtype))
    np.testing.assert_allclose(recording.groups[0].physical() * 1e6, SAMPLES, atol=1e-9)
    assert recording.metadata["notes"] == []


@pytest.mark.parametrize("orientation", ["MULTIPLEXED", "VECTORIZED"])
@pytest.mark.parametrize(
    ("points", "change", "cause"),
    [
        (None, -3, "ends with 1 bytes of the 4 of a sample"),
        (100, -40, "40 bytes shorter than its header says (90 of 100 samples"),
        (100, -3, "3 bytes shorter"),
        (100, -390, "390 bytes shorter"),
        (100, 8, "8 bytes longer than its header says"),
    ],
)
def test_a_file_of_another_size_is_an_error(
    tmp_path: Path, orientation: str, points: int | None, change: int, cause: str
) -> None:
    path = write(tmp_path, orientation=orientation, points=points, change=change)
    with pytest.raises(UnreadableFileError, match=r"b\.eeg") as caught:
        read_recording(path)
    assert cause in str(caught.value)
    if orientation == "VECTORIZED":  # where the later channels lie is not known
        with pytest.raises(UnreadableFileError, match=r"b\.eeg"):
            read_recording(path, verify=False)
        return
    recording = read_recording(path, verify=False)
    found = recording.groups[0].physical() * 1e6
    n = min(100, found.shape[1])
    np.testing.assert_allclose(found[:, :n], SAMPLES[:, :n], atol=1e-9)
    assert cause in recording.metadata["notes"][0]
    assert cause in read_header(path).metadata["notes"][0]  # a scan lists it all the same


def test_a_length_that_nothing_states_is_noted(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, orientation="VECTORIZED"))
    assert any("states no number of samples" in note for note in recording.metadata["notes"])


def test_channels_of_one_name_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, names=("Cz", "Cz"), units=("µV", "mV"))
    for group in (read_recording(path).groups[0], read_header(path).groups[0]):
        assert group.channels == ("Cz", "Cz")
        assert group.units == ("V", "V")
    scale = np.array([[1e6], [1e3]])
    physical = read_recording(path).groups[0].physical()
    np.testing.assert_allclose(physical * scale, SAMPLES, atol=1e-9)


def test_what_mne_warns_of_is_noted(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    markers = "Mk1=Stimulus,S  1,50,1,0\nMk2=Stimulus,S  2,500,1,0\n"
    path = write(tmp_path, markers=markers)
    recording = read_recording(path)
    assert recording.annotations["text"].tolist() == ["Stimulus/S  1"]
    (note,) = recording.metadata["notes"]
    assert "outside data range" in note or "outside the data range" in note
    assert read_header(path).metadata["notes"] == [note]
    (tmp_path / "b.vmrk").unlink()
    assert "not found" in read_recording(path).metadata["notes"][0]
    assert len(recwarn) == 0


def test_warnings_are_collected_once_and_within_bounds() -> None:
    import warnings

    with collected() as notes:
        for i in range(200):
            warnings.warn(f"marker {i // 2}\n is odd " + "x" * 1000, RuntimeWarning, stacklevel=1)
        warnings.warn("old code", DeprecationWarning, stacklevel=1)
    assert len(notes) == 51
    assert notes[0].startswith("marker 0 is odd")
    assert len(notes[0]) < 310
    assert notes[-1] == "and 50 more warnings"
