"""What has a name is on the disk; a loss of power or a kill at any point costs only a repetition.

`lossy_disk.LossyDisk` is the disk: it drops what was not flushed. Each verb runs on it in a
process of its own.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILDS = ("ingest", "ingest-replacing", "ingest-extending", "shard", "shard-replacing")
#: The kills and losses of the short forms; each long form takes every point.
SPREAD = 100
LONG = pytest.mark.long


def start(script: str, folder: Path, verb: str, spread: int) -> dict[str, Any]:
    job = {"verb": verb, "folder": str(folder), "spread": spread}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(HERE / script), json.dumps(job)],
        capture_output=True, text=True, timeout=7200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("spread", [SPREAD, pytest.param(1, marks=LONG)])
@pytest.mark.parametrize("verb", [*BUILDS, pytest.param("pipeline", marks=LONG)])
def test_a_loss_of_power_at_any_point_costs_only_a_repetition(
    tmp_path: Path, verb: str, spread: int
) -> None:
    """And all was on the disk before its name was, and before what depends on it."""
    answer = start("lose_power.py", tmp_path, verb, spread)
    assert answer["problems"] == []
    assert answer["wrong"] == []
    assert answer["lost"] >= 3 * (answer["events"] // spread)
    assert answer["tried"] > answer["lost"] // 4  # the others left a state that was tried
    if verb == "pipeline":
        assert answer["tried"] // 40 <= answer["whole"] < answer["tried"]
    else:
        assert answer["whole"] == answer["tried"]
    assert {"fsync", "replace", "mkdir"} <= {*answer["kinds"]}
    assert ("_exchange" in answer["kinds"]) == ("-" in verb)
    assert "out" in answer["named"] or verb == "pipeline"


@pytest.mark.parametrize(
    "verb", ["scan", "simulate", "fetch", "pretrain", "finetune", "embed", "evaluate"]
)
def test_other_outputs_are_on_the_disk_before_they_have_a_name(tmp_path: Path, verb: str) -> None:
    answer = start("lose_power.py", tmp_path, verb, 1 if verb == "scan" else 0)
    assert answer["problems"] == []
    assert answer["wrong"] == []
    assert answer["named"]


@pytest.mark.long
@pytest.mark.parametrize("verb", ["pretrain", "embed", "evaluate"])
def test_a_loss_of_power_costs_a_training_only_a_repetition(tmp_path: Path, verb: str) -> None:
    """Compared are weights, embeddings, predictions: other files hold times."""
    answer = start("lose_power.py", tmp_path, verb, 5)
    assert answer["problems"] == answer["wrong"] == []
    assert answer["lost"] > 30


@pytest.mark.parametrize("spread", [SPREAD, pytest.param(1, marks=LONG)])
@pytest.mark.parametrize(
    "verb", [pytest.param(verb, marks=LONG) if "-" in verb else verb for verb in BUILDS]
)
def test_killed_at_any_system_call_a_build_can_be_run_again(
    tmp_path: Path, verb: str, spread: int
) -> None:
    answer = start("kill_calls.py", tmp_path, verb, spread)
    assert answer["wrong"] == []
    assert answer["kills"] == -(-answer["calls"] // spread) > 2
    assert answer["states"] > answer["kills"] // 8  # the others left a state that was tried


#: Renames that promise nothing of what they name.
ALLOWED = {("physioprep/exchange.py", "renameat2")}
FLUSHING = {"fsync", "fdatasync", "rename", "renames", "renameat2", "link"}


def flushes_or_renames(path: Path) -> set[str]:
    """Return the calls in a module that flush, or that rename files; `replace` of two texts not."""
    found = set()
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    of_tables = [  # a table's columns are renamed, not a file
        node.func
        for node in nodes
        if isinstance(node, ast.Call) and any(each.arg == "columns" for each in node.keywords)
    ]
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr in FLUSHING and node not in of_tables:
            found.add(node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            by = node.func.value
            of_module = isinstance(by, ast.Name) and by.id in ("dataclasses",)
            if node.func.attr == "replace" and len(node.args) == 1 and not of_module:
                found.add("replace")
            if node.func.attr == "replace" and isinstance(by, ast.Name) and by.id == "os":
                found.add("replace")
    return found


def test_one_module_flushes_and_renames() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for folder in ("physioprep", "models")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in flushes_or_renames(path)
    }
    elsewhere = {each for each in found if each[0] != "physioprep/atomic.py"}
    # The shards of an extended store are linked: they are on the disk already.
    assert elsewhere == ALLOWED | {("physioprep/store/build/commit.py", "link")}
    assert {name for path, name in found if path == "physioprep/atomic.py"} == {"fsync", "replace"}
