"""Run a recipe of ``pipelines/`` step by step; completed steps are skipped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from physioprep.errors import PhysioprepError, RecipeError
from physioprep.local_path import local_path
from physioprep.pipeline.check import (
    check_records,
    check_steps,
    check_types,
)
from physioprep.pipeline.outputs import Outputs, keep_outputs, refuse_outside
from physioprep.pipeline.place import Place, Step
from physioprep.pipeline.recipe import Pipeline, load_pipeline
from physioprep.pipeline.stamps import Origin, completed, is_current, stamps_of, why_again
from physioprep.pipeline.task import Found, check_files, corpus_folder
from physioprep.pipeline.task_result import NAME as TASK_RESULT
from physioprep.pipeline.task_result import write_task
from physioprep.run_notes import hashes_of, names_made, read_note, write_note
from physioprep.suggest import did_you_mean

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepResult:
    """Result of a step: its verb, its summary, and whether it was completed by an earlier run."""

    verb: str
    summary: Mapping[str, Any]
    skipped: bool


OnStep = Callable[[int, int, Step, StepResult | None], None]


def run(
    pipeline: str | Path | Pipeline,
    raw: str | Path,
    out: str | Path,
    *,
    until: str | None = None,
    weights: Mapping[str, str | Path] | None = None,
    overwrite: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    device: str | None = None,
    on_step: OnStep | None = None,
) -> list[StepResult]:
    """Run a pipeline; steps whose inputs and arguments are unchanged are skipped.

    All steps are checked before the first one runs.

    Parameters
    ----------
    pipeline : path-like or Pipeline
        A recipe, its YAML file, or the name of a shipped one.
    raw : path-like
        Folder of the raw corpora. Of a task: of its corpus, or with a folder named as the corpus.
    out : path-like
        Folder for all that is made. A stopped run continues with the step that was stopped; what
        was made before is hashed, and made again where it is damaged. A task ends in its
        ``task.json``.
    until : str, optional
        Verb of the last step to run, as ``"shard"``: the steps up to the last one of this verb.
    weights : mapping of str to path-like, optional
        By modality: a pretrained encoder for the evaluations, beside random weights.
    overwrite : bool
        Do every step again.
    scheduler, workers : optional
        As for `ingest`, for all steps that run tasks. The results do not depend on them.
    device : str, optional
        As for `pretrain`, for all steps that train.
    on_step : callable, optional
        Called with (number, total, step, None) before a step and with its result after.

    Returns
    -------
    list of StepResult
        One per step, in order.

    Raises
    ------
    RecipeError
        The recipe is faulty, `raw` does not exist, `out` is a link, a step reads what is not
        there, an output of a step would leave `out`, or what is there was not made by an earlier
        run of this pipeline.
    PhysioprepError
        A step failed (the message says which file and why), or another process runs in `out`.
    """
    from physioprep.pipeline.steps import STEPS

    recipe = pipeline if isinstance(pipeline, Pipeline) else load_pipeline(pipeline)
    chosen = weights or {}
    cut = _with_weights(_up_to(recipe, until), chosen, recipe.steps)
    whole = _with_weights(recipe.steps, chosen, recipe.steps)  # `until` forgets no later note
    recipe = replace(recipe, steps=cut)
    raw, out = local_path(raw, RecipeError), local_path(out, RecipeError)
    if not raw.is_dir():
        raise RecipeError(f"{raw}: no such folder of raw data")
    raw = corpus_folder(recipe.task, raw) if recipe.task else raw
    if out.is_symlink():
        raise RecipeError(f"{out}: is a symbolic link; give the real path")
    for number, step in enumerate(recipe.steps, 1):
        check_types(STEPS[step.verb], step.arguments, f"{recipe.title}: step {number}, {step.verb}")
    made = [names_made(step.verb, str(step.arguments.get("out"))) for step in recipe.steps]
    for number, (step, names) in enumerate(zip(recipe.steps, made, strict=True), 1):
        for name in names:
            refuse_outside(out, name, f"{recipe.title}: step {number}, {step.verb}")
    place = Place(
        raw=raw, out=out, title=recipe.title, simulated=recipe.simulated, scheduler=scheduler,
        workers=workers, device=device,
    )  # fmt: skip
    check_steps(recipe.steps, place)
    files = check_files(recipe.task, raw, recipe.title) if recipe.task else []
    for lack in filter(None, (each.lack for each in files)):
        log.warning("%s: %s", raw, lack)
    with keep_outputs(out, raw, recipe.title) as outputs:
        for number, (step, names) in enumerate(zip(recipe.steps, made, strict=True), 1):
            outputs.check(names, f"{recipe.title}: step {number}, {step.verb}")
        outputs.forget_others([*_notes(outputs.folder, whole), _task_note(outputs.folder, whole)])
        if recipe.task:
            outputs.begin([TASK_RESULT], recipe.title)
            _begin_task(recipe, place, outputs, whole)
        results: list[StepResult] = []
        stamps = stamps_of(origin := Origin.of(raw), whole)
        note_task = partial(_note_task, recipe, place, outputs, whole, stamps, files, until)
        try:
            _run_steps(recipe, place, made, outputs, overwrite, on_step, origin, stamps, results)
        except PhysioprepError as error:  # what there is of the task is worth reading all the same
            note_task(str(error), len(results))
            raise
        note_task(None, len(results))
        return results


def _notes(folder: Path, steps: Sequence[Step]) -> list[Path]:
    """Return the notes of steps, in order."""
    return [folder / f"{number:02d}-{step.verb}.json" for number, step in enumerate(steps, 1)]


def _task_note(folder: Path, steps: Sequence[Step]) -> Path:
    """Return the note of a task's result."""
    return folder / f"{len(steps) + 1:02d}-task.json"


