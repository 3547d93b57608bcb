"""Runs of sharding: any workers, stopped ones, wrong options and paths, damage."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from physioprep.errors import ShardError, StoreError
from physioprep.shards import cut, open_shards, run, shard, spill
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


@pytest.mark.parametrize(("first", "then"), [(1, 1), (0, 0), (1, 0), (0, 1)])
def test_a_run_that_stops_anywhere_goes_on(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: float, then: float
) -> None:
    """With windows in memory (1), spilled (0), and where the next run has more memory or less."""
    monkeypatch.setattr("physioprep.shards.plan._RUN_BYTES_MIN", 20_000)
    options: dict[str, Any] = {"window_s": 1.0, "modalities": ["ecg"], "scheduler": "sync"}
    shard(paired, tmp_path / "whole", **options)
    wanted = digest(tmp_path / "whole")
    assert wanted == digest_spilled(paired, tmp_path / "spilled", monkeypatch, **options)
    steps = [(cut, "spill" if first == 0 else "hold"), (run, "order_windows")]
    steps += [(run.write, "gather_signal")]
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
                patch.setattr(spill, "SHARE", first)
                try:
                    shard(paired, target, **options)
                except KeyboardInterrupt:
                    assert not target.exists()
            if not target.exists():
                with monkeypatch.context() as patch:
                    patch.setattr(spill, "SHARE", then)
                    shard(paired, target, **options)
            assert digest(target) == wanted
            assert not spill._HELD


def digest_spilled(
    store: Path, target: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> dict[str, str]:
    with monkeypatch.context() as patch:
        patch.setattr(spill, "SHARE", 0)
        shard(store, target, **options)
    return digest(target)


@pytest.mark.parametrize("options", [
    {"codec": "lz4"},
    {"pairs": "any", "min_valid": 0.5},
    {"max_per_record": 2, "stride_s": 0.1},
    {"min_std": {"ecg": 0.52}},
    {"max_abs": {"ecg": 0.8995}, "split": {"train": 0.5, "test": 0.5}},
])  # fmt: skip
@pytest.mark.parametrize("workers", [1, 3])
def test_windows_in_memory_and_in_files_give_the_same_bytes(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any],
    workers: int,
) -> None:  # fmt: skip
    monkeypatch.setattr("physioprep.shards.plan._RUN_BYTES_MIN", 20_000)
    options = {"window_s": 0.5, "workers": workers, **options}
    wanted = digest_spilled(paired, tmp_path / "files", monkeypatch, **options)
    made: list[Path] = []
    monkeypatch.setattr(cut, "spill", lambda folder, *_: made.append(folder))
    result = shard(paired, tmp_path / "memory", **options)
    assert not made
    assert {"max_abs", "min_std"}.isdisjoint(options) or result.n_windows < result.n_candidates
    assert digest(tmp_path / "memory") == wanted


def test_windows_are_spilled_where_a_quarter_of_memory_is_less(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    real = run.order_windows

    def look(work: Path, plan: Any) -> Any:
        held.append(spill.are_held(work))
        assert held[-1] == (not list((work / "spill").iterdir()))
        return real(work, plan)

    monkeypatch.setattr(run, "order_windows", look)
    result = shard(paired, tmp_path / "s", window_s=0.5, modalities=["ecg"], workers=1)
    n_bytes = result.n_candidates * 2 * 50 * 2
    for memory in (4 * n_bytes, 4 * n_bytes - 1):
        monkeypatch.setattr(spill, "memory_bytes", lambda memory=memory: memory)
        shard(paired, tmp_path / f"{memory}", window_s=0.5, modalities=["ecg"], workers=1)
    options: dict[str, Any] = {"workers": 1, "scheduler": "processes"}
    shard(paired, tmp_path / "p", window_s=0.5, modalities=["ecg"], **options)
    assert held == [True, True, False, False]


def test_the_memory_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "_LIMITS", (str(tmp_path / "none"), str(tmp_path / "max")))
    whole = spill.memory_bytes()
    (tmp_path / "max").write_text("max\n")
    assert spill.memory_bytes() == whole > 1 << 28
    (tmp_path / "max").write_text("1000000\n")
    assert spill.memory_bytes() == 1_000_000


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
