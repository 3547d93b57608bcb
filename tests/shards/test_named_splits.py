"""Splits by name, by rules and by time: what the shards' split column then says."""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.errors import PhysioprepError, ShardError
from physioprep.facts import load_facts
from physioprep.shards import ShardSpec, named_split, open_shards, shard
from physioprep.shards.chronological import chronological
from physioprep.splits import Split, Windows

Make = Callable[..., Any]
#: Of de Chazal's DS1, DS2, and the paced ones that are in neither.
IDS = ["101", "106", "201", "100", "202", "102", "104"]


def make_store(make_group: Make, write_store: Make, path: Path, **given: Any) -> Path:
    rng = np.random.default_rng(3)
    n = len(given["columns"]["record_id"])
    ecg = [rng.integers(-900, 900, (1, 1000)).astype(np.int16) for _ in range(n)]
    return write_store(path, {"ecg": make_group(ecg, channels=["II"])}, **given)


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory, make_group: Make, write_store: Make) -> Path:
    people = ["201" if name == "202" else name for name in IDS]
    notes = [
        (record, onset, 2.0, text, "atr", "")
        for record in range(len(IDS))
        for onset, text in ((0.0, "rest"), (3.0, "go"), (5.0, "rest"), (8.0, "go"))
    ]
    return make_store(
        make_group, write_store, tmp_path_factory.mktemp("beats") / "store.zarr",
        columns={"record_id": IDS, "subject_id": people, "split": [str(i) for i in range(7)]},
        corpus="mitdb", annotations=notes,
    )  # fmt: skip


def table(path: Path) -> pd.DataFrame:
    return open_shards(path).windows


def test_a_published_split_is_the_split_of_the_windows(beats: Path, tmp_path: Path) -> None:
    result = shard(beats, tmp_path / "s", window_s=2.0, split="de-chazal")
    rows = table(result.path)
    held = rows.drop_duplicates("record_id").set_index("record_id")["split"]
    assert held[["101", "106", "201"]].eq("train").all()
    assert held[["100", "202"]].eq("test").all()
    assert held[["102", "104"]].isna().all()
    split = result.split
    assert split is not None
    assert split["parts"] == {
        "train": {"windows": 15, "records": 3, "subjects": 3},
        "test": {"windows": 10, "records": 2, "subjects": 2},
    }
    assert split["in_no_part"] == {"windows": 10, "records": 2, "subjects": 2}
    assert len(split["missing"]) == 44 - 5
    assert split["empty"] == []  # it has no part "validation"
    written = {key: value for key, value in split.items() if key != "empty"}
    assert open_shards(result.path).attrs["split"] == json.loads(json.dumps(written))
    said = result.summary()
    assert said["split: in no part"] == "10 windows of 2 records, 2 subjects"
    assert str(said["split: listed and not there"]).startswith("39: 108, 109, 112")


def test_a_run_finished_before_gives_the_same_result(beats: Path, tmp_path: Path) -> None:
    first = shard(beats, tmp_path / "s", window_s=2.0, split="de-chazal")
    again = shard(beats, tmp_path / "s", window_s=2.0, split="de-chazal", overwrite=True)
    assert first.to_dict() == again.to_dict()


def test_processes_write_the_same_bytes(beats: Path, tmp_path: Path) -> None:
    rules = {"train": {"trials": [0, 1]}, "test": {"trials": [3]}}
    paths = [tmp_path / "sync", tmp_path / "processes"]
    for path in paths:
        shard(beats, path, window_s=1.0, split=rules, scheduler=path.name, workers=2)
    assert (paths[0] / "CRC32CSUMS").read_bytes() == (paths[1] / "CRC32CSUMS").read_bytes()


