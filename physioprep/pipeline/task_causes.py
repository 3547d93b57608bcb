"""What explains the counts of a task: labels that nothing knows, or that are not stated; splits.

Unknown is not absent: a label that no table of the corpus holds is listed, and counted.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.noted import NOTED, UNKNOWN_LABEL
from physioprep.corpora.summary import TABLE, note_lines
from physioprep.pipeline.place import Place, Step
from physioprep.pipeline.task import Task
from physioprep.plain_text import first_names
from physioprep.recording import NOTE
from physioprep.shards.target import NOT_STATED

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

_NAMED: Final = 3


def unknown_values(place: Place, steps: Sequence[Step]) -> list[str]:
    """Return the labels that the scans met and no table of their corpus holds.

    Parameters
    ----------
    place : Place
        Output folder.
    steps : sequence of Step

    Returns
    -------
    list of str
        Sorted, each once.
    """
    start = f"{NOTE}{UNKNOWN_LABEL}"
    said = {
        flag.removeprefix(start).rpartition(" (")[0]
        for manifest in _manifests(place, steps)
        for flags in manifest["flags"]
        for flag in flags
        if flag.startswith(start)
    }
    return sorted(str(ast.literal_eval(text)) for text in said)


def causes(task: Task, shards: Shards, place: Place, steps: Sequence[Step]) -> Iterator[str]:
    """Yield what was noted of raw tables and records, and which windows lack a label or a part.

    Parameters
    ----------
    task : Task
    shards : Shards
        Of the task.
    place : Place
        Output folder.
    steps : sequence of Step

    Yields
    ------
    str
    """
    manifests = list(_manifests(place, steps))
    for manifest in manifests:
        notes = manifest.attrs.get("notes", ())
        yield from [*note_lines(notes, NOTED), *note_lines(notes, TABLE)]
    for label, counts in shards.attrs.get("unlisted", {}).items():
        said = ", ".join(f"{name} ({count})" for name, count in counts.items())
        yield f"{label}: not among the categories: {said}"
    windows = shards.windows.sort_values("window")
    lacking = _lacking(shards.values(task.label))
    if lacking.any():
        yield f"{_windows(windows[lacking])} without any {task.label}"
    yield from _in_no_part(task, windows, manifests)
    yield from _unannotated(task, place, steps)


def _manifests(place: Place, steps: Sequence[Step]) -> Iterator[pd.DataFrame]:
    from physioprep.manifest import read_manifest

    for step in steps:
        if step.verb == "scan" and (place.out / str(step.arguments["out"])).is_file():
            yield read_manifest(place.out / step.arguments["out"])


def _lacking(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which windows state nothing of a label, in none of their epochs."""
    if values.dtype == np.uint8:
        known = values != NOT_STATED
    elif values.dtype.kind == "f":
        known = np.isfinite(values)
    else:
        known = values >= 0
    lacking: NDArray[np.bool_] = ~known.reshape(len(values), -1).any(axis=1)
    return lacking


def _in_no_part(
    task: Task, windows: pd.DataFrame, manifests: Sequence[pd.DataFrame]
) -> Iterator[str]:
    """Yield the values of the columns that a split asks for, of windows in none of its parts."""
    if task.split is None or "split" not in windows:
        return
    out = windows[windows["split"].isna()]
    if not len(out):
        return
    said = "; ".join(filter(None, (_values(task, manifest, out) for manifest in manifests)))
    said = f": {said}" if said else ""
    yield f"{_windows(out)} in no part of the split {task.split}{said}"


def _values(task: Task, records: pd.DataFrame, out: pd.DataFrame) -> str:
    """Return what records of no part have in the columns that the split asks for, in words."""
    assert task.split is not None
    parts = task.facts.split(task.split).parts.values()
    names = dict.fromkeys(name for rules in parts for name in rules.get("column", {}))
    rows = records[records["record_id"].isin(out["record_id"])]
    said = []
    for name in names:
        if name in rows:
            texts = rows[name].astype(object).where(rows[name].notna(), "not stated").astype(str)
            counts = texts.value_counts().head(_NAMED)
            said.append(f"{name} " + ", ".join(f"{text} ({n})" for text, n in counts.items()))
    return "; ".join(said)


def _unannotated(task: Task, place: Place, steps: Sequence[Step]) -> Iterator[str]:
    """Yield which records have no annotation, where the label is made of annotations."""
    from physioprep.query import query_mask
    from physioprep.shards.annotations import read_annotations
    from physioprep.shards.annotators import of_annotators
    from physioprep.shards.plan import unite_records
    from physioprep.shards.source import open_source

    made = [
        step.arguments
        for step in steps
        if step.verb == "shard" and task.shards in (None, step.arguments["out"])
    ]
    label = task.label.removeprefix("label_")
    for given in made[-1:]:
        held = given.get("annotation_labels")
        asked = held.get(label) if isinstance(held, Mapping) else None
        if (
            not isinstance(asked, Mapping) or asked.get("otherwise") is not None
        ):  # else no annotation says something
            continue
        sources = [open_source(place.out / name) for name in given["stores"]]
        records = unite_records(sources)
        table = of_annotators(
            read_annotations(sources), records, given.get("annotators"), asked.get("where")
        )
        without = ~records.index.isin(table["record"])
        if given.get("where"):
            without &= query_mask(records, given["where"], "records")
        if without.any():
            whose = given.get("annotators") or task.facts.annotators
            of = f" of {', '.join(whose)}" if whose else ""
            names = records["record_id"][without].astype(str).tolist()
            yield f"{_some(names)} without any annotation{of}"


def _windows(windows: pd.DataFrame) -> str:
    """Return how many windows of which records, in words."""
    records = sorted(set(windows["record_id"].astype(str)))
    return f"{len(windows)} window{'s' * (len(windows) > 1)} of {_some(records)}"


def _some(records: Sequence[str]) -> str:
    return f"{len(records)} record{'s' * (len(records) > 1)} ({first_names(records)})"
