"""Whoever is admitted to a scheduler runs code: only who has the key is admitted."""

import gc
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import distributed
import psutil
import pytest
import yaml

from physioprep.errors import PhysioprepError
from physioprep.parallel.cluster import connect
from physioprep.parallel.run import run_tasks

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connect("cluster", 1) as started:
        yield started


def try_client(address: str, **options: Any) -> Any:
    """Connect a client; again where its thread had not started after distributed's own 10 s."""
    for _ in range(3):
        # One that was refused is closed when it is collected; within the next one's lock that
        # would wait for itself.
        gc.collect()
        try:
            return distributed.Client(address, timeout="3s", set_as_default=False, **options)
        except AssertionError:
            continue
    raise AssertionError("the machine is too busy to start a thread in 30 s")


def test_a_local_cluster_admits_none_without_its_key(client: Any) -> None:
    address = client.cluster.scheduler_address
    assert address.startswith("tls://127.0.0.1:")
    workers = list(client.scheduler_info()["workers"])
    for each in (address, *workers):
        assert each.startswith("tls://127.0.0.1:")
        with pytest.raises((OSError, TypeError)):  # a stranger, without any certificate
            try_client(each)
        with pytest.raises(OSError):  # noqa: PT011
            try_client(each.replace("tls:", "tcp:"))
    other = distributed.Security.temporary()  # a certificate of the same name, of another key
    with pytest.raises(OSError):  # noqa: PT011
        try_client(address, security=other)
    with distributed.Client(address, security=client.security, set_as_default=False) as own:
        assert own.submit(int, "3").result() == 3


def test_a_local_cluster_listens_on_loopback_alone(client: Any) -> None:
    own = psutil.Process()
    listening = {
        connection.laddr.ip
        for process in (own, *own.children(recursive=True))
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::1"}, listening


def test_the_key_of_a_local_cluster_is_in_no_file_or_command_line(client: Any) -> None:
    assert "\n" in client.security.tls_client_key  # the key itself, not the name of a file
    own = psutil.Process()
    for process in own.children(recursive=True):
        assert not any("PRIVATE KEY" in word for word in process.cmdline())


def test_the_key_of_the_page_is_private(tls_home: Path) -> None:
    assert (tls_home / ".config/dask/tls-key.pem").stat().st_mode & 0o077 == 0
    context = ssl.create_default_context(cafile=tls_home / ".config/dask/tls-cert.pem")
    context.load_cert_chain(
        tls_home / ".config/dask/tls-cert.pem", tls_home / ".config/dask/tls-key.pem"
    )


@pytest.mark.usefixtures("tls_configured")
def test_a_scheduler_with_the_certificates_of_the_page() -> None:
    security = distributed.Security()  # as `dask scheduler` and `dask worker` do
    assert security.require_encryption
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
        security=security,
    ) as cluster:  # fmt: skip
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        done: list[Any] = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run_tasks("sleep", [0, 0.001], {}, lambda *pair: done.append(pair), scheduler=address)
        assert sorted(item for item, _ in done) == [0, 0.001]
        plain = address.replace("tls", "tcp")
        with pytest.raises(PhysioprepError, match=f"require encryption: {plain} has none"):
            run_tasks("sleep", [0], {}, print, scheduler=plain)


def test_an_address_with_tls_needs_certificates() -> None:
    with pytest.raises(PhysioprepError, match=r"certificates for tls://.*docs/cluster\.md"):
        run_tasks("sleep", [0], {}, print, scheduler="tls://127.0.0.1:9")


def test_certificates_that_are_missing_are_one_line() -> None:
    gone = "/gone/tls-cert.pem"
    names = ("ca-file", "client.cert", "client.key")
    with (
        dask.config.set({f"distributed.comm.tls.{name}": gone for name in names}),
        pytest.raises(PhysioprepError, match=r"cannot be used, see docs/cluster\.md"),
    ):
        run_tasks("sleep", [0], {}, print, scheduler="tls://127.0.0.1:9")


def test_an_address_without_tls_gives_a_warning() -> None:
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None,
            protocol="tcp://", host="127.0.0.1",
        ) as cluster,
        pytest.warns(UserWarning, match=r"tcp://.*whoever reaches this port can run code"),
    ):  # fmt: skip
        run_tasks("sleep", [0], {}, lambda *_: None, scheduler=cluster.scheduler_address)


def test_the_settings_name_one_certificate_for_all() -> None:
    comm = yaml.safe_load((DOCS / "cluster" / "tls.yaml").read_text())["distributed"]["comm"]
    assert comm["require-encryption"] is True
    assert comm["default-scheme"] == "tls"  # for `dask ssh`, which writes addresses without
    for role in ("scheduler", "worker", "client"):
        assert comm["tls"][role] == comm["tls"]["client"]
    assert comm["tls"]["ca-file"] == comm["tls"]["client"]["cert"]
