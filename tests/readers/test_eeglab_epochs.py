"""EEGLAB files of epochs, written as EEGLAB saves them; samples as MNE-Python reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from physioprep.corpora.scan import scan
from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from tests.readers.test_mat import cells, write_v73

# (channel, sample, trial), float32 as EEGLAB keeps them, µV
DATA = np.random.default_rng(0).normal(0, 20, (3, 50, 4)).astype("f4")
TYPES = ["square", "rt", "square", "rt"]


def eeg(data: Any = DATA, **changes: Any) -> dict[str, Any]:
    """Return the fields of EEGLAB's EEG, epochs from -0.2 s on."""
    names = [("Fz", "EEG"), ("Cz", ""), ("Skin", "GSR")]
    places = np.array(names, dtype=[("labels", object), ("type", object)])
    # in the second epoch, a response after the event at the time zero
    epochs = [(1, "square", 0.0), (cells([2, 3]), cells(["rt", "key"]), cells([0.0, 300.0])),
              (4, "square", 0.0), (5, "rt", 0.0)]  # fmt: skip
    fields = [("event", object), ("eventtype", object), ("eventlatency", object)]
    events = [("square", 21.0, 1), ("rt", 71.0, 2), ("key", 101.0, 2), ("square", 121.0, 3),
              ("rt", 171.0, 4)]  # fmt: skip
    kinds = [("type", object), ("latency", object), ("epoch", object)]
    content = {
        "setname": "a", "filename": "a.set", "nbchan": 3, "trials": 4, "pnts": 50, "srate": 100.0,
        "xmin": -0.2, "xmax": 0.29, "data": data, "chanlocs": places, "ref": "common",
        "event": np.array(events, kinds), "epoch": np.array(epochs, fields), "icawinv": [],
        "icasphere": [], "icaweights": [],
    }  # fmt: skip
    return content | changes


def write(path: Path, content: dict[str, Any], *, way: str = "struct") -> None:
    if way == "fields":  # since EEGLAB 2021
        savemat(path, content, appendmat=False)
    elif way == "fdt":
        savemat(path, {"EEG": content | {"data": f"{path.stem}.fdt"}}, appendmat=False)
        content["data"].ravel(order="F").astype("<f4").tofile(path.with_suffix(".fdt"))
    else:
        savemat(path, {"EEG": content}, appendmat=False)


@pytest.mark.parametrize("way", ["struct", "fields", "fdt"])
def test_epochs_are_trials(tmp_path: Path, way: str) -> None:
    import mne

    path = tmp_path / "a.set"
    write(path, eeg(), way=way)
    recording = read_recording(path)
    (group,) = recording.groups
    assert group.channels == ("Fz", "Cz", "Skin")
    assert group.units == ("uV", "uV", "")
    assert (group.sampling_rate, group.digital.dtype) == (100.0, np.float32)
    assert group.segments == ((0, 0.0), (50, 1.5), (100, 3.0), (150, 4.5))
    theirs = mne.read_epochs_eeglab(path, verbose="error").get_data()
    for number in range(4):
        ours = group.digital[:, 50 * number : 50 * number + 50]
        assert np.array_equal(ours, DATA[:, :, number])
        np.testing.assert_allclose(ours * 1e-6, theirs[number], rtol=1e-6)
    notes = recording.annotation_columns
    assert notes["text"].tolist() == TYPES
    assert notes["onset"].tolist() == [0.0, 1.5, 3.0, 4.5]
    assert notes["duration"].tolist() == [0.5] * 4
    assert recording.metadata["epoch_start_s"] == -0.2
    assert recording.metadata["notes"] == ["1 other events within epochs are not read"]
    header = read_header(path)
    assert header.duration_s == 5.0
    assert [file.name for file in header.files] == ["a.set", "a.fdt"][: 1 + (way == "fdt")]


def test_epochs_of_matlab_7_3(tmp_path: Path) -> None:
    fields = {"eventtype": cells(TYPES, column=True), "eventlatency": cells([0.0] * 4, column=True)}
    names = {"labels": cells(["Fz", "Cz", "Pz"], column=True)}
    write_v73(tmp_path / "a.set", eeg(chanlocs=names, epoch=fields, event=np.ones(1)))
    with h5_structs(tmp_path / "a.set", ("chanlocs", "epoch")):
        pass
    recording = read_recording(tmp_path / "a.set")
    assert recording.groups[0].channels == ("Fz", "Cz", "Pz")
    assert np.array_equal(recording.groups[0].digital[:, 150:], DATA[:, :, 3])
    assert recording.annotation_columns["text"].tolist() == TYPES


