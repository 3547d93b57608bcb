"""Shards that are damaged, deleted or exchanged under a stream, and states that are no states."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from physioprep.errors import ShardError
from physioprep.exchange import put_in_place
from physioprep.shards import open_shards, shard
from physioprep.shards.checksums import TABLE
from physioprep.stream import ShardStream

SPEC: dict[str, Any] = {"window_s": 1.0, "windows_per_chunk": 2, "modalities": ("ecg",)}


@pytest.fixture(scope="module")
def made(toy_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    shard(toy_store, folder / "first", **SPEC, seed=1)
    shard(toy_store, folder / "second", **SPEC, seed=2)
    return folder


def drop(path: Path, other: Path) -> None:
    shutil.rmtree(path)


def exchange(path: Path, other: Path) -> None:
    shutil.rmtree(path)
    shutil.copytree(other, path)


def overwrite(path: Path, other: Path) -> None:
    """Other bytes in the same files: neither the folder nor a name changes."""
    for file in other.rglob("c.*"):
        (path / file.relative_to(other)).write_bytes(file.read_bytes())


def cut(path: Path, other: Path) -> None:
    for file in (path / "ecg" / "signal").glob("c.*"):
        with file.open("r+b") as handle:
            handle.truncate(10)


@pytest.mark.parametrize("act", [drop, exchange, overwrite, cut])
@pytest.mark.parametrize("summed", [True, False])
@pytest.mark.parametrize("epoch", [0, 1])
def test_shards_that_change_under_a_stream_are_refused(
    made: Path, tmp_path: Path, act: Callable[[Path, Path], None], summed: bool, epoch: int
) -> None:
    path = shutil.copytree(made / "first", tmp_path / "s")
    if not summed:  # as of an earlier version
        (path / TABLE).unlink()
        if act is overwrite:
            pytest.skip("nothing tells the bytes of one from those of the other")
    stream = ShardStream(path, batch_size=2)
    stream.together = 1  # else the whole epoch is read, and right, before the shards change
    for _ in range(epoch):
        assert sum(len(batch["index"]) for batch in stream) == stream.n_windows
    batches = iter(stream)
    next(batches)
    act(path, made / "second")
    with pytest.raises(ShardError, match=r"gone|taken their place|damaged"):
        list(batches)


def test_a_stream_in_another_process_keeps_its_shards(made: Path, tmp_path: Path) -> None:
    path = shutil.copytree(made / "first", tmp_path / "s")
    sent = pickle.dumps(open_shards(path))
    exchange(path, made / "second")
    with pytest.raises(ShardError, match="taken their place"):
        pickle.loads(sent).signal(0, "ecg")


def test_shards_made_again_the_same_go_on(made: Path, tmp_path: Path) -> None:
    path = shutil.copytree(made / "first", tmp_path / "s")
    batches = iter(ShardStream(path, batch_size=2))
    next(batches)
    put_in_place(shutil.copytree(made / "first", tmp_path / "new"), path)
    assert len(list(batches)) > 3


def test_a_chunk_is_checked_once_per_process(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import physioprep.shards.cache as cache

    seen: list[int] = []
    crc_of = cache.crc_of
    monkeypatch.setattr(cache, "crc_of", lambda content: seen.append(1) or crc_of(content))
    stream = ShardStream(made / "first", batch_size=2)
    list(stream)
    once = len(seen)
    list(stream)
    assert once >= open_shards(made / "first").n_chunks
    assert len(seen) <= once + 40  # only `open_shards` above read metadata again


BAD: list[Any] = [
    {},
    {"version": 1},
    None,
    "x",
    {"samples_consumed": -5},
    {"samples_consumed": 10**12},
    {"samples_consumed": 1.5},
    {"samples_consumed": None},
    {"epoch": -1},
    {"epoch": "x"},
    {"epoch": True},
    {"worker": [3, 2]},
    {"worker": "w"},
]


@pytest.mark.parametrize("change", BAD)
def test_a_state_that_is_none_is_refused(made: Path, change: Any) -> None:
    stream = ShardStream(made / "first", batch_size=2)
    whole = change in ({}, {"version": 1}) or not isinstance(change, dict)
    state = change if whole else stream.state_dict() | change
    with pytest.raises(ShardError):
        stream.load_state_dict(state)
    assert sum(len(batch["index"]) for batch in stream) == stream.n_windows


def test_a_state_of_other_shards_is_refused(made: Path) -> None:
    state = ShardStream(made / "second", batch_size=2).state_dict()
    with pytest.raises(ShardError, match="another shards"):
        ShardStream(made / "first", batch_size=2).load_state_dict(state)
