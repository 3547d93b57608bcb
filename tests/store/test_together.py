"""Blocks whose records are harmonised together, against one record at a time."""

import gc
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep import harmonise
from physioprep.store.build import alike, block

Files = Callable[[Path], dict[str, str]]
Drive = Callable[..., dict[str, Any]]
ROOT = Path(__file__).resolve().parents[2]
LEADS = ("I", "II", "V1")


@pytest.fixture(scope="module")
def mixed(
    tmp_path_factory: pytest.TempPathFactory,
    wfdb_writer: Callable[..., None],
    make_noise: Callable[..., np.ndarray],
) -> Path:
    """Forty records: alike, of other lengths, leads and rates, with missing samples, damaged."""
    folder = tmp_path_factory.mktemp("mixed")
    for i in range(40):
        digital = make_noise(i, 1000 + 500 * (i % 5 == 1), 3)
        if i % 7 == 3:
            digital[1, 300:350] = -32768
        if i % 11 == 5:
            digital[...] = -32768  # nothing is valid
        leads = ("V1", "I", "II") if i % 6 == 2 else LEADS
        rate_hz = 250.0 if i % 8 == 6 else 500.0
        wfdb_writer(folder, f"r{i:02}", digital, rate_hz=rate_hz, leads=leads)
    data = bytearray((folder / "r20.dat").read_bytes())
    data[100] ^= 1  # its checksum is wrong
    (folder / "r20.dat").write_bytes(data)
    return folder


def ingest(folder: Path, target: Path, recipe: str = "ecg-200hz") -> Path:
    manifest = pp.scan(folder, "folder", hashes=False)
    return Path(pp.ingest(manifest, target, recipe, scheduler="sync").path)


@pytest.fixture(params=["read as one array", "read one by one"])
def counted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of records that are harmonised together from here on, by either way."""
    counts: list[int] = []
    if request.param == "read as one array":
        name = "harmonise_array"
    else:
        name = "harmonise_together"
        monkeypatch.setattr(alike.Alike, "take", lambda *_: None)
    together = getattr(harmonise, name)

    def count(*arguments: Any) -> Any:
        found = together(*arguments)
        every = found if name == "harmonise_together" else found[0]
        counts.append(sum(each is not None for each in every))
        return found

    monkeypatch.setattr(harmonise, name, count)
    return counts


def test_the_store_is_that_of_one_record_at_a_time(
    mixed: Path,
    tmp_path: Path,
    files_of: Files,
    monkeypatch: pytest.MonkeyPatch,
    counted: list[int],
) -> None:
    together = ingest(mixed, tmp_path / "together.zarr")
    assert max(counted) > 5
    counted.clear()
    monkeypatch.setattr(block, "TOGETHER", 0)
    alone = ingest(mixed, tmp_path / "alone.zarr")
    assert counted == []
    assert files_of(together) == files_of(alone)
    assert pp.open_store(together).attrs["n_quarantined"] == 5  # r20, and those without a sample


def test_the_last_record_is_written_whatever_waits(
    mixed: Path, tmp_path: Path, files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result does not depend on how many records are read ahead."""
    usual = ingest(mixed, tmp_path / "usual.zarr")
    monkeypatch.setattr(block, "TOGETHER", 3 * 3 * 1000)
    few = ingest(mixed, tmp_path / "few.zarr")
    assert files_of(usual) == files_of(few)


def test_a_recording_is_gone_before_the_next_is_read(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block, "TOGETHER", 0)
    read, last = block.read_source, []

    def read_one(*arguments: Any, **options: Any) -> Any:
        gc.collect()
        assert not [recording for recording in last if recording() is not None]
        found = read(*arguments, **options)
        last.append(weakref.ref(found))
        return found

    monkeypatch.setattr(block, "read_source", read_one)
    store = pp.open_store(ingest(mixed, tmp_path / "s.zarr"))
    assert len(store) == 35
    assert len(last) == 39


def test_where_a_step_over_the_array_raises_only_the_culprit_is_left_out(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: list[int]
) -> None:
    from physioprep.harmonise import steps

    recording = pp.read_recording(mixed / "r21.hea")
    first = recording.groups[0].digital[0, :50]
    transform = steps.transform_gappy

    def break_on_r21(x: np.ndarray, *others: Any, **named: Any) -> Any:
        if any((row[:50] == first).all() for row in x):
            raise RuntimeError("cannot do this one")
        return transform(x, *others, **named)

    monkeypatch.setattr(steps, "transform_gappy", break_on_r21)
    store = pp.open_store(ingest(mixed, tmp_path / "s.zarr"))
    quarantine = pd.read_parquet(tmp_path / "s.zarr" / "quarantine.parquet")
    why = dict(zip(quarantine["record_id"], quarantine["reason"], strict=True))
    assert why["r21"] == "RuntimeError: cannot do this one"
    assert len(why) == 6
    assert len(store) == 34
    assert counted  # others went together


