"""Datasets that mne-bids writes: what is read of them is what mne-bids reads."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mne
import mne_bids
import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.corpora import read_annotations

LABELS = ("Fp1", "O2", "X1", "EOG h", "Belt", "Skin", "LA1")
KINDS = ("eeg", "eeg", "ecg", "eog", "resp", "gsr", "seeg")
EVENTS = ([0.25, 4.0, 7.25, 7.25], [0.5, 0, 1, 0], ["go", "stop", "go", 'say "x"'])


@pytest.fixture
def written(tmp_path: Path, edf: Callable[..., Path]) -> Callable[..., mne_bids.BIDSPath]:
    """Let mne-bids write one recording of a dataset."""

    def write(kinds: tuple[str, ...] = KINDS, datatype: str = "eeg", **entities: Any) -> Any:
        path = edf(tmp_path / "source.edf", LABELS[: len(kinds)], seconds=10)
        raw = mne.io.read_raw_edf(path, verbose="error")
        raw.set_channel_types(dict(zip(raw.ch_names, kinds, strict=True)), verbose="error")
        raw.set_annotations(mne.Annotations(*EVENTS))
        born = datetime.date(1960, 5, 6)
        raw.info["subject_info"] = {"his_id": "07", "sex": 2, "hand": 1, "birthday": born}
        raw.info["line_freq"] = 50
        named = {"subject": "07", "session": "a", "task": "rest", **entities}
        where = mne_bids.BIDSPath(root=tmp_path / "data", datatype=datatype, **named)
        return mne_bids.write_raw_bids(raw, where, overwrite=True, verbose="error")

    return write


def row_of(where: mne_bids.BIDSPath) -> pd.Series:
    manifest = pp.scan(where.root, "bids", hashes=False).set_index("path", drop=False)
    row: pd.Series = manifest.loc[where.fpath.relative_to(where.root).as_posix()]
    return row


def modalities(row: pd.Series) -> dict[str, str]:
    pairs = zip(row["modality"], row["channels"], strict=True)
    return {name: modality for modality, names in pairs for name in names}


def compare_events(where: mne_bids.BIDSPath, raw: Any) -> None:
    ours = read_annotations("bids", where.fpath)
    np.testing.assert_allclose(ours["onset"], raw.annotations.onset)
    np.testing.assert_allclose(ours["duration"], raw.annotations.duration)
    assert ours["text"].tolist() == raw.annotations.description.tolist()


def test_events_channels_and_people_are_those_of_mne_bids(written: Callable[..., Any]):
    where = written(run="1", acquisition="x")
    raw = mne_bids.read_raw_bids(where, verbose="error")
    compare_events(where, raw)
    row = row_of(where)
    theirs = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    assert modalities(row) == {n: "eeg" if k == "seeg" else k for n, k in theirs.items()}
    people = pd.read_csv(where.root / "participants.tsv", sep="\t")
    assert row["age"] == people["age"].iloc[0]
    assert (row["sex"], raw.info["subject_info"]["sex"]) == ("F", 2)
    assert (row["subject_id"], row["session"]) == ("sub-07", "ses-a")
    assert (row["label_task"], row["label_run"], row["label_acq"]) == ("rest", "1", "x")
    acq_time = datetime.datetime.fromisoformat(row["label_acq_time"])
    assert acq_time == raw.info["meas_date"]
    assert [flag for flag in row["flags"] if not flag.startswith("no-such")] == []


def test_bad_channels_are_those_of_mne_bids(written: Callable[..., Any]):
    where = written()
    mne_bids.mark_channels(where, ch_names=["O2", "LA1"], status="bad", verbose="error")
    raw = mne_bids.read_raw_bids(where, verbose="error")
    assert f"bad-channel:{', '.join(raw.info['bads'])}" in row_of(where)["flags"]


def test_intracranial_channels(written: Callable[..., Any]):
    where = written(kinds=("seeg", "ecog", "ecg"), datatype="ieeg")
    raw = mne_bids.read_raw_bids(where, verbose="error")
    assert raw.get_channel_types() == ["seeg", "ecog", "ecg"]
    row = row_of(where)
    assert row["path"].endswith("_ieeg.edf")
    assert modalities(row) == {"Fp1": "eeg", "O2": "eeg", "X1": "ecg"}


def test_every_recording_that_mne_bids_finds_is_listed(written: Callable[..., Any]):
    for subject, run in (("01", "1"), ("01", "2"), ("02", "1")):
        where = written(subject=subject, run=run)
    theirs = mne_bids.find_matching_paths(where.root, extensions=".edf", suffixes="eeg")
    ours = pp.scan(where.root, "bids", hashes=False)
    assert sorted(ours["path"]) == sorted(
        p.fpath.relative_to(where.root).as_posix() for p in theirs
    )
    assert not any("name-not-bids" in flags for flags in ours["flags"])


def test_inherited_events_are_those_of_mne_bids(written: Callable[..., Any]):
    where = written()
    table = where.copy().update(suffix="events", extension=".tsv").fpath
    table.rename(where.root / "task-rest_events.tsv")
    compare_events(where, mne_bids.read_raw_bids(where, verbose="error"))


def test_a_fif_recording_in_several_files_is_one_with_its_events(tmp_path: Path):
    folder = tmp_path / "sub-01" / "meg"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).standard_normal((2, 300_000))
    raw = mne.io.RawArray(noise, mne.create_info(["Fp1", "ECG"], 1000.0, ["eeg", "ecg"]))
    options = {"split_naming": "bids", "split_size": "2MB", "verbose": "error"}
    raw.save(folder / "sub-01_task-rest_meg.fif", **options)
    (folder / "sub-01_task-rest_events.tsv").write_text("onset\tduration\n1\t0\n250\t0\n")
    manifest = pp.scan(tmp_path, "bids", hashes=False)
    row = manifest.iloc[0]
    parts = sorted(path.name for path in folder.glob("*.fif"))
    assert len(parts) > 1
    assert len(manifest) == 1
    assert [name.rpartition("/")[2] for name in row["files"]] == [
        *parts, "sub-01_task-rest_events.tsv"
    ]  # fmt: skip
    assert (row["duration_s"], list(row["flags"])) == (300, [])
