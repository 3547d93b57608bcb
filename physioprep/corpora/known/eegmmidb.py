"""EEG Motor Movement/Imagery Dataset: 64 electrodes, 109 volunteers, 14 runs each."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, walk
from physioprep.recording import Header

_NAME = re.compile(r"(?:.*/)?((S\d{3})(R\d{2}))\.edf")
_TASKS = {
    "eyes open": (1,),
    "eyes closed": (2,),
    "left or right fist": (3, 7, 11),
    "imagined left or right fist": (4, 8, 12),
    "both fists or both feet": (5, 9, 13),
    "imagined both fists or both feet": (6, 10, 14),
}
#: Run number to what the subject did in it.
TASK_OF_RUN = {run: task for task, runs in _TASKS.items() for run in runs}


def find(root: Path) -> list[Entry]:
    """List ``SNNN/SNNNRMM.edf``; the run determines the task.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, run and ``task``.
    """
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is not None:
            record_id, subject, run = found.groups()
            labels = {"task": TASK_OF_RUN.get(int(run[1:]))}
            entries.append(Entry(record_id, path, subject_id=subject, session=run, labels=labels))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Mark a sampling rate other than 160 Hz.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With the fault ``not-160-hz`` where it applies.
    """
    if any(group.sampling_rate != 160.0 for group in header.groups):
        return replace(entry, faults=(*entry.faults, "not-160-hz"))
    return entry
