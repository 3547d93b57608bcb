"""Datasets of BIDS: names, entities, what is listed and what is left out, side files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.corpora import read_annotations
from physioprep.corpora.known import bids

CHANNELS = "name\ttype\tunits\nFp1\tEEG\tuV\nECG1\tECG\tuV\n"
EVENTS = "onset\tduration\ttrial_type\n1.5\t0.5\tgo\n0.5\tn/a\tstop\nn/a\tn/a\tlost\n"
Make = Callable[..., Path]


@pytest.fixture
def dataset(tmp_path: Path, edf: Callable[..., Path]) -> Make:
    """Write a dataset: recordings by name, and side files by path."""

    def make(*names: str, labels: tuple[str, ...] = ("Fp1", "ECG1"), **files: str) -> Path:
        root = tmp_path / "data"
        for name in names or ("sub-01/eeg/sub-01_task-rest_eeg.edf",):
            edf(root / name, labels)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return root

    return make


def scanned(root: Path) -> pd.DataFrame:
    return pp.scan(root, "bids", hashes=False).set_index("record_id", drop=False)


def groups(row: pd.Series) -> dict[str, list[str]]:
    return {m: list(c) for m, c in zip(row["modality"], row["channels"], strict=True)}


def test_events_become_annotations_of_the_store_and_align_windows(dataset: Make, tmp_path: Path):
    side = "sub-01/eeg/sub-01_task-rest"
    root = dataset(**{f"{side}_events.tsv": EVENTS, f"{side}_channels.tsv": CHANNELS})
    manifest = pp.scan(root, "bids")
    row = manifest.iloc[0]
    assert list(row["files"]) == [
        f"{side}_{end}" for end in ("eeg.edf", "events.tsv", "channels.tsv")
    ]
    assert list(row["flags"]) == ["events-left-out:1"]
    pp.ingest(manifest, tmp_path / "s.zarr", "paired-200hz", workers=1)
    found = pp.open_store(tmp_path / "s.zarr").annotations("sub-01_task-rest_eeg")
    assert found["text"].tolist() == ["stop", "go"]
    assert found["onset"].tolist() == [0.5, 1.5]
    assert found["source"].tolist() == ["events.tsv"] * 2
    assert np.isnan(found["duration"].iloc[0])
    assert found["duration"].iloc[1] == 0.5


def test_events_replace_the_markers_of_the_file_and_a_flag_says_so(
    shared_data: Path, tmp_path: Path
):
    from physioprep.store.build.sources import read_source

    manifest = pp.scan(shared_data / "formats_tiny_bids", "bids", hashes=False)
    recording = read_source(manifest.iloc[0].to_dict(), verify=True)
    assert recording.annotations["text"].tolist() == ["start_experiment", "show_stimulus"]
    assert recording.annotations["sample"].tolist() == [0, 1000]
    assert recording.annotations["code"].tolist() == ["1", "2"]
    said = "1 annotations of the file itself are replaced by those of its corpus"
    assert said in recording.metadata["notes"]
    pp.ingest(manifest, tmp_path / "s.zarr", "native", workers=1)
    flags = pp.open_store(tmp_path / "s.zarr").records["flags"].iloc[0]
    assert "annotations-replaced:1" in list(flags)


def test_events_that_cannot_be_read_cost_neither_signals_nor_silence(dataset: Make, tmp_path: Path):
    side = "sub-01/eeg/sub-01_task-rest_events.tsv"
    root = dataset(**{side: "start\tduration\n1\t0\n"})
    manifest = pp.scan(root, "bids", hashes=False)
    assert (manifest["error"].iloc[0], list(manifest["flags"].iloc[0])) == (
        None,
        [f"not-read:{side}"],
    )
    result = pp.ingest(manifest, tmp_path / "s.zarr", "paired-200hz", workers=1)
    assert (result.n_records, result.quarantined) == (1, ())


@pytest.mark.parametrize(
    ("name", "task", "session", "run"),
    [
        ("sub-01/eeg/sub-01_task-rest_run-1_eeg.edf", "rest", None, "1"),
        ("sub-01/ses-a/eeg/sub-01_ses-a_task-rest_acq-x_eeg.edf", "rest", "ses-a", None),
        ("sub-01/eeg/sub-01_task-eyes-open_eeg.edf", "eyes-open", None, None),
        ("sub-01/eeg/sub-01_task-eyes_open_run-2_eeg.edf", "eyes_open", None, "2"),
        ("sub-01/eeg/sub-01_Task-rest_eeg.edf", "rest", None, None),
        ("sub-01/eeg/sub-01_task-rest_eeg.EDF", "rest", None, None),
        ("sub-01/eeg/sub-01_task-rest_ecg.edf", "rest", None, None),
        ("sub-01/eeg/sub-01_task-rest_physio.edf", "rest", None, None),
        ("sub-01/ses-b/eeg/rest.edf", None, "ses-b", None),
        ("sub-01/eeg/sub-01_task-Ruhe (offen)_eeg.edf", "Ruhe (offen)", None, None),
        ("sub-01_task-rest_eeg.edf", "rest", None, None),
    ],
)
def test_odd_names_are_listed_with_what_can_be_understood(
    dataset: Make, name: str, task: str | None, session: str | None, run: str | None
):
    row = scanned(dataset(name)).iloc[0]
    assert (row["path"], row["subject_id"], row["session"]) == (name, "sub-01", session)
    assert row["label_task"] == task
    assert row.get("label_run") == run
    assert row["error"] is None
    regular = "ses-a" in name or name.endswith("task-rest_run-1_eeg.edf") or "/" not in name
    assert ("name-not-bids" in row["flags"]) == (not regular)


def test_what_is_left_out_is_named_in_the_notes_with_the_reason(dataset: Make):
    root = dataset(
        "sub-01/eeg/sub-01_task-rest_eeg.edf",
        "derivatives/clean/sub-01/eeg/sub-01_task-rest_desc-clean_eeg.edf",
        "sourcedata/sub-01/raw.edf",
        "stimuli/tone.edf",
        **{
            "participants.tsv": "participant_id\tage\nsub-02\nsub-01\t3\n",
            "participants.json": "{}",
            "sub-01/eeg/sub-01_task-rest_physio.tsv.gz": "x",
            "sub-01/eeg/sub-01_task-old_events.tsv": EVENTS,
        },
    )
    manifest = pp.scan(root, "bids", hashes=False)
    assert manifest["record_id"].tolist() == ["sub-01_task-rest_eeg"]
    samples = "a table of samples, which no reader reads"
    assert manifest.attrs["notes"] == [
        "table: participants.tsv: row 2: 1 cells, not 2",
        "not taken: derivatives/clean/sub-01/eeg/sub-01_task-rest_desc-clean_eeg.edf: "
        "in derivatives, which is a dataset by itself",
        "not taken: sourcedata/sub-01/raw.edf: in sourcedata, which is a dataset by itself",
        "not taken: stimuli/tone.edf: of no subject (sub-*)",
        "not taken: sub-01/eeg/sub-01_task-old_events.tsv: a text, table or picture",
        f"not taken: sub-01/eeg/sub-01_task-rest_physio.tsv.gz: {samples}",
    ]


def test_an_edf_file_of_any_ending_is_listed(dataset: Make):
    names = ("sub-01/eeg/sub-01_task-rest_eeg.raw", "sub-01/eeg/sub-01_task-rest_eeg.bak")
    root = dataset(*names, **{"sub-01/eeg/sub-01_task-rest_eeg.dat": "no EDF"})
    assert sorted(scanned(root)["path"]) == sorted(names)


@pytest.mark.parametrize("folder", ["sub-01_task-rest_eeg.mff", "sub-01_task-rest_meg.ds"])
def test_a_folder_that_is_one_recording_is_one_row(dataset: Make, folder: str):
    root = dataset(
        **{f"sub-01/eeg/{folder}/{name}": "x" for name in ("a.bin", "info.xml", "b.eeg")}
    )
    assert f"sub-01/eeg/{folder}" in scanned(root)["path"].tolist()
    assert len(scanned(root)) == 2  # with the EDF file


def test_subjects_of_several_datasets_are_several_people(dataset: Make):
    root = dataset(
        "ds1/sub-01/eeg/sub-01_task-rest_eeg.edf",
        "ds2/sub-01/eeg/sub-01_task-rest_eeg.edf",
        **{
            "ds1/participants.tsv": "participant_id\tage\nsub-01\t20\n",
            "ds2/participants.tsv": "participant_id\tage\nsub-01\t30\n",
        },
    )
    frame = scanned(root)
    assert frame["subject_id"].tolist() == ["ds1/sub-01", "ds2/sub-01"]
    assert frame["age"].tolist() == [20, 30]
    assert frame["flags"].map(list).tolist() == [[], []]


def test_side_files_are_inherited_and_the_nearest_wins(dataset: Make):
    one, two = "sub-01/eeg/sub-01_task-rest_run-01_eeg.edf", "sub-02/eeg/sub-02_task-rest_eeg.edf"
    root = dataset(
        one,
        two,
        **{
            "task-rest_channels.tsv": "name\ttype\nFp1\tEEG\nECG1\tEOG\n",
            "sub-01/sub-01_channels.tsv": "name\ttype\nFp1\tEEG\nECG1\tEMG\n",
            "task-other_events.tsv": "onset\tduration\n0\t0\n",
            "sub-01/eeg/sub-01_task-rest_run-1_events.tsv": "onset\tduration\tvalue\n1\t0\t7\n",
        },
    )
    frame = scanned(root)
    assert groups(frame.iloc[0]) == {"eeg": ["Fp1"], "emg": ["ECG1"]}
    assert groups(frame.iloc[1]) == {"eeg": ["Fp1"], "eog": ["ECG1"]}
    assert read_annotations("bids", root / one)["text"].tolist() == ["7"]
    assert read_annotations("bids", root / two) == {}


def test_two_tables_of_one_rank_are_not_chosen_from(dataset: Make):
    names = ("task-rest_events.tsv", "sub-01_events.tsv")
    row = scanned(dataset(**dict.fromkeys(names, EVENTS))).iloc[0]
    assert sorted(row["flags"]) == [f"not-read:{name}" for name in sorted(names)]


def test_events_of_all_parts_are_given_to_the_first_only(dataset: Make):
    names = [f"sub-01/eeg/sub-01_task-rest_split-0{part}_eeg.edf" for part in (1, 2)]
    table = "sub-01/eeg/sub-01_task-rest_events.tsv"
    root = dataset(*names, **{table: EVENTS})
    frame = scanned(root)
    assert table in frame["files"].iloc[0]
    assert table not in frame["files"].iloc[1]
    assert f"not-read:{table}" in frame["flags"].iloc[1]
    assert read_annotations("bids", root / names[1]) == {}


def test_events_outside_the_recording_are_counted(dataset: Make):
    table = "onset\tduration\n-1\t0\n1\t0\n2\t0\n900\t0\n"  # of 2 s
    row = scanned(dataset(**{"task-rest_events.tsv": table})).iloc[0]
    assert list(row["flags"]) == ["events-outside:3"]


def test_columns_of_events_without_a_place_are_named(dataset: Make):
    table = "onset\tduration\tresponse_time\tHED\n1\t0\t0.3\tn/a\n"
    row = scanned(dataset(**{"task-rest_events.tsv": table})).iloc[0]
    assert list(row["flags"]) == ["event-columns-left-out:response_time, hed"]


def test_a_side_file_outside_the_corpus_is_not_read(dataset: Make, tmp_path: Path):
    (tmp_path / "secret.tsv").write_text(EVENTS)
    root = dataset()
    link = root / "sub-01" / "eeg" / "sub-01_task-rest_events.tsv"
    link.symlink_to(tmp_path / "secret.tsv")
    (link.parent / "sub-01_task-rest_channels.tsv").symlink_to(tmp_path / "absent")
    row = scanned(root).iloc[0]
    assert row["error"] is None
    assert list(row["files"]) == ["sub-01/eeg/sub-01_task-rest_eeg.edf"]
    assert [flag.rpartition("_")[2] for flag in row["flags"]] == ["events.tsv", "channels.tsv"]


def test_a_lone_brainvision_file_of_samples_is_a_row_with_an_error(dataset: Make):
    frame = scanned(dataset(**{"sub-01/eeg/sub-01_task-x_eeg.eeg": "abc"}))
    assert frame.loc["sub-01_task-x_eeg", "error"] is not None


def test_electrodes_are_read_by_inheritance_with_their_unit(dataset: Make):
    about = '{"EEGCoordinateUnits": "mm", "EEGCoordinateSystem": "ALS"}'
    tables = {
        "sub-01/sub-01_electrodes.tsv": "name\tx\ty\tz\nFp1\t1.5\tn/a\t-2\n",
        "sub-01/sub-01_coordsystem.json": about,
    }
    root = dataset(**tables)
    found = bids.electrodes(root / "sub-01/eeg/sub-01_task-rest_eeg.edf")
    assert found is not None
    assert (found.unit, found.system) == ("mm", "ALS")
    np.testing.assert_array_equal(found.positions["Fp1"], (1.5, np.nan, -2))
    assert "sub-01/sub-01_electrodes.tsv" in scanned(root)["files"].iloc[0]


def test_electrodes_and_coordinate_systems_are_among_the_files(
    shared_data: Path, dataset: Make, tmp_path: Path
):
    """Also those without a space beside those of one."""
    manifest = pp.scan(shared_data / "formats_tiny_bids", "bids", hashes=False)
    there = [file.name for file in (shared_data / "formats_tiny_bids").rglob("*")]
    spatial = {name for name in there if name.endswith(("electrodes.tsv", "coordsystem.json"))}
    assert len(spatial) == 4
    assert spatial <= {file.rpartition("/")[2] for file in manifest["files"].iloc[0]}
    assert not [note for note in manifest.attrs["notes"] if "electrodes" in note]
    root = dataset()
    (tmp_path / "secret.json").write_text("{}")
    (root / "sub-01" / "sub-01_coordsystem.json").symlink_to(tmp_path / "secret.json")
    row = scanned(root).iloc[0]
    assert row["error"] is None
    assert list(row["flags"]) == ["not-read:sub-01/sub-01_coordsystem.json"]
