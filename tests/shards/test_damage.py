"""Damage of shards is an error that names the file, and a resumed run does not believe it."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physioprep as pp
from physioprep.auditing import audit
from physioprep.errors import ShardError, StoreError
from physioprep.hashes import sha256_of
from physioprep.shards import open_shards, shard
from physioprep.shards import run as shard_run
from physioprep.shards.checksums import TABLE

CODECS = ("none", "lz4", "zstd", "pcodec")
SPEC: dict[str, Any] = {"window_s": 1.0, "windows_per_chunk": 4, "seed": 3}
CHUNK = "ecg/signal/c.1.0.0"


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., dict[str, Any]],
    write_store: Callable[..., Path],
) -> Path:
    rng = np.random.default_rng(5)
    ecg = [rng.integers(-900, 900, (2, 1500)).astype(np.int16) for _ in range(6)]
    path = tmp_path_factory.mktemp("damage") / "store.zarr"
    labels = {"label_sex": ["f", "m"] * 3}
    return write_store(path, {"ecg": make_group(ecg, channels=["I", "II"])}, labels)


@pytest.fixture(scope="module")
def made(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of shards for each codec."""
    folder = tmp_path_factory.mktemp("made")
    for codec in CODECS:
        shard(store, folder / codec, **SPEC, codec=codec)
    return folder


def read_all(path: Path) -> bytes:
    """Read as the stream does: samples, scales, presence and labels of every chunk."""
    shards = open_shards(path)
    parts = []
    for chunk in range(shards.n_chunks):
        start = chunk * shards.windows_per_chunk
        stop = min(start + shards.windows_per_chunk, shards.n_windows)
        parts.append(shards.signal(chunk, "ecg").tobytes())
        names = ("ecg/scale", "ecg/present", "label_sex", "record", "start_s")
        parts += [shards.rows(name, start, stop).tobytes() for name in names]
    return b"".join([*parts, shards.windows.to_csv().encode()])


