"""A scheduler that cannot work is told at once; one without workers is waited for, not for ever."""

import threading
import time
import warnings
from collections.abc import Iterator

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
