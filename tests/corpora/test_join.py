"""A table from outside, joined to a manifest; misses on both sides are counted."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.errors import CorpusError

#: Study and patient of each ECG.
STUDIES = {"40000001": "10000001", "40000002": "10000001", "40000003": "10000002"}


@pytest.fixture
def raw(tmp_path: Path, wfdb) -> Path:
    for study, patient in STUDIES.items():
        wfdb(tmp_path / "raw" / f"files/p1000/p{patient}/s{study}/{study}", n_samples=100)
    return tmp_path / "raw"


def table(tmp_path: Path, text: str, name: str = "labs.csv") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_by_study_with_misses_on_both_sides(raw: Path, tmp_path: Path) -> None:
    labs = table(
        tmp_path,
        "subject_id,study_id,troponin,ward\n10000001,40000001,0.5,a\n1,99,1,b\n"
        "10000002,40000003,,\n",
    )
    frame = pp.scan(raw, "mimic-iv-ecg", join=labs, on="study_id").set_index("record_id")
    np.testing.assert_array_equal(frame["label_troponin"].to_numpy(float), [0.5, np.nan, np.nan])
    assert frame["label_ward"].tolist() == ["a", None, None]
    assert "label_subject_id" not in frame
    said = (
        "labs.csv by study_id: 1 of 3 rows name no recording (99); "
        "1 of 3 recordings have no row (40000002)"
    )
    assert f"table: {said}" in frame.attrs["notes"]
    out = str(tmp_path / "m.parquet")
    arguments = ["scan", str(raw), "--corpus", "mimic-iv-ecg", "-o", out, "--json"]
    done = CliRunner().invoke(app, [*arguments, "--join", str(labs), "--on", "study_id"])
    assert json.loads(done.stdout)["tables"] == [said]
    assert pp.read_manifest(out)["label_ward"].tolist() == ["a", None, None]


@pytest.mark.parametrize(
    ("on", "text", "wanted"),
    [
        ("subject_id", "subject_id\tbmi\n10000001\t22\n10000002\t30.5\n", [22, 22, 30.5]),
        ("record", "record\tbmi\n40000002\tx\n", [None, "x", None]),
        ("hadm=session", "hadm\tbmi\n40000003\t4\n", [None, None, 4]),
    ],
)
def test_by_subject_record_or_said(
    raw: Path, tmp_path: Path, on: str, text: str, wanted: list[object]
) -> None:
    frame = pp.scan(raw, "mimic-iv-ecg", join=table(tmp_path, text, "t.tsv"), on=on)
    found = [None if value != value else value for value in frame["label_bmi"]]
    assert found == wanted


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (["none", "drug"], ["none", "drug"]),
        (["NA", "5"], ["NA", "5"]),
        (["n/a", ""], ["n/a", None]),
        (["nan", "1.5"], ["nan", "1.5"]),
        (["?", "unknown"], ["?", "unknown"]),
        (["007", "12"], ["007", "12"]),
        (["1_000", "2"], ["1_000", "2"]),
        (["12E5", "3"], ["12E5", "3"]),
        (["inf", "3"], ["inf", "3"]),
        (["1e+999", "3"], ["1e+999", "3"]),
        (["12345678901234567890", ""], ["12345678901234567890", None]),
        (["9007199254740993", "1"], ["9007199254740993", "1"]),
        (["-0.5", " 1e-05 "], [-0.5, 1e-05]),
        (["0.30000000000000004", "+.5"], [0.30000000000000004, 0.5]),
        (["", "7"], [None, 7]),
    ],
)
def test_only_an_empty_cell_is_unknown_and_texts_stay_as_they_are(
    raw: Path, tmp_path: Path, cells: list[str], wanted: list[object]
) -> None:
    labs = table(tmp_path, f"study_id,x\n40000001,{cells[0]}\n40000002,{cells[1]}\n")
    frame = pp.scan(raw, "mimic-iv-ecg", join=labs, on="study_id")
    assert [None if value != value else value for value in frame["label_x"][:2]] == wanted


def test_a_column_of_numbers_and_texts_is_said(raw: Path, tmp_path: Path) -> None:
    labs = table(tmp_path, "study_id,n\n40000001,none\n40000002,5\n")
    notes = pp.scan(raw, "mimic-iv-ecg", join=labs, on="study_id").attrs["notes"]
    said = "label_n is text, since 'none' is no number that float64 keeps"
    assert any(note.endswith(said) for note in notes)


@pytest.mark.parametrize(
    ("text", "on", "said"),
    [
        ("study_id,a\n1,2\n", None, "join and on go together"),
        ("study_id,a\n1,2\n", "hadm_id", "on 'hadm_id': say what it is, hadm_id=record_id or"),
        ("study,a\n1,2\n", "study_id", "no column 'study_id'; did you mean 'study'"),
        ("study_id,a\n40000001,2\n40000001,3\n", "study_id", "study_id '40000001' is there twice"),
        ("study_id,a,a\n1,2,3\n", "study_id", "column 'a' is there twice"),
        ("study_id,a\n40000001\n", "study_id", "row 2 has 1 cells, not 2"),
        ("study_id,subject_id\n1,2\n", "study_id", "no column beside 'study_id'"),
        ("study_id,report\n40000001,x\n", "study_id", "the corpus has a label_report of its own"),
        (
            "study_id,a\ns1,2\n",
            "study_id",
            "no study_id is a session of these recordings",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    raw: Path, tmp_path: Path, text: str, on: str | None, said: str
) -> None:
    labs = table(tmp_path, text)
    with pytest.raises(CorpusError) as refused:
        pp.scan(raw, "mimic-iv-ecg", join=labs, on=on)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_absent_table_is_refused_before_any_work(raw: Path, tmp_path: Path) -> None:
    arguments = ["scan", str(raw), "--corpus", "mimic-iv-ecg", "-o", str(tmp_path / "m.parquet")]
    done = CliRunner().invoke(app, [*arguments, "--join", "absent.csv", "--on", "study_id"])
    assert done.exit_code == 2
    assert "absent.csv: no such table to join" in done.output
    assert not (tmp_path / "m.parquet").exists()