def test_the_plan_covers_the_content_of_a_rule(
    beats: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(name: str) -> str:
        return shard(beats, tmp_path / name, window_s=2.0, split="de-chazal").plan_sha256

    first, facts = plan("a"), load_facts("mitdb")
    only = facts.split("de-chazal")
    for number, (changed, same) in enumerate(
        [
            (replace(only, what="in other words", citation="elsewhere"), True),
            (replace(only, parts={**only.parts, "validation": {"records": ["102"]}}), False),
        ]
    ):
        monkeypatch.setattr(
            named_split, "load_facts", lambda _, held=changed: replace(facts, splits=(held,))
        )
        assert (plan(f"b{number}") == first) is same


def test_the_records_own_split_is_what_where_and_rules_see(beats: Path, tmp_path: Path) -> None:
    rules = {"train": {"column": {"split": ["0-1"]}}, "test": {"column": {"split": ["2-3"]}}}
    result = shard(beats, tmp_path / "s", window_s=2.0, split=rules, where="split < '4'")
    assert result.n_without == 0
    held = table(result.path).drop_duplicates("record_id").set_index("record_id")["split"]
    assert held.to_dict() == {"101": "train", "106": "train", "201": "test", "100": "test"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"align": "event"}, {0: "train", 1: "train", 3: "test", 4: "test", 5: None, 6: None,
                              8: None, 9: None}),
        ({"align": "annotation", "align_where": "text == 'go'"}, {3: "test", 8: None}),
        ({}, {0: "train", 1: "train", 2: None, 3: "test", 4: "test", 5: None, 6: None, 7: None,
              8: None, 9: None}),
    ],
)  # fmt: skip
def test_trials_are_numbered_among_all_annotations(
    beats: Path, tmp_path: Path, fields: Any, expected: dict[int, str | None]
) -> None:
    rules = {"train": {"trials": [0]}, "test": {"trials": [1]}}
    shard(beats, tmp_path / "s", window_s=1.0, split=rules, **fields)
    for _, rows in table(tmp_path / "s").groupby("record_id"):
        held = {int(s): None if pd.isna(v) else v
                for s, v in zip(rows["start_s"], rows["split"], strict=True)}  # fmt: skip
        assert held == expected


def test_trials_of_a_query_are_numbered_alone(beats: Path, tmp_path: Path) -> None:
    rules = {"train": {"trials": [0]}, "test": {"trials": [1]}, "trials_of": "text == 'go'"}
    shard(beats, tmp_path / "s", window_s=1.0, split=rules, align="annotation")
    rows = table(tmp_path / "s").drop_duplicates("start_s").set_index("start_s")["split"]
    assert rows[[3.0, 8.0]].tolist() == ["train", "test"]
    assert rows[[0.0, 5.0]].isna().all()


def test_windows_by_a_query_see_record_and_start(beats: Path, tmp_path: Path) -> None:
    rules = {
        "train": {"records": ["101"], "windows": "start_s < 5"},
        "test": {"windows": "start_s >= 5 and event == 3"},
    }
    shard(beats, tmp_path / "s", window_s=1.0, split=rules)
    rows = table(tmp_path / "s").dropna(subset=["split"])
    train, test = (rows[rows["split"] == part] for part in ("train", "test"))
    assert sorted(train["start_s"]) == [0, 1, 2, 3, 4]
    assert set(train["record_id"]) == {"101"}
    assert set(test["start_s"]) == {8, 9}
    assert len(test) == 14


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("de-chasal", "mitdb has no split 'de-chasal'; did you mean 'de-chazal'?"),
        ({"train": {"subject": ["a"]}}, "no rule 'subject'; did you mean 'subjects'"),
        ({"train": 0.5, "test": {"rest": True}}, "part 'train': a mapping of rules was expected"),
        ({"train": {"records": ["101"]}, "test": {"records": ["10*"]}}, "record 101 is in parts"),
        ({"train": {"records": ["x"]}}, "none of the 7 records is in any part"),
        ({"chronological": {"early": 1.0}}, "no part 'early'"),
        ({"chronological": {"train": 0.5}}, "must sum to 1"),
        ({"train": {"trials": [99]}}, "none of the 35 windows is in any part"),
        ({"train": "all"}, "fractions of a split are numbers"),
    ],
)
def test_a_split_that_cannot_be_applied_is_one_line(
    beats: Path, tmp_path: Path, split: Any, said: str
) -> None:
    with pytest.raises(ShardError) as refused:
        shard(beats, tmp_path / "s", window_s=2.0, split=split)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "s").exists()


def test_stratify_is_for_fractions(beats: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="stratify needs a split by fractions"):
        shard(beats, tmp_path / "s", split="de-chazal", stratify=["corpus"])


