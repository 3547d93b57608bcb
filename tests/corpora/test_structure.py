"""Corpora that need an agreement or are too large: small files of exactly their structure."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from physioprep.corpora import read_annotations
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError
from physioprep.manifest import groups_of


def scanned(root: Path, corpus: str) -> pd.DataFrame:
    frame = scan(root, corpus, hashes=False).set_index("record_id")
    assert frame["error"].isna().all(), frame["error"].dropna().tolist()
    return frame


def test_mitdb_201_and_202_are_one_person(tmp_path: Path, wfdb):
    for name in ("200", "201", "202", "x_201"):
        wfdb(tmp_path / name, ("MLII", "V1"))
    frame = scanned(tmp_path, "mitdb")
    assert frame["subject_id"].to_dict() == {"200": "200", "201": "201", "202": "201"}


def test_nstdb_names_say_noise_and_ratio(tmp_path: Path, wfdb):
    for name in ("118e_6", "118e24", "119e00"):
        wfdb(tmp_path / name, ("MLII", "V1"))
    wfdb(tmp_path / "bw", ("noise1", "noise2"))
    frame = scanned(tmp_path, "nstdb")
    snr = frame["label_snr_db"]
    assert (snr["118e_6"], snr["118e24"], snr["119e00"]) == (-6, 24, 0)
    assert np.isnan(snr["bw"])
    assert frame.loc["119e00", "subject_id"] == "119"
    assert frame.loc["bw", "subject_id"] is None
    assert frame.loc["bw", "label_noise"] == "baseline wander"
    assert "subject-of-mitdb" in frame.loc["118e24", "faults"]


def test_ptbdb_patients_are_folders(tmp_path: Path, wfdb):
    comments = [
        "age: n/a", "sex: male", "Diagnose:", "Reason for admission: Healthy control",
        "Acute infarction (localization): no",
    ]  # fmt: skip
    wfdb(tmp_path / "patient104" / "s0306lre", ("i", "vx"), comments=comments)
    row = scanned(tmp_path, "ptbdb").loc["s0306lre"]
    assert (row["subject_id"], row["sex"]) == ("patient104", "M")
    assert row["label_diagnosis"] == "Healthy control"
    assert row["label_infarction"] is None
    assert np.isnan(row["age"])
    one_patient = scanned(tmp_path / "patient104", "ptbdb")
    assert one_patient["subject_id"].tolist() == ["patient104"]


@pytest.mark.parametrize(
    ("record", "database"),
    [
        ("A0001", "cpsc2018"), ("Q0001", "cpsc2018-extra"), ("I0001", "incart"),
        ("S0001", "ptb"), ("HR00001", "ptb-xl"), ("E00001", "georgia"),
        ("JS00001", "chapman-shaoxing"), ("JS10646", "chapman-shaoxing"), ("JS10647", "ningbo"),
    ],
)  # fmt: skip
def test_the_challenges_databases_are_told_by_name(
    tmp_path: Path, wfdb, record: str, database: str
):
    comments = ["Age: NaN", "Sex: Female", "Dx: 426783006,284470004,284470004,"]
    comments += ["Rx: digoxin", "Hx: Unknown", "Sx: Unknows"]
    wfdb(tmp_path / "g1" / record, suffix=".mat", comments=comments)
    row = scanned(tmp_path, "cinc2021").loc[record]
    assert row["label_database"] == database
    assert row["label_dx"] == ["284470004", "426783006"]  # once each, without the empty place
    assert row["label_report"] == "; ".join(comments)
    assert row[["label_rx", "label_hx", "label_sx"]].tolist() == ["digoxin", None, None]
    assert "dx-repeats" in row["faults"]
    assert (row["sex"], row["subject_id"]) == ("F", None)
    assert np.isnan(row["age"])
    assert "gain-corrected-later" not in row["faults"]
    if record.startswith("JS"):
        with pytest.raises(CorpusError, match="no recording of cinc2020"):
            scan(tmp_path, "cinc2020")


@pytest.mark.parametrize("record", ["I0001", "S0001", "HR00001", "A0001"])
def test_gains_of_the_first_release_are_flagged_where_they_were_wrong(
    tmp_path: Path, wfdb, record: str
):
    wfdb(tmp_path / record, suffix=".mat", gain="306/mV")
    row = scanned(tmp_path, "cinc2020").loc[record]
    assert ("flag:gain-corrected-later" in row["flags"]) == (record != "A0001")


def test_mimic_iv_ecg(tmp_path: Path, wfdb):
    order = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
    record = tmp_path / "files/p1000/p10000032/s40689238/40689238"
    wfdb(record, order, n_samples=100, gain="200/mV", base="23:09:00 18/7/2180")
    header = (
        "subject_id,study_id,cart_id,ecg_time,report_0,report_1,report_10,rr_interval,qrs_axis\n"
    )
    (tmp_path / "machine_measurements.csv").write_text(
        header + '10000032,40689238,6848296,2180-07-23,Sinus rhythm,,"Borderline ECG",659,29999\n'
    )
    row = scanned(tmp_path, "mimic-iv-ecg").loc["40689238"]
    assert (row["subject_id"], row["session"]) == ("10000032", "40689238")
    assert row["label_report"] == "Sinus rhythm; Borderline ECG"
    assert row["label_rr_interval"] == 659
    assert row["label_qrs_axis"] is None or np.isnan(row["label_qrs_axis"])
    assert "label_p_axis" not in row  # the table has no such column
    assert row["channels"][0][3:6] == ["aVR", "aVF", "aVL"]  # as in the file
    assert "lead-order" in row["faults"]
    assert row["start_time"] == pd.Timestamp("2180-07-18 23:09:00")


def test_mimic_iv_ecg_refuses_another_table(tmp_path: Path, wfdb):
    wfdb(tmp_path / "files/p1000/p10000032/s40689238/40689238")
    (tmp_path / "machine_measurements.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CorpusError, match="no columns study_id and report_0"):
        scan(tmp_path, "mimic-iv-ecg")


def test_heedb(tmp_path: Path, wfdb):
    wfdb(tmp_path / "I0001" / "2010" / "de_1", suffix=".mat", rate_hz=250)
    wfdb(tmp_path / "other" / "de_2")
    frame = scanned(tmp_path, "heedb")
    assert frame["label_site"].to_dict() == {"de_1": "I0001", "de_2": None}
    assert frame["subject_id"].isna().all()
    assert all("structure-unverified" in faults for faults in frame["faults"])


def test_eegmmidb_runs(tmp_path: Path, edf):
    for run in range(1, 15):
        edf(tmp_path / "S002" / f"S002R{run:02}.edf", ["Fc5.", "Cz.."], rates_hz=160)
    frame = scanned(tmp_path, "eegmmidb")
    assert frame.loc["S002R11", "label_task"] == "left or right fist"
    assert frame.loc["S002R14", "label_task"] == "imagined both fists or both feet"
    assert frame["label_task"].value_counts().to_dict() == {
        "eyes open": 1, "eyes closed": 1, "left or right fist": 3,
        "imagined left or right fist": 3, "both fists or both feet": 3,
        "imagined both fists or both feet": 3,
    }  # fmt: skip
    assert all(faults == ["padded-names"] for faults in frame["faults"])


def test_sleep_edfx_nights_of_one_person(tmp_path: Path, edf):
    labels = ["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal", "EMG submental", "Marker"]
    for study, name in (("sleep-telemetry", "ST7011J0"), ("sleep-telemetry", "ST7012J0")):
        patient = "X M X Male_60yr"
        edf(tmp_path / study / f"{name}-PSG.edf", labels, patient=patient)
    frame = scanned(tmp_path, "sleep-edfx")
    assert frame["subject_id"].tolist() == ["ST701", "ST701"]
    assert frame["session"].tolist() == ["1", "2"]
    assert frame["label_study"].tolist() == ["telemetry"] * 2
    assert (frame["age"].tolist(), frame["sex"].tolist()) == ([60, 60], ["M", "M"])
    assert read_annotations("sleep-edfx", tmp_path / "sleep-telemetry/ST7011J0-PSG.edf") == {}


def wfdb_marks(path: Path, seizures: list[tuple[int, int]], rate_hz: int = 256) -> None:
    """Write WFDB annotations of [ and ] as CHB-MIT's .seizures has them."""
    import wfdb

    samples = np.array([rate_hz * time for pair in seizures for time in pair])
    symbols = ["[", "]"] * len(seizures)
    # wfdb takes no dots in names, so write beside and rename
    wfdb.wrann("x", "seizures", samples, symbols, fs=rate_hz, write_dir=str(path.parent))
    (path.parent / "x.seizures").rename(path)


