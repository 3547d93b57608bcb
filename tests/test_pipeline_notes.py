"""The notes of a run: damage to them, or to anything that a step made, is found and mended."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import physioprep as pp
from physiomodels.model.weights import save_folder
from physioprep.errors import PhysioprepError, RecipeError
from physioprep.hashes import write_hashes
from physioprep.pipeline import steps
from physioprep.pipeline.place import Place, Step
from physioprep.pipeline.recipe import Pipeline
from physioprep.pipeline.run import run
from physioprep.run_notes import hashes_of, read_note, write_note
from physioprep.simulation import simulate, write_wfdb
from tests.test_verifying import flip

RECIPE = Pipeline(
    "a test",
    True,
    (
        Step("scan", {"corpus": "demo-ecg", "root": "demo-ecg", "out": "m.parquet"}),
        Step("ingest", {"manifest": "m.parquet", "recipe": "ecg-200hz", "out": "s.zarr"}),
        Step("audit", {"paths": ["m.parquet"], "out": "audit.json"}),
        Step("view", {"store": "s.zarr", "records": 2, "out": "pictures"}),
    ),
)
NAMES = ("01-scan", "02-ingest", "03-audit", "04-view")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("raw") / "raw", n_patients=4, n_subjects=2, workers=1)


@pytest.fixture(scope="module")
def made(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "out"
    run(RECIPE, raw, out)
    return out


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "out"))


def redone(raw: Path, out: Path) -> list[str]:
    results = run(RECIPE, raw, out)
    assert pp.verify(out).problems == ()
    return [name for name, result in zip(NAMES, results, strict=True) if not result.skipped]


@pytest.mark.parametrize("name", [*NAMES, "made"])
def test_a_changed_figure_of_a_note_is_no_result(
    raw: Path, out: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    note = out / ".steps" / f"{name}.json"
    content = note.read_text()
    note.write_text(content.replace("pictures", "Pictures").replace("3", "4"))
    assert note.read_text() != content
    problem = f".steps/{name}.json: damaged: it does not match its own checksum"
    assert problem in pp.verify(out).problems
    caplog.clear()
    assert redone(raw, out) == ([] if name == "made" else [name])
    assert f"{name}.json: damaged" in caplog.text
    assert redone(raw, out) == []


def test_a_step_that_is_made_again_removes_what_a_killed_one_left(raw: Path, out: Path) -> None:
    left = [".audit.json.0123456789ab.tmp", ".audit.html.0123456789ab.tmp"]
    left += [".m.0123456789ab.tmp.parquet", "pictures/.a.0123456789ab.tmp.png"]
    theirs = [".audit.json.mine.tmp", ".other.json.0123456789ab.tmp", "pictures/.note.tmp"]
    for name in [*left, *theirs]:
        (out / name).write_text("half")
    for name in NAMES:
        (out / ".steps" / f"{name}.json").unlink()
    (out / "audit.json").unlink()  # killed before it had a name
    (out / "m.parquet").unlink()
    assert len([result for result in run(RECIPE, raw, out) if not result.skipped]) == 4
    assert [name for name in left if (out / name).exists()] == []
    assert [name for name in theirs if not (out / name).exists()] == []


@pytest.mark.parametrize("content", ["[]", "{}", "5", "null", '{"stamp": 5}', "", None])
def test_what_is_no_note_neither_ends_nor_stops_a_run(
    raw: Path, out: Path, content: str | None
) -> None:
    for name in (NAMES[2], "made"):
        note = out / ".steps" / f"{name}.json"
        note.unlink()
        if content is None:
            os.mkfifo(note)
        else:
            note.write_text(content)
        assert any(line.startswith(f".steps/{name}.json: ") for line in pp.verify(out).problems)
        assert redone(raw, out) == ([] if name == "made" else [name])


def test_a_lost_note_is_noticed(raw: Path, out: Path) -> None:
    (out / ".steps" / "03-audit.json").unlink()
    assert "audit.json: no note of a step says what it holds" in pp.verify(out).problems
    assert redone(raw, out) == ["03-audit"]


def test_a_lost_list_of_what_was_made_is_noticed(raw: Path, out: Path) -> None:
    (out / ".steps" / "made.json").unlink()
    assert pp.verify(out).problems == (".steps/made.json: missing",)
    assert redone(raw, out) == []
    (out / "audit.json").unlink()  # and what is made anew may replace the page beside it
    (out / ".steps" / "made.json").unlink()
    assert redone(raw, out) == ["03-audit"]


def test_the_note_of_an_earlier_version_still_names_what_was_made(raw: Path, out: Path) -> None:
    names = '["m.parquet", "s.zarr", "audit.json", "pictures"]'
    (out / ".steps" / "made.json").write_text(f'{{"pipeline": "a test", "made": {names}}}')
    (out / ".steps" / "03-audit.json").write_text('{"stamp": "a", "summary": null}')
    assert redone(raw, out) == ["03-audit"]


def test_notes_of_another_pipeline_admit_nothing(raw: Path, out: Path) -> None:
    (out / ".steps" / "made.json").unlink()
    other = Pipeline("another", True, (Step("audit", {**RECIPE.steps[2].arguments}),))
    with pytest.raises(RecipeError, match="was not made by an earlier run of this pipeline"):
        run(other, raw, out)


@pytest.mark.parametrize("kind", ["flipped", "cut", "removed"])
@pytest.mark.parametrize("name", ["audit.html", "pictures", "s.zarr/SHA256SUMS"])
def test_all_that_a_step_made_is_compared_and_made_again(
    raw: Path, out: Path, name: str, kind: str
) -> None:
    file = out / name
    if file.is_dir():
        file = sorted(file.iterdir())[0]
    before = file.read_bytes()
    if kind == "flipped":
        flip(file)
    elif kind == "cut":
        file.write_bytes(before[: len(before) // 2])
    else:
        file.unlink()
    where = file.relative_to(out).as_posix()
    assert any(line.startswith(where) for line in pp.verify(out).problems)
    assert len(redone(raw, out)) == 1
    assert name == "audit.html" or file.read_bytes() == before  # its page holds the time


def test_what_lies_beside_the_outputs_is_named(raw: Path, out: Path) -> None:
    for name in ("x.parquet", "pictures/y.png", "more/z.txt", "s.zarr/w"):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text("x")
    assert sorted(pp.verify(out).problems) == [
        "more/z.txt: not part of these outputs",
        "pictures/y.png: not part of these outputs",
        "s.zarr/w: not part of this store",
        "x.parquet: not part of these outputs",
    ]
    assert all(result.skipped for result in run(RECIPE, raw, out))
    assert (out / "x.parquet").exists()


def test_a_step_that_was_stopped_is_one_problem(
    raw: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def view(place: Place, **_: object) -> dict[str, object]:
        (place.out / "pictures" / "half.png").write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setitem(steps.STEPS, "view", view)
    with pytest.raises(KeyboardInterrupt):
        run(RECIPE, raw, out, overwrite=True)
    (problem,) = pp.verify(out).problems
    assert problem.startswith(".steps/04-view.json: its step was stopped")


def test_an_earlier_end_forgets_no_later_step(raw: Path, out: Path) -> None:
    assert [result.skipped for result in run(RECIPE, raw, out, until="ingest")] == [True, True]
    assert redone(raw, out) == []


def test_results_without_their_list_are_a_problem(tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = out / "results"
    save_folder(torch.nn.Linear(2, 3), {"a": 1}, results / "encoders" / "ecg")
    (results / "evaluation.json").write_text('{"schema": "physiomodels.evaluation"}')
    (results / "results.json").write_text("{}")
    write_hashes(results)
    (out / ".steps").mkdir()
    content = {"made": ["results"], "summary": {}, "files": hashes_of(out, ["results"])}
    assert set(content["files"]) == {"results/SHA256SUMS", "results/encoders/ecg/SHA256SUMS"}
    write_note(out / ".steps" / "01-evaluate.json", content)
    write_note(out / ".steps" / "made.json", {"pipeline": "t", "made": ["results"]})
    assert read_note(out / ".steps" / "01-evaluate.json") == content
    assert pp.verify(results).problems == pp.verify(out).problems == ()
    (results / "SHA256SUMS").unlink()
    (results / "results.json").write_text('{"auroc": 1}')
    for gone in (None, "evaluation.json"):  # its mark, too
        if gone:
            (results / gone).unlink()
        assert pp.verify(results).kind == "results"
        assert pp.verify(results).problems == ("SHA256SUMS: missing",)
        assert pp.verify(out).problems == ("results/SHA256SUMS: missing",)


def test_outputs_whose_notes_are_lost_are_neither_verified_in_part_nor_made_in_part(
    raw: Path, out: Path
) -> None:
    save_folder(torch.nn.Linear(2, 3), {"a": 1}, out / "encoders" / "ecg")
    assert pp.verify(out / "encoders").problems == ()  # models together
    shutil.rmtree(out / ".steps")
    with pytest.raises(PhysioprepError, match=r"several outputs \(encoders, s.zarr\), and no .st"):
        pp.verify(out)
    (out / "m.parquet").unlink()
    with pytest.raises(RecipeError, match=r"step 2, ingest: out: .* was not made by an earlier"):
        run(RECIPE, raw, out)
    assert not (out / "m.parquet").exists()


def test_pictures_of_records_in_sub_folders_are_made_and_made_again(tmp_path: Path) -> None:
    ids = ("S1/r1", "S2/b.c/r1")
    ecg = np.random.default_rng(0).normal(0, 0.1, (12, 5000))
    for name in ids:
        place = tmp_path / "raw" / name
        place.parent.mkdir(parents=True)
        write_wfdb(place.parent, place.name, ecg, 500, [])
    run_of = replace(
        RECIPE,
        steps=(
            Step("scan", {"corpus": "folder", "out": "m.parquet"}),
            *RECIPE.steps[1:2],
            Step("view", {"store": "s.zarr", "records": 2, "out": "pictures"}),
        ),
    )
    out = tmp_path / "out"
    run(run_of, tmp_path / "raw", out)
    drawn = [out / "pictures" / f"{name}.png" for name in ids]
    assert sorted((out / "pictures").rglob("*.png")) == drawn
    assert [one.skipped for one in run(run_of, tmp_path / "raw", out)] == [True] * 3
    drawn[1].unlink()
    assert pp.verify(out).problems
    run(run_of, tmp_path / "raw", out)
    assert drawn[1].is_file()
    assert pp.verify(out).problems == ()
    alone = pp.view(out / "s.zarr", ids[1], tmp_path / "out" / "pictures")
    assert alone == drawn[1]
    new = pp.view(out / "s.zarr", ids[1], tmp_path / "new" / "a.png")
    assert new.is_file()
