"""EEG During Mental Arithmetic Tasks: EEG and ECG at rest and while subtracting."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.tables import age, number, read_table, sex

_NAME = re.compile(r"(?:.*/)?((Subject\d+)_([12]))\.edf")
_CONDITION = {"1": "rest", "2": "arithmetic"}
_QUALITY = {"0": "bad", "1": "good"}


def find(root: Path) -> list[Entry]:
    """List ``SubjectNN_1.edf`` (rest) and ``_2.edf`` (arithmetic) with subject-info.csv.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, age, sex, ``condition``, ``quality`` (``good`` or ``bad`` at counting) and
        ``subtractions`` (number in 4 minutes).
    """
    people = {
        row["Subject"]: row for row in read_table(root / "subject-info.csv", needs=("Subject",))
    }
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is None:
            continue
        record_id, subject, run = found.groups()
        person = people.get(subject, {})
        labels: dict[str, str | float | None] = {
            "condition": _CONDITION[run],
            "quality": _QUALITY.get(person.get("Count quality", "")),
            "subtractions": number(person.get("Number of subtractions")),
        }
        entries.append(
            Entry(
                record_id,
                path,
                subject_id=subject,
                session=run,
                age=age(person.get("Age")),
                sex=sex(person.get("Gender")),
                labels=labels,
            )
        )
    return entries