SUMMARY = """Data Sampling Rate: 256 Hz
*************************

Channel 1: FP1-F7

File Name: chb01_02.edf
File Start Time: 12:42:57
File End Time: 13:42:57
Number of Seizures in File: 0

File Name: chb01_03.edf
File Start Time: 13:43:04
File End Time: 14:43:04
Number of Seizures in File: 2
Seizure 1 Start Time: 2996 seconds
Seizure 1 End Time: 3036 seconds
Seizure 2 Start Time: 3100 seconds
Seizure 2 End Time: 3110 seconds
"""


def test_chbmit(tmp_path: Path, edf):
    labels = ["FP1-F7", "P7-T7", "T8-P8", "T8-P8", "-", "ECG", "VNS"]
    for name in ("chb01/chb01_02", "chb01/chb01_03", "chb21/chb21_01"):
        edf(tmp_path / f"{name}.edf", labels, rates_hz=256)
    beside = tmp_path / "chb01" / "chb01_03.edf.seizures"
    # WFDB: the note of the time resolution, then pairs of [ and ] at 2996 s and 3036 s
    wfdb_marks(beside, [(2996, 3036), (3100, 3110)])
    (tmp_path / "chb01" / "chb01-summary.txt").write_bytes(SUMMARY.replace("\n", "\r\n").encode())
    (tmp_path / "SUBJECT-INFO").write_text(
        "Case\tGender\tAge (years)\n\nchb01\tF\t11\nchb21\tF\t13\n"
    )
    frame = scanned(tmp_path, "chbmit")
    assert frame["subject_id"].tolist() == ["chb01", "chb01", "chb01"]  # chb21 is chb01
    assert frame["age"].tolist() == [11, 11, 13]
    assert frame["label_n_seizures"].tolist()[:2] == [0, 2]
    assert np.isnan(frame.loc["chb21_01", "label_n_seizures"])  # no summary: not known
    assert frame.loc["chb01_03", "files"] == ["chb01/chb01_03.edf", "chb01/chb01_03.edf.seizures"]
    found = {group.modality: group.channels for group in groups_of(frame.iloc[0])}
    assert found["eeg"] == ("FP1-F7", "P7-T7", "T8-P8", "T8-P8")
    assert found["ecg"] == ("ECG",)
    assert found["other"] == ("-", "VNS")
    assert {"duplicate-channel", "dummy-channels"} <= set(frame.loc["chb01_02", "faults"])
    assert "flag:dummy-channels" in frame.loc["chb01_02", "flags"]
    edf(tmp_path / "chb02" / "chb02_01.edf", ["FP1-F7", "P7-T7"], rates_hz=256)
    assert scanned(tmp_path, "chbmit").loc["chb02_01", "faults"] == []
    for source in ("seizures", "summary"):  # both say the same; the marks go first
        seizures = read_annotations("chbmit", tmp_path / "chb01" / "chb01_03.edf")
        assert seizures["source"].tolist() == [source] * 2
        assert seizures["onset"].tolist() == [2996, 3100]
        assert seizures["duration"].tolist() == [40, 10]
        beside.unlink(missing_ok=True)
    assert len(read_annotations("chbmit", tmp_path / "chb01" / "chb01_02.edf")["onset"]) == 0