def test_a_corpus_without_the_split_is_named(
    beats: Path, tmp_path: Path, make_group: Make, write_store: Make
) -> None:
    other = make_store(make_group, write_store, tmp_path / "o.zarr", corpus="nstdb",
                       columns={"record_id": ["118e06"]})  # fmt: skip
    with pytest.raises(ShardError, match=r"nstdb has no split 'de-chazal' \(known: none\)"):
        shard([beats, other], tmp_path / "s", split="de-chazal")


@pytest.mark.parametrize(
    "split",
    ["de-chazal", "chronological", {"chronological": {"train": 0.7, "test": 0.3}},
     {"test": {"trials": (0, "2-3")}, "train": {"rest": True}, "trials_of": "text == 'go'"},
     {"train": 0.4, "a": 0.6}],
)  # fmt: skip
def test_a_spec_with_a_split_is_read_back(split: Any) -> None:
    spec = ShardSpec.of(split=split)
    told = json.loads(json.dumps(spec.to_dict()))
    assert ShardSpec.from_dict(told).to_dict() == spec.to_dict()


def test_the_order_of_parts_outlives_json() -> None:
    one = ShardSpec.of(split={"chronological": {"test": 0.3, "train": 0.7}})
    other = ShardSpec.of(split={"chronological": {"train": 0.7, "test": 0.3}})
    assert one.sha256 != other.sha256


# Early and late


def check_chronological(records: pd.DataFrame, windows: Windows, part: np.ndarray) -> None:
    """Within each subject the parts follow each other, and no two windows of two parts overlap."""
    for _, rows in records.reset_index(drop=True).groupby("subject_id"):
        own = np.flatnonzero(np.isin(windows.record, rows.index) & (part >= 0))
        for record in rows.index:
            some = own[windows.record[own] == record]
            start, held = windows.start_s[some], part[some]
            for early in range(3):
                for late in range(early + 1, 3):
                    if (held == early).any() and (held == late).any():
                        end = start[held == early].max() + windows.window_s
                        assert end <= start[held == late].min() + 1e-6


@pytest.mark.parametrize("stride_s", [0.5, 2.0, 3.0])
def test_early_and_late_never_overlap(stride_s: float) -> None:
    rng = np.random.default_rng(5)
    records = pd.DataFrame(
        {
            "corpus": "x",
            "record_id": [f"r{i}" for i in range(8)],
            "subject_id": ["a", "a", "a", "b", "c", "c", "d", "d"],
            "session": ["2", "10", "1", None, "1", "1", None, None],
            "duration_s": [60.0] * 8,
        }
    )
    starts = [np.arange(0, rng.integers(20, 58), stride_s) for _ in range(8)]
    record = np.repeat(np.arange(8), [len(s) for s in starts])
    windows = Windows(record, np.concatenate(starts), 2.0, np.full(len(record), -1))
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    found, border = chronological(records, windows, shares)
    check_chronological(records, windows, found.part)
    assert border == (found.part < 0).sum()
    assert (border > 0) == (stride_s < 2)
    for subject, rows in records.groupby("subject_id"):
        own = found.part[np.isin(record, rows.index)]
        for code, share in enumerate(shares.values()):
            assert abs((own == code).mean() - share) < 0.15, subject
    order = [found.part[record == row].max(initial=-1) for row in (2, 0, 1)]  # sessions 1, 2, 10
    assert order == sorted(order)
    assert order[0] == 0
    assert order[-1] == 2
    # c: two recordings of one session and length lie side by side
    first, second = (
        np.sort(windows.start_s[(record == row) & (found.part == 2)]) for row in (4, 5)
    )
    assert first.min() == pytest.approx(second.min(), abs=stride_s)


def test_start_times_count_before_sessions() -> None:
    records = pd.DataFrame(
        {
            "corpus": "x",
            "record_id": ["a", "b"],
            "subject_id": ["p", "p"],
            "session": ["1", "2"],
            "start_time": pd.to_datetime(["2020-01-02", "2020-01-01"]),
        }
    )
    windows = Windows(np.array([0, 1]), np.zeros(2), 1.0, np.full(2, -1))
    found, _ = chronological(records, windows, {"train": 0.5, "test": 0.5})
    assert found.part.tolist() == [1, 0]


