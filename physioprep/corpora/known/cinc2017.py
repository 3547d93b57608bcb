"""PhysioNet/CinC Challenge 2017: one handheld lead, 9 to 61 s; AF, normal, other or noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from physioprep.corpora.entry import Entry, walk, wfdb_paths, with_labels
from physioprep.corpora.not_taken import current_walk
from physioprep.corpora.noted import unknown_label
from physioprep.corpora.tables import read_table
from physioprep.recording import NOTE

RHYTHM = {"N": "normal", "A": "af", "O": "other", "~": "noise"}
_VERSIONS = ("3", "2", "1")


def find(root: Path) -> list[Entry]:
    """List the records with the newest labels in the folder, and the older ones beside them.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``rhythm`` (``normal``, ``af``, ``other``, ``noise``) and, where older tables are
        present, ``rhythm_v1`` and ``rhythm_v2``.
    """
    tables = {version: _labels(root, version) for version in _VERSIONS}
    newest = next((table for table in tables.values() if table.rows), _Table())
    walked = current_walk()
    if walked is not None:
        walked.said.append(
            f"label_rhythm is that of {newest.name}"
            if newest.rows
            else "no REFERENCE table: label_rhythm is not stated"
        )
    return [_labelled(entry, tables, newest) for entry in wfdb_paths(root)]


@dataclass(frozen=True)
class _Table:
    """One version of the labels: the symbol of each record, as it is written."""

    name: str = ""
    rows: Mapping[str, str] = field(default_factory=dict)

    def rhythm(self, record: str) -> str | None:
        return RHYTHM.get(self.rows.get(record, ""))


def _labelled(entry: Entry, tables: Mapping[str, _Table], newest: _Table) -> Entry:
    record = entry.record_id
    labels: dict[str, str | float | None] = {"rhythm": newest.rhythm(record)}
    labels |= {f"rhythm_v{v}": tables[v].rhythm(record) for v in ("1", "2") if tables[v].rows}
    flags = [
        unknown_label(table.rows[record], table.name)
        for table in tables.values()
        if record in table.rows and table.rhythm(record) is None
    ]
    if newest.rows and record not in newest.rows:
        flags.append(f"{NOTE}not in {newest.name}: no label")
    stated = {table.rhythm(record) for table in tables.values()} - {None}
    faults = ("label-changed",) if len(stated) > 1 else ()
    return with_labels(entry, labels, faults=(*entry.faults, *faults), flags=(*entry.flags, *flags))


def _labels(root: Path, version: str) -> _Table:
    """Return one version of the labels; empty where it is absent."""
    names = (f"REFERENCE-v{version}.csv", *(("REFERENCE.csv",) if version == "3" else ()))
    for path in walk(root):
        name = path.rpartition("/")[2]
        if name in names:
            rows = read_table(root / path, header=False, needs="01")
            return _Table(name, {row["0"]: row["1"] for row in rows})
    return _Table()