TUH = ["EEG FP1-REF", "EEG T3-REF", "EEG EKG1-REF", "EMG-REF", "EEG ROC-REF", "EEG 20-REF",
       "PHOTIC-REF", "EEG RESP1-REF", "IBI", "EEG A1-REF"]  # fmt: skip


def test_tueg(tmp_path: Path, edf):
    name = "edf/000/aaaaaaaa/s001_2015_12_30/01_tcp_ar/aaaaaaaa_s001_t000.edf"
    edf(tmp_path / name, TUH, rates_hz=250)
    row = scanned(tmp_path, "tueg").loc["aaaaaaaa_s001_t000"]
    assert (row["subject_id"], row["session"]) == ("aaaaaaaa", "s001")
    assert row["label_montage"] == "01_tcp_ar"
    assert set(row["faults"]) == {"holds-tuab-tuev-tusz", "ecg-named-eeg"}
    found = {group.modality: group.channels for group in groups_of(row)}
    assert found == {
        "eeg": ("EEG FP1-REF", "EEG T3-REF", "EEG A1-REF"),
        "ecg": ("EEG EKG1-REF",),
        "emg": ("EMG-REF",),
        "eog": ("EEG ROC-REF",),
        "resp": ("EEG RESP1-REF",),
        "other": ("EEG 20-REF", "PHOTIC-REF", "IBI"),
    }


