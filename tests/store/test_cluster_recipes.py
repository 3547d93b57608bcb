"""The files to copy in docs/cluster say to the tools what docs/cluster.md says to people."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dask
import pytest
import yaml
from distributed import Security

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "cluster"


@pytest.mark.usefixtures("tls_configured")
def test_slurm_job_script(tls_home: Path) -> None:
    jobqueue = pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed")
    config = yaml.safe_load((FOLDER / "slurm.yaml").read_text())
    shipped = yaml.safe_load(Path(jobqueue.__file__).with_name("jobqueue.yaml").read_text())
    assert set(config["jobqueue"]["slurm"]) <= set(shipped["jobqueue"]["slurm"])
    with (
        dask.config.set(dask.config.merge(shipped, config)),
        jobqueue.SLURMCluster(
            security=Security(), scheduler_options={"dashboard_address": ":0"}
        ) as cluster,
    ):
        script = cluster.job_script()
        assert cluster.scheduler_address.startswith("tls://")
        assert cluster.scheduler_address in script
        assert f"--tls-key {tls_home}/.config/dask/tls-key.pem" in script
        assert "PRIVATE KEY" not in script
    lines = script.splitlines()
    assert "#SBATCH --cpus-per-task=16" in lines
    assert "#SBATCH -t 08:00:00" in lines
    options = lines[-1].split()
    for option, value in (("--nthreads", "1"), ("--nworkers", "16"), ("--memory-limit", "1.86GiB")):
        assert options[options.index(option) + 1] == value
    assert "export MALLOC_TRIM_THRESHOLD_=268435456" in lines
    assert "export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1" in lines


@pytest.mark.parametrize("inherited", [{}, {"MALLOC_TRIM_THRESHOLD_": "268435456"}])
def test_nannies_do_not_trim(inherited: dict[str, str]) -> None:
    """What distributed itself would start workers with, from our file or an inherited value."""
    code = (
        "from distributed.nanny import _get_env_variables as get\n"
        "print(get('distributed.nanny.pre-spawn-environ'))"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC", "DASK"))}
    if not inherited:
        environment["DASK_CONFIG"] = str(FOLDER / "dask.yaml")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | inherited,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = yaml.safe_load(done.stdout)
    assert found.get("MALLOC_TRIM_THRESHOLD_") == inherited.get("MALLOC_TRIM_THRESHOLD_")
    assert str(found["OMP_NUM_THREADS"]) == "1"


def environment_of(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", ())}


def test_kubernetes_cluster() -> None:
    cluster = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())
    assert cluster["apiVersion"] == "kubernetes.dask.org/v1"
    assert cluster["kind"] == "DaskCluster"
    name = cluster["metadata"]["name"]
    worker, scheduler = cluster["spec"]["worker"], cluster["spec"]["scheduler"]
    assert worker["replicas"] > 0
    (container,) = worker["spec"]["containers"]
    address = f"tls://{name}-scheduler:8786"
    assert container["args"][:5] == ["dask", "worker", address, "--name", "$(DASK_WORKER_NAME)"]
    assert container["args"][container["args"].index("--nthreads") + 1] == "1"
    found = environment_of(container)
    assert found["OMP_NUM_THREADS"] == "1"
    assert int(found["MALLOC_TRIM_THRESHOLD_"]) > 2**27
    # a number must be quoted there: Kubernetes takes texts only
    assert all(isinstance(each, str) for each in [*container["args"], *found.values()])
    (container,) = scheduler["spec"]["containers"]
    assert container["args"] == ["dask", "scheduler"]
    for spec in (worker["spec"], scheduler["spec"]):  # both find the key where Dask looks for it
        (container,) = spec["containers"]
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        secrets = {each["name"]: each.get("secret") for each in spec["volumes"]}
        assert mounts["tls"] == "/etc/dask"
        assert secrets["tls"] == {"secretName": "physioprep-tls"}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"tcp-comm": 8786, "http-dashboard": 8787}
    service = scheduler["service"]
    assert service["selector"] == {
        "dask.org/cluster-name": name,
        "dask.org/component": "scheduler",
    }
    assert {port["targetPort"] for port in service["ports"]} == set(ports)


def test_kubernetes_ingest_fits_its_cluster() -> None:
    from typer.main import get_command

    from physioprep.cli import app

    cluster = yaml.safe_load((FOLDER / "kubernetes.yaml").read_text())
    job = yaml.safe_load((FOLDER / "kubernetes-ingest.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    pod, worker = job["spec"]["template"]["spec"], cluster["spec"]["worker"]["spec"]
    assert pod["volumes"] == worker["volumes"]
    (ours,), (theirs,) = pod["containers"], worker["containers"]
    assert ours["volumeMounts"] == theirs["volumeMounts"]  # same paths on both
    assert ours["image"] == theirs["image"]
    assert pod["restartPolicy"] in ("OnFailure", "Never")  # what a Job may have
    assert ours["args"][:2] == ["physioprep", "ingest"]
    command = get_command(app).commands["ingest"]  # type: ignore[attr-defined]
    parsed = command.make_context("ingest", ours["args"][2:]).params
    assert parsed["scheduler"] == f"tls://{cluster['metadata']['name']}-scheduler:8786"


def test_ssh_hosts() -> None:
    """`dask ssh` takes the file and the options of the page; the machines are not there."""
    from click.testing import CliRunner
    from distributed.cli.dask_ssh import main

    done = CliRunner().invoke(main, ["--help"])
    page = FOLDER.with_name("cluster.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("dask ssh ")]
    for option in line.split()[2:]:
        assert not option.startswith("--") or option in done.output
    hosts = (FOLDER / "ssh-hosts.txt").read_text().split()
    assert hosts[0] == "head-node"
    assert len(hosts) == len(set(hosts)) > 1
