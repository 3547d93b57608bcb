"""Arrays of trials described by YAML, with their labels: every format, and each place of labels."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording
from physioprep.readers.table_trials import axes_of
from tests.readers.test_mat import cells, write_v73

TRIALS = np.random.default_rng(0).integers(-30000, 30000, (3, 2, 50)).astype(np.int16)
TEXTS = ["left", "right", "left"]
ABOUT = "sampling_rate: 50\nchannels: [C3, C4]\nunits: uV\ngain: 2\n"
MATLAB = TRIALS.transpose(2, 1, 0)  # (sample, channel, trial)


def _check(path: Path, texts: list[str]) -> None:
    assert detect_format(path) == "table"
    recording = read_recording(path)
    (group,) = recording.groups
    assert group.channels == ("C3", "C4")
    assert group.units == ("uV", "uV")
    assert group.segments == ((0, 0.0), (50, 2.0), (100, 4.0))
    for number, trial in enumerate(TRIALS):
        assert np.array_equal(group.digital[:, number * 50 : number * 50 + 50], trial)
    assert np.array_equal(group.physical(), group.digital / 2)
    assert recording.annotations["text"].tolist() == texts
    assert recording.annotations["onset"].tolist() == [0.0, 2.0, 4.0]
    assert recording.annotations["duration"].tolist() == [1.0, 1.0, 1.0]
    assert read_header(path).duration_s == 5.0


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write nested dicts of arrays, and of texts, in the format of the ending."""
    kind = path.name.partition(".")[2]
    if kind in ("v4.mat", "v5.mat", "v7.mat"):
        savemat(path, content, format=kind[1].replace("7", "5"), do_compression=kind[1] == "7")
    elif kind == "v73.mat":
        write_v73(path, content)
    elif kind == "npz":
        np.savez(path, **content)
    elif kind == "pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        with h5py.File(path, "w") as file:
            _put(file, content)


def _put(group: h5py.Group, content: dict[str, Any]) -> None:
    for name, value in content.items():
        if isinstance(value, dict):
            _put(group.create_group(name), value)
        else:
            group.create_dataset(name, data=value, dtype=_dtype(value))


def _dtype(value: Any) -> Any:
    return h5py.string_dtype() if isinstance(value, list) else None


def _labels(kind: str) -> Any:
    """Return labels as a user of the format would write them: texts, or a column of numbers."""
    if kind in ("v5.mat", "v7.mat", "v73.mat"):
        return cells(TEXTS)
    if kind == "v4.mat":
        return np.array([[1.0], [2.0], [1.0]])
    return np.array(TEXTS) if kind == "npz" else TEXTS


KINDS = ["v4.mat", "v5.mat", "v7.mat", "v73.mat", "npz", "h5", "hdf5", "pkl"]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_in_the_same_file(tmp_path: Path, kind: str) -> None:
    in_matlab = kind.endswith("mat")
    trials = MATLAB if in_matlab else TRIALS
    flat = kind in ("v4.mat", "npz")  # these know no structs
    inner = {"x": trials.astype(float) if kind == "v4.mat" else trials, "y": _labels(kind)}
    if kind == "v4.mat":  # two dimensions only: one channel, and trials in rows
        inner["x"] = TRIALS[:, 0].astype(float)
    content = inner if flat else {"data": {"run": inner, "rate": 50.0}, "other": np.ones(2)}
    path = tmp_path / f"a.{kind}"
    _write(path, content)
    where = "" if flat else "data.run."
    axes = "sample channel trial" if in_matlab else "trial channel sample"
    about = f"variable: {where}x\naxes: {axes}\nlabels: {where}y\n"
    if kind == "v4.mat":
        about = "sampling_rate: 50\nchannels: [C3]\nvariable: x\naxes: trial sample\nlabels: y\n"
        path.with_suffix(".yaml").write_text(about)
        recording = read_recording(path)
        assert np.array_equal(recording.groups[0].digital, TRIALS[:, 0].reshape(1, 150))
        assert recording.annotations["text"].tolist() == ["1", "2", "1"]
        return
    path.with_suffix(".yaml").write_text(ABOUT + about)
    _check(path, TEXTS)


