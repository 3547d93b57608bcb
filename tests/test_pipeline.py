"""Recipes: refused in one line where wrong, run step by step, done steps skipped."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from physioprep.errors import PhysioprepError, RecipeError
from physioprep.pipeline import steps
from physioprep.pipeline.place import Place
from physioprep.pipeline.run import Pipeline, Step, load_pipeline, run
from physioprep.simulation import simulate

SHIPPED = sorted((Path(__file__).parents[1] / "pipelines").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_recipes_name_real_steps_with_real_arguments(path: Path) -> None:
    assert load_pipeline(path).steps
    assert load_pipeline(path.stem) == load_pipeline(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [{scan: {corpus: x}}]", "step 1, scan: missing a required"),
        ("steps: [{scna: {}}]", "no step `scna`; known: scan"),
        ("steps: [{scan: {}, audit: {}}]", "step 1 is not one"),
        ("steps: 3", "a list of `steps`"),
        ("{", "not YAML"),
    ],
)
def test_wrong_recipes_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message) as refusal:
        load_pipeline(path)
    assert "\n" not in str(refusal.value)
    assert "wrong.yaml" in str(refusal.value)


def test_an_absent_recipe_and_an_absent_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.yaml"):
        load_pipeline(tmp_path / "nowhere.yaml")
    with pytest.raises(RecipeError, match="no such folder"):
        run("demo", tmp_path / "nowhere", tmp_path / "out")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "raw"
    return simulate(folder, n_patients=4, n_subjects=2, workers=1)


RECIPE = """
title: a test
simulated: true
steps:
  - scan: {corpus: demo-paired, root: demo-paired, out: a.parquet}
  - ingest: {manifest: a.parquet, recipe: paired-200hz, out: a.zarr}
  - shard: {stores: [a.zarr], window_s: %s, out: a.shards}
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning:neurokit2")
def test_done_steps_are_skipped_and_changes_redo_what_follows(raw: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "out"
    recipe.write_text(RECIPE % 10)
    first = run(recipe, raw, out)
    assert [result.skipped for result in first] == [False, False, False]
    assert first[0].summary["recordings"] == 4
    again = run(recipe, raw, out)
    assert [result.skipped for result in again] == [True, True, True]
    assert again[2].summary == first[2].summary
    recipe.write_text(RECIPE % 8)
    changed = run(recipe, raw, out)
    assert [result.skipped for result in changed] == [True, True, False]
    assert changed[2].summary["windows"] > first[2].summary["windows"]
    (raw / "demo-paired" / "README.txt").write_text("changed")
    assert not any(result.skipped for result in run(recipe, raw, out))


def test_a_failing_step_stops_the_run_and_is_not_done(raw: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "out"
    recipe.write_text(RECIPE % 10_000)
    for _ in range(2):  # nor at a second try
        with pytest.raises(PhysioprepError):
            run(recipe, raw, out)
        summaries = [json.loads(path.read_text())["summary"] for path in stamps(out)]
        assert [summary is not None for summary in summaries] == [True, True, False]


def stamps(out: Path) -> list[Path]:
    return sorted((out / ".steps").glob("[0-9]*.json"))


def test_a_stopped_step_may_go_on_unless_all_is_done_anew(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, stop = [], True

    def pretrain(place: Place, **_: object) -> dict[str, object]:
        seen.append(place.was_stopped)
        (place.out / "encoder").mkdir(exist_ok=True)
        if stop:
            raise KeyboardInterrupt
        return {"encoder": "encoder"}

    monkeypatch.setitem(steps.STEPS, "pretrain", pretrain)
    step = Step("pretrain", {"shards": "a.shards", "out": "encoder", "epochs": 1})
    recipe, out = Pipeline("a test", True, (step,)), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(recipe, raw, out)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, raw, out)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, raw, out, overwrite=True)
    other = replace(recipe, steps=(replace(step, arguments={**step.arguments, "epochs": 2}),))
    stop = False
    assert not run(other, raw, out)[0].skipped
    assert seen == [False, True, False, False]
    assert run(other, raw, out)[0].skipped
