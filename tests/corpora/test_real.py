"""Real recordings: labels, subjects, folds and faults against facts written here by hand."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from physioprep.corpora import read_annotations
from physioprep.corpora.known.ludb import derive_annotations
from physioprep.corpora.scan import scan
from physioprep.manifest import groups_of
from physioprep.readers import read_recording

pytestmark = pytest.mark.realdata


@pytest.fixture
def table(shared_data: Path):
    def scanned(folder: str, corpus: str) -> pd.DataFrame:
        return scan(shared_data / folder, corpus, hashes=False).set_index("record_id")

    return scanned


def test_mitdb(table):
    frame = table("mitdb", "mitdb")
    assert frame.index.tolist() == ["102", "114", "207", "208"]
    assert frame["error"].isna().all()
    # first comment lines of the headers: "# 84 F 1629 1629 x1" ...
    assert frame["age"].tolist() == [84, 72, 89, 23]
    assert frame["sex"].tolist() == ["F", "F", "F", "F"]
    assert frame["label_paced"].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert frame["faults"].to_dict() == {
        "102": ["no-mlii"],
        "114": ["leads-in-other-order"],
        "207": ["ventricular-flutter"],
        "208": [],
    }
    assert frame.loc["114", "channels"] == [["V5", "MLII"]]
    assert frame.loc["208", "duration_s"] == pytest.approx(1805.556, abs=1e-3)


def test_mitdb_hashes_are_the_publishers(shared_data: Path):
    lines = (shared_data / "mitdb" / "SHA256SUMS.physionet.txt").read_text().splitlines()
    stated = {line.split()[1]: line.split()[0] for line in lines}
    frame = scan(shared_data / "mitdb", "mitdb")
    for row in frame.itertuples():
        for name, digest in zip(row.files, row.file_sha256, strict=True):
            assert digest == stated[name], name


def test_eegmat(table):
    frame = table("eegmat", "eegmat")
    assert len(frame) == 50
    assert frame["subject_id"].nunique() == 25
    assert frame["label_condition"].value_counts().to_dict() == {"rest": 25, "arithmetic": 25}
    # subject-info.csv: "Subject00,21,F,2011,9.7,0" and "Subject01,18,F,2011,29.35,1"
    first = frame.loc["Subject00_1"]
    assert (first["label_condition"], first["label_quality"]) == ("rest", "bad")
    assert (first["age"], first["sex"], first["label_subtractions"]) == (21, "F", 9.7)
    second = frame.loc["Subject01_2"]
    assert (second["label_condition"], second["label_quality"]) == ("arithmetic", "good")
    eeg, ecg = groups_of(first)
    assert (eeg.modality, len(eeg.channels), eeg.channels[-1]) == ("eeg", 20, "EEG A2-A1")
    assert (ecg.modality, ecg.channels, ecg.units) == ("ecg", ("ECG ECG",), ("mV",))
    assert set(eeg.units) == {"uV"}
    # the lengths that SOURCES.md gives
    seconds = frame["duration_s"]
    assert (seconds["Subject04_1"], seconds["Subject10_1"], seconds["Subject31_1"]) == (
        170,
        188,
        80,
    )
    assert set(seconds[frame["session"] == "2"]) == {62}
    assert "low-amplitude-ecg" in frame.loc["Subject02_1", "faults"]
    assert "low-amplitude-ecg" not in frame.loc["Subject02_2", "faults"]


def test_ptb_xl(table):
    frame = table("ptbxl", "ptb-xl")
    assert len(frame) == 86
    assert frame["error"].isna().all()
    low, high = frame.loc["00001_lr"], frame.loc["00001_hr"]
    for row in (low, high):
        assert (row["subject_id"], row["session"], row["split"]) == ("15709", "1", "3")
        assert (row["age"], row["sex"]) == (56, "F")  # sex 1 is female in PTB-XL
        assert row["label_scp"] == ["LVOLT", "NORM", "SR"]
        assert row["label_scp_likelihood"] == '{"LVOLT": 0.0, "NORM": 100.0, "SR": 0.0}'
        assert row["label_report"] == "sinusrhythmus periphere niederspannung"
        assert (row["label_NORM"], row["label_MI"]) == (1.0, 0.0)
    assert (low["sampling_rate"], high["sampling_rate"]) == ([100.0], [500.0])
    # duplicates, one pair of them under two patients in folds 3 and 1
    assert "duplicate-recording" in frame.loc["00137_hr", "faults"]
    pair = frame.loc[["00145_hr", "00463_hr"]]
    assert pair["subject_id"].tolist() == ["16690", "16723"]
    assert pair["split"].tolist() == ["3", "1"]
    assert all("drop:duplicate-across-patients" in flags for flags in pair["flags"])
    # one subject is never in two folds
    assert frame.groupby("subject_id")["split"].nunique().max() == 1


def test_statements_of_ptb_xl_as_the_benchmark_aggregates_them(table, shared_data):
    kinds = pd.read_csv(shared_data / "ptbxl" / "scp_statements.csv", index_col=0)
    diagnostic = kinds[kinds["diagnostic"] == 1.0]
    wanted = {
        "superclass": diagnostic["diagnostic_class"].to_dict(),
        "subclass": diagnostic["diagnostic_subclass"].to_dict(),
        "diagnostic": {code: code for code in diagnostic.index},
        "form": {code: code for code in kinds.index[kinds["form"] == 1.0]},
        "rhythm": {code: code for code in kinds.index[kinds["rhythm"] == 1.0]},
    }
    assert [len(set(held.values())) for held in wanted.values()] == [5, 23, 44, 19, 12]
    found = table("ptbxl", "ptb-xl")
    rows = pd.read_csv(shared_data / "ptbxl" / "ptbxl_database.csv", index_col="ecg_id")
    stated = rows["scp_codes"].map(ast.literal_eval)[found["session"].astype(int)]
    for name, held in wanted.items():
        for labels, codes in zip(found[f"label_{name}"], stated, strict=True):
            assert set(labels) == {held[code] for code in codes if code in held}
            assert len(labels) == len(set(labels))
    assert found["label_scp"].tolist() == [sorted(codes) for codes in stated]


def test_cinc2017(table):
    frame = table("cinc2017", "cinc2017")
    assert len(frame) == 1060
    assert frame["subject_id"].isna().all()
    assert frame["label_rhythm"].value_counts().to_dict() == {
        "normal": 592, "other": 326, "af": 95, "noise": 47,
    }  # fmt: skip
    changed = frame["faults"].map(lambda faults: "label-changed" in faults)
    assert changed.sum() == 63  # counted in the three tables
    # A08372: N in v1, ~ in v2 and v3
    row = frame.loc["A08372"]
    assert (row["label_rhythm_v1"], row["label_rhythm_v2"]) == ("normal", "noise")
    assert row["label_rhythm"] == "noise"


def test_cinc2015(table):
    frame = table("cinc2015", "cinc2015")
    assert frame["label_alarm"].to_dict() == {
        "a103l": "Asystole", "a152s": "Asystole", "a608s": "Asystole", "b124s": "Bradycardia",
        "f120s": "Ventricular_Flutter_Fib", "t106s": "Tachycardia",
        "v102s": "Ventricular_Tachycardia",
    }  # fmt: skip
    assert frame.index[frame["label_true_alarm"] == 1].tolist() == ["b124s", "t106s"]
    assert [group.modality for group in groups_of(frame.loc["a103l"])] == ["ecg", "ppg"]
    assert "dead-channel" in frame.loc["a152s", "faults"]


def test_cinc2015_says_which_signals_have_no_unit(table):
    frame = table("cinc2015", "cinc2015")
    for units, faults in zip(frame["units"], frame["faults"], strict=True):
        assert ("not-in-mv" in faults) == any("NU" in group for group in units)


def test_cinc2015_takes_the_alarm_from_the_header_without_a_table(
    shared_data: Path, tmp_path: Path
):
    for name in ("a103l.hea", "a103l.mat"):
        (tmp_path / name).write_bytes((shared_data / "cinc2015" / name).read_bytes())
    row = scan(tmp_path, "cinc2015").iloc[0]
    assert (row["label_alarm"], row["label_true_alarm"]) == ("Asystole", 0.0)


def test_cinc2020_words_are_codes(table):
    frame = table("cpsc2018_cinc2020", "cinc2020")
    assert len(frame) == 10
    row = frame.loc["A0017"]  # "#Dx: AF", 60, Female
    assert (row["label_dx"], row["label_database"]) == (["164889003"], "cpsc2018")
    assert (row["age"], row["sex"]) == (60, "F")
    assert row["faults"] == ["dx-as-words"]


def test_cinc2021(table):
    frame = table("cinc2021", "cinc2021")
    assert len(frame) == 13
    assert frame["error"].isna().all()
    assert frame["subject_id"].isna().all()
    row = frame.loc["E07500"]  # "# Dx: 67741000119109,426177001", 78, Male
    assert row["label_dx"] == ["426177001", "67741000119109"]
    assert row["label_scored"] == ["SB"]
    assert (row["age"], row["sex"], row["label_database"]) == (78, "M", "georgia")
    said = "Age: 78; Sex: Male; Dx: 67741000119109,426177001; Rx: Unknown; Hx: Unknown"
    assert (row["label_report"], row["label_rx"], row["label_sx"]) == (said, None, None)
    assert frame.loc["JS20004", "faults"] == ["zero-leads"]
    assert frame.loc["JS20004", "label_database"] == "ningbo"
    malformed = frame.loc["E00009"]
    assert malformed["faults"] == ["malformed-header", "gain-4880"]
    assert malformed["flags"] == [
        "note:record name 'E00009.mat' differs from the file's",
        "note:start date stands before start time",
        "flag:malformed-header",
        "fix:gain-4880",
    ]
    assert malformed["label_dx"] == ["39732003", "427084000", "428750005"]
    assert malformed["label_scored"] == ["LAD", "STach"]


def test_cinc2021_ptbxl_twins(table):
    frame = table("cinc2021_ptbxl_twins", "cinc2021")
    assert len(frame) == 10
    assert set(frame["label_database"]) == {"ptb-xl"}
    assert all(faults == ["ptb-xl-inside"] for faults in frame["faults"])


def test_cpsc2021(table):
    frame = table("cpsc2021", "cpsc2021")
    assert frame["subject_id"].tolist() == ["101"] * 3
    assert frame["session"].tolist() == ["6", "8", "9"]
    assert frame.loc["data_101_8", "label_rhythm"] == "paroxysmal af"


def test_ludb(table):
    frame = table("ludb", "ludb")
    assert len(frame) == 12
    row = frame.loc["119"]  # header: 26, M, "Rhythm: Sinus rhythm.", axis normal
    assert (row["age"], row["sex"], row["label_rhythm"]) == (26, "M", "Sinus rhythm")
    assert row["label_axis"] == "normal"
    assert [group.modality for group in groups_of(row)] == ["ecg"]


def test_the_waves_of_ludb_are_from_mark_to_mark(table, shared_data: Path):
    import wfdb

    kinds = {"p": "P", "N": "QRS", "t": "T"}
    for name in table("ludb", "ludb")["path"]:
        path = shared_data / "ludb" / name
        marks = read_recording(path).annotation_columns
        found = dict(derive_annotations(marks))
        assert (np.diff(found["onset"]) >= 0).all()
        wave = found["text"] != ""
        assert all(
            (found[name][~wave] == marks[name]).all() for name in ("onset", "code", "source")
        )
        found = {name: column[wave] for name, column in found.items()}
        ours = set(
            zip(found["source"], found["onset"], found["duration"], found["text"], strict=True)
        )
        theirs = set()
        for lead in ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6"):
            noted = wfdb.rdann(str(path.with_suffix("")), lead)
            symbols, at = "".join(noted.symbol), noted.sample / 500
            theirs |= {
                (lead, at[i], at[i + 2] - at[i], kinds[symbols[i + 1]])
                for i in range(len(symbols) - 2)
                if symbols[i] == "(" and symbols[i + 1] in kinds and symbols[i + 2] == ")"
            }
        assert ours == theirs
        assert len(ours) == len(found["onset"]) > 100


def test_ecgiddb(table):
    frame = table("ecgiddb", "ecgiddb")
    assert frame.index.tolist() == [
        "Person_01/rec_1", "Person_01/rec_2", "Person_02/rec_1", "Person_02/rec_2",
    ]  # fmt: skip
    row = frame.iloc[0]
    assert (row["subject_id"], row["age"], row["sex"]) == ("Person_01", 25, "M")
    ecg, other = groups_of(row)
    assert (ecg.modality, ecg.channels) == ("ecg", ("ECG I",))
    assert (other.modality, other.channels) == ("other", ("ECG I filtered",))


def test_eegmmidb(table):
    frame = table("eegmmidb", "eegmmidb")
    assert frame["label_task"].to_dict() == {
        "S001R01": "eyes open", "S001R02": "eyes closed", "S001R04": "imagined left or right fist",
    }  # fmt: skip
    assert set(frame["subject_id"]) == {"S001"}
    (eeg,) = groups_of(frame.loc["S001R01"])
    assert (eeg.modality, len(eeg.channels), eeg.sampling_rate) == ("eeg", 64, 160.0)


def test_eegmmidb_at_128_hz(shared_data: Path, tmp_path: Path):
    faulty = shared_data / "eegmmidb" / "faulty_128Hz_overlapping_annotations.edf"
    (tmp_path / "S088R03.edf").write_bytes(faulty.read_bytes())
    row = scan(tmp_path, "eegmmidb", hashes=False).iloc[0]
    assert "overlapping-annotations" in row["faults"]
    assert "not-160-hz" in row["faults"]


def test_nstdb(table):
    row = table("nstdb", "nstdb").loc["ma"]
    assert row["label_noise"] == "muscle artefact"
    assert [group.modality for group in groups_of(row)] == ["other"]
    assert row["subject_id"] is None


def test_ptbdb(table):
    row = table("ptbdb", "ptbdb").loc["s0010_re"]
    assert (row["age"], row["sex"], row["label_diagnosis"]) == (81, "F", "Myocardial infarction")
    (ecg,) = groups_of(row)
    assert ecg.channels[-3:] == ("vx", "vy", "vz")
    assert row["files"][:3] == ["s0010_re.hea", "s0010_re.dat", "s0010_re.xyz"]
    assert row["subject_id"] is None  # known by its folder only, which is not there


def test_slpdb_without_waveforms_names_what_is_missing(table):
    frame = table("slpdb_annotations_only", "slpdb")
    assert frame["subject_id"].to_dict() == {
        "slp01a": "slp01", "slp04": "slp04", "slp14": "slp14", "slp60": "slp60",
    }  # fmt: skip
    assert frame.loc["slp01a", ["age", "sex"]].tolist() == [44, "M"]
    assert frame.loc["slp01a", "error"] == "slp01a.dat: no such file"


def test_drivedb(table):
    row = table("drivedb", "drivedb").loc["drive17a"]
    found = {group.modality: group.sampling_rate for group in groups_of(row)}
    assert found == {"ecg": 480.0, "emg": 15.0, "other": 15.0, "gsr": 30.0, "resp": 30.0}
    assert row["subject_id"] is None


def test_sleep_edfx(shared_data: Path, tmp_path: Path):
    excerpt = shared_data / "sleep_edfx_excerpt"
    for name, source in (
        ("SC4001E0-PSG.edf", "short_psg.edf"),
        ("SC4001EC-Hypnogram.edf", "SC4001EC-Hypnogram.edf"),
    ):
        (tmp_path / name).write_bytes((excerpt / source).read_bytes())
    row = scan(tmp_path, "sleep-edfx", hashes=False).iloc[0]
    assert (row["record_id"], row["subject_id"], row["session"]) == ("SC4001E0", "SC400", "1")
    assert (row["age"], row["sex"], row["label_study"]) == (33, "F", "cassette")
    assert row["files"] == ["SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf"]
    found = [(group.modality, group.sampling_rate) for group in groups_of(row)]
    assert found == [
        ("eeg", 100.0), ("eog", 100.0), ("resp", 1.0), ("emg", 1.0), ("temp", 1.0), ("other", 1.0),
    ]  # fmt: skip
    stages = read_annotations("sleep-edfx", tmp_path / row["path"])
    assert stages["text"][0] == "Sleep stage W"
    assert {"Sleep stage R", "Sleep stage 4"} <= set(stages["text"])


def test_bids(table):
    row = table("formats_tiny_bids", "bids").iloc[0]
    assert (row["subject_id"], row["session"], row["label_task"]) == ("sub-01", "ses-eeg", "rest")
    assert (row["age"], row["sex"]) == (29, "F")


def test_chbmit_marks_of_a_seizure_file(shared_data: Path, tmp_path: Path, edf):
    marks = shared_data / "chbmit_annotation" / "chb06_04.edf.seizures"
    edf(tmp_path / "chb06_04.edf", ["FP1-F7"], rates_hz=256)
    (tmp_path / marks.name).write_bytes(marks.read_bytes())
    row = scan(tmp_path, "chbmit", hashes=False).iloc[0]
    assert row["label_n_seizures"] == 2
    # chb06-summary.txt: 327 to 347 s and 6211 to 6231 s
    seizures = read_annotations("chbmit", tmp_path / "chb06_04.edf")
    assert seizures["onset"].tolist() == [327, 6211]
    assert seizures["duration"].tolist() == [20, 20]
