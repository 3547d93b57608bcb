"""A scheduler that cannot work is told at once; one without workers is waited for, not for ever."""

import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import distributed
import pytest

from physioprep.errors import PhysioprepError, ShardError
from physioprep.parallel.cluster import connect
from physioprep.parallel.run import choose_scheduler, run_tasks


@pytest.fixture
def idle() -> Iterator[distributed.LocalCluster]:
    """A scheduler that no worker has joined."""
    with distributed.LocalCluster(
        n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster


@pytest.mark.parametrize(
    ("scheduler", "cause"),
    [
        ("tpc://x", "no protocol 'tpc'; did you mean 'tcp'?"),
        ("tsl://x:8786", "did you mean 'tls'?"),
        ("https://x:8786", "no protocol 'https': tcp://, tls://"),
        ("://x:8786", "no protocol ''"),
        ("tcp://", "an address is tcp://HOST:PORT"),
        ("thread", "did you mean 'threads'?"),
        ("127.0.0.1:8786", "or an address (tcp://"),
    ],
)
def test_a_scheduler_that_cannot_exist_is_refused_at_once(scheduler: str, cause: str) -> None:
    began = time.monotonic()
    with pytest.raises(ShardError) as raised:
        choose_scheduler(scheduler, None, "sync", ShardError)
    assert cause in str(raised.value)
    assert time.monotonic() - began < 1


def test_the_password_of_a_scheduler_is_not_shown() -> None:
    with (
        pytest.warns(UserWarning, match=r"connection to tcp://\*\*\*@") as warned,
        pytest.raises(ShardError, match=r"no Dask scheduler at tcp://\*\*\*@") as raised,
        connect("tcp://user:TOPSECRET@127.0.0.1:1", 1, error=ShardError),
    ):
        pass
    assert "TOPSECRET" not in str(raised.value)
    assert not any("TOPSECRET" in str(each.message) for each in warned)


@pytest.mark.parametrize("workers", [0, -1, 10**9, 1.5, float("nan"), float("inf")])
def test_a_number_of_workers_that_means_nothing_is_refused(workers: float) -> None:
    with pytest.raises(PhysioprepError, match="workers="):
        choose_scheduler(None, workers, "sync")  # type: ignore[arg-type]


def test_a_scheduler_without_workers_is_named_and_given_up(
    idle: distributed.LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHYSIOPREP_WAIT_FOR_WORKERS", "3")
    began = time.monotonic()
    with (
        pytest.warns(UserWarning, match=r"waiting for a worker to join .*tcp://127\.0\.0\.1"),
        pytest.raises(ShardError, match=r"has had no worker for 3 s: start some \(dask worker tcp"),
    ):
        run_tasks(
            "sleep", [0], {}, lambda *_: None, scheduler=idle.scheduler_address, error=ShardError
        )
    assert 3 <= time.monotonic() - began < 15


def test_a_worker_that_joins_meanwhile_does_the_work(idle: distributed.LocalCluster) -> None:
    done: list[float] = []
    later = threading.Timer(3, idle.scale, [1])
    later.start()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run_tasks(
            "sleep", [0, 0.01], {}, lambda item, _: done.append(item),
            scheduler=idle.scheduler_address,
        )  # fmt: skip
    later.join()
    assert sorted(done) == [0, 0.01]
    assert any("waiting for a worker" in str(each.message) for each in said)


@pytest.mark.parametrize("stated", ["soon", "nan", "inf", "-1"])
def test_a_wrong_wait_is_one_line(
    idle: distributed.LocalCluster, monkeypatch: pytest.MonkeyPatch, stated: str
) -> None:
    monkeypatch.setenv("PHYSIOPREP_WAIT_FOR_WORKERS", stated)
    with pytest.raises(PhysioprepError, match=f"PHYSIOPREP_WAIT_FOR_WORKERS={stated}"):
        run_tasks("sleep", [0], {}, lambda *_: None, scheduler=idle.scheduler_address)


def test_a_local_cluster_that_loses_all_workers_ends_in_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PHYSIOPREP_WAIT_FOR_WORKERS", "3")
    done: list[float] = []
    with connect("cluster", 1, error=ShardError) as client:
        later = threading.Timer(3, client.cluster.scale, [0])
        later.start()
        with (
            pytest.raises(ShardError, match=r"all workers of the local cluster are lost .* 3 s"),
            time_limit(60),
        ):
            run_tasks(
                "sleep", [0, 60], {}, lambda item, _: done.append(item), client=client,
                error=ShardError,
            )  # fmt: skip
        later.join()
    assert done == [0]


def test_workers_that_die_as_they_start_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    # each worker process ends before it says anything, as if it were killed
    ends = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr("multiprocessing.spawn.get_command_line", lambda **_: [
        sys.executable, "-c", ends,
    ])  # fmt: skip
    with (
        time_limit(60),
        pytest.raises(ShardError, match="workers of the local cluster did not start"),
        connect("cluster", 2, error=ShardError),
    ):
        pass


def test_workers_that_come_back_go_on(
    idle: distributed.LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHYSIOPREP_WAIT_FOR_WORKERS", "30")
    done: list[float] = []

    def finished(item: float, result: float) -> None:
        done.append(item)
        if len(done) == 1:
            idle.scale(0)
            threading.Timer(4, idle.scale, [1]).start()

    idle.scale(1)
    with warnings.catch_warnings(), time_limit(60):
        warnings.simplefilter("ignore")
        run_tasks("sleep", [0, 1, 1.1], {}, finished, scheduler=idle.scheduler_address)
    assert sorted(done) == [0, 1, 1.1]


@pytest.mark.parametrize("said", ["HTTP/1.0 400 Bad Request\\r\\n" * 9, ""])
def test_something_else_at_an_address_is_one_error_and_leaves_nothing_behind(said: str) -> None:
    """A client that was half made said "Exception ignored" 20 s after the error."""
    code = (
        "import distributed, gc, socket, threading, warnings\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "def answer():\n"
        "    for taken in iter(server.accept, None):\n"
        "        kept.append(taken)\n"
        f"        taken[0].sendall(b'{said}')\n"
        "kept = []\n"
        "threading.Thread(target=answer, daemon=True).start()\n"
        "warnings.simplefilter('ignore')\n"
        "from physioprep.errors import PhysioprepError\n"
        "from physioprep.parallel import cluster\n"
        "cluster._LATEST_S = 3\n"
        "try:\n"
        "    with cluster.connect(f'tcp://127.0.0.1:{server.getsockname()[1]}', 1): pass\n"
        "except PhysioprepError as error: print(error)\n"
        "gc.collect()\n"
        "print([each for each in gc.get_objects() if isinstance(each, distributed.Client)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=90
    )
    assert done.stdout.startswith("no Dask scheduler at tcp://127.0.0.1:")
    assert done.stdout.splitlines()[1] == "[]"
    assert done.stderr == ""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Fail, rather than wait for ever."""

    def late(*_: object) -> None:
        pytest.fail(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
