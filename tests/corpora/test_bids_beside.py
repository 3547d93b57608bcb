"""What lies beside a recording of BIDS and names or describes it: scans.tsv, its JSON."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app

TIME = "2020-01-01T10:00:00"


@pytest.fixture
def recording(tmp_path: Path, edf: Callable[..., Path]) -> Path:
    """Two seconds at 100 Hz of one channel."""
    return edf(tmp_path / "sub-01/eeg/sub-01_task-rest_eeg.edf", ["Fp1"])


@pytest.mark.parametrize(
    "name",
    [
        "eeg/sub-01_task-rest_eeg.edf", "eeg/sub-01_task-rest_eeg.eeg", "sub-01_task-rest_eeg.edf",
        "sub-01/eeg/sub-01_task-rest_eeg.vhdr",
    ],
)  # fmt: skip
def test_a_table_of_scans_names_the_recording(tmp_path: Path, recording: Path, name: str) -> None:
    rows = f"filename\tacq_time\nanat/sub-01_T1w.nii.gz\tn/a\n{name}\t{TIME}\n"
    (tmp_path / "sub-01/sub-01_scans.tsv").write_text(rows)
    frame = pp.scan(tmp_path, "bids", hashes=False)
    assert frame["label_acq_time"].tolist() == [TIME]
    assert "notes" not in frame.attrs


def test_rows_of_scans_that_are_no_recording_are_named(tmp_path: Path, recording: Path) -> None:
    rows = f"filename\tacq_time\neeg/sub-01_task-x_eeg.edf\t{TIME}\nanat/sub-01_T1w.nii\tn/a\n"
    (tmp_path / "sub-01/sub-01_scans.tsv").write_text(rows)
    frame = pp.scan(tmp_path, "bids", hashes=False)
    assert frame.attrs["notes"] == [
        "table: sub-01/sub-01_scans.tsv: 1 of 2 rows name no recording: eeg/sub-01_task-x_eeg.edf"
    ]


def test_rows_of_one_recording_that_differ_give_nothing(tmp_path: Path, recording: Path) -> None:
    stem = "eeg/sub-01_task-rest_eeg"
    rows = f"filename\tacq_time\n{stem}.vhdr\t{TIME}\n{stem}.eeg\t2021-01-01T10:00:00\n"
    (tmp_path / "sub-01/sub-01_scans.tsv").write_text(rows)
    frame = pp.scan(tmp_path, "bids", hashes=False)
    assert "label_acq_time" not in frame
    assert "which differ" in frame.attrs["notes"][0]


def test_subjects_without_a_row_are_in_the_notes(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-02\t30\n")
    notes = pp.scan(tmp_path, "bids", hashes=False).attrs["notes"]
    assert notes == [
        "table: participants.tsv: 1 of 1 subjects with recordings have no row: sub-01",
        "table: participants.tsv: 1 of 1 rows name no subject with recordings: sub-02",
    ]


@pytest.mark.parametrize(
    ("files", "flags"),
    [
        ({"sub-01/eeg/sub-01_task-rest_eeg.json": '{"SamplingFrequency": 500, '
          '"RecordingDuration": 3600}'},
         ["rate-differs:100 Hz (500 in JSON)", "duration-differs:2 s (3600 in JSON)"]),
        ({"task-rest_eeg.json": '{"SamplingFrequency": "500"}'},
         ["rate-differs:100 Hz (500 in JSON)"]),
        ({"eeg.json": '{"SamplingFrequency": 500}',
          "sub-01/sub-01_eeg.json": '{"SamplingFrequency": 100.0, "RecordingDuration": 2.5}'}, []),
        ({"task-other_eeg.json": '{"SamplingFrequency": 500}'}, []),
        ({"eeg.json": '{"RecordingDuration": 9, "RecordingType": "epoched"}'}, []),
        ({"eeg.json": '{"SamplingFrequency": "n/a", "RecordingDuration": [3]}'}, []),
        ({"eeg.json": '{"SamplingFrequency": 500,,}'}, ["not-read:eeg.json"]),
        ({"eeg.json": "[1]"}, ["not-read:eeg.json"]),
    ],
)  # fmt: skip
def test_a_json_that_says_otherwise_is_flagged(
    tmp_path: Path, recording: Path, files: dict[str, str], flags: list[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert pp.scan(tmp_path, "bids", hashes=False)["flags"].map(list).tolist() == [flags]


def test_each_kind_of_flag_is_counted_in_the_summaries(
    tmp_path: Path, edf: Callable[..., Path]
) -> None:
    """What is read is not called "not taken"; a JSON of nothing here still is."""
    raw, out = tmp_path / "raw", tmp_path / "m.parquet"
    for name in ("01", "02", "03"):
        edf(raw / f"sub-{name}/eeg/sub-{name}_task-rest_eeg.edf", ["EEG Fp1"], rates_hz=200)
    (raw / "task-rest_eeg.json").write_text('{"SamplingFrequency": 250, "RecordingDuration": 60}')
    (raw / "sub-02/eeg/sub-02_task-rest_eeg.json").write_text('{"SamplingFrequency": 2')
    (raw / "task-old_eeg.json").write_text("{}")
    stem = raw / "sub-03/eeg/sub-03_task-rest"
    Path(f"{stem}_channels.tsv").write_text("name\ttype\tunits\nEEG Fp1\tn/a\tV\n")
    Path(f"{stem}_events.tsv").write_text("onset\tduration\nn/a\t1\n99\t1\n")
    line = ["scan", str(raw), "--corpus", "bids", "-o", str(out), "--json"]
    summary = json.loads(CliRunner().invoke(app, line).stdout)
    assert [kind["files"] for kind in summary["not taken"]] == [["task-old_eeg.json"]]
    wanted = {"duration-differs": 3, "rate-differs": 3, "type-by-name": 1, "events-left-out": 1,
              "events-outside": 1, "not-read": 1, "unit-differs": 1}  # fmt: skip
    assert summary["flagged"] == wanted
    result = pp.ingest(pp.read_manifest(out), tmp_path / "s.zarr", "native")
    assert result.summary()["flagged"] == wanted
