"""However many blocks a plan has, few are ever in flight, and what travels is paths."""

import json
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import distributed
import pytest

from physioprep.parallel.cluster import perform_in_worker
from physioprep.parallel.run import run_tasks
from physioprep.parallel.workers import AHEAD
from physioprep.store.build.execute import execute
from physioprep.store.build.work import JOB, BlockResult
from physioprep.versions import software

N_BLOCKS = 400
THREADS = 4


RUN_BLOCK = "physioprep.store.build.task.run_block"


def no_samples(job: dict[str, Any], block: int) -> BlockResult:
    """Stands for `run_block`: everything around it is the real thing."""
    return BlockResult(block, 1)


class Census(distributed.SchedulerPlugin):
    """Counts what the scheduler knows, and the bytes of each task it was given."""

    def __init__(self) -> None:
        self.most_tasks = self.n_tasks = self.bytes = 0

    def start(self, scheduler: Any) -> None:
        self.scheduler = scheduler

    def transition(self, key: str, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        self.most_tasks = max(self.most_tasks, len(self.scheduler.tasks))
        if finish == "processing":
            self.n_tasks += 1
            self.bytes += len(pickle.dumps(self.scheduler.tasks[key].run_spec))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(RUN_BLOCK, no_samples)
    (tmp_path / JOB).touch()
    (tmp_path / "traces").mkdir()
    return tmp_path


def test_scheduler_never_holds_a_long_graph(work: Path) -> None:
    done: list[int] = []
    links: list[str] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=THREADS // 2, processes=False, dashboard_address=":0"
    ) as cluster:
        census = Census()
        cluster.scheduler.add_plugin(census)
        census.start(cluster.scheduler)
        execute(
            work,
            range(N_BLOCKS),
            lambda each: done.append(each.block),
            scheduler=cluster.scheduler_address,
            announce=links.append,
        )
        assert sorted(done) == list(range(N_BLOCKS))
        assert census.n_tasks == N_BLOCKS
        # those in flight, and a few whose release is on its way to the scheduler
        assert census.most_tasks <= 2 * AHEAD * THREADS
        assert census.bytes / census.n_tasks < 2000
        assert len(links) == 1
        assert links[0].endswith("/status")


def test_workers_that_come_late_are_used(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch system starts workers minutes after the scheduler; they must not stay idle."""
    at_once: list[int] = []
    running = [0]
    lock = threading.Lock()

    def slow(job: dict[str, Any], block: int) -> BlockResult:
        with lock:
            running[0] += 1
            at_once.append(running[0])
        time.sleep(0.1)
        with lock:
            running[0] -= 1
        return BlockResult(block, 1)

    monkeypatch.setattr(RUN_BLOCK, slow)
    done: list[BlockResult] = []
    with distributed.LocalCluster(
        n_workers=0, threads_per_worker=3, processes=False, dashboard_address=":0"
    ) as cluster:
        run = threading.Thread(
            target=execute,
            args=(work, range(60), done.append),
            kwargs={"scheduler": cluster.scheduler_address},
        )
        run.start()
        time.sleep(0.5)
        assert not done
        cluster.scale(2)
        run.join(60)
    assert len(done) == 60
    assert max(at_once) == 6


def test_a_round_is_all_that_is_taken_at_once() -> None:
    taken: list[int] = []
    finished = [0]

    def ended(item: int, result: Any) -> None:
        assert len(taken) - finished[0] <= 3 * 128
        finished[0] += 1

    numbers = (taken.append(number) or 0 for number in range(2_000))
    run_tasks("sleep", numbers, {}, ended, scheduler="threads", workers=3)
    assert finished[0] == 2_000


A_MILLION = """
import json, sys, time
from pathlib import Path
import pandas as pd
from physioprep.harmonise import load_recipe
from physioprep.manifest import make_manifest
from physioprep.store.build.block import block_records
from physioprep.store.build.job_table import prepare
from physioprep.store.build.plan import make_plan
from physioprep.store.build.work import JOB, TABLE, decode_job

def peak_mb():  # not ru_maxrss, which after fork and exec begins at what the parent held
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

n, work = int(sys.argv[2]), Path(sys.argv[1])
if sys.argv[3] == "worker":  # what a worker loads of it
    before = peak_mb()
    assert len(block_records(work, n)) > 0
    decode_job((work / JOB).read_bytes())
    print(json.dumps({"mb": peak_mb() - before}))
    sys.exit()
leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
names = [f"files/p{i // 1000:04d}/{i}" for i in range(n)]
manifest = make_manifest({
    "corpus": ["mine"] * n, "record_id": [str(i) for i in range(n)],
    "path": [f"{name}.hea" for name in names], "format": ["wfdb"] * n, "root": ["/data"] * n,
    "files": [[f"{name}.hea", f"{name}.dat"] for name in names],
    "modality": [["ecg"]] * n, "sampling_rate": [[500.0]] * n, "n_samples": [[5000]] * n,
    "channels": [[leads]] * n, "units": [[["mV"] * 12]] * n, "duration_s": [10.0] * n})
began = time.monotonic()
recipe = load_recipe("ecg-200hz")
plan = make_plan(manifest, recipe)
prepare(work, plan, manifest, recipe, None)
print(json.dumps({"blocks": plan.n_blocks, "peak_mb": peak_mb(), "seconds":
    time.monotonic() - began, "table_mb": (work / TABLE).stat().st_size / 1e6,
    "job_mb": (work / JOB).stat().st_size / 1e6}))
"""


@pytest.mark.parametrize("n", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_a_million_records(tmp_path: Path, n: int) -> None:
    """The table stays on the disk: a worker maps it and reads the rows of its block."""

    def run(number: int, what: str) -> dict[str, float]:
        done = subprocess.run(
            [sys.executable, "-c", A_MILLION, str(tmp_path), str(number), what],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, float] = json.loads(done.stdout)
        return found

    plan = run(n, "plan")
    assert plan["blocks"] > n // 300
    assert plan["peak_mb"] < 2000  # with the manifest itself
    assert plan["job_mb"] < 2
    assert run(int(plan["blocks"]) - 1, "worker")["mb"] < 150


def test_a_worker_that_does_not_see_the_target(tmp_path: Path) -> None:
    found: list[BlockResult] = []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        execute(tmp_path, [0], found.append, scheduler=cluster.scheduler_address)
    assert "does not see the folder of the target" in str(found[0].target_error)


def test_a_worker_with_other_software(work: Path) -> None:
    """A store names one version of each library; a worker with another may write other bytes."""
    mine, job = software(), json.dumps({"work": str(work)})
    done = perform_in_worker(mine | {"numcodecs": "0.1"}, "ingest", job, 7)
    assert f"has other software: numcodecs {mine['numcodecs']}, not 0.1" in done
    assert perform_in_worker(mine, "ingest", job, 7) == (BlockResult(7, 1), None)
