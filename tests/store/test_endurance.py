"""Whatever stops an ingest, the store that comes of it is the undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.lock import hold
from physioprep.store import verify

Files = Callable[[Path], dict[str, str]]
Drive = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def manifest_file(manifest: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(pp.write_manifest(manifest, tmp_path_factory.mktemp("m") / "m.parquet"))


@pytest.mark.parametrize(
    ("kills", "scheduler", "seed"),
    [
        (6, "sync", 1),
        pytest.param(40, "sync", 2, marks=pytest.mark.long),
        pytest.param(40, "threads", 3, marks=pytest.mark.long),
    ],
)
def test_killed_at_any_instant(
    drive: Drive,
    manifest_file: Path,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
    kills: int,
    scheduler: str,
    seed: int,
) -> None:
    answer = drive(
        manifest=manifest_file,
        target=tmp_path / "s.zarr",
        scheduler=scheduler,
        workers=2,
        kills=kills,
        seed=seed,
    )
    assert answer["kills"] == sum(answer["phases"].values()) == kills, answer
    # it died in planning, writing, journaling and committing
    assert min(answer["phases"].values()) >= kills // 12 + 1, answer["phases"]
    assert answer["records"] == 12
    assert files_of(tmp_path / "s.zarr") == files_of(undisturbed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.zarr", "s.zarr.counted"]


@pytest.mark.long
@pytest.mark.parametrize("rounds", [1, 6])
def test_killed_with_its_worker_processes_at_work(
    manifest_file: Path,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
    drive: Drive,
    rounds: int,
) -> None:
    """Only the parent is killed: its orphans must neither live on nor do harm."""
    job = {"manifest": str(manifest_file), "target": str(tmp_path / "s.zarr")}
    job |= {"scheduler": "processes"}
    driver = Path(__file__).with_name("driver.py")
    for _ in range(rounds):
        process = subprocess.Popen([sys.executable, str(driver), json.dumps(job | {"workers": 2})])
        base = tmp_path / ".s.zarr.partial"
        deadline = time.monotonic() + 60
        while process.poll() is None and not list(base.glob("*/journal/*.entry")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    answer = drive(**job, workers=2)
    assert answer["records"] == 12
    assert files_of(tmp_path / "s.zarr") == files_of(undisturbed)


def test_full_disk_stops_and_goes_on(
    drive: Drive, manifest_file: Path, undisturbed: Path, tmp_path: Path, files_of: Files
) -> None:
    target = tmp_path / "s.zarr"
    answer = drive(manifest=manifest_file, target=target, scheduler="sync", file_limit=250_000)
    assert "File too large" in answer["error"]
    assert "repeat the call to continue" in answer["error"]
    assert not target.exists()
    done = list((tmp_path / ".s.zarr.partial").glob("*/journal/*.entry"))
    assert not list((tmp_path / ".s.zarr.partial").rglob("*.tmp"))
    assert len(done) < 6
    assert drive(manifest=manifest_file, target=target, scheduler="sync")["records"] == 12
    assert files_of(target) == files_of(undisturbed)


def test_target_that_cannot_be_written(manifest: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(pp.PhysioprepError, match="file"):
        pp.ingest(manifest, tmp_path / "file" / "s.zarr")
    if os.geteuid() != 0:  # root writes anywhere
        (tmp_path / "locked").mkdir(mode=0o555)
        with pytest.raises(pp.PhysioprepError, match="Permission denied"):
            pp.ingest(manifest, tmp_path / "locked" / "s.zarr")


def test_second_ingest_says_who_holds_the_lock(manifest: pd.DataFrame, tmp_path: Path) -> None:
    target = tmp_path / "s.zarr"
    with (
        hold(tmp_path / ".s.zarr.lock", target),
        pytest.raises(pp.PhysioprepError, match=rf"process {os.getpid()} on \S+ \(since 2") as e,
    ):
        pp.ingest(manifest, target)
    assert str(target) in str(e.value)
    pp.ingest(manifest.iloc[-2:], target, "native")
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_ctrl_c_leaves_nothing_that_looks_whole(
    manifest: pd.DataFrame, undisturbed: Path, tmp_path: Path, files_of: Files
) -> None:
    def stop(done: int, total: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    target = tmp_path / "s.zarr"
    for scheduler in ("sync", "threads"):
        with pytest.raises(KeyboardInterrupt):
            pp.ingest(manifest, target, "ecg-200hz", scheduler=scheduler, progress=stop)
        assert not target.exists()
    seen: list[tuple[int, int]] = []
    pp.ingest(manifest, target, "ecg-200hz", scheduler="sync", progress=lambda *at: seen.append(at))
    assert seen[0][0] >= 4  # what was done is not done again
    assert seen[-1] == (12, 12)
    assert files_of(target) == files_of(undisturbed)


@pytest.fixture
def small(tmp_path: Path, wfdb_writer: Callable[..., None], make_noise: Any) -> Path:
    folder = tmp_path / "corpus"
    for i in range(4):
        wfdb_writer(folder, f"r{i}", make_noise(i, 2000))
    return folder


def without(frame: pd.DataFrame, *records: str) -> pd.DataFrame:
    return frame[~frame["record_id"].isin(records)].reset_index(drop=True)


def test_sources_that_vanish_or_change(small: Path, tmp_path: Path) -> None:
    manifest = pp.scan(small, "folder")
    (small / "r1.dat").unlink()
    data = bytearray((small / "r2.dat").read_bytes())
    data[100] ^= 4  # the checksum would tell; the hash tells what happened
    (small / "r2.dat").write_bytes(data)
    text = (small / "r3.hea").read_text()
    (small / "r3.hea").write_text(text.replace("200/mV", "100/mV"))  # nothing but a hash tells
    result = pp.ingest(manifest, tmp_path / "s.zarr", "native")
    lines = dict(line.split(": ", 1) for line in result.quarantined)
    assert set(lines) == {"folder/r1", "folder/r2", "folder/r3"}
    assert lines["folder/r1"] == "r1.dat: no such file (it was there at the scan)"
    assert lines["folder/r2"].startswith("r2.dat: changed since the scan: sha256 was")
    assert lines["folder/r3"].startswith("r3.hea: changed since the scan: sha256 was")
    store = pp.open_store(result.path)
    assert store.records["record_id"].tolist() == ["r0"]
    with pytest.raises(pp.PhysioprepError, match=r"r2 is in quarantine: r2\.dat: changed"):
        store.record("r2")
    assert not verify(result.path).problems


def test_a_failure_moves_no_other_record(small: Path, tmp_path: Path) -> None:
    """Places are planned: what is quarantined leaves its own empty, and no other bytes change."""
    manifest = pp.scan(small, "folder")
    pp.ingest(manifest, tmp_path / "whole.zarr", "native")
    (small / "r1.dat").unlink()
    pp.ingest(manifest, tmp_path / "less.zarr", "native")
    whole, less = pp.open_store(tmp_path / "whole.zarr"), pp.open_store(tmp_path / "less.zarr")
    for record in ("r0", "r2", "r3"):
        assert np.array_equal(less.digital(record, "ecg"), whole.digital(record, "ecg"))
        a, b = whole.index(record), less.index(record)
        assert whole.table("ecg", "start")[a] == less.table("ecg", "start")[b]
    assert less.annotations("r3").empty


def test_missing_and_empty_records(
    small: Path, tmp_path: Path, wfdb_writer: Callable[..., None]
) -> None:
    wfdb_writer(small, "missing", np.full((2, 2000), -32768, np.int16))
    wfdb_writer(small, "zero", np.empty((2, 0), np.int16))
    wfdb_writer(small, "half", np.stack([np.full(900, -32768), np.arange(900)]).astype("i2"))
    for recipe in ("native", "ecg-200hz"):
        result = pp.ingest(pp.scan(small, "folder"), tmp_path / f"{recipe}.zarr", recipe)
        lines = dict(line.split(": ", 1) for line in result.quarantined)
        assert set(lines) == {"folder/missing", "folder/zero"}, lines
        assert "every sample is marked as missing" in lines["folder/missing"]
        assert "no samples" in lines["folder/zero"]
        half = pp.open_store(result.path).record("half")["ecg"]
        assert np.isnan(half.sel(channel="I")).all()
        assert not np.isnan(half.sel(channel="II")).any()


def test_header_that_states_no_length(small: Path, tmp_path: Path) -> None:
    """The scan finds out; only a manifest of somebody's own making can leave it open."""
    text = (small / "r1.hea").read_text()
    (small / "r1.hea").write_text(text.replace("r1 2 100 2000", "r1 2 100"))
    manifest = pp.scan(small, "folder")
    assert manifest["n_samples"].tolist() == [[2000]] * 4
    result = pp.ingest(manifest, tmp_path / "s.zarr", "native")
    assert result.quarantined == ()
    assert pp.open_store(result.path).record("r1")["ecg"].sizes["time"] == 2000
    manifest.at[2, "n_samples"] = [None]
    result = pp.ingest(manifest, tmp_path / "t.zarr", "native")
    assert result.quarantined == ("folder/r2: the manifest has no n_samples of it",)


