"""Published splits: what a rule keeps, what it misses, and what is wrong with a rule."""

import re

import numpy as np
import pandas as pd
import pytest

from physioprep.errors import CorpusError, ShardError
from physioprep.facts import list_corpora, load_facts, parse_facts
from physioprep.splits import PARTS, Split, Windows, assign, check_split, expand

FACTS = """
title: T
summary: S
modalities: [ecg]
licence: L
citation: C
url: ""
access: open
layout: "*.hea"
format: WFDB
splits:
"""


def table(n: int = 6, **columns: list) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "corpus": "x",
            "record_id": [f"r{i}" for i in range(n)],
            "subject_id": [f"s{i:02d}" for i in range(n)],
            "path": [f"edf/{'train' if i < 4 else 'eval'}/r{i}.edf" for i in range(n)],
            **columns,
        }
    )


def split(trials_of: str | None = None, **parts) -> Split:
    made = Split("mine", "what", "who", parts, trials_of)
    check_split(made, "split 'mine'")
    return made


def parts_of(
    made: Split, records: pd.DataFrame, windows: Windows | None = None
) -> list[str | None]:
    found = assign(made, records, windows)
    return [None if code < 0 else found.names[code] for code in found.part]


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ({"subjects": ["s00-s02"]}, {"subjects": ["s04", "s05"]}, "aaa-bb"),
        ({"records": ["r0", "r3-r4"]}, {"rest": True}, "abbaab"),
        ({"folders": ["train"]}, {"folders": ["edf/eval"]}, "aaaabb"),
        ({"column": {"split": ["1-8"]}}, {"column": {"split": [10]}}, "aaab-b"),
        ({"where": "age < 30"}, {"where": "age >= 40"}, "aa--bb"),
        ({"order": {"of": "path", "take": [0, 2]}}, {"order": {"of": "path", "take": [4, None]}},
         "--bbaa"),  # sorted as texts: eval before train
        ({"folders": ["train"], "order": {"of": "subject_id", "take": [0, 0.6]}},
         {"folders": ["train"], "order": {"of": "subject_id", "take": [0.6, None]}}, "aabb--"),
        ({"order": {"of": "subject_id", "take": [0, 0.5], "within": ["label_a"]}}, {"rest": True},
         "aabbbb"),
        ({"records": ["r*"], "subjects": ["s00"]}, {"exactly": {"record_id": ["r5"]}}, "a----b"),
    ],
)  # fmt: skip
def test_each_rule_keeps_its_records(train: dict, test: dict, expected: str):
    records = table(
        split=["1", "8", "3", "10", None, "10"],
        age=[20.0, 25.0, 30.0, None, 40.0, 50.0],
        label_a=["p", "q", "p", "q", "p", "q"],
    )
    got = "".join({"train": "a", "test": "b", None: "-"}[part]
                  for part in parts_of(split(train=train, test=test), records))  # fmt: skip
    assert got == expected


def test_ranges_keep_their_digits_and_stay_within_bounds():
    assert expand(["S098-S101", "1-3", 9]) == ["S098", "S099", "S100", "S101", "1", "2", "3", "9"]
    assert expand(["sub-01"]) == ["sub-01"]
    for bad in ("5-3", "0-200000"):
        with pytest.raises(ValueError, match="goes down, or has over"):
            expand([bad])


def test_what_is_listed_and_not_there_is_named():
    found = assign(
        split(train={"subjects": ["s00", "s90-s91"]}, test={"records": ["q*", "r5"]}), table()
    )
    assert found.missing == ("s90", "s91", "q*")
    assert found.part.tolist() == [0, -1, -1, -1, -1, 1]


def test_a_record_in_two_parts_is_an_error():
    made = split(train={"subjects": ["s00-s03"]}, test={"records": ["r3"]})
    with pytest.raises(ShardError, match=r"'mine': record r3 is in parts 'train' and 'test'"):
        assign(made, table())


def test_a_split_without_any_record_is_an_error():
    with pytest.raises(ShardError, match=r"none of the 6 records is in any part \(it lists a"):
        assign(split(train={"subjects": ["a"]}, test={"subjects": ["b"]}), table())
    folds = table(split=["1.0", "2.0", "3.0", "4.0", None, "1.0"])
    with pytest.raises(ShardError, match=r"; the records have split: 1\.0, 2\.0, 3\.0 \.\.\.$"):
        assign(
            split(train={"column": {"split": ["1-8"]}}, test={"column": {"split": ["9"]}}), folds
        )


def test_a_missing_column_is_named_with_the_nearest():
    made = split(train={"column": {"label_patology": ["x"]}})
    with pytest.raises(ShardError, match="no column 'label_patology'; did you mean 'label_path"):
        assign(made, table(label_pathology=["x"] * 6))


def windows_of(n_records: int, n: int) -> Windows:
    record = np.repeat(np.arange(n_records), n)
    number = np.tile(np.arange(n), n_records)
    return Windows(record, number * 10.0, 10.0, np.where(number < 5, number, -1))


def test_trials_are_told_apart_within_each_record():
    made = split(train={"trials": ["0-1"]}, validation={"trials": [2]}, test={"trials": ["3-4"]})
    got = parts_of(made, table(2), windows_of(2, 6))
    assert got == ["train", "train", "validation", "test", "test", None] * 2


