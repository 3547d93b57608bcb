"""Runs of sharding: any workers, stopped ones, wrong options and paths, damage."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from physioprep.errors import ShardError, StoreError
from physioprep.shards import cut, open_shards, run, shard
from tests.shards.contents import digest


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 1},
        {"workers": 3},
        {"workers": 2, "scheduler": "processes"},
        {"workers": 2, "scheduler": "cluster", "announce": print},
    ],
)
def test_any_number_of_workers_writes_the_same_bytes(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    shard(paired, tmp_path / "a", window_s=0.5, codec="lz4", scheduler="sync")
    seen: list[tuple[int, int]] = []
    shard(
        paired, tmp_path / "b", window_s=0.5, codec="lz4", **options,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert digest(tmp_path / "b") == digest(tmp_path / "a")
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    assert [path.name for path in tmp_path.iterdir()] in (["a", "b"], ["b", "a"])


def test_a_run_that_stops_anywhere_goes_on(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("physioprep.shards.plan._RUN_BYTES_MIN", 20_000)
    options: dict[str, Any] = {"window_s": 1.0, "modalities": ["ecg"], "scheduler": "sync"}
    shard(paired, tmp_path / "whole", **options)
    wanted = digest(tmp_path / "whole")
    steps = [(cut, "_spill"), (run, "order_windows"), (run.write, "_gather_signal")]
    steps += [(run.write, "add_statistics"), (run.write, "write_manifest"), (run, "commit")]
    for number, (module, name) in enumerate(steps):
        for after in (0, 2) if number < 3 else (0,):
            target = tmp_path / f"{number}-{after}"
            real, calls = getattr(module, name), 0

            def failing(
                *arguments: Any, real: Any = real, after: int = after, **options: Any
            ) -> Any:
                nonlocal calls
                calls += 1
                if calls > after:
                    raise KeyboardInterrupt
                return real(*arguments, **options)

            with monkeypatch.context() as patch:
                patch.setattr(module, name, failing)
                try:
                    shard(paired, target, **options)
                except KeyboardInterrupt:
                    assert not target.exists()
            if not target.exists():
                shard(paired, target, **options)
            assert digest(target) == wanted


def test_another_plan_does_not_go_on_from_a_killed_one(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard(paired, tmp_path / "wanted", window_s=0.5, seed=1)
    with monkeypatch.context() as patch:
        patch.setattr(run, "commit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            shard(paired, tmp_path / "s", window_s=0.5, seed=0)
    shard(paired, tmp_path / "s", window_s=0.5, seed=1)
    assert digest(tmp_path / "s") == digest(tmp_path / "wanted")


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"window_s": 1000.0}, "window_s=1000: the longest record has 14.34.* s"),
        ({"window_s": 0.333}, "no whole number of e[ce]g samples"),
        ({"modalities": ["ppg"]}, "no store holds modality 'ppg', only ecg, eeg"),
        ({"where": "height > 3"}, "height"),
        ({"labels": ["rhythm"]}, "no store has a column label_rhythm"),
        ({"max_abs": {"ecg": 0.0001}}, "none of the .* windows keeps to the limits"),
        ({"codec": "zip"}, "codec 'zip'"),
        ({"window_s": 0.0}, "longer than 0 s"),
        ({"split": {"train": 0.7}}, "must sum to 1"),
        ({"scheduler": "magic"}, "unknown scheduler 'magic'"),
    ],
)
def test_bad_options_are_one_clear_line(
    paired: Path, tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(ShardError, match=cause) as error:
        shard(paired, tmp_path / "s", **{"window_s": 1.0, **options})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "s").exists()


def test_bad_paths_are_one_clear_line(paired: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere\.zarr"):
        shard(tmp_path / "nowhere.zarr", tmp_path / "s")
    shard(paired, tmp_path / "s", window_s=1.0)
    with pytest.raises(ShardError, match="exists"):
        shard(paired, tmp_path / "s", window_s=1.0)
    shard(paired, tmp_path / "s", window_s=0.5, overwrite=True)
    assert open_shards(tmp_path / "s").attrs["spec"]["window_s"] == 0.5
    with pytest.raises(ShardError, match="no shards folder"):
        open_shards(tmp_path)
    with pytest.raises(ShardError, match=r"schema 'physioprep\.store'"):
        open_shards(paired)
    metadata = json.loads((tmp_path / "s" / "zarr.json").read_text())
    metadata["attributes"]["schema_version"] = 99
    (tmp_path / "s" / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(ShardError, match="schema version 99"):
        open_shards(tmp_path / "s")


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_damaged_chunks_are_named(paired: Path, tmp_path: Path, codec: str) -> None:
    shard(paired, tmp_path / "s", window_s=1.0, codec=codec, windows_per_chunk=8)
    shards = open_shards(tmp_path / "s")
    file = shards.path / shards.chunk_key(1, "ecg")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ShardError, match="damaged"):
        shards.read(1, "ecg")
    shards.read(0, "ecg")
    file.write_bytes(b"")
    with pytest.raises(ShardError, match="damaged"):
        shards.read(1, "ecg")


def test_two_runs_on_one_target_do_not_mix(paired: Path, tmp_path: Path) -> None:
    from physioprep.lock import hold

    with (
        hold(tmp_path / ".s.lock", tmp_path / "s"),
        pytest.raises(StoreError, match="is writing it"),
    ):
        shard(paired, tmp_path / "s", window_s=1.0)
    shutil.rmtree(tmp_path / "s", ignore_errors=True)
