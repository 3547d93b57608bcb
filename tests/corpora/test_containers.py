"""Corpora that lie in container files: every part a row, its labels from within."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.corpora.scan import scan
from physioprep.errors import StoreError
from physioprep.manifest import groups_of


def scanned(root: Path, corpus: str) -> pd.DataFrame:
    frame = scan(root, corpus, hashes=False).set_index("record_id")
    assert frame["error"].isna().all(), frame["error"].dropna().tolist()
    return frame


def ingested(root: Path, corpus: str, recipe: str, *, assume: str = "", n: int = 3) -> pp.Store:
    """Ingest the first records of a folder by a recipe, or by one's own with units on top of it."""
    manifest = scan(root, corpus).head(n)
    made = root.with_name(f"{root.name}-made")  # no store may lie in the raw folder
    made.mkdir(exist_ok=True)
    out = made / f"{recipe}{bool(assume)}.zarr"
    if assume:
        own = made / "own.yaml"
        own.write_text(f"name: own\nbase: {recipe}\nmodalities: {assume}\n")
        recipe = str(own)
    result = pp.ingest(manifest, out, recipe, workers=1)
    assert result.n_records == n
    return pp.open_store(out)


def dreamer_file(path: Path, n_subjects: int = 23, n_clips: int = 18) -> None:
    """Write DREAMER.mat with short clips; the structure is that of the original."""
    from scipy.io import savemat

    def cells(items: list[object]) -> np.ndarray:
        out = np.empty((len(items), 1), object)
        for i, item in enumerate(items):
            out[i, 0] = item
        return out

    def signals(rate: int, n_channels: int) -> dict[str, object]:
        stimuli = [np.ones((rate * (2 + i % 3), n_channels)) for i in range(n_clips)]
        return {
            "baseline": cells([np.ones((rate, n_channels))] * n_clips),
            "stimuli": cells(list(stimuli)),
        }

    subjects = np.empty((1, n_subjects), object)
    for number in range(n_subjects):
        subjects[0, number] = {
            "Age": str(22 + number),
            "Gender": "male" if number % 2 == 0 else "female",
            "EEG": signals(128, 14),
            "ECG": signals(256, 2),
            "ScoreValence": np.arange(n_clips).reshape(-1, 1) % 5 + 1,
            "ScoreArousal": np.full((n_clips, 1), 3),
            "ScoreDominance": np.full((n_clips, 1), 4),
        }
    electrodes = np.empty((1, 14), object)
    electrodes[0] = [
        *("AF3", "F7", "F3", "FC5", "T7", "P7", "O1"),
        *("O2", "P8", "T8", "FC6", "F4", "F8", "AF4"),
    ]
    content = {
        "Data": subjects,
        "EEG_SamplingRate": 128,
        "ECG_SamplingRate": 256,
        "EEG_Electrodes": electrodes,
        "noOfSubjects": n_subjects,
        "noOfVideoSequences": n_clips,
        "Disclaimer": "generated for a test",
    }
    savemat(path, {"DREAMER": content})


def test_dreamer(tmp_path: Path):
    dreamer_file(tmp_path / "DREAMER.mat")
    frame = scanned(tmp_path, "dreamer")
    assert len(frame) == 23 * 18 * 2
    assert frame["subject_id"].nunique() == 23
    assert frame["label_condition"].value_counts().to_dict() == {"stimulus": 414, "baseline": 414}
    row = frame.loc["s02/v05/stimuli"]
    assert (row["subject_id"], row["session"]) == ("s02", "v05")
    assert (row["age"], row["sex"]) == (23, "F")
    ratings = [row[f"label_{name}"] for name in ("valence", "arousal", "dominance")]
    assert ratings == [5, 3, 4]  # the fifth clip
    assert row["label_emotion"] == "excitement"  # the fifth of the list in the paper
    eeg, ecg = groups_of(row)
    assert (eeg.modality, eeg.sampling_rate, len(eeg.channels)) == ("eeg", 128.0, 14)
    assert (ecg.modality, ecg.sampling_rate, len(ecg.channels)) == ("ecg", 256.0, 2)
    assert (eeg.n_samples, ecg.n_samples) == (128 * 3, 256 * 3)
    clips = frame["label_emotion"].value_counts()
    assert len(clips) == 9
    assert set(clips) == {23 * 2 * 2}  # each emotion twice a subject, with its baselines


