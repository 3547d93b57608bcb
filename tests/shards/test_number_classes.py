"""Numbers of the records as classes, where the user says which values are classes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import ShardError
from physioprep.shards import open_shards, shard


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory, make_group: Any, write_store: Callable[..., Path]
) -> Path:
    rng = np.random.default_rng(0)
    signals = [rng.integers(-900, 900, (1, 100)).astype(np.int16) for _ in range(5)]
    return write_store(
        tmp_path_factory.mktemp("numbers") / "s.zarr",
        {"ecg": make_group(signals, channels=["I"])},
        {"label_NORM": [0.0, 1.0, 1.0, None, 2.0]},
    )


@pytest.mark.parametrize("stated", [["0", "1"], [0, 1], ["0.0", "1.0"]])
def test_stated_values_are_classes(store: Path, tmp_path: Path, stated: list[Any]) -> None:
    result = shard(store, tmp_path / "s", window_s=1.0, labels={"NORM": stated})
    shards = open_shards(tmp_path / "s")
    assert shards.target("NORM").kind == "class"
    assert shards.categories("label_NORM") == tuple(map(str, stated))
    record = [int(name[1:]) for name in shards.windows["record_id"]]
    assert shards.values("NORM").tolist() == [[0, 1, 1, -1, -1][number] for number in record]
    assert result.unlisted == {"label_NORM": {"2": 1}}


def test_otherwise_it_stays_a_number(store: Path, tmp_path: Path) -> None:
    shard(store, tmp_path / "s", window_s=1.0)
    assert open_shards(tmp_path / "s").target("NORM").kind == "number"


@pytest.mark.parametrize(
    ("stated", "cause"),
    [(["yes", "no"], "numbers, not yes, no"), (["1", "1.0"], "two are the same number")],
)
def test_categories_that_are_no_numbers(
    store: Path, tmp_path: Path, stated: list[str], cause: str
) -> None:
    with pytest.raises(ShardError, match=cause):
        shard(store, tmp_path / "s", window_s=1.0, labels={"NORM": stated})
