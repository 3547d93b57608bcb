"""Apnea-ECG Database: 70 nights of one-lead ECG, each minute marked as apnea or not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import age, lines_of, number, sex

#: Table of the people, which PhysioNet published after the Challenge.
_TABLE: Final = "additional-information.txt"
_RECORD: Final = re.compile(r"[abcx]\d\d")
#: Columns of the table; those before are minutes, hours and indices of apnea and hypopnea.
_AHI, _AGE, _SEX, _LAST = 7, 8, 9, 12
#: Two records of one recording, whoever the table says they are of.
_SAME: Final = (("c05", "c06"), ("x22", "x35"))


def find(root: Path) -> list[Entry]:
    """List the records ``a01`` to ``x35``; those of the same signal with respiration are left out.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``ahi``, age and sex from ``additional-information.txt``. The subject is the first
        record of the table with the same age, sex, height and weight: nobody is named, but there
        are as many such people as the publication says, 32. Without the table it is unknown.
    """
    rows = _people(root / _TABLE) if (root / _TABLE).is_file() else {}
    subjects = _subjects(rows)
    entries = []
    for entry in wfdb_paths(root):
        if _RECORD.fullmatch(entry.record_id):
            row = rows.get(entry.record_id)
            if row is not None:
                entry = replace(
                    entry,
                    subject_id=subjects[entry.record_id],
                    age=age(row[_AGE]),
                    sex=sex(row[_SEX]),
                    labels={"ahi": number(row[_AHI])},
                )
            entries.append(entry)
    return entries


def _people(path: Path) -> dict[str, list[str]]:
    """Return the cells of each record's row; the rest of the file is prose."""
    found = {}
    for cells in lines_of(path, "\t"):
        row = " ".join(cells).split()
        if len(row) == _LAST and _RECORD.fullmatch(row[0]):
            found[row[0]] = row
    return found


def _subjects(rows: Mapping[str, list[str]]) -> dict[str, str]:
    first: dict[tuple[str, ...], str] = {}
    subjects = {name: first.setdefault(tuple(row[_AGE:]), name) for name, row in rows.items()}
    for one, other in _SAME:
        if one in subjects and other in subjects:
            kept, gone = sorted((subjects[one], subjects[other]))
            subjects = {name: kept if who == gone else who for name, who in subjects.items()}
    return subjects
