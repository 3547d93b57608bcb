"""Parts of published splits out of tables that no corpus ships, and scored classes of codes."""

import shutil
from pathlib import Path

import pytest

from physioprep.corpora.known.cinc2021 import scored_classes
from physioprep.corpora.scan import scan
from physioprep.corpora.tables import parts_of
from physioprep.errors import CorpusError
from physioprep.facts import load_facts


def test_parts_by_name_or_path(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,ecg_path\n1,/x/JS00001.mat\n2,y/JS00002.mat\n")
    (tmp_path / "b.csv").write_text("n,ecg_path\n1,JS00003\n")
    files = {"train": "a.csv", "test": "b.csv", "validation": "absent.csv"}
    found = {"JS00001": "train", "JS00002": "train", "JS00003": "test"}
    assert parts_of(tmp_path, files, "ecg_path") == found
    (tmp_path / "b.csv").write_text("n,ecg_path\n1,JS00002.mat\n")
    with pytest.raises(CorpusError, match=r"b\.csv: JS00002 is in train as well"):
        parts_of(tmp_path, files, "ecg_path")
    with pytest.raises(CorpusError, match="no column 'name'"):
        parts_of(tmp_path, files, "name")


def test_chapman(tmp_path: Path, wfdb) -> None:
    folder = tmp_path / "WFDBRecords" / "01" / "010"
    for name, dx in (
        ("JS00001", "164889003,59118001,164934002"),
        ("JS10647", "426177001,426177001,"),
        ("JS10648", "55827005"),
        ("JS10649", ""),
    ):
        wfdb(folder / name, suffix=".mat", comments=["Age: 85", "Sex: Male", f"Dx: {dx}"])
    broken = folder / "JS01052.hea"  # the record line and that of lead I are one
    lines = (folder / "JS00001.hea").read_text().replace("JS00001", "JS01052").splitlines()
    broken.write_text("\n".join([" ".join(lines[:2]), *lines[2:]]) + "\n")
    shutil.copy(folder / "JS00001.mat", folder / "JS01052.mat")
    (tmp_path / "chapman_val.csv").write_text(
        "ecg_path,age\n/chapman/WFDBRecords/x/JS00001.mat,1\n"
    )
    frame = scan(tmp_path, "chapman", hashes=False).set_index("record_id")
    row = frame.loc["JS00001"]
    assert row["label_dx"] == ["59118001", "164889003", "164934002"]
    assert row["label_condition"] == ["RBBB", "TWC", "AFIB"]
    assert (row["split"], row["subject_id"], row["sex"]) == ("validation", "JS00001", "M")
    assert frame["label_database"].dropna().to_dict() == {
        "JS00001": "chapman-shaoxing", "JS10647": "ningbo", "JS10648": "ningbo",
        "JS10649": "ningbo",
    }  # fmt: skip
    assert frame.loc["JS10647", "label_condition"] == ["SB"]
    assert frame.loc["JS10647", "faults"] == ["dx-repeats"]
    assert (frame.loc["JS10648", "label_dx"], frame.loc["JS10648", "label_condition"]) == (
        ["55827005"], [],
    )  # fmt: skip
    assert frame.loc["JS10649", ["label_dx", "label_condition", "split"]].tolist() == [None] * 3
    assert frame.loc["JS01052", "error"]
    assert frame.loc["JS01052", "faults"] == ["broken-header"]


def test_scored_classes_are_those_of_the_challenges_metric() -> None:
    from physiomodels.metrics.challenge import challenge_facts

    facts = challenge_facts()
    (label,) = (label for label in load_facts("cinc2021").labels if label.name == "scored")
    ours = {code: name for name, codes in label.codes.items() for code in codes}
    assert {code: facts.numbers[name] for code, name in ours.items()} == {
        code: number for code, number in facts.numbers.items() if code.isdigit()
    }
    assert len(label.codes) == 26
    assert scored_classes(["55827005"]) == []
