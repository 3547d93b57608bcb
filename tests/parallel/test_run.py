"""One runner: the same tasks on any scheduler, plain data to workers, a death costs one task."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from physioprep.errors import PhysioprepError, ShardError
from physioprep.parallel import tasks
from physioprep.parallel.alone import WorkerDiedError, perform_alone
from physioprep.parallel.run import SCHEDULERS, choose_scheduler, run_tasks


def square(job: dict[str, Any], item: int) -> int:
    if item == job.get("bad"):
        raise ShardError(f"{item} is not allowed")
    return int(item * item)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_does_every_task_once(scheduler: str) -> None:
    done: list[tuple[float, float]] = []
    items = [number / 1000 for number in range(20)]
    run_tasks("sleep", items, {}, lambda *pair: done.append(pair), scheduler=scheduler, workers=2)
    assert sorted(done) == [(item, item) for item in items]


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_an_error_of_a_task_is_raised_as_it_is(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "function_of", lambda task: square)
    with pytest.raises(ShardError, match=r"^3 is not allowed$"):
        run_tasks("sleep", range(9), {"bad": 3}, lambda *_: None, scheduler=scheduler)


def test_an_error_comes_out_of_a_worker_process_as_it_is() -> None:
    with pytest.raises(TypeError, match="str"):
        run_tasks("sleep", ["no number"], {}, lambda *_: None, scheduler="processes", workers=1)


def test_what_on_done_raises_stops_the_run() -> None:
    seen: list[float] = []

    def stop(item: float, result: float) -> None:
        seen.append(item)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks("sleep", [0.0] * 50, {}, stop, scheduler="threads", workers=2)
    assert len(seen) == 1


def test_only_listed_functions_are_run() -> None:
    with pytest.raises(KeyError):
        run_tasks("os.system", [1], {}, lambda *_: None)
    _, raised = tasks.perform("os.system", "{}", 1)
    assert isinstance(raised, KeyError)


def test_a_job_is_plain_data() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        run_tasks("sleep", [0], {"path": Path("x")}, lambda *_: None)


def test_every_listed_function_is_there() -> None:
    for name in tasks.TASKS:
        assert callable(tasks.function_of(name)), name


def test_an_unknown_scheduler_is_named() -> None:
    with pytest.raises(PhysioprepError, match="unknown scheduler 'slurm': sync, threads"):
        choose_scheduler("slurm", None, "sync")
    assert choose_scheduler("tcp://there:1", None, "sync") == "tcp://there:1"


# A record that crashes its process is tested with true records in tests/store/test_endurance.py.


@pytest.mark.parametrize("scheduler", ["processes"])
def test_a_task_that_kills_its_process_costs_only_itself(scheduler: str) -> None:
    done: list[Any] = []
    died: list[tuple[Any, str]] = []
    run_tasks(
        "sleep", [0.001, -signal.SIGKILL, 0.002, 0.003, -signal.SIGSEGV, 0.004], {},
        lambda item, _: done.append(item), scheduler=scheduler, workers=2,
        on_crash=lambda *pair: died.append(pair),
    )  # fmt: skip
    assert sorted(done) == [0.001, 0.002, 0.003, 0.004]
    assert sorted(died) == [(-11, "SIGSEGV"), (-9, "SIGKILL")]


def test_a_death_that_nobody_expects_stops_the_run() -> None:
    with pytest.raises(ShardError, match=r"sleep -9: it kills the process that runs it \(SIGKILL"):
        run_tasks(
            "sleep", [-signal.SIGKILL], {}, lambda *_: None, scheduler="processes", workers=1,
            error=ShardError,
        )  # fmt: skip


@pytest.mark.parametrize("scheduler", ["processes", "cluster"])
def test_a_worker_logs_plain_text(scheduler: str, tmp_path: Path) -> None:
    """Hostile text in log lines, tracebacks and warnings of workers, which have own handlers."""
    code = (
        "import logging, warnings\n"
        "from physioprep.parallel import tasks\n"
        "def log(job, item):\n"
        "    logging.getLogger('physioprep.x').warning('record %s', item)\n"
        "    warnings.warn(f'odd {item}')\n"
        "    try:\n"
        "        raise ValueError(item)\n"
        "    except ValueError:\n"
        "        logging.getLogger('distributed.worker').exception('failed: %s', item)\n"
        "tasks._sleep = log\n"
    )
    (tmp_path / "sitecustomize.py").write_text(code)
    script = (
        "from physioprep.parallel.run import run_tasks\n"
        "item = 'r\\x1b]0;owned\\x07\\u202e https://me:hunter2@host/x'\n"
        f"run_tasks('sleep', [item], {{}}, print, scheduler={scheduler!r}, workers=1)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    said = done.stderr.decode()
    for line in ("record r", "odd r", "failed: r", "ValueError: r"):
        assert f"{line}\\x1b]0;owned\\x07\\u202e https://***@host/x" in said
    assert all(c.isprintable() or c == "\n" for c in said)
    assert "hunter2" not in said


def test_alone() -> None:
    assert perform_alone("sleep", json.dumps({}), 0) == (0, None)
    with pytest.raises(WorkerDiedError, match="SIGKILL"):
        perform_alone("sleep", "{}", -signal.SIGKILL)
