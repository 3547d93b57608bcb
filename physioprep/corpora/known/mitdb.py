"""MIT-BIH Arrhythmia Database: 48 half hours of two-lead Holter ECG, every beat annotated."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import age
from physioprep.recording import Header

# First comment of a header: age, sex, two recorder numbers ("69 M 1085 1629 x1").
_PATIENT = re.compile(r"\s*(-?\d+)\s+([MF])\b")

_PACED = ("102", "104", "107", "217")  # AAMI EC57 leaves them out


def find(root: Path) -> list[Entry]:
    """List the records ``NNN``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With ``paced`` (1 or 0). Each record is one person, except that 201 and 202 are the same
        person (``subject_alias`` in the facts).
    """
    return [
        replace(
            entry,
            subject_id=entry.record_id,
            labels={"paced": float(entry.record_id in _PACED)},
        )
        for entry in wfdb_paths(root)
        if re.fullmatch(r"\d{3}", entry.record_id)
    ]


def describe(entry: Entry, header: Header) -> Entry:
    """Add age and sex from the header's first comment.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With age and sex, where the comment has them.
    """
    for line in header.metadata.get("comments", ())[:1]:
        found = _PATIENT.match(line)
        if found:
            return replace(entry, age=age(found[1]), sex=found[2])
    return entry
