"""Options of `shard` that nothing would use, or that leave nothing: refused, and named."""

from pathlib import Path
from typing import Any

import pytest

from physioprep.errors import ShardError
from physioprep.shards import shard
from physioprep.shards.annotation_label import parse_annotation_labels, read_annotation_labels
from physioprep.shards.spec import ShardSpec


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"stride_s": 0}, "stride_s=0: it must be longer than 0 s"),
        ({"stride_s": -1}, "stride_s=-1: it must be longer than 0 s"),
        ({"stride_s": 3, "align": "beat"}, "stride_s=3 is for windows one after the other, not"),
        ({"stride_s": 3, "align": "r_peak"}, "not for align='r_peak'"),
        ({"stride_s": 3, "align": "annotation"}, "not for align='annotation'"),
        ({"annotators": ["v9"]}, "annotators='v9' chooses annotations; align='start' without"),
        ({"annotators": ["v9"], "align": "r_peak"}, "align='r_peak' without annotation_labels"),
        ({"regions": [(None, 10, 0)]}, "a region from 10 to 0 s ends before it begins"),
        ({"regions": [(None, -5, -9)]}, "a region from -5 to -9 s ends before it begins"),
        ({"regions": [(None, 5, 5)]}, "ends before it begins"),
    ],
)
def test_what_would_be_ignored_is_refused(options: dict[str, Any], cause: str) -> None:
    with pytest.raises(ShardError) as error:
        ShardSpec.of(**options)
    assert cause in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"stride_s": 3, "align": "event"},
        {"window_s": 2, "stride_s": 2, "align": "beat"},  # what `to_dict` gives
        {"annotators": ["atr"], "align": "beat"},
        {"annotators": ["atr"], "annotation_labels": {"beat": {"of": "code"}}},
        {"annotators": ["atr"], "split": {"train": {"trials": [0]}, "test": {"trials": [1]}}},
        {"regions": [(None, 10, -10), (None, None, 5), (None, -5, None)]},
    ],
)
def test_what_is_used_is_not(options: dict[str, Any]) -> None:
    spec = ShardSpec.of(**options)
    assert ShardSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"where": "age > 900"}, "where='age > 900' keeps none of the 12 records"),
        ({"where": "corpus == 'x'"}, "where=\"corpus == 'x'\" keeps none of the 12 records"),
        ({"window_s": 3600}, "window_s=3600: the longest record has 14.3438 s"),
        ({"regions": [("age > 900", 0, 9)]}, "regions='age > 900' selects none of the 12 records"),
        ({"regions": [(None, 9, -9)]}, "window_s=1: the regions leave at most 0 s of a record"),
        ({"trim_s": 7}, "window_s=1: trim_s=7 leaves at most 0.34375 s of a record"),
        (
            {"where": "record_id == 'r003'"},  # without EEG
            "none of the 1 records has signals with all of ecg, eeg at the same time; choose some "
            "of these (`modalities`, --modality), or keep windows that lack some (`pairs`, --pairs "
            "any)",
        ),
    ],
)
def test_the_option_that_leaves_no_window_is_named(
    paired: Path, tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(ShardError) as error:
        shard(paired, tmp_path / "s", **{"window_s": 1.0, **options})
    assert str(error.value) == f"no window is left: {cause}"


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"wher": "x"}, "unknown key `wher`; did you mean 'where'?"),
        ({"zzz": 1}, "unknown key `zzz` (known: where, of, categories, rule, lasts, other"),
        ({"name": "x"}, "unknown key `name`"),
        ({"rule": 3}, "rule: 3 is not a text"),
        ({"lasts": "no"}, "lasts: 'no' is not true or false"),
        ({"categories": "N"}, "categories: 'N' is not a mapping of patterns to texts"),
        (["where"], "['where']: not a mapping of its fields"),
    ],
)
def test_a_wrong_annotation_label_names_the_field(fields: Any, cause: str) -> None:
    with pytest.raises(ShardError) as error:
        parse_annotation_labels({"stage": fields})
    assert str(error.value).startswith("annotation label 'stage': ")
    assert cause in str(error.value)


def test_a_pattern_is_shown_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "labels.yaml"
    file.write_text(r"stage: {categories: {'(\d+': x}}")
    with pytest.raises(ShardError) as error:
        read_annotation_labels(file)
    assert r"regular expression '(\d+': " in str(error.value)