def test_dreamer_is_harmonised_once_somebody_says_its_unit(tmp_path: Path):
    root = tmp_path / "raw"
    root.mkdir()
    dreamer_file(root / "DREAMER.mat", 1, 1)
    with pytest.raises(StoreError, match="'ECG 1' states no unit: say it with `assume_unit`"):
        ingested(root, "dreamer", "paired-200hz", n=2)
    assume = "{ecg: {assume_unit: mV}, eeg: {assume_unit: uV}}"
    store = ingested(root, "dreamer", "paired-200hz", assume=assume, n=2)
    record = store.record("s01/v01/stimuli")
    assert record["ecg"].shape == (2, 400)
    assert record["eeg"].shape == (14, 400)
    assert (record["ecg"].attrs["units"], record["eeg"].attrs["units"]) == ("mV", "µV")
    assert record["eeg_channel"].values[:4].tolist() == ["AF3", "F7", "F3", "FC5"]
    assert record["ecg_channel"].values.tolist() == ["ECG1", "ECG2"]


def test_deap(tmp_path: Path):
    import pickle

    folder = tmp_path / "data_preprocessed_python"
    folder.mkdir()
    labels = np.tile([[7.71, 7.6, 6.9, 7.83]], (40, 1))
    labels[2] = [1.0, 9.0, 5.0, 2.0]
    for name in ("s01", "s23"):
        content = {"labels": labels, "data": np.zeros((40, 40, 32))}
        (folder / f"{name}.dat").write_bytes(pickle.dumps(content, protocol=2))
    frame = scanned(tmp_path, "deap")
    assert len(frame) == 80
    assert frame["subject_id"].unique().tolist() == ["s01", "s23"]
    assert frame.groupby("subject_id")["label_site"].first().tolist() == ["twente", "geneva"]
    row = frame.loc["s01/v03"]
    names = ("valence", "arousal", "dominance", "liking")
    assert [row[f"label_{name}"] for name in names] == [1, 9, 5, 2]
    assert {"baseline-3-s", "two-sites"} <= set(row["faults"])
    found = {group.modality: group.channels for group in groups_of(row)}
    assert len(found["eeg"]) == 32
    assert found["eog"] == ("hEOG", "vEOG")
    assert found["emg"] == ("zEMG", "tEMG")
    assert (len(found["gsr"]), len(found["resp"]), len(found["ppg"]), len(found["temp"])) == (
        1, 1, 1, 1,
    )  # fmt: skip
    assert "ecg" not in found  # DEAP has none, whatever some papers say
    record = ingested(folder, "deap", "paired-200hz").record("s01/v01")
    assert list(record.data_vars) == ["eeg"]
    assert record["eeg"].shape == (32, 50)  # 32 samples at 128 Hz


def test_deap_in_matlab_files(tmp_path: Path):
    import pickle

    from scipy.io import savemat

    content = {"labels": np.full((40, 4), 5.0), "data": np.zeros((40, 40, 32))}
    for name in ("s01", "s02"):
        savemat(tmp_path / f"{name}.mat", content)
    (tmp_path / "s02.dat").write_bytes(pickle.dumps(content, protocol=2))
    frame = scanned(tmp_path, "deap")
    assert len(frame) == 80
    assert frame.loc["s01/v40", "path"] == "s01.mat#v40"
    assert frame.loc["s02/v40", "path"] == "s02.dat#v40"  # the twin is not counted again
    assert frame.loc["s01/v01", "label_valence"] == 5


def amigos_file(folder: Path, n_videos: int = 16) -> None:
    """Write a subject of AMIGOS whose signals are 10 Hz of the amplitude 500."""
    from scipy.io import savemat

    def cells(items: list[object]) -> np.ndarray:
        out = np.empty((1, len(items)), object)
        for i, item in enumerate(items):
            out[0, i] = item
        return out

    wave = 500 * np.sin(2 * np.pi * 10 * np.arange(640 + 128 * 20) / 128)[:, None]
    videos = [np.tile(wave[: 640 + 128 * (i + 1)], 17) for i in range(n_videos)]
    videos += [np.empty((0, 0))] * (20 - n_videos)
    own = [np.array([[3.5, 6.0, 5.0, 7.0, 1.0, 0, 0, 1, 0, 0, 0, 0]])] * n_videos
    savemat(
        folder / "Data_Preprocessed_P08.mat",
        {
            "joined_data": cells(videos),
            "labels_selfassessment": cells([*own, *[np.empty((0, 0))] * (20 - n_videos)]),
            "labels_ext_annotation": cells([np.zeros((3, 3))] * 20),
            "VideoIDs": cells([f"{i + 1}" for i in range(20)]),
        },
    )


