"""Whatever stops a run, and whoever does its work, the bytes are the undisturbed run's."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.shards import open_shards, shard

Files = dict[str, str]
OPTIONS: dict[str, Any] = {
    "window_s": 1.0, "stride_s": 0.25, "max_per_record": 60, "split": {"train": 0.7, "test": 0.3},
    "windows_per_chunk": 16, "workers": 2,
}  # fmt: skip


def files_of(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def stores(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., dict[str, Any]],
    write_store: Callable[..., Path],
) -> list[str]:
    """Two stores of 24 records and some MiB, so that there are several tasks."""
    rng = np.random.default_rng(8)
    folder, made = tmp_path_factory.mktemp("stores"), []
    for corpus in ("a", "b"):
        ecg = [rng.integers(-900, 900, (12, 6000)).astype(np.int16) for _ in range(24)]
        group = make_group(ecg, channels=[f"c{n}" for n in range(12)], rate_hz=200.0)
        made.append(str(write_store(folder / f"{corpus}.zarr", {"ecg": group}, corpus=corpus)))
    return made


@pytest.fixture(scope="module")
def undisturbed(stores: list[str], tmp_path_factory: pytest.TempPathFactory) -> Files:
    target = tmp_path_factory.mktemp("whole") / "s"
    result = shard(stores, target, **OPTIONS)
    assert result.n_windows == 48 * 60
    return files_of(target)


def drive(**job: Any) -> dict[str, Any]:
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    driver = Path(__file__).with_name("driver.py")
    done = subprocess.run(
        [sys.executable, driver, json.dumps(job, default=str)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("kills", "scheduler", "by_event", "seed", "share"),
    [
        (2, "sync", 0.8, 1, 0),
        (2, "sync", 0.8, 1, 0.25),
        pytest.param(30, "sync", 0.7, 2, 0, marks=pytest.mark.long),
        pytest.param(30, "sync", 0.7, 2, 0.25, marks=pytest.mark.long),
        pytest.param(30, "threads", 0.7, 3, 0, marks=pytest.mark.long),
        pytest.param(30, "threads", 0.7, 3, 0.25, marks=pytest.mark.long),
        pytest.param(30, "processes", 0.3, 4, 0.25, marks=pytest.mark.long),
    ],
)
def test_killed_at_any_instant(
    stores: list[str],
    undisturbed: Files,
    tmp_path: Path,
    kills: int,
    scheduler: str,
    by_event: float,
    seed: int,
    share: float,
) -> None:
    options = OPTIONS | {"scheduler": scheduler}
    answer = drive(
        stores=stores, target=tmp_path / "s", options=options, kills=kills, seed=seed,
        by_event=by_event, share=share,
    )  # fmt: skip
    assert answer["kills"] == kills, answer
    assert answer["windows"] == 48 * 60, answer
    assert files_of(tmp_path / "s") == undisturbed
    assert not list(tmp_path.glob(".*"))
    for whole in tmp_path.iterdir():  # also of runs that were killed after their last step
        assert files_of(whole) == undisturbed


@pytest.mark.long
@pytest.mark.parametrize(("scheduler", "seed"), [("sync", 6), ("threads", 7)])
def test_overwriting_killed_at_any_instant(
    stores: list[str], undisturbed: Files, tmp_path: Path, scheduler: str, seed: int
) -> None:
    """The old or the new shards are at the target, whole, after each of 30 kills."""
    shard(stores, tmp_path / "old", window_s=2.0)
    old = files_of(tmp_path / "old")
    answer = drive(
        stores=stores, target=tmp_path / "s", old=tmp_path / "old", kills=30, seed=seed,
        options=OPTIONS | {"scheduler": scheduler, "overwrite": True},
    )  # fmt: skip
    assert (answer["kills"], answer["lost"]) == (30, 0), answer
    assert files_of(tmp_path / "s") == undisturbed
    assert not list(tmp_path.glob(".*"))
    found = [files_of(whole) for whole in tmp_path.glob("s.whole*")]
    assert len(found) == 30
    assert all(files in (old, undisturbed) for files in found)


def test_the_holder_of_a_target_is_named(stores: list[str], tmp_path: Path) -> None:
    """A second run on one target, while the first is stopped in its middle."""
    job = {"stores": stores, "target": str(tmp_path / "s"), "options": OPTIONS}
    driver = Path(__file__).with_name("driver.py")
    first = subprocess.Popen([sys.executable, driver, json.dumps(job)], stdout=subprocess.DEVNULL)
    try:
        while not (tmp_path / ".s.partial").exists():
            assert first.poll() is None
            time.sleep(0.005)
        os.kill(first.pid, signal.SIGSTOP)
        second = drive(**job)
        assert f"process {first.pid} on " in second["error"]
        assert "is writing it" in second["error"]
        assert str(tmp_path / "s") in second["error"]
        assert "\n" not in second["error"]
    finally:
        os.kill(first.pid, signal.SIGCONT)
        assert first.wait() == 0
    assert open_shards(tmp_path / "s").n_windows == 48 * 60


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A Dask scheduler with two workers, each a process of its own."""
    file = tmp_path / "scheduler.json"
    local = ("--host", "127.0.0.1", "--no-dashboard")
    with ExitStack() as stack:
        stack.enter_context(
            process("scheduler", *local, "--port", "0", "--scheduler-file", str(file))
        )
        deadline = time.monotonic() + 60
        while not file.exists() or not file.stat().st_size:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        found = json.loads(file.read_text())["address"]
        options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path / "w"))
        for _ in range(2):
            stack.enter_context(process("worker", found, *local, *options))
        yield found


@pytest.mark.long
def test_a_dask_cluster_outlives_killed_runs(
    stores: list[str], undisturbed: Files, tmp_path: Path, address: str
) -> None:
    """Its workers go on with the killed run's tasks while the next run does them too."""
    (tmp_path / "out").mkdir()
    answer = drive(
        stores=stores, target=tmp_path / "out" / "s", options=OPTIONS | {"scheduler": address},
        kills=8, seed=5, by_event=0.3,
    )  # fmt: skip
    assert answer["windows"] == 48 * 60, answer
    assert files_of(tmp_path / "out" / "s") == undisturbed


@pytest.mark.long
def test_memory_does_not_grow_with_the_set(
    tmp_path: Path, make_group: Callable[..., dict[str, Any]], write_store: Callable[..., Path]
) -> None:
    """1.5 GB of windows that are spilled need less than a third of that, all libraries included."""
    rng = np.random.default_rng(9)
    record = rng.integers(-900, 900, (12, 400_000)).astype(np.int16)
    peaks = {}
    for name, count in (("small", 16), ("large", 160)):
        group = make_group(
            [record] * count, channels=[f"c{n}" for n in range(12)], rate_hz=200.0
        )  # fmt: skip
        group["chunk"] = 100_000
        store = write_store(tmp_path / f"{name}.zarr", {"ecg": group})
        answer = drive(
            stores=[store], target=tmp_path / name, options={"window_s": 10.0, "workers": 2},
            memory=True, share=0,
        )  # fmt: skip
        assert answer["windows"] == count * 200
        peaks[name] = answer["peak_bytes"]
    size = sum(path.stat().st_size for path in (tmp_path / "large/ecg/signal").iterdir())
    assert size > 1.5e9
    assert peaks["large"] < size / 3, peaks
    assert peaks["large"] < 1.5 * peaks["small"], peaks
