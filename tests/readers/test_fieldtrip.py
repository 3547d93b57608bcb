"""FieldTrip's data in MATLAB files, v7 and v7.3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

import physioprep as pp
from physioprep.errors import UnreadableFileError
from physioprep.readers import read_header, read_recording
from tests.readers.test_mat import cells, write_v73

RNG = np.random.default_rng(0)
LENGTHS = (50, 40, 50)
TRIALS = [RNG.normal(0, 20, (3, n)) for n in LENGTHS]
NAMES = ["Fz", "Cz", "Skin"]


def data(**changes: Any) -> dict[str, Any]:
    """Return a struct as ft_preprocessing makes it, with a name in all that is not read."""
    content = {
        "label": cells(NAMES, column=True),
        "fsample": 100.0,
        "trial": cells(TRIALS),
        "time": cells([np.arange(n)[None] / 100 - 0.2 for n in LENGTHS]),
        "sampleinfo": np.array([[1.0, 50], [101, 140], [201, 250]]),
        "trialinfo": np.array([[1.0, 0.25], [2, np.nan], [1, 0.5]]),
        "hdr": {
            "Fs": 100.0,
            "label": cells([*NAMES, "EOG"], column=True),
            "chanunit": cells(["uV", "uV", "PLANTEDNAME", "V"], column=True),
            "subjectname": "PLANTEDNAME",
        },
        "cfg": {"dataset": "/home/PLANTEDNAME/a.vhdr", "user": "PLANTEDNAME"},
    }
    return {name: value for name, value in (content | changes).items() if value is not None}


def write(path: Path, variables: dict[str, Any], *, v73: bool = False) -> Path:
    if v73:
        write_v73(path, variables)
    else:
        savemat(path, variables)
    return path


@pytest.mark.parametrize("v73", [False, True])
def test_trials_lie_a_second_apart(tmp_path: Path, v73: bool) -> None:
    path = write(tmp_path / "a.mat", {"data": data()}, v73=v73)
    found = read_recording(path)
    (group,) = found.groups
    assert (group.channels, group.units, group.sampling_rate) == (
        *(tuple(NAMES), ("uV", "uV", "")),
        100.0,
    )
    assert np.array_equal(group.digital, np.concatenate(TRIALS, axis=1))
    assert group.digital.dtype == np.float64
    assert group.segments == ((0, 0.0), (50, 1.5), (90, 2.9))
    rows = found.annotations[["onset", "duration", "text", "source"]].values.tolist()
    assert rows == [
        [0.0, 0.5, "1", "trial"],
        [0.0, 0.5, "0.25", "trialinfo-2"],
        [1.5, 0.4, "2", "trial"],
        [2.9, 0.5, "1", "trial"],
        [2.9, 0.5, "0.5", "trialinfo-2"],
    ]
    assert found.metadata["trial_start_s"] == [-0.2] * 3
    assert "PLANTEDNAME" not in repr((found, dict(found.metadata), found.annotations.to_csv()))
    assert read_header(path).groups[0].n_samples == sum(LENGTHS)


def test_one_trial_is_one_stretch(tmp_path: Path) -> None:
    one = data(trial=cells(TRIALS[:1]), time=cells([np.arange(50)[None] / 100]), trialinfo=None)
    found = read_recording(write(tmp_path / "a.mat", {"data": one}))
    assert found.groups[0].segments == ((0, 0.0),)
    assert not len(found.annotations)


def test_averages_that_keep_their_trials(tmp_path: Path) -> None:
    array = RNG.normal(0, 1, (2, 3, 50)).astype("f4")
    kept = data(trial=array, time=np.arange(50)[None] / 100, dimord="rpt_chan_time",
                trialinfo=np.array([[1.0], [2]]), fsample=None)  # fmt: skip
    found = read_recording(write(tmp_path / "a.mat", {"timelock": kept}))
    assert found.groups[0].digital.dtype == np.float32
    assert np.array_equal(found.groups[0].digital, np.concatenate(list(array), axis=1))
    assert found.groups[0].sampling_rate == 100.0  # by its times
    assert found.annotations["text"].tolist() == ["1", "2"]


def test_one_of_several_variables_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mat", {"before": data(), "after": data(fsample=None), "n": 3.0})
    with pytest.raises(UnreadableFileError, match="name one of its recordings: #after, #before"):
        read_recording(path)
    assert read_recording(f"{path}#after").groups[0].sampling_rate == 100.0


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"fsample": 50.0}, "times of trial 1 are not of the rate 50 Hz"),
        ({"label": cells(NAMES[:2], column=True)}, "trial 1 is float64 .*, with 2 channels"),
        ({"trial": cells(TRIALS[:2])}, "2 trials, and times of 3"),
        ({"trial": cells(["a", "b", "c"])}, "trial 1 is "),
        ({"time": cells([np.full((1, n), np.nan) for n in LENGTHS])}, "has other times"),
        ({"time": cells([np.zeros((1, n)) for n in LENGTHS]), "fsample": None}, "state a rate"),
        ({"trial": RNG.normal(0, 1, (2, 3, 50))}, "dimord"),
    ],
)
def test_contradictions_are_one_error(tmp_path: Path, changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(tmp_path / "a.mat", {"data": data(**changes)}))


def test_trialinfo_of_other_kinds_is_noted(tmp_path: Path) -> None:
    found = read_recording(write(tmp_path / "a.mat", {"data": data(trialinfo="a table")}))
    assert found.annotations["text"].tolist() == ["trial"] * 3
    assert "trialinfo is no array of numbers" in found.metadata["notes"][0]


def test_a_cut_file_is_one_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mat", {"data": data()})
    content = path.read_bytes()
    for part in range(1, 20):
        path.write_bytes(content[: len(content) * part // 20])
        with pytest.raises(UnreadableFileError):
            read_recording(path)


def test_a_folder_of_them_becomes_a_store(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write(raw / "a.mat", {"data": data(label=cells(["Fz", "Cz", "Pz"], column=True))})
    manifest = pp.scan(raw, "folder", hashes=False)
    assert manifest["error"].tolist() == [None]
    assert list(manifest["modality"][0]) == ["eeg"]
    pp.ingest(manifest, tmp_path / "s.zarr", recipe="native")
    store = pp.open_store(tmp_path / "s.zarr")
    assert store.annotations("a").query("source == 'trial'")["text"].tolist() == ["1", "2", "1"]
