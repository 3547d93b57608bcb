"""What a store lost, or what changed in it, is an error; a resumed run hashes what it believes."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from zarr.buffer import default_buffer_prototype

import physioprep as pp
from physioprep.auditing import audit
from physioprep.errors import StoreError
from physioprep.hashes import sha256_of
from physioprep.store import listed
from physioprep.store.build import run as build_run
from physioprep.store.listed import zarr_place
from physioprep.stream import WindowStream

Files = Callable[[Path], dict[str, str]]
SHARD = "ecg/signal/c/0/3"


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(data)


@pytest.fixture
def damaged(undisturbed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(undisturbed, tmp_path / "damaged.zarr")


def test_a_missing_shard_is_named_and_never_fill(damaged: Path, tmp_path: Path) -> None:
    (damaged / SHARD).unlink()
    store = pp.open_store(damaged)
    with pytest.raises(StoreError, match=f"{SHARD} is missing; `physioprep verify`"):
        _ = [store.read(number, "ecg") for number in range(len(store))]
    with pytest.raises(StoreError, match=f"{SHARD} is missing"):
        _ = [store.record(record) for record in store.records["record_id"]]
    with pytest.raises(StoreError, match=f"{SHARD} is missing"):
        pp.shard(damaged, tmp_path / "s", window_s=5)
    assert not (tmp_path / "s").exists()
    with pytest.raises(StoreError, match=f"{SHARD} is missing"):
        list(WindowStream(damaged, batch_size=2, window_s=3))
    (problem,) = pp.verify(damaged).problems
    assert problem == f"{SHARD}: missing"


TABLES = ("ecg/scale/c/0/0", "ecg/length/c/0", "records/record_id/c/0", "ecg/present/c/0/0")


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_table_is_named(damaged: Path, tmp_path: Path, name: str) -> None:
    (damaged / name).unlink()
    with pytest.raises(StoreError, match=f"{name} is missing"):
        pp.shard(damaged, tmp_path / "s", window_s=5)
    with pytest.raises(StoreError, match=f"{name} is missing"):
        pp.open_store(damaged).record("r0")


@pytest.mark.parametrize("name", TABLES)
def test_a_changed_table_does_not_become_shards(damaged: Path, tmp_path: Path, name: str) -> None:
    flip(damaged / name)
    with pytest.raises(StoreError, match=f"{name} is changed since it was written"):
        pp.shard(damaged, tmp_path / "s", window_s=5)
    with pytest.raises(StoreError, match=f"{name} is changed since it was written"):
        WindowStream(damaged, batch_size=2, window_s=3)


def test_a_flipped_sample_byte_is_never_read(damaged: Path, tmp_path: Path) -> None:
    flip(damaged / SHARD)
    words = f"{SHARD} is changed since it was written; `physioprep verify`"
    store = pp.open_store(damaged)
    with pytest.raises(StoreError, match=words):
        _ = [store.read(number, "ecg") for number in range(len(store))]
    with pytest.raises(StoreError, match=words):
        _ = [store.record(record) for record in store.records["record_id"]]
    with pytest.raises(StoreError, match=words):
        pp.shard(damaged, tmp_path / "s", window_s=5)
    with pytest.raises(StoreError, match=words):
        list(WindowStream(damaged, batch_size=2, window_s=3))
    (problem,) = pp.verify(damaged).problems
    assert problem.startswith(f"{SHARD}: changed")


@pytest.mark.parametrize("name", ["zarr.json", "ecg/zarr.json", "ecg/signal/zarr.json", *TABLES])
def test_a_flipped_byte_of_metadata_or_a_table_is_never_read(damaged: Path, name: str) -> None:
    before = pp.open_store(damaged).tree().load()
    flip(damaged / name)
    if name.startswith("ecg/") and name.endswith("zarr.json"):  # the root has a copy of it
        assert pp.open_store(damaged).tree().load().identical(before)
        with pytest.raises(StoreError, match=f"{name} is changed since"):
            asyncio.run(zarr_place(damaged).get(name, default_buffer_prototype()))
    else:
        with pytest.raises(StoreError, match=r"is no|is changed since"):
            pp.open_store(damaged).tree().load()
    assert [line.split(":")[0] for line in pp.verify(damaged).problems] == [name]


def test_what_changes_while_a_store_is_open_is_noticed(damaged: Path) -> None:
    store = pp.open_store(damaged)
    _ = [store.read(number, "ecg") for number in range(len(store))]
    flip(damaged / SHARD)
    with pytest.raises(StoreError, match=f"{SHARD} is changed since it was written"):
        _ = [store.read(number, "ecg") for number in range(len(store))]


def test_a_chunk_that_was_slipped_in_is_never_read(damaged: Path) -> None:
    stray = damaged / "records" / "record_id" / "c" / "1"
    shutil.copy(damaged / "records" / "record_id" / "c" / "0", stray)
    with pytest.raises(StoreError, match="c/1 is not part of this store"):
        asyncio.run(zarr_place(damaged).get("records/record_id/c/1", default_buffer_prototype()))


def test_each_file_is_hashed_once(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def count(path: Path) -> str:
        hashed.append(path)
        return sha256_of(path)

    monkeypatch.setattr(listed, "sha256_of", count)
    for _ in range(2):
        store = pp.open_store(damaged)
        for number in range(len(store)):
            store.read(number, "ecg", 0, 10)
            store.read(number, "ecg", 200, 300)
    assert damaged / SHARD in hashed
    assert len(hashed) == len(set(hashed))


def test_the_audit_names_damaged_files_of_a_store(damaged: Path) -> None:
    flip(damaged / SHARD)
    found = {finding.check: finding for finding in audit([damaged]).findings}
    assert SHARD in found["damaged-store"].detail
    assert "is changed since it was written" in found["unreadable-file"].detail


def test_a_repaired_store_gives_the_shards_of_the_whole_one(
    undisturbed: Path, damaged: Path, tmp_path: Path, files_of: Files
) -> None:
    (damaged / SHARD).unlink()
    with pytest.raises(StoreError, match="is missing"):
        pp.shard(damaged, tmp_path / "s", window_s=5)
    shutil.copy(undisturbed / SHARD, damaged / SHARD)
    pp.shard(damaged, tmp_path / "s", window_s=5)
    pp.shard(undisturbed, tmp_path / "t", window_s=5)
    assert files_of(tmp_path / "s") == files_of(tmp_path / "t")


def test_a_chunk_that_was_never_written_is_fill(tmp_path: Path, wfdb_writer: Any) -> None:
    """Zarr writes no file for fill values alone; the list of hashes tells it from a lost one."""
    digital = np.full((2, 2000), -32768, np.int16)
    digital[:, 0] = 5
    wfdb_writer(tmp_path / "raw", "a", digital)
    manifest = pp.scan(tmp_path / "raw", "folder")
    pp.ingest(manifest, tmp_path / "s.zarr", "native", scheduler="sync")
    assert np.isnan(pp.open_store(tmp_path / "s.zarr").read(0, "ecg")).sum() >= 3998


def test_a_resumed_ingest_does_not_believe_zeros(
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    target = tmp_path / "s.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(build_run._Run, "_commit", die)
        with pytest.raises(KeyboardInterrupt):
            pp.ingest(manifest, target, "ecg-200hz", scheduler="sync")
    (shard,) = (tmp_path / ".s.zarr.partial").glob(f"*/store/{SHARD}")
    shard.write_bytes(bytes(shard.stat().st_size))
    pp.ingest(manifest, target, "ecg-200hz", scheduler="sync")
    assert files_of(target) == files_of(undisturbed)


def test_verify_finds_a_store_whose_root_is_damaged(damaged: Path) -> None:
    (damaged / "zarr.json").write_bytes(b"\0" * 100)
    result = pp.verify(damaged)
    assert result.kind == "store"
    assert [line.split(":")[0] for line in result.problems] == ["zarr.json"]
