"""MATLAB files of each corpus's structure, v5 and v7.3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from physioprep.corpora.known.amigos import _EMOTIV
from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording
from physioprep.readers.mat_file import load_mat

RNG = np.random.default_rng(0)


def cells(items: list[Any], *, column: bool = False) -> np.ndarray:
    array = np.empty((len(items), 1) if column else (1, len(items)), object)
    for i, item in enumerate(items):
        array[(i, 0) if column else (0, i)] = item
    return array


def write_v73(path: Path, variables: dict[str, Any]) -> None:
    """Write as MATLAB's ``save -v7.3`` does: axes reversed, cells as references."""
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def put(group: h5py.Group, name: str, value: Any) -> h5py.HLObject:
            if isinstance(value, dict):
                item = group.create_group(name)
                item.attrs["MATLAB_class"] = np.bytes_("struct")
                for key, child in value.items():
                    put(item, key, child)
                return item
            if isinstance(value, str):
                item = group.create_dataset(name, data=np.array([[ord(c)] for c in value], "u2"))
                item.attrs["MATLAB_class"] = np.bytes_("char")
                return item
            if isinstance(value, np.ndarray) and value.dtype == object:
                links = np.empty(value.T.shape, h5py.ref_dtype)
                for at, child in np.ndenumerate(value.T):
                    links[at] = put(refs, f"r{len(refs)}", child).ref
                item = group.create_dataset(name, data=links, dtype=h5py.ref_dtype)
                item.attrs["MATLAB_class"] = np.bytes_("cell")
                return item
            array = np.atleast_2d(np.asarray(value))
            if array.size == 0:
                item = group.create_dataset(name, data=np.array(array.shape, "u8"))
                item.attrs["MATLAB_empty"] = 1
            else:
                item = group.create_dataset(name, data=array.T)
            item.attrs["MATLAB_class"] = np.bytes_("double")
            return item

        for key, value in variables.items():
            put(file, key, value)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(128))


def dreamer(n_subjects: int = 2, n_clips: int = 3) -> dict[str, Any]:
    subjects = []
    for s in range(n_subjects):
        subject: dict[str, Any] = {"Age": f"2{s}", "Gender": "female" if s else "male"}
        for name, rate, width in (("EEG", 128, 14), ("ECG", 256, 2)):
            subject[name] = {
                kind: cells(
                    [RNG.normal(0, 1, (rate + c, width)) for c in range(n_clips)], column=True
                )
                for kind in ("baseline", "stimuli")
            }
        for name in ("Valence", "Arousal", "Dominance"):
            subject[f"Score{name}"] = RNG.integers(1, 6, (n_clips, 1))
        subjects.append(subject)
    electrodes = list(_EMOTIV)
    return {
        "DREAMER": {
            "Data": cells(subjects), "EEG_SamplingRate": 128, "ECG_SamplingRate": 256,
            "EEG_Electrodes": cells(electrodes), "noOfSubjects": n_subjects,
            "noOfVideoSequences": n_clips, "Version": "1.0.2",
        }
    }  # fmt: skip


def amigos() -> dict[str, Any]:
    data = [RNG.normal(0, 1, (640 + i, 17)) for i in range(3)] + [np.empty((0, 0))]
    data[1][5, 3] = np.nan
    return {
        "joined_data": cells(data),
        "labels_selfassessment": cells([RNG.uniform(1, 9, (1, 12)) for _ in range(4)]),
        "labels_ext_annotation": cells([RNG.uniform(-1, 1, (2, 3)) for _ in range(4)]),
        "VideoIDs": cells(["10", "13", "138", "18"]),
    }


@pytest.fixture(params=["v5", "v7.3"])
def write(request: pytest.FixtureRequest) -> Any:
    if request.param == "v7.3":
        return write_v73
    return lambda path, variables: savemat(path, variables, do_compression=True)


def test_cpsc2018(tmp_path: Path, write: Any) -> None:
    data = RNG.normal(0, 1, (12, 700))
    path = tmp_path / "A0001.mat"
    write(path, {"ECG": {"sex": "Female", "age": 64, "data": data}})
    assert detect_format(path) == "mat"
    recording = read_recording(path)
    group = recording.groups[0]
    assert np.array_equal(group.digital, data)
    assert np.array_equal(group.physical(), data)
    assert group.channels[3:5] == ("aVR", "aVL")
    assert (group.sampling_rate, set(group.units)) == (500.0, {"mV"})
    assert (recording.metadata["sex"], recording.metadata["age"]) == ("Female", 64)
    assert read_header(path).groups[0].n_samples == 700