def test_tuab_labels_are_folders(tmp_path: Path, edf):
    for split, label, name in (
        ("train", "normal", "aaaaaaav_s004_t000"),
        ("eval", "abnormal", "aaaaabdo_s003_t000"),
    ):
        edf(tmp_path / "edf" / split / label / "01_tcp_ar" / f"{name}.edf", TUH, rates_hz=250)
    frame = scanned(tmp_path, "tuab")
    assert frame["label_pathology"].tolist() == ["normal", "abnormal"]
    assert frame["split"].tolist() == ["train", "eval"]
    assert frame["subject_id"].tolist() == ["aaaaaaav", "aaaaabdo"]


def test_tuev(tmp_path: Path, edf):
    edf(tmp_path / "edf/train/aaaaaaar/aaaaaaar_00000001.edf", TUH)
    edf(tmp_path / "edf/eval/032/bckg_032_a_.edf", TUH)
    events = "3,10.0,11.0,1\n3,11.0,12.0,6\n15,11.0,12.0,5\n"
    (tmp_path / "edf/train/aaaaaaar/aaaaaaar_00000001.rec").write_text(events)
    frame = scanned(tmp_path, "tuev")
    assert frame["subject_id"].to_dict() == {
        "032/bckg_032_a_": "eval-032", "aaaaaaar_00000001": "aaaaaaar",
    }  # fmt: skip
    assert frame["split"].tolist() == ["eval", "train"]
    path = tmp_path / frame.loc["aaaaaaar_00000001", "path"]
    found = read_annotations("tuev", path)
    assert found["text"].tolist() == ["SPSW", "BCKG", "ARTF"]
    assert found["channel"].tolist() == [3, 3, 15]
    assert found["duration"].tolist() == [1, 1, 1]
    path.with_suffix(".rec").write_text("3,10.0,11.0,9\n")
    with pytest.raises(CorpusError, match="label 1 to 6"):
        read_annotations("tuev", path)


def test_tusz(tmp_path: Path, edf):
    folder = tmp_path / "edf/dev/aaaaaajy/s001_2003/02_tcp_le"
    for token in ("t000", "t001"):
        edf(folder / f"aaaaaajy_s001_{token}.edf", ["EEG FP1-LE", "EEG EKG-LE"], rates_hz=400)
    comments = "# version = csv_v1.0.0\n# duration = 301.0 secs\n\n"
    header = "channel,start_time,stop_time,label,confidence\n"
    (folder / "aaaaaajy_s001_t000.csv_bi").write_text(
        comments + header + "TERM,36.8868,183.3055,seiz,1.0000\n"
    )
    (folder / "aaaaaajy_s001_t001.csv_bi").write_text(
        comments + header + "TERM,0.0000,301.0000,bckg,1.0000\n"
    )
    frame = scanned(tmp_path, "tusz")
    assert frame["split"].tolist() == ["dev", "dev"]
    assert frame["label_seizure"].tolist() == [1.0, 0.0]
    assert frame["label_montage"].tolist() == ["02_tcp_le"] * 2
    found = {group.modality: group.channels for group in groups_of(frame.iloc[0])}
    assert found == {"eeg": ("EEG FP1-LE",), "ecg": ("EEG EKG-LE",)}
    seizure = read_annotations("tusz", folder / "aaaaaajy_s001_t000.edf")
    assert seizure["onset"].tolist() == [36.8868]
    assert seizure["duration"].tolist() == pytest.approx([146.4187])
    (folder / "aaaaaajy_s001_t001.csv_bi").write_text("nothing\nof,this\n")
    rows = scan(tmp_path, "tusz", hashes=False)["error"].tolist()
    assert rows[0] is None
    assert "not a CSV with the columns channel, start_time, stop_time, label" in rows[1]


def test_slpdb_parts_of_a_night_are_one_subject(tmp_path: Path, wfdb):
    for name in ("slp01a", "slp01b", "slp02a", "slp03", "slp67x"):
        leads = ("ECG", "BP", "EEG (C4-A1)", "Resp (sum)", "EOG (right)", "SO2")
        wfdb(tmp_path / name, leads, rate_hz=250, comments=["44 M 89 32-01-89"])
    frame = scanned(tmp_path, "slpdb")
    assert frame["subject_id"].to_dict() == {
        "slp01a": "slp01", "slp01b": "slp01", "slp02a": "slp02", "slp03": "slp03",
        "slp67x": "slp67x",
    }  # fmt: skip
    found = [group.modality for group in groups_of(frame.loc["slp03"])]
    assert found == ["ecg", "abp", "eeg", "resp", "eog", "other"]


