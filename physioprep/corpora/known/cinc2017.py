"""PhysioNet/CinC Challenge 2017: one handheld lead, 9 to 61 s; AF, normal, other or noise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from physioprep.corpora.entry import Entry, walk, wfdb_paths, with_labels
from physioprep.corpora.tables import read_table

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
    newest = next((table for table in tables.values() if table), {})
    entries = []
    for entry in wfdb_paths(root):
        labels: dict[str, str | float | None] = {"rhythm": newest.get(entry.record_id)}
        for version in ("1", "2"):
            if tables[version]:
                labels[f"rhythm_v{version}"] = tables[version].get(entry.record_id)
        entry = with_labels(entry, labels)
        stated = {table[entry.record_id] for table in tables.values() if entry.record_id in table}
        entries.append(
            with_labels(entry, {}, faults=("label-changed",)) if len(stated) > 1 else entry
        )
    return entries


def _labels(root: Path, version: str) -> Mapping[str, str]:
    """Return record to rhythm of one version of the labels; empty where it is absent."""
    names = (f"REFERENCE-v{version}.csv", *(("REFERENCE.csv",) if version == "3" else ()))
    for path in walk(root):
        if path.rpartition("/")[2] in names:
            rows = read_table(root / path, header=False, needs="01")
            return {row["0"]: RHYTHM[row["1"]] for row in rows if row["1"] in RHYTHM}
    return {}
