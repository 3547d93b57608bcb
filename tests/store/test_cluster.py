"""A Dask cluster of separate processes makes the same store, and may lose a worker."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import physioprep as pp

pytestmark = pytest.mark.long


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers; its address and the workers."""
    file = tmp_path / "scheduler.json"
    local = ("--host", "127.0.0.1", "--no-dashboard")
    with ExitStack() as stack:
        arguments = ("--port", "0", "--scheduler-file", str(file))
        stack.enter_context(process("scheduler", *local, *arguments))
        deadline = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        address = json.loads(file.read_text())["address"]
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path / "w"))
        workers = [
            stack.enter_context(process("worker", address, *local, *options)) for _ in range(2)
        ]
        yield address, workers


def test_scheduler_address(
    cluster: tuple[str, list[Any]],
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Callable[[Path], dict[str, str]],
) -> None:
    target = tmp_path / "s.zarr"
    pp.ingest(manifest, target, "ecg-200hz", scheduler=cluster[0])
    assert files_of(target) == files_of(undisturbed)


def test_worker_lost_in_mid_run(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Callable[[Path], dict[str, str]],
) -> None:
    target = tmp_path / "s.zarr"
    address, workers = cluster

    def kill_when_at_work() -> None:
        while not list((tmp_path / ".s.zarr.partial").glob("*/traces/*")):
            time.sleep(0.002)
        workers[0].kill()

    killer = threading.Thread(target=kill_when_at_work)
    killer.start()
    pp.ingest(manifest, target, "ecg-200hz", scheduler=address)
    killer.join()
    assert workers[0].wait() != 0
    assert files_of(target) == files_of(undisturbed)


def test_no_scheduler_there_is_one_line(manifest: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(pp.PhysioprepError, match="no Dask scheduler at tcp://127"):
        pp.ingest(manifest, tmp_path / "s.zarr", scheduler="tcp://127.0.0.1:9")
