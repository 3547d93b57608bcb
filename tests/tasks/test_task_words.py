"""What a task says of its counts: no cause that is none, no claim that nobody checked."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from physioprep.errors import RecipeError
from physioprep.pipeline import task_result
from physioprep.pipeline.place import Place
from physioprep.pipeline.run import run


def test_windows_beyond_the_maximum_a_record_explain_no_difference(tmp_path: Path) -> None:
    left_out = {"beyond the maximum a record": 13, "flat": 2}
    shards: Any = SimpleNamespace(attrs={"left_out": left_out})
    place = Place(tmp_path, tmp_path, "t", simulated=False)
    assert task_result._explain(shards, place, [], []) == ["2 windows left out: flat"]


def test_counts_that_nobody_looked_up_may_be_published() -> None:
    content = {"windows": [{"published": None}], "windows_from": None, "citation": "a paper"}
    assert task_result._from(content) == "published counts were not at hand"


def test_weights_for_a_step_after_the_last(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"the step `evaluate` .* is after `shard`"):
        run(
            "tasks/mental-arithmetic", tmp_path, tmp_path / "out", until="shard",
            weights={"eeg": tmp_path},
        )  # fmt: skip
