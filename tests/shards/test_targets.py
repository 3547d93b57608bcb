"""Targets of shards: what a label holds and its values, each against a slow reference."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import ShardError
from physioprep.shards import Target, open_shards, shard

MakeGroup = Callable[..., dict[str, Any]]
WriteStore = Callable[..., Path]


def test_targets_and_values_of_classes_and_numbers(paired: Path, tmp_path: Path) -> None:
    shard(paired, tmp_path / "s", window_s=1.0, windows_per_chunk=4)
    shards = open_shards(tmp_path / "s")
    assert shards.target("condition") == Target("label_condition", "class", ("rest", "task"))
    assert shards.target("label_score") == Target("label_score", "number")
    assert not shards.target("score").is_sequence
    assert (shards.categories("score"), shards.categories("condition")) == (None, ("rest", "task"))
    rows = shards.windows
    wanted = [{"rest": 0, "task": 1}.get(text, -1) for text in rows["label_condition"]]
    codes, scores = shards.values("condition"), shards.values("label_score")
    assert (codes.dtype, scores.dtype) == (np.int64, np.float32)
    assert codes.tolist() == wanted
    np.testing.assert_array_equal(scores, rows["label_score"].to_numpy())
    assert {-1, 0, 1} == set(wanted)
    for call in (shards.target, shards.values, shards.categories):
        with pytest.raises(ShardError, match="no label conditio; did you mean 'label_condition'"):
            call("conditio")
    with pytest.raises(ShardError, match="no text score; it has none"):
        shards.texts("score")
    with pytest.raises(ShardError, match="no spans of a label score; it has none"):
        shards.spans("score")


def test_codes_as_numbers_keep_their_digits(
    make_group: MakeGroup, write_store: WriteStore, tmp_path: Path
) -> None:
    codes = [426783006, 426783007, 164889003]
    rng = np.random.default_rng(0)
    ecg = [rng.integers(-900, 900, (1, 500)).astype(np.int16) for _ in codes]
    labels = {"label_code": [float(code) for code in codes]}
    store = write_store(tmp_path / "a.zarr", {"ecg": make_group(ecg, channels=["I"])}, labels)
    shard(store, tmp_path / "s", window_s=1.0)
    values = open_shards(tmp_path / "s").values("code")
    assert values.dtype == np.float64
    assert sorted(set(values.tolist())) == sorted(codes)


def test_a_damaged_description_of_a_label_is_one_line(paired: Path, tmp_path: Path) -> None:
    shard(paired, tmp_path / "s", window_s=1.0)
    (tmp_path / "s" / "CRC32CSUMS").unlink()  # as shards of an earlier version
    file = tmp_path / "s" / "label_score" / "zarr.json"
    held = json.loads(file.read_text())
    for kind in ("classes", "text", 3):
        file.write_text(json.dumps({**held, "attributes": {"kind": kind, "categories": ["a"]}}))
        with pytest.raises(ShardError, match="its metadata are damaged: label_score: ") as error:
            open_shards(tmp_path / "s").target("score")
        assert "\n" not in str(error.value)