def h5_structs(path: Path, names: tuple[str, ...]) -> Any:
    """Turn structs of cells into structure arrays, whose fields MATLAB gives no class."""
    import h5py

    file = h5py.File(path, "r+")
    for name in names:
        for field in file[name].values():
            del field.attrs["MATLAB_class"]
    return file


@pytest.mark.parametrize(
    ("about", "texts", "units"),
    [
        ("labels_file: y.csv\nlabels: side\n", ["L", "R", "L", "L"], ("uV", "uV", "")),
        ("labels: EEG.side\nunits: mV\n", ["1", "2", "2", "1"], ("mV", "mV", "mV")),
        ("units: [uV, uV, uS]\n", TYPES, ("uV", "uV", "uS")),
    ],
)
@pytest.mark.parametrize("name", ["a.yaml", "physioprep.yaml"])
def test_a_description_says_labels_and_units(
    tmp_path: Path, about: str, texts: list[str], units: tuple[str, ...], name: str
) -> None:
    write(tmp_path / "a.set", eeg(side=np.array([1.0, 2.0, 2.0, 1.0])))
    (tmp_path / "y.csv").write_text("n,side\n1,L\n2,R\n3,L\n4,L\n")
    (tmp_path / name).write_text(about)
    recording = read_recording(tmp_path / "a.set")
    assert recording.annotation_columns["text"].tolist() == texts
    assert recording.groups[0].units == units
    assert tmp_path / name in recording.files
    frame = scan(tmp_path, "folder", hashes=False)
    assert (frame["record_id"].tolist(), frame["error"].tolist()) == (["a"], [None])


def test_numbers_as_types_and_no_events(tmp_path: Path) -> None:
    fields = [("eventtype", object), ("eventlatency", object)]
    epochs = np.array([(7.0, 0.0), (8.0, 0.0), (7.0, 0.0), (cells([7.0, 8.0]), cells([1, 2]))],
                      fields)  # fmt: skip
    write(tmp_path / "a.set", eeg(epoch=epochs))
    recording = read_recording(tmp_path / "a.set")
    assert recording.annotation_columns["text"].tolist() == ["7", "8", "7", "trial"]
    assert recording.metadata["notes"][0].startswith("1 of 4 epochs have no event at their time")
    write(tmp_path / "b.set", eeg(epoch=[], event=[], chanlocs=[]))
    recording = read_recording(tmp_path / "b.set")
    assert recording.annotation_columns["text"].tolist() == ["trial"] * 4
    assert recording.metadata["flags"] == ["names-not-of-file"]


@pytest.mark.parametrize(
    ("changes", "about", "said"),
    [
        ({"data": DATA[:, :, :3]}, "", r"data \(3, 50, 3\), stated 3 channels, 50 samples, 4 ep"),
        ({"pnts": 0.5}, "", "pnts is '0.5', no number of them"),
        ({}, "labels: EEG.q\n", r"no variable 'EEG\.q'; there are EEG\.setname text, EEG\.filen"),
        ({}, "labels: EEG.data\n", r"labels 'EEG\.data' of shape \(3, 50, 4\) for 4 trials"),
        ({}, "labels_file: y.csv\nlabels: q\n", r"y\.csv: no column 'q'; there are n"),
        ({}, "units: [uV]\n", "1 units for 3 channels"),
        (
            {},
            "label: x\n",
            r"a\.yaml: unknown key 'label' of EEGLAB's epochs; did you mean 'labels",
        ),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, changes: dict[str, Any], about: str, said: str
) -> None:
    write(tmp_path / "a.set", eeg(**changes))
    (tmp_path / "y.csv").write_text("n\n1\n")
    if about:
        (tmp_path / "a.yaml").write_text(about)
    with pytest.raises(UnreadableFileError, match=said) as caught:
        read_recording(tmp_path / "a.set")
    assert "\n" not in str(caught.value)


def test_an_fdt_of_another_size(tmp_path: Path) -> None:
    path = tmp_path / "a.set"
    write(path, eeg(), way="fdt")
    raw = path.with_suffix(".fdt").read_bytes()
    path.with_suffix(".fdt").write_bytes(raw + bytes(8))
    assert "a.fdt: 8 bytes longer" in read_recording(path).metadata["notes"][0]
    path.with_suffix(".fdt").write_bytes(raw[:-8])
    with pytest.raises(UnreadableFileError, match=r"a\.fdt: 8 bytes shorter"):
        read_recording(path)
    path.with_suffix(".fdt").unlink()
    with pytest.raises(UnreadableFileError, match=r"a\.fdt: no such file"):
        read_recording(path)
