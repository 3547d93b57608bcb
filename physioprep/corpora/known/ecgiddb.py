"""ECG-ID: lead I of 90 persons on several days, raw and filtered."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths
from physioprep.corpora.tables import age, comments, sex
from physioprep.recording import Header

_NAME = re.compile(r"(?:.*/)?((Person_\d+)/rec_(\d+))\.\w+")


def find(root: Path) -> list[Entry]:
    """List ``Person_NN/rec_M`` with person and number of the recording.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        ``record_id`` is ``Person_NN/rec_M``, since file names repeat from person to person.
    """
    entries = []
    for entry in wfdb_paths(root):
        found = _NAME.fullmatch(entry.path)
        if found is not None:
            record_id, person, recording = found.groups()
            entries.append(
                replace(entry, record_id=record_id, subject_id=person, session=recording)
            )
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add age and sex from the header's comments.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With age and sex.
    """
    said = comments(header.metadata)
    return replace(entry, age=age(said.get("age")), sex=sex(said.get("sex")))