def hurt(file: Path, how: str) -> None:
    data = bytearray(file.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 0x10
    elif how == "zeros":
        data = bytearray(len(data))
    elif how == "cut":
        del data[-1:]
    elif how == "empty":
        data.clear()
    elif how == "exchange":
        data = bytearray(file.with_name(file.name.replace("c.1.", "c.2.")).read_bytes())
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(data)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("how", ["flip", "zeros", "cut", "empty", "gone", "exchange"])
def test_a_damaged_chunk_is_named(made: Path, tmp_path: Path, codec: str, how: str) -> None:
    path = shutil.copytree(made / codec, tmp_path / "s")
    hurt(path / CHUNK, how)
    with pytest.raises(ShardError, match=CHUNK):
        read_all(path)
    (problem,) = pp.verify(path).problems
    assert problem.startswith(CHUNK)


SMALL = ("ecg/scale/c.0.0", "ecg/present/c.0.0", "label_sex/c.0", "record/c.0", "start_s/c.0")


@pytest.mark.parametrize("name", [*SMALL, "manifest.parquet", "ecg/zarr.json", "record/zarr.json"])
@pytest.mark.parametrize("how", ["flip", "zeros", "cut", "gone"])
def test_a_damaged_table_is_named(made: Path, tmp_path: Path, name: str, how: str) -> None:
    path = shutil.copytree(made / "none", tmp_path / "s")
    hurt(path / name, how)
    with pytest.raises(ShardError, match=name):
        read_all(path)
    (problem,) = pp.verify(path).problems
    assert problem.startswith(name)


@pytest.mark.parametrize("how", ["flip", "zeros", "cut", "gone"])
@pytest.mark.parametrize("name", ["zarr.json", TABLE])
def test_a_damaged_root_is_one_clear_error(
    made: Path, tmp_path: Path, name: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = shutil.copytree(made / "none", tmp_path / "s")
    hurt(path / name, how)
    if (name, how) == (TABLE, "gone"):  # as of an earlier version: read, and said once
        for _ in range(2):
            assert read_all(path) == read_all(made / "none")
        assert caplog.text.count("damage cannot be noticed") == 1
        with pytest.raises(ShardError, match="cannot be verified"):
            pp.verify(path)
    else:
        with pytest.raises(ShardError):
            read_all(path)


def test_a_file_that_does_not_belong_there_is_not_read(made: Path, tmp_path: Path) -> None:
    path = shutil.copytree(made / "none", tmp_path / "s")
    sums = open_shards(path).files.sums
    assert sums is not None
    stray = f"ecg/signal/c.{len(sums)}.0.0"
    shutil.copy(path / CHUNK, path / stray)
    assert pp.verify(path).problems == (f"{stray}: not part of these shards",)


def test_every_file_is_listed_and_the_audit_notices(made: Path, tmp_path: Path) -> None:
    path = shutil.copytree(made / "lz4", tmp_path / "s")
    result = pp.verify(path)
    files = {each for each in path.rglob("*") if each.is_file()}
    assert (result.kind, result.problems, result.n_files) == ("shards", (), len(files) - 1)
    hurt(path / CHUNK, "flip")
    found = {finding.check: finding for finding in audit([path]).findings}
    assert CHUNK in found["damaged-shards"].detail


@pytest.mark.parametrize("step", ["write_manifest", "add_statistics"])
@pytest.mark.parametrize("where", ["shards/ecg/signal/c.1.0.0", "shards/ecg/zarr.json",
                                   "shards/label_sex/c.0", "spill/000000/ecg.int16",
                                   "spill/000000/candidate.npy", "plan/record.npy",
                                   "journal/000000.json"])  # fmt: skip
def test_a_resumed_run_does_not_believe_zeros(
    store: Path, made: Path, tmp_path: Path, where: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("physioprep.shards.spill.SHARE", 0 if "spill" in where else 1)
    with monkeypatch.context() as patch:
        patch.setattr(shard_run.write, step, die)
        with pytest.raises(KeyboardInterrupt):
            shard(store, tmp_path / "s", **SPEC, codec="none")
    (work,) = (each for each in (tmp_path / ".s.partial").iterdir() if each.is_dir())
    file = work / where
    file.write_bytes(bytes(file.stat().st_size))
    shard(store, tmp_path / "s", **SPEC, codec="none")
    assert read_all(tmp_path / "s") == read_all(made / "none")
    assert (tmp_path / "s" / TABLE).read_bytes() == (made / "none" / TABLE).read_bytes()


def test_a_finished_run_that_is_damaged_is_made_again(
    store: Path, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shard_run, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            shard(store, tmp_path / "s", **SPEC, codec="none")
    (work,) = (each for each in (tmp_path / ".s.partial").iterdir() if each.is_dir())
    hurt(work / "shards" / CHUNK, "zeros")
    shard(store, tmp_path / "s", **SPEC, codec="none")
    assert read_all(tmp_path / "s") == read_all(made / "none")


def test_a_changed_store_is_not_resumed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The list of hashes of a store decides which working folder is continued."""
    own = shutil.copytree(store, tmp_path / "own.zarr")

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shard_run.write, "add_statistics", die)
        with pytest.raises(KeyboardInterrupt):
            shard(own, tmp_path / "s", **SPEC)
    first = {each.name for each in (tmp_path / ".s.partial").iterdir() if each.is_dir()}
    root = own / "zarr.json"
    (own / "SHA256SUMS").write_text(f"{sha256_of(root)}  zarr.json\n")
    with monkeypatch.context() as patch:
        patch.setattr(shard_run.write, "add_statistics", die)
        with pytest.raises(KeyboardInterrupt):
            shard(own, tmp_path / "s", **SPEC)
    second = {each.name for each in (tmp_path / ".s.partial").iterdir() if each.is_dir()}
    assert first.isdisjoint(second)
    root.write_text(json.dumps(json.loads(root.read_text())))
    caplog.set_level(logging.WARNING)
    with pytest.raises(StoreError, match=r"zarr\.json is changed since it was written"):
        shard(own, tmp_path / "t", **SPEC)