def _begin_task(
    recipe: Pipeline, place: Place, outputs: Outputs, whole: Sequence[Step]
) -> dict[str, Any]:
    """Remove ``task.json``: a run that is killed leaves none of older outputs. Return its note."""
    begun = {"stamp": "", "pipeline": recipe.title, "made": [TASK_RESULT], "summary": None}
    write_note(_task_note(outputs.folder, whole), begun)
    (place.out / TASK_RESULT).unlink(missing_ok=True)
    return begun


def _note_task(
    recipe: Pipeline,
    place: Place,
    outputs: Outputs,
    whole: Sequence[Step],
    stamps: Sequence[str],
    files: Sequence[Found],
    until: str | None,
    stopped: str | None,
    done: int,
) -> None:
    """Write the ``task.json`` of a task after `done` steps, and the note that holds its hash."""
    if recipe.task is None:
        return
    begun = _begin_task(recipe, place, outputs, whole)
    current = [str(step.arguments["out"]) for step in whole[:done]]
    later = zip(whole, _notes(outputs.folder, whole), stamps, strict=True)
    for step, note, stamp in list(later)[done:]:  # of an earlier run, but of the same data
        names = names_made(step.verb, str(step.arguments["out"]))
        if is_current(note, stamp, place.out, names):
            current.append(names[0])
    write_task(recipe.task, place, whole, files, until, stopped, current=current)
    files_made = hashes_of(place.out, [TASK_RESULT])
    write_note(_task_note(outputs.folder, whole), begun | {"summary": {}, "files": files_made})


def _up_to(recipe: Pipeline, until: str | None) -> tuple[Step, ...]:
    """Return the steps up to the last one of a verb."""
    if until is None:
        return recipe.steps
    verbs = [step.verb for step in recipe.steps]
    if until not in verbs:
        hint = did_you_mean(until, verbs) or f"; its steps: {', '.join(dict.fromkeys(verbs))}"
        raise RecipeError(f"{recipe.title}: no step `{until}`{hint}")
    return recipe.steps[: len(verbs) - verbs[::-1].index(until)]


def _with_weights(
    steps: Sequence[Step], weights: Mapping[str, str | Path], whole: Sequence[Step]
) -> tuple[Step, ...]:
    """Return the steps, their evaluations with given encoders beside random weights."""
    if not weights:
        return tuple(steps)
    given = {name: str(local_path(path, RecipeError).absolute()) for name, path in weights.items()}
    changed = []
    for step in steps:
        if step.verb == "evaluate":
            config = step.arguments["config"]
            if isinstance(config, Mapping):
                config = {**config, "weights": ["pretrained", "random"]}
            step = replace(step, arguments={**step.arguments, "config": config, "weights": given})
        changed.append(step)
    if not any(step.verb == "evaluate" for step in changed):
        if any(step.verb == "evaluate" for step in whole):
            last = steps[-1].verb
            raise RecipeError(f"weights: the step `evaluate` that would use them is after `{last}`")
        raise RecipeError("weights: the recipe has no step `evaluate` that would use them")
    return tuple(changed)


def _run_steps(
    recipe: Pipeline,
    place: Place,
    made: Sequence[Sequence[str]],
    outputs: Outputs,
    overwrite: bool,
    on_step: OnStep | None,
    origin: Origin,
    stamps: Sequence[str],
    results: list[StepResult],
) -> None:
    """Run the steps in the locked folder of a run, and append their results."""
    from physioprep.pipeline import steps

    out, said, notes = place.out, overwrite, _notes(outputs.folder, recipe.steps)
    every = zip(recipe.steps, notes, made, stamps[: len(notes)], strict=True)
    for number, (step, note, names, stamp) in enumerate(every, 1):
        before = None if overwrite else read_note(note)
        begun, done = completed(before, stamp, out, names)
        if on_step:
            on_step(number, len(recipe.steps), step, None)
        if done is None:
            log.info("step %d of %d: %s", number, len(recipe.steps), step.verb)
            if not said:
                said = _say_again(place, before, origin, stamp, made[number - 1 :])
            outputs.begin(names, f"{recipe.title}: step {number}, {step.verb}")
            content: dict[str, Any] = {
                "stamp": stamp, "pipeline": recipe.title, "made": list(names), "summary": None,
                "origin": vars(origin),
            }  # fmt: skip
            write_note(note, content)
            summary = steps.STEPS[step.verb](replace(place, was_stopped=begun), **step.arguments)
            write_note(note, content | {"summary": summary, "files": hashes_of(out, names)})
            result = StepResult(step.verb, summary, skipped=False)
        else:
            result = StepResult(step.verb, done, skipped=True)
        results.append(result)
        if step.verb == "scan":
            check_records(recipe.steps, names[0], place)
        if on_step:
            on_step(number, len(recipe.steps), step, result)


def _say_again(
    place: Place,
    before: Mapping[str, Any] | None,
    origin: Origin,
    stamp: str,
    made: Sequence[Sequence[str]],
) -> bool:
    """Say which outputs of an earlier run are made again, and why; return whether it was said."""
    there = [names[0] for names in made if (place.out / names[0]).exists()]
    if not there or (before is not None and before["stamp"] == stamp):  # as damage, said before
        return False
    why = why_again(before, origin)
    log.warning("%s: made again, since %s: %s", place.out, why, ", ".join(there))
    return True
