"""Apnea-ECG's people, told from its table; QTDB's waves and stretches, told from its marks."""

from pathlib import Path

import numpy as np

from physioprep.auditing.checks.split_leaks import split_leaks
from physioprep.corpora.known.qtdb import derive_annotations
from physioprep.corpora.scan import scan
from physioprep.facts import load_facts
from physioprep.splits import assign
from tests.tasks import raw_apnea_ecg, raw_qtdb


def test_records_of_the_same_age_sex_height_and_weight_are_of_one_person(tmp_path: Path) -> None:
    raw_apnea_ecg.make(tmp_path)
    frame = scan(tmp_path, "apnea-ecg").set_index("record_id")
    assert sorted(frame.index) == sorted(raw_apnea_ecg.NIGHTS)  # not a01r
    people = {"a01": "a01", "x01": "a01", "b01": "b01", "x02": "x02"}
    people |= {"c05": "c05", "c06": "c05"}  # one recording, whatever the table says
    assert frame["subject_id"].to_dict() == people
    assert frame.loc["b01", ["age", "sex", "label_ahi"]].tolist() == [44, "F", 0.2]
    found = assign(load_facts("apnea-ecg").split("challenge"), frame.reset_index())
    part = np.array(found.names, object)[found.part]
    leaks = split_leaks(frame.reset_index().assign(split=part))
    assert leaks.verdict == "leaks"
    assert leaks.leaks[0].names == ("a01",)


def test_without_the_table_people_are_unknown(tmp_path: Path) -> None:
    raw_apnea_ecg.make(tmp_path)
    (tmp_path / "additional-information.txt").unlink()
    frame = scan(tmp_path, "apnea-ecg")
    assert frame["subject_id"].isna().all()


def marks(text: str, *, source: str = "q1c", step_s: float = 0.1) -> dict[str, np.ndarray]:
    """Return marks as a reader does, one every 0.1 s; a space is a gap."""
    at = [place for place, code in enumerate(text) if code != " "]
    n = len(at)
    return {
        "onset": np.array(at) * step_s,
        "duration": np.full(n, np.nan),
        "text": np.array([""] * n, object),
        "source": np.array([source] * n, object),
        "code": np.array([text[place] for place in at], object),
    }


def waves(**columns: np.ndarray) -> list[tuple[str, float, float]]:
    found = derive_annotations(columns)
    rows = zip(found["text"], found["onset"], found["duration"], strict=True)
    return [(text, round(onset, 1), round(length, 1)) for text, onset, length in rows if text]


def test_waves_are_from_mark_to_mark_and_t_from_its_peak() -> None:
    found = waves(**marks("(p)(N)t)  (B)(t)u)"))
    assert [one for one in found if one[0] != "marked"] == [
        ("P", 0.0, 0.2), ("QRS", 0.3, 0.2), ("T from peak", 0.6, 0.1), ("QRS", 1.0, 0.2),
        ("T from peak", 1.4, 0.1),
    ]  # fmt: skip
    # a mark of an end alone, a P wave without its end, and a first pass without kinds
    assert waves(**marks(")(pN)t")) == []
    assert waves(**marks("|p||N|t|", source="qt1")) == []
    assert waves(**marks("(p)(N)t)", source="pu0")) == []


def test_a_stretch_ends_where_beats_between_are_not_marked() -> None:
    beat = "(p)(N)t)  "  # 1 s
    found = waves(**marks(3 * beat + 10 * " " + 2 * beat))
    assert [one for one in found if one[0] == "marked"] == [
        ("marked", 0.0, 2.7),
        ("marked", 4.0, 1.7),
    ]
    assert not [one for one in waves(**marks(beat)) if one[0] == "marked"]  # one beat is none


def test_derived_annotations_are_in_order_of_time(tmp_path: Path) -> None:
    raw_qtdb.make(tmp_path)
    frame = scan(tmp_path, "qtdb")
    assert frame["subject_id"].tolist() == frame["record_id"].tolist()
    found = derive_annotations(marks(3 * "(p)(N)t)  "))
    assert (np.diff(found["onset"]) >= 0).all()
    assert len({len(column) for column in found.values()}) == 1
