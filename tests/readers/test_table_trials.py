"""Arrays of trials described by YAML, with their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

TRIALS = np.arange(3 * 2 * 50, dtype=np.int16).reshape(3, 2, 50)
ABOUT = "sampling_rate: 50\nchannels: [C3, C4]\nunits: uV\ngain: 2\n"


def _check(path: Path, texts: list[str]) -> None:
    assert detect_format(path) == "table"
    recording = read_recording(path)
    (group,) = recording.groups
    assert group.segments == ((0, 0.0), (50, 2.0), (100, 4.0))
    for number, trial in enumerate(TRIALS):
        assert np.array_equal(group.digital[:, number * 50 : number * 50 + 50], trial)
    assert np.array_equal(group.physical(), group.digital / 2)
    assert recording.annotations["text"].tolist() == texts
    assert recording.annotations["onset"].tolist() == [0.0, 2.0, 4.0]
    assert read_header(path).duration_s == 5.0


def test_a_struct_of_matlab(tmp_path: Path) -> None:
    labels = np.array([[1.0], [2.0], [1.0]])
    content = {"d": {"x": TRIALS.transpose(2, 1, 0), "y": labels}, "other": 1}
    savemat(tmp_path / "a.mat", content)
    axes = "variable: d.x\naxes: sample channel trial\nlabels: d.y\n"
    (tmp_path / "a.yaml").write_text(ABOUT + axes)
    _check(tmp_path / "a.mat", ["1", "2", "1"])


def test_labels_in_another_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", TRIALS)
    np.save(tmp_path / "y.npy", np.array(["left", "right", "rest"]))
    about = ABOUT + "axes: trial channel sample\nlabels_file: y.npy\n"
    (tmp_path / "a.yaml").write_text(about)
    _check(tmp_path / "a.npy", ["left", "right", "rest"])
    assert tmp_path / "y.npy" in read_header(tmp_path / "a.npy").files


def test_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=TRIALS, z=1)
    (tmp_path / "a.yaml").write_text(ABOUT + "variable: x\naxes: trial channel sample\n")
    _check(tmp_path / "a.npz", ["trial"] * 3)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("variable: x\naxes: trial sample\n", "of trials, the words are"),
        ("variable: x\naxes: channel trial sample\n", "are not \\(trial, 2 channels"),
        ("variable: x\nlabels: y\n", "labels are of trials"),
        ("variable: q\naxes: trial channel sample\n", "variable 'q' is not in x, y"),
        ("variable: x\naxes: trial channel sample\nlabels: y\n", r"labels \(2,\) for 3 trials"),
        ("variable: x\naxes: trial channel sample\nlabels_file: y.csv\n", "not .npy, .npz or .mat"),
        ("variable: x\naxes: trial channel sample\nlabels_file: no.npy\n", "no.npy"),
        ("variable: x\naxes: trial channel sample\nlabels_file: ../y.npy\n", "outside"),
        ("variable: y\naxes: trial channel sample\n", "1 dimensions, not of trials"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, more: str, said: str) -> None:
    (folder := tmp_path / "clinic").mkdir()
    np.save(tmp_path / "y.npy", [1, 2, 3])
    np.savez(folder / "a.npz", x=TRIALS, y=[1, 2])
    (folder / "a.yaml").write_text(ABOUT + more)
    with pytest.raises(UnreadableFileError, match=said) as caught:
        read_recording(folder / "a.npz")
    assert "\n" not in str(caught.value)
