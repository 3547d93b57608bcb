"""Without torch everything up to shards works, and what needs it says how to get it."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Runs the verbs in a process whose imports of torch fail as where it is not installed.
SCRIPT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Absent())
from typer.testing import CliRunner
from physioprep.cli import app

def run(code, *arguments):
    ran = CliRunner().invoke(app, list(arguments))
    assert ran.exit_code in code, (arguments, ran.exit_code, ran.output)
    return ran.output

folder = sys.argv[1]
import physioprep
physioprep.simulate(f"{folder}/raw", n_patients=4, n_subjects=2, workers=1)
run([0], "scan", f"{folder}/raw/demo-paired", "--corpus", "demo-paired",
    "-o", f"{folder}/m.parquet")
run([0, 1], "ingest", f"{folder}/m.parquet", "-o", f"{folder}/s.zarr", "--recipe",
    "paired-200hz", "--scheduler", "sync")
run([0, 1], "audit", f"{folder}/s.zarr", "--report", f"{folder}/a.html", "--workers", "1")
run([0], "info", f"{folder}/s.zarr")
run([0], "shard", f"{folder}/s.zarr", "-o", f"{folder}/w", "--window", "8", "--workers", "1")
run([0], "verify", f"{folder}/w")
run([0], "view", f"{folder}/s.zarr", "sub-01_task-rest", "-o", f"{folder}/x.png")
run([0], "derive", f"{folder}/s.zarr", "-o", f"{folder}/t", "--eeg", "--scheduler", "sync")
said = [run([2], "stream", f"{folder}/w"), run([2], "pretrain", f"{folder}/w", "-o", f"{folder}/e"),
        run([2], "embed", f"{folder}/s.zarr", "-m", f"{folder}/e", "-o", f"{folder}/e.zarr")]
assert all("pip install 'physioprep[train]'" in text for text in said), said
import physiomodels
for package, name in ((physioprep, "ShardStream"), (physiomodels, "pretrain")):
    try:
        getattr(package, name)
    except ModuleNotFoundError as error:
        assert str(error) == f"{name}: this needs torch, an extra: pip install 'physioprep[train]'"
    else:
        raise AssertionError(name)
assert "torch" not in sys.modules
"""


def test_everything_but_streams_and_models_works_without_torch(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_torch_is_an_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = " ".join(project["dependencies"])
    assert "torch" not in named
    assert "safetensors" not in named
    assert any(each.startswith("torch") for each in project["optional-dependencies"]["train"])