@pytest.mark.parametrize("kind", ["npy", *KINDS[1:]])
def test_one_array_alone_needs_no_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    trials = MATLAB if kind.endswith("mat") else TRIALS
    if kind == "npy":
        np.save(path, TRIALS)
    elif kind == "pkl":
        path.write_bytes(pickle.dumps(TRIALS))
    else:
        _write(path, {"x": trials})
    axes = "[time, channel, trial]" if kind.endswith("mat") else "(trials, channels, time)"
    path.with_suffix(".yaml").write_text(f"{ABOUT}axes: {axes}\n")
    _check(path, ["trial"] * 3)


@pytest.mark.parametrize(
    ("name", "variable"),
    [("y.npy", ""), ("y.npz", "y"), ("y.v5.mat", "d.y"), ("y.v73.mat", "d.y"), ("y.h5", "d/y"),
     ("y.pkl", "d.y"), ("y.txt", ""), ("y.csv", "side"), ("y.tsv", "side"), ("{stem}_y.txt", "")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["npy", "h5"])
def test_labels_in_another_file(tmp_path: Path, kind: str, name: str, variable: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, TRIALS)
    else:
        _write(path, {"x": TRIALS})
    labels = tmp_path / name.replace("{stem}", "a")
    kind_of = labels.name.partition(".")[2]
    if kind_of == "npy":
        np.save(labels, np.array(TEXTS))
    elif kind_of == "txt":
        labels.write_text("left\nright\nleft\n")
    elif kind_of in ("csv", "tsv"):
        lines = ["n,side", "1,left", '2,"right"', "3,left"]
        labels.write_text("\n".join(lines).replace(",", "\t" if kind_of == "tsv" else ","))
    elif kind_of == "npz":
        _write(labels, {"y": _labels(kind_of), "z": np.ones(3)})
    else:
        _write(labels, {"d": {"y": _labels(kind_of), "z": np.ones(3)}})
    about = f'{ABOUT}axes: trial channel sample\nlabels_file: "{name}"\n'
    path.with_suffix(".yaml").write_text(about + (f"labels: {variable}\n" if variable else ""))
    _check(path, TEXTS)
    assert labels in read_header(path).files


def test_trials_in_cells_and_structs(tmp_path: Path) -> None:
    """Trials as cells stack along the first axis; items of lists have numbers."""
    runs = np.array([({"X": 0},), ({"X": TRIALS},)], dtype=[("run", object)])
    savemat(tmp_path / "a.mat", {"runs": runs, "c": cells(list(TRIALS))})
    for variable in ("c", "runs.1.run.X"):
        about = f"{ABOUT}variable: {variable}\naxes: trial channel sample\n"
        (tmp_path / "a.yaml").write_text(about)
        _check(tmp_path / "a.mat", ["trial"] * 3)


def test_rows_of_letters_are_a_label_each(tmp_path: Path) -> None:
    """MATLAB's char matrix, as savemat and MATLAB 7.3 write it."""
    savemat(tmp_path / "a.mat", {"x": TRIALS, "y": np.array(["left ", "right", "left "])})
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as file:
        file["x"] = TRIALS.T
        letters = [[ord(letter) for letter in text.ljust(5)] for text in TEXTS]
        item = file.create_dataset("y", data=np.array(letters, "u2").T)
        item.attrs["MATLAB_class"] = np.bytes_("char")
    for name in ("a", "b"):
        about = f"{ABOUT}variable: x\naxes: trial channel sample\nlabels: y\n"
        (tmp_path / f"{name}.yaml").write_text(about)
        _check(tmp_path / f"{name}.mat", TEXTS)


def test_columns_of_hdf5_and_pickles_without_trials(tmp_path: Path) -> None:
    values = TRIALS[0]
    _write(tmp_path / "a.h5", {"g": {"x": values.T}})
    _write(tmp_path / "b.pkl", {"g": {"x": values.T}})
    for name in ("a.h5", "b.pkl"):
        (tmp_path / name).with_suffix(".yaml").write_text(ABOUT + "variable: g/x\n")
        assert np.array_equal(read_recording(tmp_path / name).groups[0].digital, values)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("variable: x\naxes: trial sample\n", "of trials, the words are"),
        ("variable: x\naxes: trial chanel sample\n", "not 'chanel'; did you mean 'channel'"),
        ("variable: x\naxes: trial time sample\n", "sample stands twice"),
        ("variable: x\naxes: channel trial sample\n",
         r"'x' is \(3, 2, 50\), by axes 'channel trial sample' of 3 channels; 2 are described"),
        ("variable: x\nlabels: y\n", "labels are of trials"),
        ("variable: x\n", r"an array \(3, 2, 50\), not of 'sample channel'; of trials\? then axes"),
        ("variable: q\naxes: trial channel sample\n",
         r"no variable 'q'; there are x \(3, 2, 50\), y \(2,\)$"),
        ("axes: trial channel sample\n", r"states no variable; there are x \(3, 2, 50\)"),
        ("variable: [x]\naxes: trial channel sample\n", "variable is not a name"),
        ("variable: x\naxes: trial channel sample\nlabels: y\n",
         r"labels 'y' of shape \(2,\) for 3 trials"),
        ("variable: x\naxes: trial channel sample\nlabels_file: y.doc\n", "none of .csv, .tsv"),
        ("variable: x\naxes: trial channel sample\nlabels_file: no.npy\n", "no.npy"),
        ("variable: x\naxes: trial channel sample\nlabels_file: ../y.npy\n", "outside"),
        ("variable: x\naxes: trial channel sample\nlabels_file: y.csv\n", "name that of the lab"),
        ("variable: x\naxes: trial channel sample\nlabels_file: y.csv\nlabels: q\n",
         r"y\.csv: no column 'q'; there are n, side"),
        ("variable: x\naxes: trial channel sample\nlabels_file: y.csv\nlabels: side\n",
         "row 2 has no label in column 'side'"),
        ("variable: y\naxes: trial channel sample\n", r"'y' is \(2,\), not of axes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(tmp_path: Path, more: str, said: str) -> None:
    (folder := tmp_path / "clinic").mkdir()
    np.save(tmp_path / "y.npy", [1, 2, 3])
    np.savez(folder / "a.npz", x=TRIALS, y=[1, 2])
    (folder / "y.csv").write_text("n,side\n1,left\n2,\n3,left\n")
    (folder / "a.yaml").write_text(ABOUT + more)
    _is_one_line(folder / "a.npz", said)


def _is_one_line(path: Path, said: str) -> None:
    with pytest.raises(UnreadableFileError, match=said) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["v5.mat", "v73.mat", "h5", "pkl"])
@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("d.q", r"no variable 'd\.q'; there are d\.x \(.*\), d\.y \(3,\)|d\.y \(3, 1\)"),
        ("d", r"'d' is no array; there are d\.x"),
        ("d.x.y", r"no variable 'd\.x\.y'"),
        ("d.y", r"variable 'd.y' is \((1, )?3,?\), not of axes"),
    ],
)
def test_a_path_that_is_no_array(tmp_path: Path, kind: str, variable: str, said: str) -> None:
    path = tmp_path / f"a.{kind}"
    _write(path, {"d": {"x": TRIALS, "y": _labels(kind)}})
    about = f"{ABOUT}variable: {variable}\naxes: trial channel sample\n"
    path.with_suffix(".yaml").write_text(about)
    _is_one_line(path, said)


