"""Mumtaz 2016: resting EEG of people with major depression and healthy people."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, walk

_NAME = re.compile(r"(?:.*/)?(?:\d+_)?((H|MDD) *S *(\d+) +(EC|EO|TASK)) *\.edf")
_CONDITION = {"EC": "eyes closed", "EO": "eyes open", "TASK": "task"}
_GROUP = {"H": "healthy", "MDD": "depression"}


def find(root: Path) -> list[Entry]:
    """List ``H S1 EC.edf``, ``MDD S1 EO.edf``, ``MDD S1 TASK.edf``; a number may come before.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, ``group``, ``condition`` and ``place``, the file's number from 0 among the
        sorted names of its group at rest (null for the task), which CBraMod's split counts.
    """
    found = []
    for path in walk(root):
        match = _NAME.fullmatch(path)
        if match is not None:
            found.append((path.rpartition("/")[2], path, match))
    entries = []
    counts = dict.fromkeys(_GROUP, 0)
    for name, path, match in sorted(found, key=lambda item: item[0]):
        _, group, number, condition = match.groups()
        place = None
        if condition != "TASK":
            place = float(counts[group])
            counts[group] += 1
        labels = {"group": _GROUP[group], "condition": _CONDITION[condition], "place": place}
        entries.append(
            Entry(name[:-4], path, subject_id=f"{group}{number}", session=condition, labels=labels)
        )
    return entries
