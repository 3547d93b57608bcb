"""Every shipped task, from simulated raw files of its corpus's structure to ``task.json``.

A module ``raw_<task>.py`` beside this file (``-`` as ``_``) has two functions: ``make`` writes
small raw files, ``expected`` says how many windows they give, by arithmetic of its own.
"""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.errors import PhysioprepError, RecipeError
from physioprep.pipeline import steps
from physioprep.pipeline.place import Place, Step
from physioprep.pipeline.recipe import Pipeline, load_pipeline
from physioprep.pipeline.run import run
from physioprep.pipeline.task_list import describe_task, list_tasks, load_task
from physioprep.pipeline.tasks_page import tasks_page
from physioprep.verifying import verify

#: A network and a training that take a second.
TINY = {
    "encoder": {"d_model": 16, "depth": 1, "heads": 2, "ffn": 16},
    "finetune": {"mode": "probe", "epochs": 1},
}


def raw_of(task: str) -> ModuleType:
    return import_module(f"tests.tasks.raw_{task.replace('-', '_')}")


def small(recipe: Pipeline) -> Pipeline:
    """Return a recipe whose evaluation takes seconds: one label, tiny networks, one repeat."""
    smaller = []
    for step in recipe.steps:
        if step.verb == "evaluate":
            config = dict(step.arguments["config"])
            config |= {"repeats": 1, "bootstrap": 10, "finetune": TINY["finetune"]}
            config |= {"folds": 2} if "folds" in config else {}
            pretrain = dict(config.get("pretrain", {}))
            for name in config["modalities"]:
                own = dict(pretrain.get(name, {}))
                encoder = {**own.get("encoder", {}), **TINY["encoder"]}
                pretrain[name] = {**own, "encoder": encoder, "epochs": 1}
            config["pretrain"] = pretrain
            one = {
                name: step.arguments[name][:1]
                for name in ("labels", "protocols")
                if name in step.arguments
            }
            step = Step(step.verb, {**step.arguments, **one, "config": config})
        smaller.append(step)
    return replace(recipe, steps=tuple(smaller))


