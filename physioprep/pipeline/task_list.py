"""The shipped tasks: their names, what each is, and which of its raw files are on this disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from physioprep.errors import RecipeError
from physioprep.facts import data_folder
from physioprep.pipeline.recipe import load_pipeline
from physioprep.pipeline.task import Task, corpus_folder, find_files
from physioprep.suggest import did_you_mean


def list_tasks() -> list[str]:
    """Return the names of the shipped tasks.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> "mental-arithmetic" in list_tasks()
    True
    """
    return sorted(path.stem for path in (data_folder("pipelines") / "tasks").glob("*.yaml"))


def load_task(name: str) -> tuple[str, Task]:
    """Return the title and the head of a shipped task.

    Parameters
    ----------
    name : str
        One of `list_tasks`.

    Returns
    -------
    title : str
        Of the recipe.
    task : Task

    Raises
    ------
    RecipeError
        There is no such task, or its file is faulty.

    Examples
    --------
    >>> load_task("mental-arithmetic")[1].published
    1707
    """
    if name not in list_tasks():
        raise RecipeError(f"no task {name!r}{did_you_mean(name, list_tasks())}")
    recipe = load_pipeline(f"tasks/{name}")
    if recipe.task is None:
        raise RecipeError(f"tasks/{name}: it has no head `task`")
    return recipe.title, recipe.task


def describe_task(name: str, raw: Path | None = None) -> dict[str, Any]:
    """Sum up a shipped task.

    Parameters
    ----------
    name : str
        One of `list_tasks`.
    raw : Path, optional
        Folder of the raw corpus, or a folder of raw corpora in folders of their names.

    Returns
    -------
    dict
        JSON values: ``task``, ``title``, ``corpus``, ``label``, ``split``, ``metrics``,
        ``published windows``, ``licence``, ``access``, ``needs``; with `raw`, ``looked in`` (as
        `run` looks) and ``missing``.

    Raises
    ------
    RecipeError
        There is no such task, or `raw` is no folder.
    """
    title, task = load_task(name)
    facts = task.facts
    found: dict[str, Any] = {
        "task": name,
        "title": title,
        "corpus": task.corpus,
        "label": task.label.removeprefix("label_"),
        "kind": task.kind,
        "split": task.split,
        "metrics": list(task.metrics),
        "published windows": task.published,
        "licence": facts.licence,
        "access": facts.access,
        "citation": task.citation,
        "source": task.source,
        "needs": [f"{need.names}: {need.what}" for need in task.needs],
        "notes": list(task.notes),
    }
    if raw is not None:
        if not raw.is_dir():
            raise RecipeError(f"{raw}: no such folder of raw data")
        folder = corpus_folder(task, raw)
        there = find_files(task.needs, folder)
        found["looked in"] = str(folder)
        found["missing"] = [each.lack for each in there if each.lack]
    return found
