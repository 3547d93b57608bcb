"""Labels that no table knows, and records in no part, are listed with their counts."""

import json
import shutil
from pathlib import Path
from typing import Any

from physioprep.corpora.noted import NOTED
from physioprep.corpora.scan import scan
from physioprep.corpora.summary import note_lines
from physioprep.pipeline.run import run
from tests.tasks import (
    raw_cinc2017,
    raw_cinc2021,
    raw_cpsc2018,
    raw_mitdb_inter_patient,
    raw_ptbxl_super,
)
from tests.tasks.files import ecg


def task_of(name: str, raw: Path, out: Path) -> Any:
    run(f"tasks/{name}", raw, out, until="shard")
    return json.loads((out / "task.json").read_text())


def replace(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text()
    assert text.count(old) >= count
    path.write_text(text.replace(old, new, count))


def raw_folder(tmp_path: Path, made: Any) -> Path:
    raw = tmp_path / "raw"
    raw.mkdir()
    made.make(raw)
    return raw


def test_a_class_that_the_challenge_does_not_have(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path, raw_cinc2017)
    table = raw / "REFERENCE-v3.csv"
    replace(table, ",N", ",X", 4)
    replace(table, "A00021,~\n", "")
    content = task_of("cinc2017", raw, tmp_path / "out")
    assert content["unknown_labels"] == ["X"]
    said = content["explained_by"]
    line = "unknown label 'X' (REFERENCE-v3.csv): 4 recordings: A00001, A00002, A00003, …"
    assert line in said
    assert "not in REFERENCE-v3.csv: no label: 1 recording: A00021" in said
    assert "5 windows of 5 records (A00001, A00002, A00003, …) without any label_rhythm" in said
    assert f"noted: {line}" in scan(raw, "cinc2017", hashes=False).attrs["notes"]


def test_the_version_of_the_labels_is_named(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path, raw_cinc2017)
    (raw / "REFERENCE-v3.csv").rename(raw / "REFERENCE-v1.csv")
    content = task_of("cinc2017", raw, tmp_path / "out")
    assert "label_rhythm is that of REFERENCE-v1.csv" in content["explained_by"]


def test_statements_and_folds_that_ptb_xl_does_not_have(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path, raw_ptbxl_super)
    table = raw / "ptbxl_database.csv"
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace("NORM", "FOO")
    lines[2] = lines[2].replace(",1,x,x", ",12,x,x")
    lines[3] = lines[3].replace(",1,x,x", ",,x,x")
    table.write_text("\n".join(lines) + "\n")
    content = task_of("ptbxl-super", raw, tmp_path / "out")
    assert content["unknown_labels"] == ["FOO"]
    said = content["explained_by"]
    assert "unknown label 'FOO' (scp_codes): 2 recordings: 00001_lr, 00001_hr" in said
    assert (
        "2 windows of 2 records (00002_lr, 00003_lr) in no part of the split strodthoff: "
        "split 12 (1), not stated (1)"
    ) in said


def test_diagnoses_that_are_none(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path, raw_cinc2021)
    first, second = sorted(raw.rglob("E*.hea"))[:2]
    replace(first, "Dx: ", "Dx: banana,")
    replace(second, "Dx: ", "Nothing: ")
    content = task_of("cinc2021", raw, tmp_path / "out")
    assert content["unknown_labels"] == ["banana"]
    said = content["explained_by"]
    assert f"unknown label 'banana' (Dx): 1 recording: {first.stem}" in said
    assert f"no diagnosis is stated (Dx): 1 recording: {second.stem}" in said


def test_words_and_numbers_of_other_corpora(tmp_path: Path) -> None:
    for corpus, record, said in (
        ("chapman", "WFDBRecords/01/010/JS00001", ("Dx: banana,426177001",)),
        ("cinc2015", "a103l", ("Asystole", "Perhaps alarm")),
    ):
        raw = tmp_path / corpus
        ecg(raw / record, ("II",), rate_hz=250, seconds=2, comments=said)
        (note,) = note_lines(scan(raw, corpus, hashes=False).attrs["notes"], NOTED)
        assert note.startswith("unknown label 'banana' (Dx)" if corpus == "chapman" else "unknown")
    raw = raw_folder(tmp_path, raw_cpsc2018)
    table = raw / "REFERENCE.csv"
    lines = table.read_text().splitlines()
    record = lines[1].split(",")[0]
    table.write_text("\n".join([lines[0], f"{record},12,,", *lines[2:]]) + "\n")
    notes = scan(raw, "cpsc2018", hashes=False).attrs["notes"]
    assert f"noted: unknown label '12' (REFERENCE.csv): 1 recording: {record}" in notes


def test_a_recording_that_lies_there_twice(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path, raw_cinc2017)
    (raw / "copy").mkdir()
    for name in ("A00001", "A00002"):
        for suffix in (".hea", ".mat"):
            shutil.copy(raw / f"{name}{suffix}", raw / "copy")
    header = raw / "copy/A00002.hea"
    header.write_text(header.read_text() + "# of another day\n")
    content = task_of("cinc2017", raw, tmp_path / "out")
    said = content["explained_by"]
    twice = "lies there twice: 1 recording: A00001.hea = copy/A00001.hea"
    assert twice in said
    name = "has the name of another recording in other files: 1 recording: copy/A00002.hea"
    assert name in said
    both = name.replace("1 recording: ", "2 recordings: copy/A00001.hea, ")
    assert f"noted: {both}" in scan(raw, "cinc2017", hashes=False).attrs["notes"]


def test_a_record_without_its_beats_is_named(tmp_path: Path) -> None:
    raw = raw_folder(tmp_path, raw_mitdb_inter_patient)
    (raw / "103.atr").unlink()
    content = task_of("mitdb-inter-patient", raw, tmp_path / "out")
    assert "1 record (103) without any annotation of atr" in content["explained_by"]
