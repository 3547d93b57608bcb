"""What a task came to: ``task.json``, its windows beside the published ones, and its scores."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import write_text
from physioprep.pipeline.place import Place, Step
from physioprep.pipeline.task import ALL, TOTAL, Found, Task
from physioprep.pipeline.task_causes import causes, unknown_values
from physioprep.versions import __version__

if TYPE_CHECKING:
    from physioprep.shards import Shards

log = logging.getLogger(__name__)

#: Name of the file in the folder of the run.
NAME: Final = "task.json"
SCHEMA: Final = "physioprep.task"
SCHEMA_VERSION: Final = 1
#: Causes that a table shows.
_SHOWN: Final = 20
#: Windows in no part of the split.
NO_PART: Final = "in no part"
#: Values of several statements at once.
_PRESENT, _NOT_STATED = 1, 255


def shards_of(task: Task, steps: Sequence[Step]) -> str | None:
    """Return the shards that hold the windows of a task.

    Parameters
    ----------
    task : Task
    steps : sequence of Step
        Of its recipe.

    Returns
    -------
    str or None
        Relative to the folder of the run; None where no step makes any.
    """
    made = [str(step.arguments.get("out")) for step in steps if step.verb == "shard"]
    return task.shards or (made[-1] if made else None)


def write_task(
    task: Task,
    place: Place,
    steps: Sequence[Step],
    files: Sequence[Found],
    until: str | None,
    stopped: str | None = None,
    *,
    current: Collection[str],
) -> dict[str, Any]:
    """Compare what a run made with what was published, and write ``task.json``.

    Parameters
    ----------
    task : Task
    place : Place
        Raw folder and output folder.
    steps : sequence of Step
        Of its recipe.
    files : sequence of Found
        Which raw files are there.
    until : str or None
        The last verb that was run; None: all.
    stopped : str, optional
        Why the run ended early.
    current : collection of str
        Outputs that are of these raw files and steps; nothing is said of others in the folder.

    Returns
    -------
    dict
        The content of the file.
    """
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "physioprep": __version__,
        "task": task.name,
        "title": place.title,
        "simulated": place.simulated,
        "corpus": task.corpus,
        "citation": task.citation,
        "licence": task.facts.licence,
        "until": until,
        "stopped": stopped,
        "files": [
            {"files": each.need.names, "what": each.need.what, "found": each.count,
             "published": each.need.count}
            for each in files
        ],
        "notes": list(task.notes),
    }  # fmt: skip
    name = shards_of(task, steps)
    if name is not None and name in current and (place.out / name).is_dir():
        from physioprep.shards import open_shards

        shards = open_shards(place.out / name)
        parts = tuple(task.facts.split(task.split).parts) if task.split else ()
        content["counted"] = task.counted
        content["windows_from"] = task.windows_from
        content["windows"] = compare(count_windows(shards, task.label, parts), task.windows or {})
        content |= _labels(task, content["windows"])
        unknown = unknown_values(place, steps)
        if unknown:
            listed = content.get("unknown_labels", [])
            content["unknown_labels"] = [*listed, *(n for n in unknown if n not in listed)]
        content["explained_by"] = [
            *_explain(shards, place, steps, files), *causes(task, shards, place, steps),
            *_empty_parts(task, parts, content["windows"]),
        ]  # fmt: skip
        content["split"] = _split(shards, task)
    content["scores"] = _scores(place.out, steps, current)
    content["outdated"] = _outdated(place.out, name, steps, current)
    for line in content["outdated"]:
        log.warning("%s", line)
    write_text(place.out / NAME, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return content


def _empty_parts(task: Task, parts: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the parts of a task's split in which no window has its label."""
    totals = {row["part"]: row["ours"] for row in rows if row["class"] == TOTAL}
    return [
        f"no window with a {task.label} is in part {part} of the split {task.split}"
        for part in parts
        if not totals.get(part)
    ]


