"""CPSC 2021: two-lead dynamic ECG with paroxysmal, persistent or no atrial fibrillation."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels
from physioprep.recording import Header

_NAME = re.compile(r"data_(\d+)_(\d+)")
_CLASS = {
    "non atrial fibrillation": "no af",
    "paroxysmal atrial fibrillation": "paroxysmal af",
    "persistent atrial fibrillation": "persistent af",
}


def find(root: Path) -> list[Entry]:
    """List ``data_<patient>_<fragment>``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With patient and number of the fragment.
    """
    entries = []
    for entry in wfdb_paths(root):
        found = _NAME.fullmatch(entry.record_id)
        if found is not None:
            entries.append(replace(entry, subject_id=found[1], session=found[2]))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add the class of the fragment from the header's comment.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``rhythm``: ``no af``, ``paroxysmal af``, ``persistent af``, or null.
    """
    said = [line.strip().lower() for line in header.metadata.get("comments", ())]
    stated = next((_CLASS[line] for line in said if line in _CLASS), None)
    return with_labels(entry, {"rhythm": stated})
