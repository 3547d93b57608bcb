"""Formats that MNE-Python parses: the real files, and what this reader adds."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def fif(tmp_path: Path) -> Path:
    import mne

    info = mne.create_info(["Fp1", "ECG"], 256.0, ["eeg", "ecg"])
    raw = mne.io.RawArray(
        np.random.default_rng(0).normal(0, 1e-5, (2, 1024)), info, verbose="error"
    )
    raw.set_meas_date(datetime.fromisoformat("2020-01-01T12:00:00+00:00"))
    raw.set_annotations(mne.Annotations([1.0, 2.5], [0.5, 0.0], ["BAD", "blink"]))
    raw.crop(0.5, None)
    path = tmp_path / "a_raw.fif"
    raw.save(path, fmt="double", verbose="error")
    return path


def test_fif(fif: Path) -> None:
    import mne

    theirs = mne.io.read_raw(fif, verbose="error")
    assert detect_format(fif) == "mne"
    recording = read_recording(fif)
    group = recording.groups[0]
    assert np.array_equal(group.physical(), theirs.get_data())
    assert group.channels == ("Fp1", "ECG")
    assert group.units == ("V", "V")
    assert group.sampling_rate == 256.0
    assert recording.metadata["kinds"] == ["eeg", "ecg"]
    assert recording.start_time == datetime(2020, 1, 1, 12, 0, 0, 500_000)
    np.testing.assert_allclose(recording.annotations["onset"], [0.5, 2.0], atol=1e-6)
    assert recording.annotations["text"].tolist() == ["BAD", "blink"]
    assert read_header(fif).groups[0].n_samples == 896


def test_damaged_files_are_one_error(fif: Path, tmp_path: Path) -> None:
    raw = fif.read_bytes()
    for length in (0, 20, 300):
        fif.write_bytes(raw[:length])
        with pytest.raises(UnreadableFileError, match="a_raw") as caught:
            read_recording(fif)
        assert "\n" not in str(caught.value)
    (tmp_path / "b.vhdr").write_text("Brain Vision\n")
    with pytest.raises(UnreadableFileError, match=r"b\.vhdr"):
        read_recording(tmp_path / "b.vhdr")
    with pytest.raises(UnreadableFileError, match="no such file"):
        read_recording(tmp_path / "none.vhdr")


def test_eeglab(tmp_path: Path) -> None:
    from scipy.io import savemat

    data = np.random.default_rng(0).normal(0, 10, (3, 500))  # µV
    names = np.array([("Fz",), ("Cz",), ("ECG",)], dtype=[("labels", object)])
    events = [("type", object), ("latency", object), ("duration", object)]
    content = {
        "setname": "a", "filename": "a.set", "nbchan": 3, "trials": 1, "pnts": 500, "srate": 128.0,
        "xmin": 0.0, "xmax": 499 / 128, "data": data, "chanlocs": names, "ref": "common",
        "event": np.array([("square", 65.0, 1.0)], events), "epoch": [], "icawinv": [],
        "icasphere": [], "icaweights": [],
    }  # fmt: skip
    path = tmp_path / "a.set"
    savemat(path, {"EEG": content}, appendmat=False)
    recording = read_recording(path)
    np.testing.assert_allclose(recording.groups[0].physical(), data * 1e-6, rtol=1e-12)
    assert recording.groups[0].channels == ("Fz", "Cz", "ECG")
    assert recording.annotations["onset"].tolist() == [0.5]  # EEGLAB counts samples from 1
    assert recording.annotations["text"].tolist() == ["square"]


@pytest.mark.realdata
def test_every_brainvision_file(shared_data: Path) -> None:
    import mne

    paths = sorted(shared_data.rglob("*.vhdr"))
    assert len(paths) >= 3
    for path in paths:
        theirs = mne.io.read_raw(path, preload=True, verbose="error")
        ours = read_recording(path)
        assert np.array_equal(ours.groups[0].physical(), theirs.get_data())
        assert list(ours.groups[0].channels) == theirs.ch_names
        onset = theirs.annotations.onset
        np.testing.assert_allclose(ours.annotations["onset"], onset, atol=1e-9)
        assert ours.files[0] == path
        assert len(ours.files) >= 2
        samples = path.with_suffix(".eeg")
        if samples.is_file():
            assert read_header(samples).path == path


@pytest.mark.realdata
def test_every_edf_through_mne_agrees(shared_data: Path) -> None:
    """MNE gives V and one rate; where all channels have one rate, it must agree with ours."""
    import mne

    paths = [*shared_data.glob("formats_mne_python/*.edf"), *shared_data.glob("eegmmidb/**/*.edf")]
    paths += [shared_data / "eegmat/Subject00_1.edf"]
    for path in paths:
        ours = read_recording(path)
        if len(ours.groups) != 1:
            continue
        theirs = mne.io.read_raw_edf(path, preload=True, verbose="error", infer_types=False)
        names = list(ours.groups[0].channels)
        physical = ours.groups[0].physical()
        for row, name in enumerate(theirs.ch_names):
            if name in names and theirs._orig_units.get(name) in ("µV", "mV"):
                factor = {"µV": 1e-6, "mV": 1e-3}[theirs._orig_units[name]]
                np.testing.assert_allclose(
                    theirs.get_data(row)[0], physical[names.index(name)] * factor,
                    rtol=1e-6, atol=1e-12,
                )  # fmt: skip