#: One of each kind of files, targets and splits; `make endurance` has all.
QUICK = ("apnea-ecg", "deap", "dreamer", "ludb", "mental-arithmetic", "mitdb-inter-patient",
         "ptbxl-super", "qtdb", "shu-mi", "sleep-edf-20", "tuev", "wesad")  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.long) for name in list_tasks()],
)
def test_from_raw_files_to_scores(name: str, tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    made = raw_of(name)
    made.make(raw)
    recipe = small(load_pipeline(f"tasks/{name}"))
    run(recipe, raw, out)
    content = json.loads((out / "task.json").read_text())
    ours: dict[str, dict[str, int]] = {}
    for row in content["windows"]:
        ours.setdefault(row["part"], {})[row["class"]] = row["ours"]
    assert ours == made.expected()
    verbs = [step.verb for step in recipe.steps]
    assert bool(content["scores"]) == ("evaluate" in verbs)
    arms = {row["weights"] for row in content["scores"]}
    assert "evaluate" not in verbs or {"random", "features"} <= arms
    if load_task(name)[1].split:
        assert content["split"]["verdict"]


@pytest.mark.parametrize("name", list_tasks())
def test_the_head_of_a_task(name: str) -> None:
    title, task = load_task(name)
    recipe = load_pipeline(f"tasks/{name}")
    assert (recipe.title, recipe.task) == (title, task)
    assert task.facts.licence
    assert task.split is None or task.split in {split.name for split in task.facts.splits}
    windows: dict[str, Any] = dict(task.windows or {})
    counts = [count for part in windows.values() for count in part.values()]
    assert all(count is None for count in counts) or task.windows_from
    assert describe_task(name)["task"] == name
    for step in recipe.steps:
        if step.verb == "evaluate":  # the main metric, which chooses the epoch, is the first
            metrics = step.arguments["config"].get("metrics", [])
            assert metrics[0] == task.metrics[0]
            assert set(task.metrics) <= set(metrics)


def test_absent_files_are_named_before_any_work(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "Subject00_1.edf").touch()
    with pytest.raises(RecipeError) as refused:
        run("tasks/mental-arithmetic", raw, tmp_path / "out")
    said = str(refused.value)
    assert "no Subject*_2.edf (arithmetic, 36 in a complete copy)" in said
    assert "35 of 36 Subject*_1.edf (rest) are missing" in said
    assert "https://physionet.org/content/eegmat" in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


def test_counts_beside_the_published_ones_with_what_explains_them(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    raw_of("mental-arithmetic").make(raw)
    (raw / "Subject01_1.edf").write_bytes(b"")
    done = CliRunner().invoke(
        app,
        ["run", "mental-arithmetic", "--raw", str(raw), "--out", str(out), "--until", "shard"],
    )
    assert done.exit_code == 1, done.output
    assert "1 recording is in quarantine" in done.output
    assert "1707" in done.output
    content = json.loads((out / "task.json").read_text())
    (total,) = [r for r in content["windows"] if (r["part"], r["class"]) == ("all", "total")]
    ours = raw_of("mental-arithmetic").expected()["all"]["total"] - 19 // 5
    assert (total["ours"], total["published"], total["difference"]) == (ours, 1707, ours - 1707)
    said = " ".join(content["explained_by"])
    assert "30 of 36 Subject*_1.edf (rest) are missing" in said
    assert "Subject01_1" in said
    printed = " ".join(done.output.replace("│", " ").split())
    assert "30 of 36 Subject*_1.edf (rest) are missing" in printed
    assert "record Subject01_1 is not in the store" in printed
    assert content["until"] == "shard"
    assert content["scores"] == []


def test_an_ecg_without_marks_is_not_taken_for_one_without_waves(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    raw_of("ludb").make(raw)
    (raw / "data/1.ii").unlink()
    run("tasks/ludb", raw, out, until="shard")
    windows = json.loads((out / "task.json").read_text())["windows"]
    ours = {row["class"]: row["ours"] for row in windows}
    whole = raw_of("ludb").expected()["all"]
    assert ours == {name: count * 2 // 3 for name, count in whole.items()}


def test_what_stops_a_task_stands_beside_its_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(place: Place, *, shards: str, out: str, config: Any) -> dict[str, Any]:
        raise PhysioprepError("the GPU is gone")

    monkeypatch.setitem(steps.STEPS, "evaluate", fail)
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    raw_of("mental-arithmetic").make(raw)
    with pytest.raises(PhysioprepError, match="the GPU is gone"):
        run("tasks/mental-arithmetic", raw, out)
    content = json.loads((out / "task.json").read_text())
    assert content["stopped"] == "the GPU is gone"
    assert content["windows"]
    (line,) = verify(out).problems
    assert "evaluate.json: its step was stopped" in line


def test_names_are_helped_with(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="did you mean 'mental-arithmetic'"):
        load_pipeline("mental-arithmetics")
    with pytest.raises(RecipeError, match="no step `shards`; did you mean 'shard'"):
        run("tasks/mental-arithmetic", tmp_path, tmp_path / "out", until="shards")


def test_the_list_says_what_is_missing_on_this_disk(tmp_path: Path) -> None:
    raw_of("mental-arithmetic").make(tmp_path / "EEGMAT")
    done = CliRunner().invoke(app, ["tasks", "--raw", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    found = {task["task"]: task for task in json.loads(done.stdout)}
    assert list(found) == list_tasks()
    lack = found["mental-arithmetic"]["missing"]
    assert lack[0] == "30 of 36 Subject*_1.edf (rest) are missing"
    assert not any("subject-info" in each for each in lack)


def test_the_page_is_up_to_date() -> None:
    docs = Path(__file__).parents[2] / "docs"
    tried = json.loads((docs / "figures/tasks.json").read_text())
    assert set(tried) == set(list_tasks()), "cd benchmarks && python tasks.py TASK"
    assert (docs / "tasks.md").read_text() == tasks_page(tried)
