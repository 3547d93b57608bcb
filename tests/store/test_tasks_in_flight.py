"""However many blocks a plan has, few are ever in flight, and what travels is paths."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import distributed
import pytest

from physioprep.store import execute as execute_module
from physioprep.store.block import JOB, Done
from physioprep.store.execute import execute
from physioprep.store.workers import AHEAD, run_on_pool

N_BLOCKS = 400
THREADS = 4


def no_samples(work: str, block: int) -> Done:
    """Stands for `run_block`: everything around it is the real thing."""
    return Done(block, 1)


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
    monkeypatch.setattr(execute_module, "run_block", no_samples)
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

    def slow(work: str, block: int) -> Done:
        with lock:
            running[0] += 1
            at_once.append(running[0])
        time.sleep(0.1)
        with lock:
            running[0] -= 1
        return Done(block, 1)

    monkeypatch.setattr(execute_module, "run_block", slow)
    done: list[Done] = []
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


def test_pool_is_never_far_ahead() -> None:
    taken: list[int] = []
    finished = 0
    numbers = (taken.append(number) or number for number in range(10_000))
    for _, future in run_on_pool(ThreadPoolExecutor(3), 3, abs, numbers):
        assert len(taken) - finished <= AHEAD * 3
        finished += 1
        assert future.result() >= 0
    assert finished == 10_000


def test_a_worker_that_does_not_see_the_target(work: Path) -> None:
    (work / JOB).unlink()
    found: list[Done] = []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        execute(work, [0], found.append, scheduler=cluster.scheduler_address)
    assert "does not see the folder of the target" in str(found[0].target_error)


def test_a_worker_with_other_software(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store names one version of each library; a worker with another may write other bytes."""
    from physioprep.store.execute import _run_in_worker, software

    mine = software()
    done = _run_in_worker(str(work), mine | {"numcodecs": "0.1"}, 7)
    assert done is not None
    assert f"has other software: numcodecs {mine['numcodecs']}, not 0.1" in str(done.target_error)
    assert _run_in_worker(str(work), mine, 7) == Done(7, 1)