def test_amigos_empty_cells_are_named(tmp_path: Path):
    amigos_file(tmp_path)
    frame = scan(tmp_path, "amigos", hashes=False).set_index("record_id")
    assert len(frame) == 20
    assert frame["error"].notna().tolist() == [False] * 16 + [True] * 4
    assert "an empty cell" in frame.loc["P08/v17", "error"]
    assert "long-videos-missing" in frame.loc["P08/v17", "faults"]
    row = frame.loc["P08/v02"]
    names = ("arousal", "valence", "dominance", "liking", "familiarity")
    assert [row[f"label_{name}"] for name in names] == [3.5, 6, 5, 7, 1]
    assert row["label_video"] == "2"
    found = {group.modality: group.channels for group in groups_of(row)}
    assert len(found["eeg"]) == 14
    assert found["ecg"] == ("ECG right", "ECG left")
    assert found["gsr"] == ("GSR",)
    assert row["duration_s"] == 7


def test_amigos_ecg_takes_the_unit_that_the_recipe_says(tmp_path: Path):
    root = tmp_path / "raw"
    root.mkdir()
    amigos_file(root)
    with pytest.raises(StoreError, match="'ECG right' states no unit: say it with `assume_unit`"):
        ingested(root, "amigos", "ecg-200hz")
    eeg = ingested(root, "amigos", "eeg-200hz").record("P08/v03")["eeg"]
    assert eeg.shape == (14, 1600)
    assert np.abs(eeg.values[:, 500:1000]).max() == pytest.approx(500, rel=0.01)  # µV, as stated
    store = ingested(root, "amigos", "paired-200hz", assume="{ecg: {assume_unit: uV}}")
    ecg = store.record("P08/v03")["ecg"]
    assert np.abs(ecg.values[:, 500:1000]).max() == pytest.approx(0.5, rel=0.01)  # mV
    assert store.record("P08/v03")["ecg_channel"].values.tolist() == ["ECG-right", "ECG-left"]


def test_wesad(tmp_path: Path):
    import pickle

    seconds = 4
    chest = {name: np.zeros((700 * seconds, 1)) for name in ("ECG", "EMG", "EDA", "Temp", "Resp")}
    chest["ACC"] = np.zeros((700 * seconds, 3))
    wrist = {
        "ACC": np.zeros((32 * seconds, 3)),
        "BVP": np.zeros((64 * seconds, 1)),
        "EDA": np.zeros((4 * seconds, 1)),
        "TEMP": np.zeros((4 * seconds, 1)),
    }
    for name in ("S2", "S17"):
        (tmp_path / name).mkdir()
        content = {
            "signal": {"chest": chest, "wrist": wrist},
            "label": np.repeat([0, 1, 2, 3], 700),
            "subject": name,
        }
        (tmp_path / name / f"{name}.pkl").write_bytes(pickle.dumps(content, protocol=2))
    frame = scanned(tmp_path, "wesad")
    assert frame["subject_id"].to_dict() == {"S2": "S2", "S17": "S17"}
    found = {(g.modality, g.sampling_rate): g.channels for g in groups_of(frame.iloc[0])}
    assert found["ecg", 700.0] == ("chest ECG",)
    assert found["resp", 700.0] == ("chest Resp",)
    assert found["ppg", 64.0] == ("wrist BVP",)
    assert found["gsr", 4.0] == ("wrist EDA",)
    assert len(found["other", 32.0]) == 3
    assert not any(modality == "eeg" for modality, _ in found)
    record = ingested(tmp_path, "wesad", "paired-200hz", n=2).record("S17")
    assert record["ecg"].shape == (1, 800)
    assert record["channel"].values.tolist() == ["ECG"]