def count_windows(
    shards: Shards, label: str, parts: Sequence[str] = ()
) -> dict[str, dict[str, int]]:
    """Count the labelled windows (or epochs) of shards.

    Parameters
    ----------
    shards : Shards
    label : str
        ``label_...``.
    parts : sequence of str
        Of the split; those without any window are counted as 0.

    Returns
    -------
    dict of str to (dict of str to int)
        Per part of the split, and of all: how many have each class, and how many have any label.
    """
    target, values = shards.target(label), shards.values(label)
    windows = shards.windows.sort_values("window")
    counts = {ALL: _count(values, target.categories or None)}
    if "split" in windows and windows["split"].notna().any():
        part = windows["split"].astype(object).where(windows["split"].notna(), NO_PART)
        found = part.to_numpy(object)
        order = ("train", "validation", "test")
        for name in sorted({*found, *parts}, key=lambda p: (p not in order, order.index(p)
                                                      if p in order else 0, p)):  # fmt: skip
            counts[name] = _count(values[found == name], target.categories or None)
    return counts


def _count(values: NDArray[Any], categories: Sequence[str] | None) -> dict[str, int]:
    if categories is None:
        return {TOTAL: int(np.isfinite(values).sum())}
    if values.dtype == np.uint8:
        stated = (values != _NOT_STATED).any(axis=-1)
        each = (values == _PRESENT).reshape(-1, len(categories)).sum(axis=0)
        return {TOTAL: int(stated.sum())} | dict(zip(categories, each.tolist(), strict=True))
    each = np.bincount(values[values >= 0].ravel(), minlength=len(categories))
    return {TOTAL: int(each.sum())} | dict(zip(categories, each.tolist(), strict=True))


def compare(
    ours: Mapping[str, Mapping[str, int]], published: Mapping[str, Mapping[str, int | None]]
) -> list[dict[str, Any]]:
    """Put our numbers of windows beside the published ones.

    Parameters
    ----------
    ours, published : mapping of str to (mapping of str to int)
        Per part and class. None: not published.

    Returns
    -------
    list of dict
        ``part``, ``class``, ``ours``, ``published``, ``difference`` (None where one is unknown).

    Examples
    --------
    >>> compare({"all": {"total": 5}}, {"all": {"total": 7}})[0]["difference"]
    -2
    """
    rows = []
    for part in dict.fromkeys([*ours, *published]):
        own, other = ours.get(part, {}), published.get(part, {})
        for name in dict.fromkeys([*own, *other]):
            # a class or part of the publication that no window has is a count of 0
            mine, theirs = own.get(name, 0), other.get(name)
            difference = None if theirs is None else mine - theirs
            rows.append(
                {"part": part, "class": name, "ours": mine, "published": theirs,
                 "difference": difference}
            )  # fmt: skip
    return rows