def test_windows_are_told_apart_by_a_query_on_record_and_window():
    made = split(
        train={"windows": "start_s < 20 or subject_id == 's01'"},
        test={"windows": "end_s > 40 and subject_id == 's00' and event.isna()"},
    )
    got = parts_of(made, table(2), windows_of(2, 6))
    assert got == ["train"] * 2 + [None] * 3 + ["test"] + ["train"] * 6


def test_a_window_in_two_parts_is_an_error():
    made = split(train={"trials": ["0-2"]}, test={"windows": "start_s >= 20"})
    with pytest.raises(ShardError, match="the window of record r0 at 20 s is in parts"):
        assign(made, table(1), windows_of(1, 6))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"trian": {"subjects": ["a"]}}, "no part 'trian'; did you mean 'train'"),
        ({"train": {"subject": ["a"]}}, "no rule 'subject'; did you mean 'subjects'"),
        ({"train": {"subjects": "a"}}, "subjects: a list of names was expected"),
        ({"train": {"subjects": ["9-1"]}}, "range '9-1' goes down"),
        ({"train": {"order": {"of": "path", "take": [0]}}}, "'take' is [from, to]"),
        ({"train": {"order": {"of": "path", "take": [0, 1.5]}}}, "share (with a point) of at most"),
        ({"train": {"order": {"of": "path"}}}, "it has 'of', 'take'"),
        ({"train": {"csv": {"file": "a.csv"}}}, "it has 'file', 'key'"),
        ({"train": {"column": {}}}, "no column is named"),
        ({"train": {"rest": False}}, "it is true"),
        ({"train": {"rest": True, "subjects": ["a"]}}, "'rest' stands alone"),
        ({"train": {}}, "a mapping of rules was expected"),
        ({}, "no parts"),
    ],
)
def test_a_wrong_rule_is_one_clear_error(parts: dict, said: str):
    with pytest.raises(CorpusError, match=re.escape(said)):
        check_split(Split("mine", "", "", parts), "facts of x: split 'mine'")


def test_facts_hold_splits_and_name_the_nearest():
    one = "  - {name: a, what: w, citation: c, parts: {train: {subjects: [1-2]}}}\n"
    facts = parse_facts("x", FACTS + one)
    assert facts.split("a").content["parts"] == [["train", {"subjects": ["1-2"]}]]
    with pytest.raises(CorpusError, match=r"x has no split 'b' \(known: a\)"):
        facts.split("b")
    with pytest.raises(CorpusError, match="did you mean 'cbramod'"):
        load_facts("chbmit").split("cbramd")
    with pytest.raises(CorpusError, match="split 'a' is listed twice"):
        parse_facts("x", FACTS + one + one)
    with pytest.raises(CorpusError, match="'what' and 'citation' are needed"):
        parse_facts("x", FACTS + one.replace("what: w", "what: ''"))


def test_the_content_is_of_the_rules_and_not_of_the_words():
    one = Split("a", "w", "c", {"train": {"subjects": ("1",)}})
    assert one.content == Split("b", "v", "d", {"train": {"subjects": ["1"]}}).content
    assert one.content != Split("a", "w", "c", {"train": {"subjects": ("2",)}}).content


SPLITS = [(name, one.name) for name in list_corpora() for one in load_facts(name).splits]


@pytest.mark.parametrize(("corpus", "name"), SPLITS)
def test_every_published_split_cites_where_it_is_defined(corpus: str, name: str):
    one = load_facts(corpus).split(name)
    assert re.search(r"https?://", one.citation)
    assert {"train", "test"} <= set(one.parts) <= set(PARTS)


def names(corpus: str, name: str, part: str) -> list[str]:
    (value,) = load_facts(corpus).split(name).parts[part].values()
    return expand(value)


def test_the_listed_splits_have_the_published_sizes():
    sizes = {
        ("eegmmidb", "cbramod"): (70, 19, 20),  # files[:70], [70:89], [89:109] of 109 subjects
        ("eegmat", "cbramod"): (28, 4, 4),  # files[:56], [56:64], [64:] of 72 files
        ("chbmit", "cbramod"): (17, 2, 2),  # 24 cases without chb12, chb13, chb17
    }
    for (corpus, name), expected in sizes.items():
        held = [names(corpus, name, part) for part in PARTS]
        assert tuple(map(len, held)) == expected, corpus
        assert len({name for part in held for name in part}) == sum(expected), corpus
    ds1, ds2 = (names("mitdb", "de-chazal", part) for part in ("train", "test"))
    assert len(ds1) == len(ds2) == 22
    assert not set(ds1) & set(ds2)
    paced = {"102", "104", "107", "217"}
    assert len({*ds1, *ds2} | paced) == 48


def test_eegmat_by_subject_is_what_the_script_takes_by_file():
    files = sorted(f"Subject{who:02d}_{run}.edf" for who in range(36) for run in (1, 2))
    by_file = {"train": files[:56], "validation": files[56:64], "test": files[64:]}
    for part, held in by_file.items():
        people = list(dict.fromkeys(file.partition("_")[0] for file in held))
        assert people == names("eegmat", "cbramod", part)
