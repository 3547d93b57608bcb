"""`ShardDataset` against the stream, sample for sample."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Subset

import physioprep as pp
from physioprep.stream.stream import ShardStream

WHERE = "label_condition == 'task'"


def rows_of(path: Path, **options: Any) -> list[dict[str, torch.Tensor]]:
    """Return the windows of a stream, one by one."""
    stream = ShardStream(path, batch_size=32, shuffle=False, rank=0, world_size=1, **options)
    return [
        {name: values[row].clone() for name, values in batch.items()}
        for batch in stream
        for row in range(len(batch["index"]))
    ]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(
        one[name].dtype == other[name].dtype
        and torch.equal(one[name].nan_to_num(9e9), other[name].nan_to_num(9e9))
        for name in one
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"where": WHERE, "modalities": ["ecg"]},
        {"raw": True},
        {"channels": {"ecg": ["V1", "I"]}, "input_leads": {"I": 0.5, "V1": 0.5}, "seed": 4},
    ],
)
def test_every_window_equals_that_of_the_stream(toy_shards: Path, options: Any) -> None:
    dataset = pp.ShardDataset(toy_shards, **options)
    expected = rows_of(toy_shards, **options)
    assert len(dataset) == len(expected) > 50
    backwards = [dataset[-n] for n in range(1, len(dataset) + 1)]
    assert all(map(same, backwards[::-1], expected))


def test_samples_stay_as_they_were_given(toy_shards: Path) -> None:
    dataset = pp.ShardDataset(toy_shards, keep=1)
    first = dataset[0]
    kept = {name: values.clone() for name, values in first.items()}
    for number in range(len(dataset)):  # buffers of other windows and chunks
        dataset[number]
    assert same(first, kept)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_shuffle_and_give_every_window_once(toy_shards: Path, start: str) -> None:
    dataset = pp.ShardDataset(toy_shards, where=WHERE)
    dataset[0]  # threads and locks of this process must not matter
    expected = {int(row["index"]): row for row in rows_of(toy_shards, where=WHERE)}
    loader = DataLoader(
        dataset, batch_size=32, shuffle=True, num_workers=1, multiprocessing_context=start,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    seen = []
    for batch in loader:
        for row, number in enumerate(batch["index"].tolist()):
            seen.append(number)
            one = {name: values[row] for name, values in batch.items()}
            assert same(one, expected[number])
    assert sorted(seen) == sorted(expected)
    assert seen != sorted(seen)


def test_a_batch_decodes_each_chunk_once(toy_shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    signal = pp.Shards.signal

    def noted(self: pp.Shards, chunk: int, *rest: Any) -> Any:
        read.append(chunk)
        return signal(self, chunk, *rest)

    monkeypatch.setattr(pp.Shards, "signal", noted)
    dataset = pp.ShardDataset(toy_shards, modalities=["ecg"], keep=1)
    per_chunk = dataset.shards.windows_per_chunk
    batch = dataset.__getitems__([0, per_chunk, 1, per_chunk + 1, 0])
    assert [int(row["index"]) for row in batch] == [0, per_chunk, 1, per_chunk + 1, 0]
    assert sorted(read) == [0, 1]


def test_what_is_no_index_is_one_clear_error(toy_shards: Path) -> None:
    dataset = pp.ShardDataset(toy_shards)
    with pytest.raises(pp.ShardError, match=r"a slice is no index of it: use .*Subset"):
        dataset[2:5]  # type: ignore[index]
    with pytest.raises(pp.ShardError, match="an index is a whole number, not str"):
        dataset["208"]  # type: ignore[index]
    for number in (len(dataset), -len(dataset) - 1):
        with pytest.raises(IndexError, match=f"no window {number} of {len(dataset)}"):
            dataset[number]
    with pytest.raises(pp.ShardError, match="keep"):
        pp.ShardDataset(toy_shards, keep=0)
    part = Subset(dataset, range(2, 5))
    assert [int(row["index"]) for row in part] == [2, 3, 4]
