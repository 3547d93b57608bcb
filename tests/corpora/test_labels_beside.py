"""Files of labels beside recordings, through scan and ingest: a damaged one costs no samples."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.corpora import read_annotations
from physioprep.corpora.label_files import read_labels
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError
from physioprep.readers.table import description_of
from tests.readers.test_label_files import CSV, LBL, NSRR, PROFUSION, TSE

CHANNELS = ["EEG FP1-REF", "EEG EKG1-REF"]


def stored(folder: Path, corpus: str = "folder") -> tuple[pd.DataFrame, pp.Store]:
    frame = scan(folder, corpus)
    store = folder.parent / "out.zarr"
    pp.ingest(frame, store, "eeg-200hz")
    return frame, pp.open_store(store)


def test_tusz_of_both_versions(tmp_path: Path, edf):
    folder = tmp_path / "edf/train/01_tcp_ar/000/00000002/s001_2002"
    stem = folder / "00000002_s001_t000"
    edf(stem.with_suffix(".edf"), CHANNELS, rates_hz=250)
    stem.with_suffix(".tse").write_text(TSE)
    stem.with_suffix(".tse_bi").write_text(TSE.replace("fnsz", "seiz"))
    stem.with_suffix(".lbl").write_text(LBL)
    row = scan(tmp_path, "tusz", hashes=False).iloc[0]
    assert row["label_seizure"] == 1
    assert [Path(name).suffix for name in row["files"][1:]] == [".lbl", ".tse", ".tse_bi"]
    found = read_annotations("tusz", stem.with_suffix(".edf"))
    assert found["source"].tolist() == ["tse_bi"] * 2 + ["tse"] * 2 + ["lbl"] * 2
    assert found["text"].tolist() == ["bckg", "seiz", "bckg", "fnsz", "bckg", "fnsz"]
    stem.with_suffix(".csv").write_text(CSV)
    assert read_annotations("tusz", stem.with_suffix(".edf"))["source"].tolist()[:2] == ["csv"] * 2
    stem.with_suffix(".lbl").write_text("version = lbl_v1.0.0\nlabel = {\n")
    with pytest.raises(CorpusError, match=r"t000\.lbl: an unknown line"):
        read_annotations("tusz", stem.with_suffix(".edf"))


REC = "0,1.5000,2.5000,6\n4,36.8868,37.8868,1\n"


@pytest.mark.parametrize(
    ("corpus", "folder"),
    [
        ("tuab", "edf/train/normal/01_tcp_ar"),
        ("tueg", "edf/000/aaaaaaac/s001_2002/01_tcp_ar"),
        ("folder", "some/where"),
    ],
)
@pytest.mark.parametrize(
    ("ending", "said", "texts", "code"),
    [
        ("tse", TSE, ["bckg", "fnsz"], ["", ""]),
        ("lbl", LBL, ["bckg", "fnsz"], ["FP1-F7", "P4-O2"]),
        ("csv", CSV, ["bckg", "cpsz"], ["FP1-F7", ""]),
        ("csv_bi", CSV, ["bckg", "cpsz"], ["FP1-F7", ""]),
        ("rec", REC, ["BCKG", "SPSW"], ["", ""]),
    ],
)
def test_each_of_tuh_beside_recordings_of_any_corpus(
    tmp_path: Path, edf, corpus: str, folder: str, ending: str, said: str,
    texts: list[str], code: list[str],
):  # fmt: skip
    stem = tmp_path / "raw" / folder / "aaaaaaac_s001_t000"
    edf(stem.with_suffix(".edf"), CHANNELS, rates_hz=250, seconds=40)
    stem.with_suffix(f".{ending}").write_text(said)
    frame, store = stored(tmp_path / "raw", corpus)
    assert len(frame) == 1
    assert [Path(name).suffix for name in frame["files"][0]] == [".edf", f".{ending}"]
    found = store.annotations(frame["record_id"][0])
    assert found["text"].tolist() == texts
    assert found["code"].tolist() == code
    assert set(found["source"]) == {ending}
    if ending == "rec":
        assert found[["onset", "duration", "channel"]].to_numpy().tolist() == [
            [1.5, 1.0, 0], [pytest.approx(36.8868), 1.0, 4],
        ]  # fmt: skip


def test_a_csv_or_rec_of_another_kind_is_none_of_them(tmp_path: Path, edf):
    for name in ("a", "b"):
        edf(tmp_path / f"{name}.edf", CHANNELS, rates_hz=250)
    (tmp_path / "a.csv").write_text("channel,start_time,stop_time,label\nx,0,1,bckg\n")
    edf(tmp_path / "b.rec", CHANNELS, rates_hz=250)  # ISRUC's ending of EDF
    frame = scan(tmp_path, "folder", hashes=False)
    assert frame["files"].tolist() == [["a.edf"], ["b.edf"], ["b.rec"]]


def test_a_folder_finds_them_by_their_names(tmp_path: Path, edf):
    root = tmp_path / "raw"
    for name in ("a", "b", "c"):
        edf(root / f"{name}.edf", ["EEG Fp1", "EEG Cz"], rates_hz=200)
    (root / "a-nsrr.xml").write_bytes(NSRR)
    (root / "a-profusion.xml").write_bytes(PROFUSION)
    (root / "b.xml").write_text("<device><serial>7</serial></device>")  # no scored sleep
    (root / "b.csv_bi").write_text(CSV)
    (root / "c.tse").write_text("version = tse_v1.0.0\n0 one seiz 1\n")
    frame, store = stored(root)
    assert frame["files"].tolist() == [
        ["a.edf", "a-nsrr.xml", "a-profusion.xml"], ["b.edf", "b.csv_bi"], ["c.edf", "c.tse"],
    ]  # fmt: skip
    assert frame.attrs["notes"] == ["not taken: b.xml: a text, table or picture"]
    night = store.annotations("a")
    assert night["source"].value_counts().to_dict() == {
        "profusion-stages": 5, "nsrr-stages": 3, "nsrr-events": 1, "profusion-events": 1,
    }  # fmt: skip
    assert store.annotations("b")["text"].tolist() == ["bckg", "cpsz"]
    assert len(store.annotations("c")) == 0  # the samples are there, the trouble is a flag
    flags = store.records.set_index("record_id").loc["c", "flags"]
    assert "not-read:annotations of its corpus" in flags
    assert [flag for flag in flags if flag.startswith("note:c.tse: ")]
    assert not [flag for flag in flags if str(tmp_path) in flag]  # stores are sent elsewhere


def test_a_description_says_which_texts_are_hypnograms(tmp_path: Path, edf):
    root = tmp_path / "raw"
    edf(root / "n1.edf", ["EEG Fp1", "EEG Cz"], rates_hz=200)
    edf(root / "n2.edf", ["EEG Fp1", "EEG Cz"], rates_hz=200)
    (root / "physioprep.yaml").write_text(
        'hypnogram:\n  file: ["{stem}_1.txt", "scored/{stem}.csv"]\n  epoch_s: 30\n'
        "  stages: {0: W, 5: REM}\n"
    )
    (root / "n1_1.txt").write_text("0\n5\n")
    (root / "scored").mkdir()
    (root / "scored/n1.csv").write_text("onset,duration,stage\n0,30,5\n")
    frame, store = stored(root)
    assert frame["record_id"].tolist() == ["n1", "n2"]
    assert frame["files"].tolist() == [
        ["n1.edf", "n1_1.txt", "physioprep.yaml", "scored/n1.csv"], ["n2.edf"],
    ] or frame["files"].tolist() == [
        ["n1.edf", "n1_1.txt", "scored/n1.csv", "physioprep.yaml"], ["n2.edf"],
    ]  # fmt: skip
    night = store.annotations("n1")
    said = night[["onset", "text", "source", "code"]].to_numpy().tolist()
    assert sorted(said) == [
        [0, "REM", "hypnogram", "5"], [0, "W", "hypnogram-1", "0"], [30, "REM", "hypnogram-1", "5"],
    ]  # fmt: skip


def test_hypnograms_beside_described_tables_are_no_recordings(tmp_path: Path):
    (tmp_path / "r.csv").write_text("x\n1\n2\n")
    (tmp_path / "r_h.csv").write_text("onset,stage\n0,W\n")
    (tmp_path / "physioprep.yaml").write_text(
        'sampling_rate: 1\nchannels: {EEG Cz: x}\nhypnogram: {file: "{stem}_h.csv", epoch_s: 30}\n'
    )
    frame = scan(tmp_path, "folder", hashes=False)
    assert frame["record_id"].tolist() == ["r"]
    assert frame["error"].tolist() == [None]
    files = [tmp_path / name for name in frame["files"][0]]
    assert read_labels(tmp_path / "r.csv", files)["text"].tolist() == ["W"]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("{epoch_s: 30}", "state its file"),
        ("{file: all.txt}", "must hold {stem}"),
        ('{file: "{stem}.txt", epoc_s: 30}', "unknown key 'epoc_s'.*epoch_s"),
        ('{file: "{stem}.txt", epoch_s: 0}', "epoch_s is '0', not seconds"),
        ('{file: "{stem}.txt", stages: [W]}', "stages is not a mapping"),
    ],
)
def test_a_wrong_description_is_one_error(tmp_path: Path, edf, said: str, cause: str):
    edf(tmp_path / "a.edf", ["EEG Fp1"])
    (tmp_path / "physioprep.yaml").write_text(f"hypnogram: {said}\n")
    with pytest.raises(CorpusError, match=cause):
        scan(tmp_path, "folder", hashes=False)


def test_no_file_outside_the_corpus_is_read(tmp_path: Path, edf):
    (tmp_path / "n1.txt").write_text("W\n")
    edf(tmp_path / "raw/n1.edf", ["EEG Fp1"])
    (tmp_path / "raw/physioprep.yaml").write_text(
        'hypnogram: {file: "../{stem}.txt", epoch_s: 30}\n'
    )
    assert scan(tmp_path / "raw", "folder", hashes=False)["files"].tolist() == [["n1.edf"]]


def test_labels_of_trials_are_no_recordings(tmp_path: Path):
    """One description for a folder: each array has its own file of labels."""
    trials = np.arange(3 * 2 * 50.0).reshape(3, 2, 50)
    for name in ("a", "b"):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["g/x"] = trials
        (tmp_path / f"{name}_y.pkl").write_bytes(pickle.dumps([name, "rest", "rest"]))
    (tmp_path / "physioprep.yaml").write_text(
        "sampling_rate: 50\nchannels: [C3, C4]\nunits: uV\nvariable: g.x\n"
        'axes: trial channel time\nlabels_file: "{stem}_y.pkl"\n'
    )
    frame = scan(tmp_path, "folder", hashes=False)
    assert frame["record_id"].tolist() == ["a", "b"]
    assert frame["error"].tolist() == [None, None]
    assert frame["files"].tolist() == [
        ["a.h5", "physioprep.yaml", "a_y.pkl"], ["b.h5", "physioprep.yaml", "b_y.pkl"],
    ]  # fmt: skip
    assert "notes" not in frame.attrs


def test_hypnograms_alone_describe_no_arrays(tmp_path: Path):
    (tmp_path / "a.npy").write_bytes(b"")
    (tmp_path / "physioprep.yaml").write_text('hypnogram: {file: "{stem}.txt", epoch_s: 30}\n')
    assert description_of(tmp_path / "a.npy") is None
