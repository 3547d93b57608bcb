"""What a split leaks, in words: persons under two ids, records, sessions, seconds, twins."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.auditing import audit
from physioprep.auditing.checks.split_leaks import shards_leaks, split_leaks
from physioprep.errors import PhysioprepError
from physioprep.facts import load_facts
from physioprep.manifest import make_manifest, write_manifest
from physioprep.shards import open_shards
from physioprep.splits import assign


def rows(**columns: Any) -> pd.DataFrame:
    n = len(columns["split"])
    plain = {
        "corpus": ["x"] * n,
        "record_id": [f"r{i}" for i in range(n)],
        "subject_id": [f"s{i}" for i in range(n)],
    }
    return pd.DataFrame(plain | columns)


def published(corpus: str, name: str, records: list[str], people: list[str]) -> pd.DataFrame:
    """Return records as a scan names them, in the parts of a published split."""
    alias = load_facts(corpus).subject_alias
    frame = pd.DataFrame(
        {"corpus": corpus, "record_id": records, "subject_id": [alias.get(p, p) for p in people]}
    )
    found = assign(load_facts(corpus).split(name), frame)
    names = np.array([*found.names, None], object)
    return frame.assign(split=names[found.part])


def test_cbramods_chbmit_validates_on_a_child_of_its_training_set():
    cases = [f"chb{number:02d}" for number in range(1, 25)]
    frame = published("chbmit", "cbramod", [f"{case}_01" for case in cases], cases)
    assert frame["split"].isna().sum() == 3  # chb12, chb13, chb17
    found = split_leaks(frame)
    assert found.verdict == "leaks"
    assert found.lines == (
        "LEAK: 1 of 18 subjects is in train and validation: chb01 (chb21 is chb01)",
    )


def test_de_chazals_halves_share_one_man():
    ids = ["100", "101", "102", "103", "104", "105", "106", "201", "202", "203"]
    found = split_leaks(published("mitdb", "de-chazal", ids, ids))
    assert [leak.names for leak in found.leaks] == [("201",)]
    assert "(202 is 201)" in found.lines[0]


def test_aliases_count_where_the_table_does_not_know_them():
    frame = rows(corpus=["mitdb"] * 2, subject_id=["201", "202"], split=["train", "test"])
    assert split_leaks(frame).verdict == "leaks"
    frame["corpus"] = "nobody's"
    assert split_leaks(frame).verdict == "clean"


def test_eegmat_and_eegmmidb_leak_nobody():
    for corpus, people in (
        ("eegmat", [f"Subject{number:02d}" for number in range(36)]),
        ("eegmmidb", [f"S{number:03d}" for number in range(1, 110)]),
    ):
        found = split_leaks(published(corpus, "cbramod", people, people))
        assert found.verdict == "clean"
        assert f"no leak found among {len(people)} subjects" in found.lines[0]


def test_a_split_within_subjects_says_so():
    frame = rows(
        record_id=["a", "a", "b", "b"], subject_id=["p", "p", "q", "q"],
        split=["train", "test"] * 2, start_s=[0.0, 10.0, 0.0, 10.0],
    )  # fmt: skip
    found = split_leaks(frame, window_s=10.0)
    assert [leak.what for leak in found.leaks] == ["subject", "record"]
    assert found.lines[0].startswith("LEAK: 2 of 2 subjects are in train and test: p, q; a split w")
    assert found.lines[1] == "LEAK: 2 records are in train and test: a, b"


@pytest.mark.parametrize(("window_s", "expected"), [(2.0, 0), (2.5, 1), (6.0, 1)])
def test_windows_that_share_seconds_are_counted(window_s: float, expected: int):
    frame = rows(
        record_id=["a"] * 4, subject_id=["p"] * 4, split=["train", "train", None, "test"],
        start_s=[0.0, 2.0, 3.0, 4.0],
    )  # fmt: skip
    leaks = split_leaks(frame.sample(frac=1, random_state=1), window_s=window_s).leaks
    assert [leak.count for leak in leaks if leak.what == "overlap"] == [1] * expected


def test_sessions_twins_and_unknown_subjects():
    frame = rows(
        subject_id=["p", "p", None, "q"], session=["1", "1", "2", "1"],
        split=["train", "test", "validation", "test"],
    )  # fmt: skip
    found = split_leaks(frame, twins=[(("x", "r2"), ("x", "r3")), (("x", "r1"), ("x", "r3"))])
    assert [(leak.what, leak.parts) for leak in found.leaks] == [
        ("subject", ("train", "test")), ("session", ("train", "test")),
        ("twin", ("validation", "test")),
    ]  # fmt: skip
    assert found.leaks[2].names == ("r2 and r3",)
    assert found.lines[-1] == "1 records have no subject: leaks among them cannot be seen"
    only = split_leaks(frame.assign(subject_id=None, session=None))
    assert only.verdict == "unknown"


def test_one_part_has_nothing_to_compare():
    assert split_leaks(rows(split=["train", None])).verdict == "one part"


def test_many_names_are_counted_and_cut_short():
    frame = rows(record_id=["a", "b"] * 30, subject_id=[f"s{i // 2}" for i in range(60)],
                 split=["train", "test"] * 30)  # fmt: skip
    found = split_leaks(frame)
    assert found.lines[0].count(",") == 4
    assert " and 25 more; a split within subjects" in found.lines[0]
    assert len(found.to_dict()["leaks"][0]["names"]) == 20


# Real ECGs: 145 and 463 are one recording under two patients, in folds 3 and 1


@pytest.fixture(scope="module")
def ptbxl(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ptbxl")
    pp.ingest(
        pp.scan(shared_data / "ptbxl", corpus="ptb-xl"), folder / "s.zarr", recipe="ecg-200hz"
    )
    return folder


@pytest.mark.realdata
def test_folds_of_ptbxl_leak_the_twins_and_its_three_parts_do_not(ptbxl: Path, shared_data: Path):
    folds = pp.shard(ptbxl / "s.zarr", ptbxl / "folds", window_s=10).path
    found = shards_leaks(open_shards(folds))
    (leak,) = found.leaks
    assert leak.what == "twin"
    assert leak.parts == ("1", "3")
    assert sorted(leak.names) == ["00463_hr and 00145_hr", "00463_lr and 00145_lr"]
    parts = pp.shard(ptbxl / "s.zarr", ptbxl / "parts", window_s=10, split="strodthoff")
    windows = open_shards(parts.path).windows
    fold = windows["record_id"].map(
        pp.scan(shared_data / "ptbxl", corpus="ptb-xl").set_index("record_id")["split"].astype(int)
    )
    expected = np.select([fold <= 8, fold == 9], ["train", "validation"], "test")
    assert (windows["split"].to_numpy(object) == expected).all()
    assert shards_leaks(open_shards(parts.path)).verdict == "clean"


@pytest.mark.realdata
def test_twins_in_shards_are_an_error_as_in_their_manifest(ptbxl: Path, tmp_path: Path):
    folds = pp.shard(ptbxl / "s.zarr", tmp_path / "folds", window_s=10).path
    report = audit(folds)
    (leak,) = [finding for finding in report.findings if finding.check == "duplicate-leak"]
    assert leak.severity == "error"
    assert set(leak.records) == {"00463_hr", "00145_hr", "00463_lr", "00145_lr"}
    assert leak.detail.startswith("one recording under two names is in 1 and 3: ")
    assert report.exit_code("error") == 1
    assert "keys" not in report.to_dict()["split_leaks"]["leaks"][0]
    parts = pp.shard(ptbxl / "s.zarr", tmp_path / "parts", window_s=10, split="strodthoff").path
    assert not [one for one in audit(parts).findings if one.check.endswith("-leak")
                and one.severity == "error"]  # fmt: skip


@pytest.mark.realdata
def test_the_audit_judges_a_named_split(ptbxl: Path):
    whole = audit(ptbxl / "s.zarr", split="strodthoff").to_dict()["split_leaks"]
    assert whole["verdict"] == "clean"
    own = audit(ptbxl / "s.zarr")
    assert "one recording under two names is in 1 and 3" in " ".join(own.split_leaks["lines"])
    with pytest.raises(PhysioprepError, match="did you mean 'strodthoff'"):
        audit(ptbxl / "s.zarr", split="strodhoff")


def test_the_audit_names_the_child_of_chbmit(tmp_path: Path):
    cases = ["chb01", "chb02", "chb21", "chb22", "chb23"]
    frame = make_manifest(
        {
            "corpus": ["chbmit"] * 5,
            "record_id": [f"{case}_01" for case in cases],
            "path": [f"{case}/{case}_01.edf" for case in cases],
            "subject_id": ["chb01" if case == "chb21" else case for case in cases],
        }
    )
    path = write_manifest(frame, tmp_path / "m.parquet")
    report = audit(path, split="cbramod")
    assert "subject-leak" in [finding.check for finding in report.findings]
    assert report.split_leaks["lines"] == [
        "LEAK: 1 of 3 subjects is in train and validation: chb01 (chb21 is chb01)"
    ]
    assert audit(path).split_leaks == {}
    assert "split_leaks" not in audit(path).to_dict()


@pytest.mark.realdata
def test_a_split_that_was_asked_for_is_answered_also_where_one_part_is_there(
    shared_data: Path, tmp_path: Path
):
    path = write_manifest(pp.scan(shared_data / "mitdb", "mitdb"), tmp_path / "m.parquet")
    report = audit(path, split="de-chazal")  # 114, 207 and 208 are in train, 102 in no part
    assert report.split_leaks["name"] == "de-chazal"
    assert report.split_leaks["verdict"] == "one part"
    assert report.split_leaks["lines"] == ["nothing to compare: no two parts"]