def test_dreamer(tmp_path: Path, write: Any) -> None:
    content = dreamer()
    path = tmp_path / "DREAMER.mat"
    write(path, content)
    subject = content["DREAMER"]["Data"][0, 1]
    recording = read_recording(f"{path}#s02/v03/stimuli")
    eeg, ecg = recording.groups
    assert np.array_equal(eeg.digital, subject["EEG"]["stimuli"][2, 0].T)
    assert np.array_equal(ecg.digital, subject["ECG"]["stimuli"][2, 0].T)
    assert (eeg.sampling_rate, ecg.sampling_rate) == (128.0, 256.0)
    assert eeg.channels[0] == "AF3"
    assert len(eeg.channels) == 14
    assert recording.metadata["valence"] == subject["ScoreValence"][2, 0]
    assert str(recording.metadata["age"]) == "21"
    assert recording.metadata["gender"] == "female"
    assert recording.files == (path,)
    baseline = read_recording(f"{path}#s1/v1/baseline").groups[0].digital
    assert np.array_equal(baseline, content["DREAMER"]["Data"][0, 0]["EEG"]["baseline"][0, 0].T)
    for part, cause in (
        ("", "name one of its recordings"),
        ("#s3/v1/stimuli", "subject 3 of 2"),
        ("#s1/v4/stimuli", "clip 4 of 3"),
        ("#s1/v0/stimuli", "clip 0 of 3"),
        ("#x", "no part 'x'"),
    ):
        with pytest.raises(UnreadableFileError, match=cause):
            read_recording(f"{path}{part}")


def test_amigos(tmp_path: Path, write: Any) -> None:
    content = amigos()
    path = tmp_path / "Data_Preprocessed_P01.mat"
    write(path, content)
    recording = read_recording(f"{path}#v02")
    group = recording.groups[0]
    assert np.array_equal(group.digital, content["joined_data"][0, 1].T, equal_nan=True)
    assert group.channels[14:] == ("ECG right", "ECG left", "GSR")
    assert group.sampling_rate == 128.0
    ratings = content["labels_selfassessment"][0, 1][0]
    assert recording.metadata["arousal"] == ratings[0]
    assert recording.metadata["sadness"] == ratings[11]
    assert recording.metadata["video"] == "13"
    with pytest.raises(UnreadableFileError, match="an empty cell"):
        read_recording(f"{path}#v04")


def test_deap_twin(tmp_path: Path, write: Any) -> None:
    data, labels = RNG.normal(0, 1, (4, 40, 500)), RNG.uniform(1, 9, (4, 4))
    path = tmp_path / "s01.mat"
    write(path, {"data": data, "labels": labels})
    recording = read_recording(f"{path}#v03")
    assert np.array_equal(recording.groups[0].digital, data[2])
    assert recording.groups[0].channels[38] == "Plethysmograph"
    assert recording.metadata["dominance"] == labels[2, 2]


def test_challenge_file_alone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "A00001.mat"
    savemat(path, {"val": np.ones((1, 10), np.int16)}, format="4")
    with pytest.raises(UnreadableFileError, match=r"without its \.hea"):
        read_recording(path)
    savemat(path, {"x": 1, "y": 2})
    with pytest.raises(UnreadableFileError, match=r"no known corpus: x, y; NAME\.yaml beside it"):
        read_recording(path)


def test_v5_and_v73_load_the_same(tmp_path: Path) -> None:
    content = {"a": np.arange(6.0).reshape(2, 3), "s": {"t": "text", "c": cells([1.0, "two"])}}
    savemat(tmp_path / "5.mat", content)
    write_v73(tmp_path / "73.mat", content)
    old, new = load_mat(tmp_path / "5.mat"), load_mat(tmp_path / "73.mat")
    for loaded in (old, new):
        assert np.array_equal(loaded["a"], content["a"])
        assert loaded["s"]["t"] == "text"
        assert loaded["s"]["c"][1] == "two"


@pytest.mark.parametrize("version", ["v5", "v7.3"])
def test_damaged_files_are_one_error(tmp_path: Path, version: str) -> None:
    path = tmp_path / "A0001.mat"
    content = {"ECG": {"sex": "Female", "age": 64, "data": RNG.normal(0, 1, (12, 50))}}
    (savemat if version == "v5" else write_v73)(path, content)
    raw = path.read_bytes()
    for length in (0, 5, 100, 130, 600, len(raw) // 2):
        path.write_bytes(raw[:length])
        with pytest.raises(UnreadableFileError, match="A0001"):
            read_recording(path)
    for change in range(120, min(len(raw), 2600), 37):
        path.write_bytes(raw[:change] + bytes([raw[change] ^ 0xFF]) + raw[change + 1 :])
        try:
            group = read_recording(path).groups[0]
        except UnreadableFileError as error:
            assert "\n" not in str(error)  # noqa: PT017
            continue
        assert group.digital.shape == (12, group.n_samples)


@pytest.mark.realdata
def test_real_cpsc2018(shared_data: Path) -> None:
    from scipy.io import loadmat

    for path in sorted((shared_data / "cpsc2018_matlab_struct").glob("*.mat")):
        theirs = loadmat(path)["ECG"][0, 0]
        ours = read_recording(path)
        assert np.array_equal(ours.groups[0].digital, theirs["data"])
        assert ours.metadata["sex"] == theirs["sex"][0]