def test_cpsc2018_classes(tmp_path: Path):
    from scipy.io import savemat

    data = np.arange(12 * 600, dtype=float).reshape(12, 600) / 1000
    for name, sex, age in (("A0001", "Male", 74), ("A0608", "Female", np.nan)):
        savemat(tmp_path / f"{name}.mat", {"ECG": {"sex": sex, "age": age, "data": data}})
    (tmp_path / "REFERENCE.csv").write_text(
        "Recording,First_label,Second_label,Third_label\nA0001,5,,\nA0608,2,5,\n"
    )
    frame = scanned(tmp_path, "cpsc2018")
    assert frame["label_dx"].tolist() == [["rbbb"], ["af", "rbbb"]]
    assert frame.loc["A0001", ["age", "sex"]].tolist() == [74, "M"]
    assert np.isnan(frame.loc["A0608", "age"])
    (ecg,) = groups_of(frame.loc["A0001"])
    assert (ecg.modality, ecg.sampling_rate, ecg.n_samples) == ("ecg", 500.0, 600)
    assert len(ecg.channels) == 12


def test_code15(tmp_path: Path):
    import h5py

    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as part:
        part["exam_id"] = np.array([1169160, 590673, 0])  # the last row is a dummy
        tracings = np.ones((3, 4096, 12), np.float32)
        tracings[0, :648] = tracings[0, -648:] = 0  # 7 s
        tracings[1, :48] = tracings[1, -49:] = 0  # 10 s, one sample less to see which is which
        tracings[1, 1000:1100] = 0  # within an exam zeros are signal
        part["tracings"] = tracings
    (tmp_path / "exams.csv").write_text(
        "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,"
        "normal_ecg,trace_file\n"
        "590673,67,True,60.1,False,True,False,False,False,False,33791,,,False,exams_part0.hdf5\n"
        "1169160,38,False,40.2,False,False,False,False,False,False,523632,False,2.1,True,"
        "exams_part0.hdf5\n"
    )
    frame = scanned(tmp_path, "code15")
    assert frame.index.tolist() == ["590673", "1169160"]  # without the dummy
    first, second = frame.loc["1169160"], frame.loc["590673"]
    assert first["path"] == "exams_part0.hdf5#1169160"
    assert (first["subject_id"], first["age"], first["sex"]) == ("523632", 38, "F")
    assert (first["label_normal"], first["label_death_years"]) == (1.0, 2.1)
    assert (second["subject_id"], second["sex"], second["label_RBBB"]) == ("33791", "M", 1.0)
    assert np.isnan(second["label_death"])
    assert (first["label_abnormality"], second["label_abnormality"]) == ([], ["RBBB"])
    (ecg,) = groups_of(first)
    assert (ecg.modality, ecg.sampling_rate, ecg.n_samples) == ("ecg", 400.0, 4096)
    assert ecg.channels[:3] == ("DI", "DII", "DIII")
    assert {"zero-padding:648+648", "fix:zero-padded"} <= set(first["flags"])
    assert "zero-padding:48+49" in second["flags"]
    with pytest.raises(StoreError, match="'DI' states no unit: say it with `assume_unit`"):
        ingested(tmp_path, "code15", "ecg-200hz", n=2)
    store = ingested(tmp_path, "code15", "ecg-200hz", assume="{ecg: {assume_unit: mV}}", n=2)
    ecg = store.record("590673")
    assert ecg["ecg"].shape == (12, 2048)
    assert ecg["channel"].values.tolist()[:4] == ["I", "II", "III", "aVR"]
    missing = np.isnan(ecg["ecg"].values)
    assert (missing == missing[0]).all()
    there = np.flatnonzero(~missing[0])
    assert (there[0], there[-1]) == (24, 2023)  # samples 48 to 4046 at 400 Hz
    assert len(there) == 2000  # the zeros within are there
    native = ingested(tmp_path, "code15", "native", n=2).record("590673")["ecg"].values
    assert not np.isnan(native).any()  # as in the file
    np.testing.assert_array_equal(native[:, :48], 0)


def test_code15_names_a_part_that_is_no_hdf5(tmp_path: Path):
    (tmp_path / "exams_part1.hdf5").write_bytes(b"torn")
    row = scan(tmp_path, "code15", hashes=False).iloc[0]
    assert row["error"].startswith("exams_part1.hdf5: no list of exams: not a readable HDF5 file")