def test_what_hdf5_and_pickles_hold_beside_arrays(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["e"] = TRIALS, h5py.Empty("f8")
        file["t"] = np.zeros(3, [("onset", "f8"), ("text", "S4")])
        file["r"] = np.array([file["x"].ref], h5py.ref_dtype)
        file.create_dataset("big", (10**6, 10**6), "f8", chunks=(1, 10**6))
    found = {
        "e": "'e' is empty", "t": "'t' holds .*neither numbers nor text", "r": "'r' is a cell of",
        "big": "bytes of files would take",
    }  # fmt: skip
    for variable, said in found.items():
        about = f"{ABOUT}variable: {variable}\naxes: trial channel sample\n"
        (tmp_path / "a.yaml").write_text(about)
        _is_one_line(tmp_path / "a.h5", said)
    (tmp_path / "b.pkl").write_bytes(pickle.dumps({"x": TRIALS, "y": ["l" * 10**6] * 3}))
    (tmp_path / "c.pkl").write_bytes(pickle.dumps({"x": {1, 2}}))
    about = f"{ABOUT}variable: x\naxes: trial channel sample\n"
    (tmp_path / "b.yaml").write_text(about + "labels: y\n")
    assert read_recording(tmp_path / "b.pkl").annotations["text"][0] == "l" * 10**6
    (tmp_path / "c.yaml").write_text(about)
    _is_one_line(tmp_path / "c.pkl", "a pickle that asks for the opcode EMPTY_SET")


def test_axes_in_other_words() -> None:
    path = Path("a.yaml")
    assert axes_of(["Trials", "time", "channel"], path) == "trial sample channel"
    assert axes_of("channel, samples", path) == "channel sample"
