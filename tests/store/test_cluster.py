"""A Dask cluster of separate processes makes the same store, and may lose a worker."""

import json
import os
import re
import shlex
import shutil
import signal
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

Files = Callable[[Path], dict[str, str]]
Started = subprocess.Popen[bytes]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "cluster.md"


@contextmanager
def process(arguments: list[str], log: Path, namespace: str = "") -> Iterator[Started]:
    enter = ["ip", "netns", "exec", namespace] if namespace else []
    with log.open("ab") as file:
        started = subprocess.Popen(
            [*enter, sys.executable, "-m", *arguments], stdout=file, stderr=file
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def wait_for(file: Path, log: Path) -> str:
    """Wait for the file that a scheduler writes; return its address."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return str(json.loads(file.read_text())["address"])
        except (OSError, ValueError):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


def commands_of_the_page(host: str) -> dict[str, list[str]]:
    """The `dask scheduler` and `dask worker` lines that docs/cluster.md tells people to type."""
    found = {}
    for line in re.findall(
        r"^(?:\S+=\S+ )*dask ((?:scheduler|worker) [^\n]*)$", PAGE.read_text(), re.M
    ):
        verb, *options = shlex.split(line)
        found[verb] = [option.replace("head-node", host) for option in options]
    return found


@contextmanager
def started_cluster(
    folder: Path,
    hosts: tuple[str, str, str] = ("127.0.0.1",) * 3,
    namespaces: tuple[str, ...] = ("", "", ""),
) -> Iterator[tuple[str, list[Started]]]:
    """A scheduler and two workers, started as docs/cluster.md says; address and processes."""
    commands = commands_of_the_page(hosts[0])
    log, file = folder / "cluster.log", folder / "scheduler.json"
    with ExitStack() as stack:
        # as on the page, but at a free port and silent on other interfaces
        options = [*commands["scheduler"], "--no-dashboard", "--scheduler-file", str(file)]
        options[options.index("--port") + 1] = "0"
        options[options.index("--host") + 1] = hosts[0]
        scheduler = ["dask", "scheduler", *options]
        processes = [stack.enter_context(process(scheduler, log, namespaces[0]))]
        address = wait_for(file, log)
        commands["worker"][commands["worker"].index("--nworkers") + 1] = "1"
        for host, namespace in zip(hosts[1:], namespaces[1:], strict=True):
            options = ["--host", host, "--no-dashboard", "--local-directory", str(folder / "w")]
            worker = ["dask", "worker", address, *commands["worker"][1:], *options]
            processes.append(stack.enter_context(process(worker, log, namespace)))
        wait_for_workers(log, number=len(processes) - 1)
        yield address, processes


def wait_for_workers(log: Path, number: int) -> None:
    """Wait until workers have joined: on a busy machine a run would warn that it waits for one."""
    deadline = time.monotonic() + 120
    while log.read_text(errors="replace").count("Registered to:") < number:
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.1)


@pytest.fixture
def cluster(tmp_path: Path, tls_configured: None) -> Iterator[tuple[str, list[Started]]]:
    with started_cluster(tmp_path) as started:
        yield started


def test_separate_processes_make_the_same_store(
    cluster: tuple[str, list[Any]],
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
) -> None:
    links: list[str] = []
    target = tmp_path / "s.zarr"
    pp.ingest(manifest, target, "ecg-200hz", scheduler=cluster[0], announce=links.append)
    assert files_of(target) == files_of(undisturbed)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces that a cable joins: 10.213.77.1 and 10.213.77.2."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        pytest.skip("network namespaces need Linux and `ip`")
    first, second = names = ("physioprep-a", "physioprep-b")
    with ExitStack() as stack:
        try:
            for name in names:
                run("ip", "netns", "add", name)
                stack.callback(run, "ip", "netns", "delete", name)
            run(
                *["ip", "link", "add", "pp-a", "netns"],
                first,
                *["type", "veth", "peer", "name", "pp-b", "netns"],
                second,
            )
            for name, link, host in ((first, "pp-a", 1), (second, "pp-b", 2)):
                inside = ("ip", "-netns", name)
                run(*inside, "address", "add", f"10.213.77.{host}/24", "dev", link)
                run(*inside, "link", "set", link, "up")
                run(*inside, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield names


@pytest.mark.long
def test_two_network_namespaces(
    namespaces: tuple[str, str],
    tls_configured: None,
    manifest: pd.DataFrame,
    corpus: Path,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
) -> None:
    """Scheduler, client and one worker on one host, the other worker behind a network."""
    first, second = namespaces
    file = pp.write_manifest(manifest, tmp_path / "m.parquet")
    hosts = ("10.213.77.1", "10.213.77.1", "10.213.77.2")
    with started_cluster(tmp_path, hosts, (first, first, second)) as (address, processes):
        assert "10.213.77.1" in address
        client = ["physioprep", "ingest", str(file), "--out", str(tmp_path / "s.zarr")]
        done = subprocess.run(
            ["ip", "netns", "exec", first, sys.executable, "-m", *client, "--scheduler", address],
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        assert all(worker.poll() is None for worker in processes)
    assert files_of(tmp_path / "s.zarr") == files_of(undisturbed)
    for host in hosts[1:]:  # both took part
        assert f"Start worker at: tls://{host}:" in re.sub(
            r" +", " ", (tmp_path / "cluster.log").read_text()
        )


def when_at_work(folder: Path, act: Callable[[], None]) -> threading.Thread:
    def wait() -> None:
        while not list((folder / ".s.zarr.partial").glob("*/traces/*")):
            time.sleep(0.002)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def kill_one_at_work(folder: Path, lost: list[int]) -> None:
    """Kill a process that left a trace of a running block."""
    for trace in (folder / ".s.zarr.partial").glob("*/traces/*"):
        lost.append(int(trace.name.split(".")[1]))
        os.kill(lost[0], signal.SIGKILL)
        return


@pytest.mark.long
def test_worker_lost_in_mid_run(
    cluster: tuple[str, list[Started]],
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
) -> None:
    lost: list[int] = []
    killer = when_at_work(tmp_path, lambda: kill_one_at_work(tmp_path, lost))
    pp.ingest(manifest, tmp_path / "s.zarr", "ecg-200hz", scheduler=cluster[0])
    killer.join()
    assert len(lost) == 1
    assert files_of(tmp_path / "s.zarr") == files_of(undisturbed)


@pytest.mark.long
def test_local_cluster_that_loses_a_worker(
    manifest: pd.DataFrame, undisturbed: Path, tmp_path: Path, files_of: Files
) -> None:
    """One of `--workers 2` is killed at work; its nanny starts another."""
    lost: list[int] = []
    links: list[str] = []
    killer = when_at_work(tmp_path, lambda: kill_one_at_work(tmp_path, lost))
    pp.ingest(
        manifest,
        tmp_path / "s.zarr",
        "ecg-200hz",
        scheduler="cluster",
        workers=2,
        announce=links.append,
    )
    killer.join()
    assert lost != [os.getpid()]
    assert len(lost) == 1
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/status", links[0])
    assert files_of(tmp_path / "s.zarr") == files_of(undisturbed)


@pytest.mark.long
def test_scheduler_that_goes_away_is_one_line(
    cluster: tuple[str, list[Started]],
    manifest: pd.DataFrame,
    undisturbed: Path,
    tmp_path: Path,
    files_of: Files,
) -> None:
    address, (scheduler, *_) = cluster
    killer = when_at_work(tmp_path, scheduler.kill)
    with pytest.raises(pp.PhysioprepError, match="went away; what is done is kept"):
        pp.ingest(manifest, tmp_path / "s.zarr", "ecg-200hz", scheduler=address)
    killer.join()
    pp.ingest(manifest, tmp_path / "s.zarr", "ecg-200hz", scheduler="sync")
    assert files_of(tmp_path / "s.zarr") == files_of(undisturbed)


@pytest.mark.long
def test_no_scheduler_there_is_one_line(manifest: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(pp.PhysioprepError, match="no Dask scheduler at tcp://127"):
        pp.ingest(manifest, tmp_path / "s.zarr", scheduler="tcp://127.0.0.1:9")