def test_a_record_of_nobody_is_a_subject_of_its_own() -> None:
    records = pd.DataFrame({"corpus": "x", "record_id": ["a", "b"], "subject_id": [None, None]})
    windows = Windows(np.array([0, 0, 1, 1]), np.array([0.0, 1, 0, 1]), 1.0, np.full(4, -1))
    found, _ = chronological(records, windows, {"train": 0.5, "test": 0.5})
    assert found.part.tolist() == [0, 1, 0, 1]


def test_shards_from_early_to_late(beats: Path, tmp_path: Path) -> None:
    result = shard(beats, tmp_path / "s", window_s=2.0, stride_s=0.5, split="chronological")
    assert result.split is not None
    assert result.split["name"] == "chronological"
    assert result.split["at_a_border"] > 0
    rows = table(result.path).dropna(subset=["split"])
    for _, own in rows.groupby("record_id"):
        bounds = own.groupby("split")["start_s"].agg(["min", "max"])
        present = [part for part in ("train", "validation", "test") if part in bounds.index]
        for early, late in itertools.pairwise(present):
            assert bounds["max"][early] + 2.0 <= bounds["min"][late] + 1e-6


# A table of the publisher, and the command


def test_a_table_of_the_publisher_lists_the_records(tmp_path: Path) -> None:
    (tmp_path / "folds.csv").write_text("id,fold\n101,1\n106,2\n100,10\n1-3,1\n")
    rule = {"file": "folds.csv", "key": "id", "column": "fold", "values": ["1-2"]}
    split = Split("x", "", "", {"train": {"csv": rule}, "test": {"csv": {**rule, "values": [10]}}})
    listed = named_split.with_csv(split, tmp_path)
    assert listed.parts["train"] == {"exactly": {"record_id": ["101", "106", "1-3"]}}
    assert listed.parts["test"] == {"exactly": {"record_id": ["100"]}}
    wrong = Split("x", "", "", {"train": {"csv": {**rule, "values": ["11"]}}})
    with pytest.raises(ShardError, match=r"no row whose fold is \['11'\]"):
        named_split.with_csv(wrong, tmp_path)
    wrong = Split("x", "", "", {"train": {"csv": {**rule, "key": "name"}}})
    with pytest.raises(PhysioprepError, match="no column 'name'"):
        named_split.with_csv(wrong, tmp_path)
    with pytest.raises(ShardError, match=r"folds\.csv: the table of the split is missing"):
        named_split.with_csv(split, tmp_path / "elsewhere")


def test_the_command_takes_names_fractions_and_files(beats: Path, tmp_path: Path) -> None:
    def run(*words: object) -> tuple[int, str, str]:
        done = CliRunner().invoke(app, ["shard", str(beats), "--window", "2", *map(str, words)])
        return done.exit_code, done.stdout, done.stderr

    rules = tmp_path / "rules.yaml"
    rules.write_text("train: {records: [101, 106]}\ntest: {rest: true}\n")
    for number, (words, expected) in enumerate(
        [
            (["de-chazal"], {"train": 15, "test": 10}),
            ([str(rules)], {"train": 10, "test": 25}),
            (["chronological", "train=0.6", "test=0.4"], {"train": 21, "test": 14}),
        ]
    ):
        options = [word for text in words for word in ("--split", text)]
        out = tmp_path / str(number)
        code, said, _ = run("-o", out, *options, "--json")
        assert code == 0
        told = json.loads(said)
        held = {part: counts["windows"] for part, counts in told["split"]["parts"].items()}
        assert held == pytest.approx(expected, abs=7 if "chronological" in words else 0)
    for words, said in (
        (["de-chasal"], "did you mean 'de-chazal'?"),
        (["de-chazal", "train=0.5"], "one name, or NAME=FRACTION of each part"),
        (["train=x"], "'train=x' is not NAME=NUMBER"),
        (["nowhere.yaml"], "nowhere.yaml"),
    ):
        options = [word for text in words for word in ("--split", text)]
        code, _, err = run("-o", tmp_path / "x", *options)
        assert code == 2
        assert said in err
        assert len(err.strip().splitlines()) == 1
