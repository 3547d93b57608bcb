"""Lobachevsky University Database: 200 12-lead ECGs with P, QRS and T marked lead by lead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import age, read_table, sex, text


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


def _several(cell: str | None) -> str | None:
    """Return the statements of a cell, which has one per line, joined by ``+``."""
    lines = [line.strip().rstrip(".") for line in (cell or "").splitlines() if line.strip()]
    return text("+".join(lines))


def _axis(cell: str | None) -> str | None:
    """Return the axis without the words before it ("Electric axis of the heart: normal")."""
    return text((cell or "").rpartition(":")[2].strip())
