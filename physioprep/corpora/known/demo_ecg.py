"""The SIMULATED 12-lead ECG corpus that ``physioprep simulate`` writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import age, read_table, sex, text


def find(root: Path) -> list[Entry]:
    """List the records with their row of subjects.csv.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, age, sex and ``rhythm``.
    """
    rows = {row["record"]: row for row in read_table(root / "subjects.csv", needs=("record",))}
    entries = []
    for entry in wfdb_paths(root):
        row = rows.get(entry.record_id, {})
        entries.append(
            replace(
                entry,
                subject_id=text(row.get("subject_id")),
                age=age(row.get("age")),
                sex=sex(row.get("sex")),
                labels={"rhythm": text(row.get("rhythm"))},
            )
        )
    return entries
