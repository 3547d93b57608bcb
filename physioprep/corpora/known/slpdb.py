"""MIT-BIH Polysomnographic Database: ECG, EEG, blood pressure and breath through the night."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import age
from physioprep.recording import Header

_NAME = re.compile(r"(slp\d\d)([abmx]?)")
# First comment of a header: age, sex, weight in kg, a number.
_PERSON = re.compile(r"\s*(\d+)\s+([MF])\b")


def find(root: Path) -> list[Entry]:
    """List ``slpNN``; ``slp01a`` and ``slp01b`` (also 02) are one night of one man.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject and part of the night.
    """
    entries = []
    for entry in wfdb_paths(root):
        found = _NAME.fullmatch(entry.record_id)
        if found is not None:
            # only a and b mark parts of one subject's night; 02 has them too
            subject = found[1] if found[2] in ("", "a", "b") else entry.record_id
            entries.append(replace(entry, subject_id=subject, session=found[2] or None))
    return entries


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
        found = _PERSON.match(line)
        if found:
            return replace(entry, age=age(found[1]), sex=found[2])
    return entry
