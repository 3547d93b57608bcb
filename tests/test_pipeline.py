"""Recipes: refused in one line where wrong, run step by step, done steps skipped."""

from dataclasses import replace
from pathlib import Path

import pytest

import physioprep as pp
from physioprep.errors import PhysioprepError, RecipeError, StoreError
from physioprep.lock import hold
from physioprep.pipeline import steps
from physioprep.pipeline.place import Place, Step
from physioprep.pipeline.recipe import Pipeline, load_pipeline
from physioprep.pipeline.run import run
from physioprep.run_notes import read_note
from physioprep.simulation import simulate

SHIPPED = sorted((Path(__file__).parents[1] / "pipelines").glob("*.yaml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_recipes_name_real_steps_with_real_arguments(path: Path) -> None:
    assert load_pipeline(path).steps
    assert load_pipeline(path.stem) == load_pipeline(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [{scan: {corpus: x}}]", "step 1, scan: out is missing"),
        ("steps: [{scna: {}}]", "no step `scna`; did you mean 'scan'"),
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
        summaries = [note["summary"] for note in map(read_note, stamps(out)) if note]
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
    (out / "a.shards").mkdir(parents=True)
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


@pytest.mark.parametrize("name", ["../x", "{tmp}/x", "a/../../x", "link/x", ".", ".steps/x"])
def test_outputs_stay_in_the_folder_of_the_run(raw: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "home").mkdir()
    (out / "link").symlink_to(tmp_path / "home")
    first = Step("scan", {"corpus": "demo-ecg", "root": "demo-ecg", "out": "m.parquet"})
    second = Step("ingest", {"manifest": "m.parquet", "out": name.format(tmp=tmp_path)})
    with pytest.raises(RecipeError, match=r"a test: step 2, ingest: out: .*(leaves|notes)"):
        run(Pipeline("a test", True, (first, second)), raw, out)
    assert {path.name for path in out.iterdir()} == {"link"}  # before the first step


def test_only_what_the_same_pipeline_made_is_replaced(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    step = Step("scan", {"corpus": "demo-ecg", "root": "demo-ecg", "out": "m.parquet"})
    mine = pp.write_manifest(pp.scan(raw / "demo-ecg", "demo-ecg").head(1), out / "m.parquet")
    before = mine.read_bytes()
    for _ in range(2):
        with pytest.raises(RecipeError, match="not made by an earlier run of this pipeline"):
            run(Pipeline("a test", True, (step,)), raw, out, overwrite=True)
        assert mine.read_bytes() == before
    mine.unlink()
    run(Pipeline("a test", True, (step,)), raw, out)
    run(Pipeline("a test", True, (step,)), raw, out, overwrite=True)
    with pytest.raises(RecipeError, match="not made by an earlier run of this pipeline"):
        run(Pipeline("another", True, (step,)), raw, out, overwrite=True)


def test_one_run_at_a_time_and_none_into_the_raw_data(raw: Path, tmp_path: Path) -> None:
    step = Step("scan", {"corpus": "demo-ecg", "root": "demo-ecg", "out": "m.parquet"})
    recipe, out = Pipeline("a test", True, (step,)), tmp_path / "out"
    with pytest.raises(RecipeError, match="lies in the raw data"):
        run(recipe, raw, raw / "out")
    (out / ".steps").mkdir(parents=True)
    with (
        hold(out / ".steps" / ".lock", out),
        pytest.raises(StoreError, match="is writing it"),
    ):
        run(recipe, raw, out)
    (out / ".steps" / "thesis.tex").write_text("years of work")
    with pytest.raises(RecipeError, match="was not made by physioprep"):
        run(recipe, raw, out)
    assert (out / ".steps" / "thesis.tex").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:neurokit2")
def test_a_run_again_makes_anew_what_was_damaged_since(raw: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "out"
    recipe.write_text(RECIPE % 10)
    run(recipe, raw, out)
    files = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    (out / "notes.txt").write_text("mine")
    hurt = ("a.parquet", "a.zarr/records/record_id/c/0", "a.shards/ecg/signal/c.0.0.0")
    for number, name in enumerate(hurt):
        data = bytearray((out / name).read_bytes())
        data[min(100, len(data) // 2)] ^= 1  # of the manifest: its data, not its footer
        (out / name).write_bytes(data)
        skipped = [result.skipped for result in run(recipe, raw, out)]
        assert skipped == [step != number for step in range(3)]
        assert (out / name).read_bytes() == files[out / name]
    (out / "a.shards" / "manifest.parquet").unlink()
    assert [result.skipped for result in run(recipe, raw, out)] == [True, True, False]
    assert pp.verify(out).problems == ("notes.txt: not part of these outputs",)
    assert (out / "notes.txt").read_text() == "mine"