def test_drivedb_drivers_are_unknown(tmp_path: Path, wfdb):
    for name in ("drive01", "drive17a", "drive17b"):
        wfdb(tmp_path / name, ("ECG", "foot GSR", "marker"), rate_hz=496)
    frame = scanned(tmp_path, "drivedb")
    assert len(frame) == 3
    assert frame["subject_id"].isna().all()


def test_mahnob_hci(tmp_path: Path, edf):
    labels = ["Fp1", "Cz", "EXG1", "EXG2", "EXG3", "GSR1", "Resp", "Temp", "Status"]
    for session, attributes in (
        ("2", 'feltArsl="5" feltVlnc="4" feltCtrl="6" feltPred="3" feltEmo="11" isStim="1"'),
        ("4", 'isStim="1"'),
    ):
        folder = tmp_path / "Sessions" / session
        edf(folder / f"Part_1_S_Trial{session}_emotion.bdf", labels, rates_hz=256, bdf=True)
        (folder / "session.xml").write_text(
            f'<?xml version="1.0"?>\n<session {attributes} cutLenSec="34.9">'
            f'<subject id="1" age="24"/></session>'
        )
    frame = scanned(tmp_path, "mahnob-hci")
    rated = frame.loc["2"]
    assert rated["subject_id"] == "1"
    names = ("arousal", "valence", "dominance", "predictability")
    assert [rated[f"label_{name}"] for name in names] == [5, 4, 6, 3]
    assert "not-rated" not in rated["faults"]
    assert rated["files"][1] == "Sessions/2/session.xml"
    assert "not-rated" in frame.loc["4", "faults"]
    assert np.isnan(frame.loc["4", "label_arousal"])
    found = {group.modality: group.channels for group in groups_of(rated)}
    assert found["eeg"] == ("Fp1", "Cz")
    assert found["ecg"] == ("EXG1", "EXG2", "EXG3")


def test_bids_channel_types_come_from_channels_tsv(tmp_path: Path, edf):
    folder = tmp_path / "sub-01" / "eeg"
    edf(folder / "sub-01_task-rest_run-1_eeg.edf", ["A1", "Heart", "Skin", "X"])
    (folder / "sub-01_task-rest_run-1_channels.tsv").write_text(
        "name\ttype\tunits\nA1\tEEG\tuV\nHeart\tECG\tuV\nSkin\tGSR\tuS\nX\tMISC\tn/a\n"
    )
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\tn/a\tM\n")
    edf(tmp_path / "derivatives" / "sub-01_task-rest_eeg.edf", ["A1"])
    frame = scanned(tmp_path, "bids")
    assert frame.index.tolist() == ["sub-01_task-rest_run-1_eeg"]
    row = frame.iloc[0]
    assert (row["subject_id"], row["session"], row["sex"]) == ("sub-01", None, "M")
    assert np.isnan(row["age"])
    found = {group.modality: group.channels for group in groups_of(row)}
    assert found == {"eeg": ("A1",), "ecg": ("Heart",), "gsr": ("Skin",), "other": ("X",)}


def test_demo_corpora_read_their_tables(tmp_path: Path, wfdb, edf):
    wfdb(tmp_path / "demo-ecg" / "00001")
    (tmp_path / "demo-ecg" / "subjects.csv").write_text(
        "record,subject_id,age,sex,rhythm\n00001,p01,61,F,sinus\n"
    )
    row = scanned(tmp_path / "demo-ecg", "demo-ecg").loc["00001"]
    assert (row["subject_id"], row["age"], row["sex"]) == ("p01", 61, "F")
    assert row["label_rhythm"] == "sinus"
    paired = tmp_path / "demo-paired"
    for task in ("rest", "task"):
        edf(paired / f"sub-01_task-{task}.edf", ["Fp1", "O2", "ECG"])
    (paired / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\t30\tM\n")
    frame = scanned(paired, "demo-paired")
    assert frame["label_condition"].tolist() == ["rest", "task"]
    assert frame["subject_id"].tolist() == ["sub-01"] * 2
    assert {group.modality for group in groups_of(frame.iloc[0])} == {"eeg", "ecg"}


def test_a_torn_table_is_one_clear_line(tmp_path: Path, edf):
    edf(tmp_path / "Subject00_1.edf", ["EEG Fp1"])
    (tmp_path / "subject-info.csv").write_text("Subject,Age\nSubject00\n")
    with pytest.raises(CorpusError, match=r"subject-info\.csv: row 2 has 1 cells, not 2"):
        scan(tmp_path, "eegmat")
