"""The exchange of old shards for new ones, killed between every two of its steps."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep import exchange
from physioprep.shards import open_shards, run, shard
from physioprep.shards.work_folder import SHARDS

Files = dict[str, bytes]
#: Calls that change what is on the disk, or wait for it.
CALLS = ("rename", "replace", "unlink", "remove", "rmdir", "mkdir", "fsync")
OLD: dict[str, Any] = {"window_s": 0.5, "scheduler": "sync"}
NEW: dict[str, Any] = {"window_s": 1.0, "scheduler": "sync"}


class KilledError(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def files_of(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def killed_at(step: int, monkeypatch: pytest.MonkeyPatch, begin: str) -> Iterator[list[str]]:
    """Kill the run before a step after `run.<begin>` has begun; give the steps that it took.

    A process that was killed does nothing more, so that all later steps fail too. The kernel
    drops its lock, so that steps on the lock's file do not count.
    """
    taken: list[str] = []
    armed = [False]

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if armed[0] and not str(arguments[0]).endswith(".lock"):
                if len(taken) >= step:
                    raise KilledError(name)
                taken.append(name)
            return real(*arguments, **options)

        return call

    def arm(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            armed[0] = True
            return real(*arguments)

        return call

    with monkeypatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, counted(name, getattr(os, name)))
        patch.setattr(exchange, "_exchange", counted("exchange", exchange._exchange))
        patch.setattr(run, begin, arm(getattr(run, begin)))
        yield taken


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., dict[str, Any]],
    write_store: Callable[..., Path],
) -> Path:
    rng = np.random.default_rng(6)
    ecg = [rng.integers(-900, 900, (1, 400)).astype(np.int16) for _ in range(3)]
    folder = tmp_path_factory.mktemp("store")
    return write_store(folder / "a.zarr", {"ecg": make_group(ecg, channels=["I"])})


@pytest.fixture(scope="module")
def old_and_new(store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("whole")
    shard(store, folder / "old", **OLD)
    shard(store, folder / "new", **NEW)
    return folder / "old", folder / "new"


@pytest.mark.parametrize(
    ("case", "every"),
    [
        ("other plan", 5),
        ("same plan", 5),
        ("no old", 3),
        *(
            pytest.param(case, 1, marks=pytest.mark.long)
            for case in ("other plan", "same plan", "no old", "no exchange")
        ),
    ],
)
def test_killed_between_any_two_steps_of_the_commit(
    store: Path,
    old_and_new: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    every: int,
) -> None:
    """The old or the new shards are whole at the target, and the next run brings the new.

    Each `every`-th step in turn.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)  # counted, but a disk takes its time
    if case == "no exchange":  # a file system or kernel without renameat2
        monkeypatch.setattr(exchange, "_exchange", lambda *_: False)
    before, wanted = old_and_new[case == "same plan"], files_of(old_and_new[1])
    old = {} if case == "no old" else files_of(before)
    target, step, seen = tmp_path / "s", 0, set()
    ready = make_ready(store, target, None if case == "no old" else before, monkeypatch)
    while True:
        with killed_at(step, monkeypatch, "finish") as taken:
            try:
                shard(store, target, overwrite=True, **NEW)
            except KilledError:
                pass
            else:
                break
        if target.exists():
            found = files_of(target)
            assert found in (old, wanted), (step, taken[-1:])
            sha256 = open_shards(target).attrs["plan_sha256"]
            assert sha256 == json.loads(found["zarr.json"])["attributes"]["plan_sha256"]
        else:  # nothing was there, or two renames stand in for the exchange
            assert case in ("no old", "no exchange")
            found = {} if case == "no old" else files_of(next(tmp_path.glob(".s.*.old")))
            assert found == old
        noted = list(tmp_path.glob(".s.partial/*/finished.json"))
        placed = {SHARDS} <= {path.name for note in noted for path in note.parent.iterdir()}
        with monkeypatch.context() as patch:
            if placed and found == old != wanted:  # complete, but not in its place: not made anew
                patch.setattr(run, "_execute", None)
                seen.add("placed")
            shard(store, target, overwrite=True, **NEW)
        assert files_of(target) == wanted
        assert [path.name for path in tmp_path.iterdir()] == ["s"]
        seen.add("old" if found == old else "new")
        shutil.rmtree(target)
        shutil.copytree(ready, tmp_path, dirs_exist_ok=True)
        step += every
    assert step > 20
    assert {"fsync", "replace", "rmdir"} <= set(taken)
    assert ("exchange" in taken) == (case != "no old")
    assert seen == ({"old"} if case == "same plan" else {"old", "new", "placed"})


def make_ready(
    store: Path, target: Path, before: Path | None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Bring a run to its commit; keep that state as a folder beside the target's."""
    if before is not None:
        shutil.copytree(before, target)
    with killed_at(0, monkeypatch, "finish"), pytest.raises(KilledError):
        shard(store, target, overwrite=True, **NEW)
    ready = target.parent.with_name(f"{target.parent.name}-ready")
    return Path(shutil.copytree(target.parent, ready))