def test_header_that_promises_another_length(small: Path, tmp_path: Path) -> None:
    manifest = pp.scan(small, "folder", hashes=False)
    manifest.at[1, "n_samples"] = [1500]
    manifest.at[2, "n_samples"] = [2500]
    manifest.at[1, "duration_s"] = 15.0
    manifest.at[2, "duration_s"] = 25.0
    result = pp.ingest(manifest, tmp_path / "s.zarr", "native")
    assert len(result.quarantined) == 2
    assert "by the manifest it has 1500 ecg samples at 100 Hz" in result.quarantined[0]
    assert "by the manifest it has 2500 ecg samples at 100 Hz" in result.quarantined[1]
    store = pp.open_store(result.path)
    assert store.records["sha256"].notna().all()  # ingest fills in what the scan left out
    pp.ingest(without(pp.scan(small, "folder"), "r1", "r2"), tmp_path / "t.zarr", "native")
    other = pp.open_store(tmp_path / "t.zarr").records
    pd.testing.assert_frame_equal(store.records, other)


def test_record_of_many_shards(
    small: Path, tmp_path: Path, wfdb_writer: Callable[..., None]
) -> None:
    """Its shards are written as they fill, and taken back if it turns out bad."""
    digital = np.arange(600_000, dtype=np.int64).astype(np.int16)[None]
    wfdb_writer(small, "long", digital, leads=("I",))
    manifest = pp.scan(small, "folder", hashes=False)
    store = pp.open_store(pp.ingest(manifest, tmp_path / "s.zarr", "native").path)
    assert np.array_equal(store.digital("long", "ecg"), digital)
    assert len(list((store.path / "ecg/signal/c/0").iterdir())) == 4
    at = manifest.index[manifest["record_id"] == "long"][0]
    manifest.at[at, "n_samples"] = [700_000]
    manifest.at[at, "duration_s"] = 7000.0
    result = pp.ingest(manifest, tmp_path / "t.zarr", "native")
    assert (
        "700000 ecg samples at 100 Hz in the store; its file gives 600000" in result.quarantined[0]
    )
    shards = list((result.path / "ecg/signal/c/0").iterdir())
    assert len(shards) == 1
    assert not verify(result.path).problems
    for record in ("r0", "r3"):
        ours = pp.open_store(result.path).digital(record, "ecg")
        assert np.array_equal(ours, store.digital(record, "ecg"))