def test_a_short_way_that_always_fails_changes_nothing(
    mixed: Path, tmp_path: Path, files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it, each record is then done by itself."""
    usual = files_of(ingest(mixed, tmp_path / "usual.zarr", "native"))
    for place, name in ((alike.Alike, "_take"), (alike.Alike, "_encode"), (alike, "_sources")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, lambda *_: 1 // 0)
            target = tmp_path / f"{name}.zarr"
            assert files_of(ingest(mixed, target, "native")) == usual, name


def test_what_is_wrong_with_a_record_is_said_as_ever(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that change after the scan, go, or become links to elsewhere."""
    folder = tmp_path / "corpus"
    shutil.copytree(mixed, folder)
    manifest = pp.scan(folder, "folder", scheduler="sync")
    for name, change in (("r22", b"\1\0"), ("r23", b"")):
        data = (folder / f"{name}.dat").read_bytes()
        (folder / f"{name}.dat").write_bytes(change + data[len(change) or 2 :])
    (folder / "r24.dat").unlink()
    (folder / "r25.dat").rename(tmp_path / "out.dat")
    (folder / "r25.dat").symlink_to(tmp_path / "out.dat")
    header = (folder / "r28.hea").read_text()
    (folder / "r28.hea").write_text(header + "# a comment\n")
    reasons = []
    for take in (alike.Alike.take, lambda *_: None):
        monkeypatch.setattr(alike.Alike, "take", take)
        target = tmp_path / f"{len(reasons)}.zarr"
        pp.ingest(manifest, target, "native", scheduler="sync")
        table = pd.read_parquet(target / "quarantine.parquet")
        reasons.append(dict(zip(table["record_id"], table["reason"], strict=True)))
    assert reasons[0] == reasons[1]
    assert {"r22", "r23", "r24", "r25", "r28"} < set(reasons[0])
    assert "lies outside the folder of its corpus" in reasons[0]["r25"]
    assert "changed since the scan" in reasons[0]["r28"]


KILLER = """
import ctypes
from physioprep.harmonise import steps
transform = steps.transform_gappy
def killing(x, *others, **named):
    if any((row[:5] == 77).all() for row in x):
        ctypes.string_at(0)
    return transform(x, *others, **named)
steps.transform_gappy = killing
"""


def test_a_record_that_kills_the_process_among_others_is_found(
    tmp_path: Path, drive: Drive, wfdb_writer: Callable[..., None],
    make_noise: Callable[..., np.ndarray],
) -> None:  # fmt: skip
    """The trace names the record read last; done alone, it names the culprit."""
    for i in range(8):
        digital = make_noise(i, 1000, 3)
        if i == 2:
            digital[:, :5] = 77
        wfdb_writer(tmp_path / "raw", f"r{i}", digital, rate_hz=500.0, leads=LEADS)
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "sitecustomize.py").write_text(KILLER)
    manifest = pp.write_manifest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "m.parquet")
    path = os.pathsep.join([str(tmp_path / "poison"), str(ROOT)])
    answer = drive(
        manifest=manifest, recipe="ecg-200hz", workers=2, scheduler="processes",
        target=tmp_path / "s.zarr", env={"PYTHONPATH": path, "PYTHONFAULTHANDLER": ""},
    )  # fmt: skip
    assert answer.get("records") == 7, answer
    assert answer["quarantined"] == ["folder/r2: it crashes the process that reads it (SIGSEGV)"]


@pytest.mark.realdata
@pytest.mark.parametrize(
    "recipe",
    [
        "ecg-200hz",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("eeg-200hz", "native")),
    ],
)
def test_every_real_folder_gives_the_same_bytes(
    shared_data: Path,
    tmp_path: Path,
    files_of: Files,
    monkeypatch: pytest.MonkeyPatch,
    counted: list[int],
    recipe: str,
) -> None:
    usual, n_stores = block.TOGETHER, 0
    for folder in sorted(path for path in shared_data.iterdir() if path.is_dir()):
        found = []
        for size in (usual, 0):
            monkeypatch.setattr(block, "TOGETHER", size)
            target = tmp_path / str(size) / f"{folder.name}.zarr"
            try:
                found.append(files_of(ingest(folder, target, recipe)))
            except pp.PhysioprepError as error:
                found.append({"error": str(error).replace(str(target), "")})
        assert found[0] == found[1], folder.name
        n_stores += len(found[0]) > 1
    assert n_stores > 4
    assert sum(counted) >= 50 or recipe != "ecg-200hz"
