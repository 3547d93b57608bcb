"""What FIF, EEGLAB and Persyst files state and MNE-Python leaves unused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from physioprep.errors import UnreadableFileError
from physioprep.harmonise.timeline import cuts_of
from physioprep.readers import read_header, read_recording
from physioprep.recording import reader_flags

pytestmark = pytest.mark.filterwarnings("ignore")
RATE_HZ = 100


def fif_file(path: Path, *, crop_s: float = 0.0, bads: tuple[str, ...] = ()) -> None:
    import mne

    data = np.zeros((2, 20 * RATE_HZ))
    data[0, 8 * RATE_HZ] = data[0, 18 * RATE_HZ] = 50e-6
    info = mne.create_info(["Fp1", "Fp2"], RATE_HZ, "eeg")
    info["bads"] = list(bads)
    raw = mne.io.RawArray(data, info, verbose="error")
    raw.set_annotations(mne.Annotations([8, 18], [1, 1], ["a", "b"]))
    raw.crop(crop_s, None).save(path, buffer_size_sec=2, fmt="double", verbose="error")


@pytest.mark.parametrize("crop_s", [0.0, 5.0])
def test_onsets_of_a_cropped_fif_without_date(tmp_path: Path, crop_s: float) -> None:
    path = tmp_path / "a_raw.fif"
    fif_file(path, crop_s=crop_s)
    recording = read_recording(path)
    peaks = np.flatnonzero(recording.groups[0].physical()[0]) / RATE_HZ
    assert peaks.tolist() == [8 - crop_s, 18 - crop_s]
    np.testing.assert_allclose(recording.annotations["onset"], peaks, atol=1e-6)
    assert recording.start_time is None


def test_a_fif_cut_between_its_buffers(tmp_path: Path) -> None:
    path = tmp_path / "a_raw.fif"
    fif_file(path)
    raw, at, ends = path.read_bytes(), 0, []
    while at + 16 <= len(raw):
        kind, _, size, following = struct.unpack(">4i", raw[at : at + 16])
        at = following if following > 0 else at + 16 + size
        if kind == 300:  # a buffer of samples
            ends.append(at)
    path.write_bytes(raw[: ends[4]])
    with pytest.raises(UnreadableFileError, match=r"a_raw\.fif: cut off \(Invalid tag") as caught:
        read_recording(path)
    assert str(tmp_path / "x")[:-1] not in str(caught.value).partition("cut off")[2]
    recording = read_recording(path, verify=False)
    assert recording.groups[0].n_samples == 10 * RATE_HZ
    for found in (recording.metadata, read_header(path).metadata):
        flags = reader_flags(found)
        assert flags[0] == "cut-off"
        assert flags[1].startswith("note:a_raw.fif: cut off (Invalid tag")


def test_bad_channels_of_a_fif_are_flagged(tmp_path: Path) -> None:
    path = tmp_path / "a_raw.fif"
    fif_file(path, bads=("Fp2",))
    assert reader_flags(read_header(path).metadata) == ["bad-channel:Fp2"]
    fif_file(tmp_path / "b_raw.fif")
    assert not reader_flags(read_header(tmp_path / "b_raw.fif").metadata)


@pytest.mark.parametrize("text", ["BAD boundary", "EDGE boundary", "BAD_ACQ_SKIP"])
def test_cuts_that_mne_marks_are_flagged(tmp_path: Path, text: str) -> None:
    import mne

    raw = mne.io.RawArray(
        np.zeros((1, 500)), mne.create_info(["Cz"], 100.0, "eeg"), verbose="error"
    )
    raw.set_annotations(mne.Annotations([2.0], [0.0], [text]))
    path = tmp_path / "a_raw.fif"
    raw.save(path, verbose="error")
    metadata = read_recording(path).metadata
    assert reader_flags(metadata) == ["discontinuous", f"note:cuts within the samples: {text}"]
    assert metadata["cuts_s"] == read_header(path).metadata["cuts_s"] == [2.0]


def test_samples_that_were_not_recorded_are_cut_at_both_ends(tmp_path: Path) -> None:
    import mne

    raw = mne.io.RawArray(
        np.zeros((1, 500)), mne.create_info(["Cz"], 100.0, "eeg"), verbose="error"
    )
    raw.set_annotations(mne.Annotations([3.0, 0.0], [1.0, 0.5], ["BAD_ACQ_SKIP", "bad_acq_skip"]))
    raw.save(tmp_path / "a_raw.fif", verbose="error")
    assert read_header(tmp_path / "a_raw.fif").metadata["cuts_s"] == [0.0, 0.5, 3.0, 4.0]


DATA = np.random.default_rng(0).normal(0, 10, (3, 500)).astype("<f4")


@pytest.fixture
def set_file(tmp_path: Path) -> Callable[..., Path]:
    """Return what writes an EEGLAB file of 3 channels; options are fields of its structure."""

    def write(types: tuple[str, ...] = ("EEG",) * 3, events: tuple = (), **more: object) -> Path:
        names = zip(("Fz", "Temp1", "GSR1"), types, strict=True)
        fields = [("type", object), ("latency", object), ("duration", object)]
        content = {
            "setname": "a", "filename": "a.set", "nbchan": 3, "trials": 1, "pnts": 500,
            "srate": 100.0, "xmin": 0.0, "xmax": 4.99, "data": DATA, "ref": "common", "epoch": [],
            "chanlocs": np.array(list(names), [("labels", object), ("type", object)]),
            "event": np.array(list(events), fields), "icawinv": [], "icasphere": [],
            "icaweights": [],
        }  # fmt: skip
        savemat(tmp_path / "a.set", {"EEG": content | more}, appendmat=False)
        return tmp_path / "a.set"

    return write


def test_eeglab_channels_that_are_no_voltage(set_file: Callable[..., Path]) -> None:
    recording = read_recording(set_file(("EEG", "Temperature", "GSR")))
    group = recording.groups[0]
    assert group.units == ("V", "", "")
    np.testing.assert_allclose(group.physical()[0], DATA[0] * 1e-6, rtol=1e-7)
    np.testing.assert_allclose(group.physical()[1:], DATA[1:], rtol=1e-12)
    assert recording.metadata["notes"] == [
        "no unit is stated for Temp1 (Temperature), GSR1 (GSR): values as in the file"
    ]
    assert read_recording(set_file(("", "EOG", "iEEG"))).groups[0].units == ("V",) * 3


def test_names_that_the_file_does_not_have_are_flagged(set_file: Callable[..., Path]) -> None:
    path = set_file(chanlocs=[])
    flags = reader_flags(read_header(path).metadata)
    assert flags == ["names-not-of-file", "note:the file names no channels (chanlocs is empty)"]
    assert not reader_flags(read_header(set_file()).metadata)


@pytest.mark.parametrize("stated", [400, 500, 600])
def test_samples_inside_are_as_many_as_stated(set_file: Callable[..., Path], stated: int) -> None:
    path = set_file(pnts=stated)
    said = [f"note:states {stated} samples per channel (pnts), but holds 500"]
    for found in (read_recording(path), read_header(path)):
        assert found.groups[0].n_samples == 500
        assert reader_flags(found.metadata) == (said if stated != 500 else [])


def test_a_fdt_has_the_size_that_is_stated(tmp_path: Path, set_file: Callable[..., Path]) -> None:
    path, samples = set_file(data="a.fdt"), tmp_path / "a.fdt"
    stored = DATA.T.tobytes()
    samples.write_bytes(stored)
    whole = read_recording(path)
    assert not whole.metadata["notes"]
    samples.write_bytes(stored + stored[:24])
    longer = read_recording(path)
    assert longer.metadata["notes"] == ["a.fdt: 24 bytes longer than its .set file says, not read"]
    assert np.array_equal(longer.groups[0].digital, whole.groups[0].digital)
    samples.write_bytes(stored[:-24])
    for read in (read_recording, read_header):
        with pytest.raises(UnreadableFileError, match=r"a\.fdt: 24 bytes shorter than its \.set"):
            read(path)


@pytest.mark.parametrize(("latency", "is_cut"), [(200.5, True), (0.5, False), (500.5, False)])
def test_eeglab_boundaries_are_flagged(
    set_file: Callable[..., Path], latency: float, is_cut: bool
) -> None:
    path = set_file(events=[("boundary", latency, 50.0)])
    recording = read_recording(path)
    flags = reader_flags(recording.metadata)
    assert ("discontinuous" in flags) == is_cut
    assert (flags[-1] == "note:cuts within the samples: boundary") == is_cut
    if is_cut:  # MATLAB counts from 1: the cut is between its samples 200 and 201
        assert cuts_of(recording, recording.groups[0].sampling_rate) == [200]


COUNTS = np.random.default_rng(0).integers(-300, 300, (800, 2)).astype("<i2")


def lay_file(path: Path, times: str = "0=36000", **info: str) -> Path:
    """Write a Persyst recording of 2 channels, 8 s of 0.5 µV a step."""
    stated = {
        "File": "a.dat", "FileType": "Interleaved", "SamplingRate": "100", "HeaderLength": "0",
        "Calibration": "0.5", "WaveformCount": "2", "DataType": "0", **info,
    }  # fmt: skip
    lines = ["[FileInfo]", *(f"{key}={value}" for key, value in stated.items())]
    lines += [
        "[Patient]",
        "First=a",
        "Last=b",
        "MI=",
        "Sex=M",
        "ID=1",
        "Hand=R",
        "BirthDate=1/1/1970",
    ]
    lines += ["TestDate=1/1/2020", "TestTime=10:00:00", "[SampleTimes]", times]
    lines += ["[ChannelMap]", "Fp1-ref=1", "Fp2-ref=2", "[Comments]", "1.0,0,0,0,seizure", ""]
    (path / "a.lay").write_text("\n".join(lines))
    (path / "a.dat").write_bytes(COUNTS.tobytes())
    return path / "a.lay"


def test_pauses_of_persyst_are_flagged(tmp_path: Path) -> None:
    recording = read_recording(lay_file(tmp_path, "0=36000\n400=36004.02"))
    assert not reader_flags(recording.metadata)
    np.testing.assert_allclose(recording.groups[0].physical(), COUNTS.T * 0.5e-6, rtol=1e-9)
    metadata = read_header(lay_file(tmp_path, "0=36000\n400=36094")).metadata
    assert metadata["cuts_s"] == [4.0]
    flags = reader_flags(metadata)
    assert flags[0] == "discontinuous"
    assert flags[1].startswith("note:[SampleTimes]: a pause is left out (90 s)")


def test_persyst_samples_that_are_cut_or_elsewhere(tmp_path: Path) -> None:
    path = lay_file(tmp_path, "0=36000\n400=36004")
    (tmp_path / "a.dat").write_bytes(COUNTS.tobytes()[:-1])
    with pytest.raises(UnreadableFileError, match=r"a\.dat: cut off: ends with 3 bytes of the 4"):
        read_recording(path)
    (tmp_path / "a.dat").write_bytes(COUNTS.tobytes()[:1200])
    flags = reader_flags(read_recording(path).metadata)
    assert flags[0] == "cut-off"
    assert "states a time of samples that are not there" in flags[1]
    for key, value in (("HeaderLength", "16"), ("FileType", "Blocked")):
        with pytest.raises(UnreadableFileError, match=r"a\.lay: samples .* are not supported"):
            read_recording(lay_file(tmp_path, **{key: value}))
