"""What a run would do: its steps, and what its scans and ingests come to; nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.errors import RecipeError
from physioprep.local_path import local_path
from physioprep.pipeline.check import check_steps, check_types
from physioprep.pipeline.place import Place, Step
from physioprep.pipeline.recipe import load_pipeline
from physioprep.pipeline.task import corpus_folder

if TYPE_CHECKING:
    import pandas as pd


def dry_run(pipeline: str | Path, raw: str | Path, out: str | Path) -> list[dict[str, Any]]:
    """Check a pipeline and list its steps, with figures of what it reads from raw files.

    Parameters
    ----------
    pipeline : path-like
        As for `run`.
    raw, out : path-like
        As for `run`; `out` is not made.

    Returns
    -------
    list of dict
        One per step: ``step``, ``out`` and ``there`` (whether something of that name is); of scans
        ``recordings`` and ``hours``, of ingests what `physioprep.estimates.estimate_ingest` says.
        Later steps have no figures: what they read is not made yet.

    Raises
    ------
    RecipeError
        The recipe is faulty, or `raw` does not exist.
    PhysioprepError
        A corpus is not in `raw`, or nothing of it can be ingested.
    """
    from physioprep.pipeline.steps import STEPS

    recipe = load_pipeline(pipeline)
    raw, out = local_path(raw, RecipeError), local_path(out, RecipeError)
    if not raw.is_dir():
        raise RecipeError(f"{raw}: no such folder of raw data")
    raw = corpus_folder(recipe.task, raw) if recipe.task else raw
    for number, step in enumerate(recipe.steps, 1):
        check_types(STEPS[step.verb], step.arguments, f"{recipe.title}: step {number}, {step.verb}")
    place = Place(raw=raw, out=out, title=recipe.title, simulated=recipe.simulated)
    check_steps(recipe.steps, place)
    manifests: dict[str, pd.DataFrame] = {}
    found = []
    for step in recipe.steps:
        name = str(step.arguments.get("out", ""))
        there = bool(name) and (out / name).exists()
        facts: dict[str, Any] = {"step": step.verb, "out": name, "there": there}
        found.append(facts | _figures(step, raw, name, manifests))
    return found


def _figures(
    step: Step, raw: Path, name: str, manifests: dict[str, pd.DataFrame]
) -> dict[str, Any]:
    """Return what a step comes to; the manifest of a scan is kept for the ingest that reads it."""
    from physioprep.corpora.scan import scan
    from physioprep.estimates import estimate_ingest
    from physioprep.harmonise.recipe import Recipe

    given = step.arguments
    if step.verb == "scan":
        folder = raw / str(given.get("root", "."))
        manifests[name] = frame = scan(folder, str(given["corpus"]), hashes=False, scheduler="sync")
        hours = round(float(frame["duration_s"].sum()) / 3600, 3)
        return {"recordings": len(frame), "hours": hours}
    if step.verb == "ingest" and given["manifest"] in manifests:
        recipe = given.get("recipe", "ecg-200hz")
        chosen = recipe if isinstance(recipe, str) else Recipe.from_dict(recipe)
        return estimate_ingest(manifests[given["manifest"]], chosen, where=given.get("where"))
    return {}
