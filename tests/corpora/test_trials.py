"""Corpora of trials: what their files hold, and which files are refused in one line."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from physioprep.corpora import read_annotations
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.readers import read_recording
from physioprep.readers.trials import of_trials

SHU = "sub-001_ses-02_task_motorimagery_eeg.mat"


def test_trials_are_a_second_apart_and_keep_their_samples(tmp_path: Path):
    data = np.random.default_rng(0).normal(size=(3, 32, 1000))
    savemat(tmp_path / SHU, {"data": data, "labels": np.array([[2, 1, 2]])})
    recording = read_recording(tmp_path / SHU)
    (group,) = recording.groups
    assert group.segments == ((0, 0.0), (1000, 5.0), (2000, 10.0))
    assert np.array_equal(group.digital[:, 1000:2000], data[1])
    notes = recording.annotation_columns
    assert notes["onset"].tolist() == [0, 5, 10]
    assert notes["text"].tolist() == ["right hand", "left hand", "right hand"]
    row = scan(tmp_path, "shu-mi", hashes=False).iloc[0]
    assert (row["record_id"], row["subject_id"], row["session"]) == (
        "sub-001_ses-02", "sub-001", "ses-02",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "cause"),
    [([[1, 3]], "label 3 is neither 1 nor 2"), ([[1]], "2 trials and 1 labels")],
)
def test_wrong_labels_of_trials_are_refused(tmp_path: Path, labels: list, cause: str):
    savemat(tmp_path / SHU, {"data": np.zeros((2, 32, 1000)), "labels": np.array(labels)})
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(tmp_path / SHU)


def test_an_array_of_other_axes_is_refused():
    with pytest.raises(UnreadableFileError, match=r"\(4, 2, 100\) are not \(trial, 3 channels"):
        of_trials(["a", "b", "c"], [""] * 3, 100.0, np.zeros((4, 2, 100)), ["x"] * 4, Path("a"))


def test_a_bare_array_in_a_pickle(tmp_path: Path):
    array = np.arange(28 * 32 * 250, dtype=np.float32).reshape(28, 32, 250)
    (tmp_path / "sub007.pkl").write_bytes(pickle.dumps(array))
    recording = read_recording(tmp_path / "sub007.pkl")
    assert np.array_equal(recording.groups[0].digital[:, -250:], array[-1])
    assert recording.annotation_columns["text"][12] == "neutral"
    (tmp_path / "sub008.pkl").write_bytes(pickle.dumps(array[:3]))
    with pytest.raises(UnreadableFileError, match=r"a pickle of no known corpus; NAME\.yaml"):
        read_recording(tmp_path / "sub008.pkl")


def test_runs_of_eye_movements_are_no_runs(tmp_path: Path):
    none = np.empty((0, 0))
    run = {"X": np.ones((2000, 25)), "trial": np.array([[251]]), "y": np.array([[3]]), "fs": 250.0}
    data = np.empty((1, 3), object)
    data[0, :] = [run | {"trial": none, "y": none}, run, run | {"y": np.array([[5]])}]
    savemat(tmp_path / "A04T.mat", {"data": data})
    notes = read_recording(f"{tmp_path}/A04T.mat#r1").annotation_columns
    assert (notes["onset"].tolist(), notes["text"].tolist()) == ([1.0], ["feet"])
    with pytest.raises(UnreadableFileError, match=r"1 trials, classes \{5\}"):
        read_recording(f"{tmp_path}/A04T.mat#r2")
    with pytest.raises(UnreadableFileError, match="run 3 of 2"):
        read_recording(f"{tmp_path}/A04T.mat#r3")


def test_vigilance_is_beside_the_eeg(tmp_path: Path):
    for folder in ("Raw_Data", "perclos_labels"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "Raw_Data" / "4_20151107_noon.mat"
    savemat(path, {"EEG": {"data": np.ones((3200, 17)), "sample_rate": 200.0}})
    assert read_annotations("seed-vig", path) == {}
    beside = tmp_path / "perclos_labels" / path.name
    savemat(beside, {"perclos": np.array([[0.25], [0.5]])})
    notes = read_annotations("seed-vig", path)
    assert notes["text"].tolist() == ["0.25", "0.5"]
    assert notes["onset"].tolist() == [0, 8]
    row = scan(tmp_path, "seed-vig", hashes=False).iloc[0]
    assert (row["record_id"], row["subject_id"]) == ("4_20151107_noon", "4")
    savemat(beside, {"EEG": {"data": np.ones((3200, 17)), "sample_rate": 200.0}})
    with pytest.raises(CorpusError, match="no labels of vigilance"):
        read_annotations("seed-vig", path)


def test_stages_of_isruc(tmp_path: Path):
    (tmp_path / "7").mkdir()
    path = tmp_path / "7" / "7.rec"
    path.with_name("7_1.txt").write_text("0\n5\n\n")
    notes = read_annotations("isruc", path)
    assert notes["text"].tolist() == ["W", "REM"]
    assert set(notes["source"]) == {"scorer1"}
    path.with_name("7_2.txt").write_text("0\n4\n")
    with pytest.raises(CorpusError, match="'4' is no code of a stage"):
        read_annotations("isruc", path)


def test_places_of_mumtaz2016_count_files_at_rest(tmp_path: Path):
    from tests.tasks.files import edf

    names = ("H S2 EC", "6921143_H S15 EO", "H S10 TASK", "MDD S1 EC", "H S10 EC")
    for name in names:
        edf(tmp_path / f"{name}.edf", ["EEG Fp1-LE"], rate_hz=256, seconds=1)
    frame = scan(tmp_path, "mumtaz2016", hashes=False).set_index("record_id")
    places = frame["label_place"].to_dict()
    assert np.isnan(places.pop("H S10 TASK"))
    assert places == {"6921143_H S15 EO": 0, "H S10 EC": 1, "H S2 EC": 2, "MDD S1 EC": 0}
    assert frame.loc["6921143_H S15 EO", "subject_id"] == "H15"


def test_the_code_book_of_seed_v_gives_the_published_seconds():
    seconds = [
        read_annotations("seed-v", Path(f"1_{session}_20180804.cnt"))["duration"].sum()
        for session in (1, 2, 3)
    ]
    assert 16 * sum(seconds) == 117_744  # arXiv 2412.07236, windows of 1 s of 16 people
    notes = read_annotations("seed-v", Path("16_2_20181008.cnt"))
    assert notes["text"].tolist()[:3] == ["sad", "fear", "neutral"]
    assert read_annotations("seed-v", Path("other.cnt")) == {}


def test_the_words_of_the_test_set_are_in_the_sheet_of_answers(tmp_path: Path):
    from tests.tasks.raw_bcic2020_3 import answers, make

    make(tmp_path)
    path, sheet = (
        tmp_path / "Test set" / name
        for name in ("Data_Sample02.mat", "Track3_Answer Sheet_Test.xlsx")
    )
    assert read_annotations("bcic2020-3", tmp_path / "Training set" / path.name) == {}
    assert len(read_annotations("bcic2020-3", path)["text"]) == 7
    answers(sheet, {1: [1] * 7, 2: [5, 4, 3, 2, 1, 1, 2]})
    notes = read_annotations("bcic2020-3", path)
    assert notes["text"].tolist()[:4] == ["yes", "thank you", "stop", "help me"]
    assert notes["onset"].tolist()[1] == 795 / 256 + 1
    for words, cause in (
        ({1: [1]}, "no column"),
        ({2: [1] * 6}, "6 words"),
        ({2: [6] * 7}, "7 wo"),
    ):
        answers(sheet, words)
        with pytest.raises(CorpusError, match=cause):
            read_annotations("bcic2020-3", path)
    sheet.write_bytes(b"no archive")
    with pytest.raises(CorpusError, match="no readable sheet of answers"):
        read_annotations("bcic2020-3", path)
    sheet.unlink()
    assert read_annotations("bcic2020-3", path) == {}
