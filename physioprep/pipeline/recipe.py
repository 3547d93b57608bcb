"""A recipe of ``pipelines/``: read from YAML and checked by itself.

A recipe is a YAML file: a title, whether its data are simulated, perhaps the published task that it
rebuilds, and a list of steps.
A step is a verb of `physioprep.pipeline.steps.STEPS` and the arguments of its function. Paths in it
are relative to the raw folder (``root``) or to the output folder (all others).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physioprep.documents import load_yaml, read_text
from physioprep.errors import RecipeError
from physioprep.facts import data_folder
from physioprep.local_path import local_path
from physioprep.pipeline.check import check_arguments, check_names
from physioprep.pipeline.place import Step
from physioprep.pipeline.task import Task, parse_task
from physioprep.suggest import did_you_mean
from physioprep.trees import paths_below


@dataclass(frozen=True)
class Pipeline:
    """A recipe: the steps from a raw folder to results.

    Parameters
    ----------
    title : str
        One line; the heading of the report.
    simulated : bool
        True where the raw data come from a simulator; every output then says SIMULATED.
    steps : tuple of Step
        Run in order.
    task : Task or None
        The published task that the steps rebuild.
    """

    title: str
    simulated: bool
    steps: tuple[Step, ...]
    task: Task | None = None


def load_pipeline(path: str | Path) -> Pipeline:
    """Read a recipe.

    Parameters
    ----------
    path : path-like
        A YAML file, or the name of a shipped one (``"demo"``, ``"tasks/mental-arithmetic"``).

    Returns
    -------
    Pipeline

    Raises
    ------
    RecipeError
        The file does not exist, is not a recipe, or has an unknown key, step or argument.

    Examples
    --------
    >>> [step.verb for step in load_pipeline("eegmat").steps][:2]
    ['scan', 'ingest']
    """
    path = local_path(path, RecipeError)
    if not path.suffix and not path.is_file():
        path = _shipped(str(path))
    text = read_text(path, lambda cause: RecipeError(f"{path}: {cause}"))
    content = load_yaml(text, lambda cause: RecipeError(f"{path}: {cause}"))
    if not isinstance(content, dict) or not isinstance(content.get("steps"), list):
        raise RecipeError(f"{path}: a pipeline is a mapping with a list of `steps`")
    try:
        check_names(content, ("title", "simulated", "task", "steps"))
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    steps = tuple(_check_step(path, number, raw) for number, raw in enumerate(content["steps"], 1))
    task = parse_task(content["task"], path) if "task" in content else None
    title, simulated = content.get("title", path.stem), content.get("simulated", False)
    if not isinstance(title, str):
        raise RecipeError(f"{path}: title: {title!r}: must be text")
    if not isinstance(simulated, bool):  # what is not false would mark results as simulated
        raise RecipeError(f"{path}: simulated: {simulated!r}: must be true or false")
    return Pipeline(title, simulated, steps, task)


def _shipped(name: str) -> Path:
    """Return the file of a shipped recipe, by its name; a task may be named with its folder."""
    folder = data_folder("pipelines")
    known = {
        path.relative_to(folder).with_suffix("").as_posix()
        for path in paths_below(folder)
        if path.suffix == ".yaml"
    }
    for each in (name, f"tasks/{name}"):
        if each in known:
            return folder / f"{each}.yaml"
    hint = did_you_mean(name, sorted({*known, *(each.rpartition("/")[2] for each in known)}))
    raise RecipeError(f"{name}: no such file, nor a shipped recipe{hint}")


def _check_step(path: Path, number: int, raw: Any) -> Step:
    from physioprep.pipeline.steps import STEPS

    if not isinstance(raw, dict) or len(raw) != 1:
        raise RecipeError(f"{path}: step {number} is not one `verb: {{arguments}}`")
    verb, arguments = next(iter(raw.items()))
    if verb not in STEPS:
        hint = did_you_mean(str(verb), STEPS) or f"; known: {', '.join(STEPS)}"
        raise RecipeError(f"{path}: step {number}: no step `{verb}`{hint}")
    if not isinstance(arguments or {}, dict):
        raise RecipeError(f"{path}: step {number}, {verb}: its arguments are not a mapping")
    try:
        check_arguments(STEPS[verb], arguments or {})
    except RecipeError as error:
        raise RecipeError(f"{path}: step {number}, {verb}: {error}") from None
    return Step(verb, arguments or {})
