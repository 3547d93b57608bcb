"""Lobachevsky University Database: 200 12-lead ECGs with P, QRS and T marked lead by lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import age, read_table, sex, text

#: Marks of the peaks of waves, and how the waves are called here.
WAVES = {"p": "P", "N": "QRS", "t": "T"}


def find(root: Path) -> list[Entry]:
    """List the records with their row of ludb.csv.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``rhythm``, ``axis``, ``conduction``, age and sex; each record is one subject.
    """
    rows = {row["ID"]: row for row in read_table(root / "ludb.csv", needs=("ID",))}
    entries = []
    for entry in wfdb_paths(root):
        row = rows.get(entry.record_id, {})
        labels = {
            "rhythm": _several(row.get("Rhythms")),
            "axis": _axis(row.get("Electric axis of the heart")),
            "conduction": _several(row.get("Conduction abnormalities")),
        }
        entries.append(
            replace(
                entry,
                subject_id=entry.record_id,
                age=age(row.get("Age")),
                sex=sex(row.get("Sex")),
                labels=labels,
            )
        )
    return entries


def derive_annotations(marks: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Add the waves of each lead as intervals to the marks of their ends and peaks.

    Parameters
    ----------
    marks : mapping of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`, as read; the source is the lead.

    Returns
    -------
    mapping of str to ndarray
        The same and, in order of time, the waves: text ``P``, ``QRS`` or ``T``, no code, from mark
        ``(`` to mark ``)``. A wave that lacks one of them is not added.
    """
    if not len(marks.get("onset", ())):
        return marks
    first: list[int] = []
    last: list[int] = []
    names: list[str] = []
    sources, codes = marks["source"], marks["code"]
    for source in dict.fromkeys(sources.tolist()):
        rows = np.flatnonzero(sources == source)
        for begin, peak, end in zip(rows, rows[1:], rows[2:], strict=False):
            if codes[peak] in WAVES and (codes[begin], codes[end]) == ("(", ")"):
                first.append(int(begin))
                last.append(int(end))
                names.append(WAVES[codes[peak]])
    waves = {name: column[first] for name, column in marks.items()}
    waves["duration"] = marks["onset"][last] - marks["onset"][first]
    waves["text"] = np.array(names, object)
    waves["code"] = np.array([""] * len(names), object)
    order = np.argsort(np.concatenate([marks["onset"], waves["onset"]]), kind="stable")
    return {name: np.concatenate([column, waves[name]])[order] for name, column in marks.items()}


def _several(cell: str | None) -> str | None:
    """Return the statements of a cell, which has one per line, joined by ``+``."""
    lines = [line.strip().rstrip(".") for line in (cell or "").splitlines() if line.strip()]
    return text("+".join(lines))


def _axis(cell: str | None) -> str | None:
    """Return the axis without the words before it ("Electric axis of the heart: normal")."""
    return text((cell or "").rpartition(":")[2].strip())
