"""The SIMULATED paired EEG and ECG corpus that ``physioprep simulate`` writes."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.tables import age, read_table, sex

_NAME = re.compile(r"(?:.*/)?((sub-[A-Za-z0-9]+)_task-(rest|task))\.edf")


def find(root: Path) -> list[Entry]:
    """List ``sub-XX_task-rest.edf`` and ``sub-XX_task-task.edf`` with participants.tsv.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, age, sex and ``condition`` (``rest`` or ``task``).
    """
    rows = read_table(root / "participants.tsv", delimiter="\t", needs=("participant_id",))
    people = {row["participant_id"]: row for row in rows}
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is not None:
            record_id, subject, condition = found.groups()
            person = people.get(subject, {})
            entries.append(
                Entry(
                    record_id,
                    path,
                    subject_id=subject,
                    session=condition,
                    age=age(person.get("age")),
                    sex=sex(person.get("sex")),
                    labels={"condition": condition},
                )
            )
    return entries