def _labels(task: Task, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return which classes the task does not know, and which of its own are not there."""
    if not task.classes:
        return {}
    held = [row["class"] for row in rows if row["part"] == ALL and row["ours"]]
    known = {*task.classes, TOTAL}
    return {
        "unknown_labels": [name for name in held if name not in known],
        "absent_labels": [name for name in task.classes if name not in held],
    }


def _explain(
    shards: Shards, place: Place, steps: Sequence[Step], files: Sequence[Found]
) -> list[str]:
    """Return what made windows fewer: absent files, refused records, windows left out."""
    from physioprep.shards.spec import BEYOND_MAXIMUM
    from physioprep.store.open import open_store

    said = [each.lack for each in files if each.lack]
    for step in steps:
        if step.verb == "ingest" and (place.out / str(step.arguments["out"])).is_dir():
            store = open_store(place.out / step.arguments["out"])
            said += [
                f"record {row.record_id} is not in the store: {row.reason}"
                for row in store.quarantine.itertuples()
            ]
    left_out = shards.attrs.get("left_out", {})
    return said + [
        f"{count} windows left out: {reason}"
        for reason, count in left_out.items()
        if reason != BEYOND_MAXIMUM  # the task itself takes so many of each record
    ]


def _split(shards: Shards, task: Task) -> dict[str, Any]:
    """Return the split, and whether it leaks."""
    from physioprep.auditing.checks.split_leaks import shards_leaks

    return {"name": task.split, **shards_leaks(shards).to_dict()}


def _outdated(
    out: Path, shards: str | None, steps: Sequence[Step], current: Collection[str]
) -> list[str]:
    """Return which windows and scores in the folder are left out, as they are of others."""
    evaluated = [str(step.arguments["out"]) for step in steps if step.verb == "evaluate"]
    of = {} if shards is None else {shards: "windows"}
    return [
        f"{out / name}: {what} of an earlier run, not of this one: left out of {NAME}"
        for name, what in (of | dict.fromkeys(evaluated, "scores")).items()
        if name not in current and (out / name).exists()
    ]


def _scores(out: Path, steps: Sequence[Step], current: Collection[str]) -> list[dict[str, Any]]:
    """Return the scores of every arm of the evaluations that are up to date."""
    from physioprep.pipeline.gather import results

    evaluated = {str(step.arguments["out"]) for step in steps if step.verb == "evaluate"}
    folders = [f"{name}/" for name in evaluated.intersection(current)]
    rows = []
    for name in results(out):
        if not name.startswith(tuple(folders)):
            continue
        found = json.loads((out / name).read_text(encoding="utf-8"))
        for arm in found["arms"]:
            metrics = {key: value["mean"] for key, value in arm["metrics"].items()}
            rows.append(
                {"results": name, "label": found["label"], "protocol": found["protocol"],
                 "signals": arm["modalities"], "weights": arm["weights"], "metrics": metrics}
            )  # fmt: skip
    return rows


def task_tables(out: Path) -> list[dict[str, Any]]:
    """Lay out what a person reads of a task: windows, then scores.

    Parameters
    ----------
    out : Path
        Folder of the run.

    Returns
    -------
    list of dict
        ``title``, ``columns``, ``rows``, ``caption``; empty where the run was of no task.
    """
    if not (out / NAME).is_file():
        return []
    content = json.loads((out / NAME).read_text(encoding="utf-8"))
    mark = "SIMULATED DATA. " if content["simulated"] else ""
    tables: list[dict[str, Any]] = []
    if content.get("windows"):
        columns = ["part", "class", "ours", "published", "difference"]
        split = content["split"]
        if split["name"]:
            tables.append(
                {
                    "title": f"{mark}{content['title']}: split {split['name']}",
                    "columns": ["verdict", "why"],
                    "rows": [[split["verdict"], line] for line in split["lines"]],
                }
            )
        tables.append(
            {
                "title": f"{mark}{content['title']}: {content['counted']}",
                "columns": columns,
                "rows": [[row[name] for name in columns] for row in content["windows"]],
                "caption": _from(content),
            }
        )
        why = _why(content)
        if why:
            tables.append(
                {
                    "title": f"{mark}{content['title']}: what explains a difference",
                    "columns": ["cause"],
                    "rows": [[line] for line in why],
                }
            )
    if content["scores"]:
        names = list(dict.fromkeys(key for row in content["scores"] for key in row["metrics"]))
        rows = [
            [" + ".join(name.upper() for name in row["signals"]), row["weights"]]
            + [_figure(row["metrics"].get(name)) for name in names]
            for row in content["scores"]
        ]
        tables.append(
            {
                "title": f"{mark}{content['title']}: scores",
                "columns": ["signals", "weights", *names],
                "rows": rows,
            }
        )
    return tables


def _why(content: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the counts should know: causes, and labels that do not fit."""
    said = list(content["explained_by"])
    if len(said) > _SHOWN:
        said[_SHOWN:] = [f"and {len(said) - _SHOWN} more: explained_by of {NAME}"]
    for key, words in (
        ("unknown_labels", "labels that the task or its corpus does not know"),
        ("absent_labels", "classes of the task that no window has"),
    ):
        if content.get(key):
            said.append(f"{words}: {', '.join(content[key])}")
    return said


def _from(content: Mapping[str, Any]) -> str:
    known = any(row["published"] is not None for row in content["windows"])
    source = content["windows_from"] or content["citation"]
    return f"published: {source}" if known else "published counts were not at hand"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