def test_abort_and_failure_rate(small: Path, tmp_path: Path) -> None:
    manifest = pp.scan(small, "folder")
    (small / "r1.dat").unlink()
    target = tmp_path / "s.zarr"
    with pytest.raises(pp.PhysioprepError, match=r"folder/r1: r1\.dat: no such file"):
        pp.ingest(manifest, target, "native", on_error="abort")
    with pytest.raises(pp.PhysioprepError, match="1 of 4 records failed"):
        pp.ingest(manifest, target, "native", max_failure_rate=0.2)
    assert not target.exists()
    assert pp.ingest(manifest, target, "native", max_failure_rate=0.25).n_records == 3


def test_a_mount_that_comes_back(small: Path, tmp_path: Path) -> None:
    """Failures that may have passed are tried again when a run goes on."""
    manifest = pp.scan(small, "folder")
    small.rename(tmp_path / "away")
    with pytest.raises(pp.PhysioprepError, match="4 of 4 records failed"):
        pp.ingest(manifest, tmp_path / "s.zarr", "native", max_failure_rate=0.5)
    (tmp_path / "away").rename(small)
    result = pp.ingest(manifest, tmp_path / "s.zarr", "native", max_failure_rate=0.5)
    assert result.quarantined == ()


def test_nothing_to_ingest_is_one_line(small: Path, tmp_path: Path) -> None:
    with pytest.raises(pp.PhysioprepError, match="no eeg channel") as caught:
        pp.ingest(pp.scan(small, "folder"), tmp_path / "s.zarr", "eeg-200hz")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "s.zarr").exists()


