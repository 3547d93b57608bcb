"""PTB Diagnostic ECG Database: 12 leads and Frank X, Y, Z at 1000 Hz, with diagnoses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep.corpora.entry import Entry, wfdb_paths, with_labels
from physioprep.corpora.tables import age, comments, sex, text
from physioprep.recording import Header

_PATIENT = re.compile(r"(?:^|/)(patient\d{3})/")


def find(root: Path) -> list[Entry]:
    """List ``patientNNN/sNNNN_re``; outside of such a folder the patient is unknown.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With the patient.
    """
    entries = []
    for entry in wfdb_paths(root, (".dat",)):
        found = _PATIENT.search(entry.path) or _PATIENT.search(f"/{root.name}/")
        entries.append(replace(entry, subject_id=found[1] if found else None))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add age, sex, diagnosis and site of the infarction from the header's comments.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``diagnosis``, ``infarction`` (its site), age and sex.
    """
    said = comments(header.metadata)
    labels: dict[str, str | float | None] = {
        "diagnosis": text(said.get("reason for admission")),
        "infarction": _site(said.get("acute infarction (localization)")),
    }
    return with_labels(entry, labels, age=age(said.get("age")), sex=sex(said.get("sex")))


def _site(cell: str | None) -> str | None:
    return None if text(cell) in (None, "no") else text(cell)
