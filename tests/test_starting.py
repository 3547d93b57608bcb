"""Files to start from are read by the code that reads such files, as they are."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.facts import parse_facts
from physioprep.harmonise import load_recipe
from physioprep.pipeline.check import check_steps, check_types
from physioprep.pipeline.place import Place
from physioprep.pipeline.recipe import load_pipeline
from physioprep.starting import KINDS


def read_pipeline(path: Path) -> str:
    from physioprep.pipeline.steps import STEPS

    recipe = load_pipeline(path)
    for step in recipe.steps:  # as `run` does before the first one
        check_types(STEPS[step.verb], step.arguments, "")
    raw = path.parent / "raw"
    raw.mkdir()
    check_steps(recipe.steps, Place(raw=raw, out=path.parent / "out", title="", simulated=False))
    return recipe.title


def read_task(path: Path) -> str:
    task = load_pipeline(path).task
    assert task is not None
    assert task.corpus == "eegmat"
    return read_pipeline(path)


READERS: dict[str, Callable[[Path], str]] = {
    "recipe": lambda path: load_recipe(path).name,
    "pipeline": read_pipeline,
    "task": read_task,
    "corpus": lambda path: parse_facts("mine", path.read_text()).title,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_started_file_is_valid(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    done = CliRunner().invoke(app, ["init", kind, "mine-2", "-o", str(path)])
    assert done.exit_code == 0, done.stderr
    assert READERS[kind](path) == "mine-2"
    assert "my-name" not in path.read_text()
    assert str(path) in done.stdout
    again = CliRunner().invoke(app, ["init", kind, "-o", str(path)])
    assert again.exit_code == 2
    assert "never replaced" in again.stderr


def test_a_recipe_names_every_key(tmp_path: Path) -> None:
    """Those in comments are keys too: each is one of the dataclasses."""
    from dataclasses import fields

    from physioprep.harmonise.modality_recipe import ModalityRecipe

    CliRunner().invoke(app, ["init", "recipe", "-o", str(tmp_path / "r.yaml")])
    text = (tmp_path / "r.yaml").read_text()
    of_ecg = re.findall(r"^    (?:# )?([a-z_]+): ", text, re.MULTILINE)
    known = {field.name for field in fields(ModalityRecipe)}
    assert set(of_ecg) <= known
    assert known - set(of_ecg) <= {"order", "notch_q", "reference"}


def test_what_the_comments_of_a_recipe_offer_is_taken(tmp_path: Path) -> None:
    """Each commented key with its value, and with the other one that its comment names."""
    path = tmp_path / "r.yaml"
    CliRunner().invoke(app, ["init", "recipe", "-o", str(path)])
    text = path.read_text()
    offered = re.findall(r"^    # ((\w+): .*?)  *# (?:or (\w+))?.*$", text, re.MULTILINE)
    assert [key for _, key, other in offered if other] == ["dtype", "design", "normalise"]
    for line, key, other in offered:
        for said in [line, *([f"{key}: {other}"] if other else [])]:
            has_step = not said.endswith("float32")
            kept = text if has_step else re.sub(r"^    step: .*\n", "", text, flags=re.MULTILINE)
            path.write_text(kept.replace("    units: mV", f"    {said}\n    units: mV", 1))
            assert load_recipe(path).name, said


@pytest.mark.parametrize(
    "words",
    [
        ["receipt", "-o", "a.yaml"],
        ["recipe", "-o", "a.txt"],
        ["recipe", "a: b", "-o", "a.yaml"],
        ["recipe", "../a", "-o", "a.yaml"],
    ],
)
def test_what_is_no_kind_or_name_is_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", *words])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_the_name_may_look_like_another_type(tmp_path: Path) -> None:
    for kind, read in READERS.items():
        path = tmp_path / kind / "2024.yaml"
        path.parent.mkdir()
        assert CliRunner().invoke(app, ["init", kind, "-o", str(path)]).exit_code == 0
        assert isinstance(yaml.safe_load(path.read_text()), dict)
        assert read(path) == "2024"