POISON = """
import ctypes, physioprep.readers as readers
read = readers.read_recording
def poisoned(path, **options):
    if "r1" in str(path) or "r3" in str(path):
        ctypes.string_at(0)
    return read(path, **options)
readers.read_recording = poisoned
"""


@pytest.mark.parametrize(
    "scheduler", ["processes", pytest.param("cluster", marks=pytest.mark.long)]
)
def test_a_record_that_crashes_its_process(
    small: Path, tmp_path: Path, drive: Drive, scheduler: str
) -> None:
    """A native library's segmentation fault costs the record, not the run."""
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "sitecustomize.py").write_text(POISON)
    manifest = pp.write_manifest(pp.scan(small, "folder"), tmp_path / "m.parquet")
    environment = {"PYTHONPATH": str(tmp_path / "poison"), "PYTHONFAULTHANDLER": ""}
    job = {"manifest": manifest, "recipe": "native", "workers": 2}
    answer = drive(**job, target=tmp_path / "s.zarr", scheduler=scheduler, env=environment)
    assert answer.get("records") == 2, answer
    assert answer["quarantined"] == [
        f"folder/{name}: it crashes the process that reads it (SIGSEGV)" for name in ("r1", "r3")
    ]
    store = pp.open_store(tmp_path / "s.zarr")
    assert store.records["record_id"].tolist() == ["r0", "r2"]
    assert not verify(store.path).problems


def test_a_crash_without_workers_is_found_at_the_next_start(
    small: Path, tmp_path: Path, drive: Drive
) -> None:
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "sitecustomize.py").write_text(POISON)
    manifest = pp.write_manifest(pp.scan(small, "folder"), tmp_path / "m.parquet")
    environment = {"PYTHONPATH": str(tmp_path / "poison")}
    job = {"manifest": manifest, "recipe": "native", "target": tmp_path / "s.zarr"}
    with pytest.raises(AssertionError):  # it prints nothing: it is dead
        drive(**job, scheduler="sync", env=environment)
    answer = drive(**job, scheduler="sync", env=environment)
    assert answer.get("records") == 2, answer


def test_verify_finds_what_was_done_to_a_store(small: Path, tmp_path: Path) -> None:
    path = pp.ingest(pp.scan(small, "folder"), tmp_path / "s.zarr", "native").path
    clean = verify(path)
    assert clean.problems == ()
    assert clean.n_files == sum(1 for p in path.rglob("*") if p.is_file()) - 1
    shard = path / "ecg" / "signal" / "c" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[50] ^= 1
    shard.write_bytes(data)
    (path / "ecg" / "scale" / "zarr.json").unlink()
    (path / "stray").write_text("x")
    problems = verify(path).problems
    assert [problem.split(": ")[0] for problem in problems] == [
        "ecg/scale/zarr.json",
        "ecg/signal/c/0/0",
        "stray",
    ]
