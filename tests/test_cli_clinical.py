"""Words of the command line about clinical folders: one JSON, roots, tables beside, labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from tests.readers.test_empatica import FILES
from tests.readers.test_muse_xml import document, lead, waveform
from tests.test_cli import physioprep


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    rows = [lead("II", (np.arange(5000) % 40).astype("<i2"))]
    about = (
        "<PatientDemographics><PatientID>4711</PatientID></PatientDemographics>"
        "<TestDemographics><AcquisitionDate>02-03-2019</AcquisitionDate>"
        "<AcquisitionTime>10:00:00</AcquisitionTime></TestDemographics>"
        "<RestingECGMeasurements><PRInterval>150</PRInterval></RestingECGMeasurements>"
    )
    path = tmp_path / "raw" / "a.xml"
    path.parent.mkdir()
    path.write_bytes(document(about, waveform("Rhythm", rows)).encode("latin-1"))
    return path.parent


def manifest(raw: Path, name: str = "m.parquet") -> Path:
    return pp.write_manifest(pp.scan(raw, "folder"), raw.parent / name)


def test_json_of_an_audit_prints_as_that_of_other_verbs(raw: Path) -> None:
    path = manifest(raw)
    _, out, _ = physioprep("audit", path, "--json")
    assert json.loads(out)["inputs"][0]["path"] == "m.parquet"
    _, again, _ = physioprep("audit", "--json", path)
    assert again == out
    _, of_json, _ = physioprep("audit", "--json", manifest(raw, "m.json"))  # an input, too
    assert json.loads(of_json)["inputs"][0]["path"] == "m.json"


@pytest.mark.parametrize("words", [("--findings", "{}"), ("--json", "{}"), ("--json={}",)])
def test_findings_go_to_a_file_and_the_older_word_still_does_it(
    raw: Path, words: tuple[str, ...]
) -> None:
    path, out = manifest(raw), raw.parent / "found.json"
    for _ in range(2):  # one of an audit is replaced
        _, shown, err = physioprep("audit", path, *[word.format(out) for word in words])
        assert json.loads(out.read_text())["inputs"][0]["path"] == "m.parquet"
        assert "Audit:" in shown
        assert ("write --findings" in err) == (words[0] != "--findings")


def test_an_audit_finds_raw_files_that_have_moved(raw: Path) -> None:
    path, moved = manifest(raw), raw.parent / "moved"
    shutil.move(raw, moved)
    code, out, err = physioprep("audit", path, "--json")
    assert json.loads(out)["inputs"][0]["signals_read"] == 0
    assert "no signals read" in err
    assert "--root FOLDER" in err
    for more in ((), ("--scheduler", "processes", "--workers", 1)):
        _, out, err = physioprep("audit", path, "--json", "--root", moved, *more)
        assert json.loads(out)["inputs"][0]["signals_read"] == 1
        assert "no signals read" not in err
    code, _, err = physioprep("audit", path, "--root", raw)
    assert (code, "--root" in err, "no such folder" in err) == (2, True, True)


def test_a_table_in_the_way_of_a_manifest_in_json_is_explained(raw: Path) -> None:
    table = manifest(raw, "m.csv")
    code, _, err = physioprep("scan", raw, "--corpus", "folder", "-o", raw.parent / "m.json")
    said = " ".join(err.split())
    assert code == 2
    assert "m.json: a manifest in JSON has its rows in a table beside it" in said
    assert "m.csv: exists" in said
    again = ("scan", raw, "--corpus", "folder", "-o", raw.parent / "m.json", "--overwrite")
    assert physioprep(*again)[0] == 0
    assert table.exists()


def test_one_command_makes_labels_pseudonyms_and_other_dates(raw: Path, tmp_path: Path) -> None:
    key, store = tmp_path / "key", tmp_path / "s.zarr"
    key.write_text("0123456789abcdef0123456789abcdef")
    asked = ("--labels", "vendor", "--pseudonym-key", key, "--shift-dates")
    code, _, err = physioprep("ingest", raw, "--corpus", "folder", "-o", store, *asked)
    assert code == 0, err
    (found,) = pp.open_store(store).records.to_dict("records")
    (wanted,) = pp.scan(
        raw, "folder", labels="vendor", pseudonym_key=key, shift_dates=True
    ).to_dict("records")
    assert found["label_pr_ms"] == 150
    for column in ("subject_id", "start_time", "label_pr_ms"):
        assert found[column] == wanted[column]
    assert found["subject_id"] != "person-1"
    assert found["start_time"].year < 2019
    code, _, err = physioprep("ingest", manifest(raw), "-o", tmp_path / "t.zarr", *asked)
    assert code == 2
    assert "need --corpus" in " ".join(err.split())


def test_a_folder_of_files_names_its_recording(tmp_path: Path) -> None:
    for name in ("e4/one", "e4/two", "faros/night"):
        (tmp_path / "raw" / name).mkdir(parents=True)
    for name, text in FILES.items():
        for session in ("one", "two"):
            (tmp_path / "raw" / "e4" / session / name).write_text(text)
    night = tmp_path / "raw" / "faros" / "night"
    (night / "ECG.csv").write_text("ECG\n" + "12\n" * 500)
    about = {"start_time": "2018-10-12 16:54:12", "sample_freqs": {"ECG": 500}}
    (night / "meta.json").write_text(json.dumps(about | {"units": {"ECG": "uV"}}))
    (tmp_path / "raw" / "records.csv").write_text("record_id,subject_id\ne4/one,P1\n")
    rows = pp.scan(tmp_path / "raw", "folder").set_index("record_id")
    assert sorted(rows.index) == ["e4/one", "e4/two", "faros/night"]
    assert rows.loc["e4/one", "subject_id"] == "P1"
    assert rows.loc["e4/one", "path"] == "e4/one/ACC.csv"
    assert pp.scan(night, "folder")["record_id"].tolist() == ["night"]


def test_shards_of_one_signal_beside_others_of_several_rates(tmp_path: Path) -> None:
    night, store = tmp_path / "raw" / "night", tmp_path / "s.zarr"
    night.mkdir(parents=True)
    for name, n in {"ECG": 5000, "ACC": 250, "HRV": 50}.items():
        (night / f"{name}.csv").write_text(f"{name}\n" + "12\n7\n" * (n // 2))
    about = {"start_time": "2018-10-12 16:54:12", "sample_freqs": {"ECG": 500, "ACC": 25, "HRV": 5}}
    units = {"units": {"ECG": "uV", "ACC": "mg", "HRV": "ms"}}
    (night / "meta.json").write_text(json.dumps(about | units))
    pp.ingest(pp.scan(tmp_path / "raw", "folder"), store, "native")
    code, _, err = physioprep("shard", store, "-o", tmp_path / "no.shards", "--window", "2")
    said = " ".join(err.split())
    assert code == 2
    assert "holds other at two rates; choose --modality ecg, or harmonise" in said
    command = ("shard", store, "-o", tmp_path / "s.shards", "--window", "2", "--modality", "ecg")
    code, _, err = physioprep(*command)
    assert code == 0, err
    assert pp.open_shards(tmp_path / "s.shards").n_windows == 5


def test_shards_of_ecg_at_two_rates_advise_a_recipe(tmp_path: Path) -> None:
    raw, store = tmp_path / "raw", tmp_path / "s.zarr"
    raw.mkdir()
    for name, rate in (("a", 250), ("b", 500)):
        lines = [
            f"{name} 2 {rate} 2000",
            *(f"{name}.dat 16 200/mV 16 0 0 0 0 {x}" for x in ("II", "EMG")),
        ]
        (raw / f"{name}.hea").write_text("\n".join(lines) + "\n")
        (raw / f"{name}.dat").write_bytes(bytes([1, 0, 5, 0]) * 2000)
    pp.ingest(pp.scan(raw, "folder"), store, "native")
    code, _, err = physioprep("shard", store, "-o", tmp_path / "no.shards", "--window", "2")
    said = " ".join(err.split())
    assert code == 2
    assert "holds ecg at two rates; harmonise to one first" in said
    assert "`physioprep ingest --recipe ecg-200hz`" in said
    assert "--modality" not in said
