"""Pseudonyms of a scan, and dates that are shifted per person."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

import physioprep as pp
from physioprep.corpora.entry import Entry
from physioprep.corpora.people import number_people, people_of, shifted, with_person
from physioprep.errors import CorpusError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    for person, day in (("p1", "01/02/2020"), ("p1", "03/02/2020"), ("p2", "01/02/2020")):
        name = f"{person}_{day[:2]}"
        (raw / person).mkdir(parents=True, exist_ok=True)
        header = f"{name} 1 250 3 10:00:00 {day}\n{name}.dat 16 200/mV 16 0 1 6 0 I\n"
        (raw / person / f"{name}.hea").write_text(header)
        (raw / person / f"{name}.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0]))
    return raw


def _scan(folder: Path, key: Path | None, *, shift_dates: bool = True) -> pd.DataFrame:
    pattern = r"(?P<subject_id>p\d)/"
    return pp.scan(
        folder, "folder", pattern=pattern, pseudonym_key=key, shift_dates=shift_dates, hashes=False
    )


def test_dates_of_a_person_are_shifted_together_and_the_same_under_one_key(
    folder: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef\n")
    true = _scan(folder, key, shift_dates=False).set_index("record_id")["start_time"]
    moved = _scan(folder, key).set_index("record_id")["start_time"]
    by = (moved - true).dt.days
    assert (by < 0).all()
    assert by["p1/p1_01"] == by["p1/p1_03"] != by["p2/p2_01"]
    assert (moved.dt.time == true.dt.time).all()
    pd.testing.assert_series_equal(_scan(folder, key).set_index("record_id")["start_time"], moved)
    key.write_text("another key of enough length")
    assert (_scan(folder, key).set_index("record_id")["start_time"] != moved).any()


def test_a_header_fills_in_only_what_nothing_else_says() -> None:
    said = {"pseudonym": "f00d", "age": 61.0, "sex": "F", "identifying": ["id"]}
    entry = with_person(Entry("a", "a.scp"), said, numbered=False)
    assert (entry.subject_id, entry.age, entry.sex) == ("f00d", 61.0, "F")
    assert entry.flags == ("identifying:id",)
    known = Entry("a", "a.scp", subject_id="7", age=60.0, sex="M")
    assert with_person(known, said, numbered=False) == replace(known, flags=entry.flags)
    # other readers' metadata may have an "age" of their own kind
    assert with_person(Entry("a", "a.hea"), {"age": "60"}, numbered=True) == Entry("a", "a.hea")


def test_numbers_do_not_meet_names_that_are_there() -> None:
    assert number_people(["pseudonym:a", "person-1", "pseudonym:b", "pseudonym:a"]) == [
        "person-2", "person-1", "person-3", "person-2",
    ]  # fmt: skip


def test_a_key_must_be_a_file_of_enough_bytes(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="No such file"):
        people_of(tmp_path / "none", shift_dates=False)
    (tmp_path / "short").write_text("abc")
    with pytest.raises(CorpusError, match="a key of 3 bytes"):
        people_of(tmp_path / "short", shift_dates=False)


def test_a_start_that_would_lie_before_the_calendar_is_unknown() -> None:
    assert shifted(None, "a", b"k") is None
    assert shifted(datetime(1, 1, 1), "a", b"k") is None
