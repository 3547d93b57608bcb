"""What folds leak is said beside the result: persons, records, seconds, twins."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from physiomodels.evaluation.leaks import fold_leaks
from physiomodels.evaluation.protocol import Fold, make_folds
from physioprep.shards import Shards, open_shards


@pytest.fixture
def opened(shards: Path) -> Shards:
    return open_shards(shards)


def folds_of(windows: pd.DataFrame, by: str, protocol: str) -> dict[tuple[int, int], Fold]:
    groups = windows[by].astype(str).to_numpy(object)
    codes = np.zeros(len(windows), np.int64)
    made = make_folds(groups, codes, protocol, 3, 0)
    return {(repeat, number): fold for repeat in (0, 1) for number, fold in enumerate(made)}


def test_folds_by_subject_are_clean(opened: Shards) -> None:
    folds = folds_of(opened.windows, "subject_id", "subject-grouped")
    found = fold_leaks(opened, opened.windows, folds)
    assert found["verdict"] == "clean"
    assert found["lines"][0].startswith("no leak found among")
    assert found["lines"][0].endswith("(fold 1 of 3, all alike)")


def test_folds_by_record_have_persons_on_both_sides(opened: Shards) -> None:
    folds = folds_of(opened.windows, "record_id", "record-grouped")
    found = fold_leaks(opened, opened.windows, folds)
    assert found["verdict"] == "leaks"
    assert {leak["what"] for leak in found["leaks"]} == {"subject"}
    assert "in 3 of 3 folds" in found["lines"][0]


def test_one_split_names_its_parts_and_who_is_in_two(opened: Shards) -> None:
    windows = opened.windows
    records = sorted(windows["record_id"].unique())
    last = records[-1]
    rows = np.flatnonzero(windows["record_id"] == last)
    early = rows[windows["start_s"].to_numpy()[rows] < windows["start_s"].iloc[rows].median()]
    rest = np.flatnonzero(windows["record_id"] != last)
    fold = Fold(train=np.concatenate([rest, early]), test=np.setdiff1d(rows, early))
    found = fold_leaks(opened, windows, {(0, 0): fold, (1, 0): fold})
    kinds = [leak["what"] for leak in found["leaks"]]
    assert kinds[:2] == ["subject", "record"]
    assert found["leaks"][1]["names"] == [last]
    assert "folds" not in found["lines"][0]


def test_an_alias_of_the_corpus_is_one_person(opened: Shards) -> None:
    windows = opened.windows.assign(corpus="mitdb")
    people = sorted(windows["subject_id"].dropna().unique())[:2]
    windows["subject_id"] = windows["subject_id"].replace(
        dict(zip(people, ("201", "202"), strict=True))
    )
    windows = windows[windows["subject_id"].isin(["201", "202"])].reset_index(drop=True)
    first = windows["subject_id"].to_numpy(object) == "201"
    fold = Fold(train=np.flatnonzero(first), test=np.flatnonzero(~first))
    found = fold_leaks(opened, windows, {(0, 0): fold})
    assert "1 of 1 subjects is in train and test: 201 (202 is 201)" in found["lines"][0]
