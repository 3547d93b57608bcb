"""The people of a scan: pseudonyms that are numbered or keyed, and dates shifted per person.

Readers of clinical files hand on an age, a sex and a pseudonym (`physioprep.readers.person`).
Without a key of the user's, pseudonyms are computed with one of this scan, which is then forgotten,
and become running numbers.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from physioprep.corpora.entry import Entry
from physioprep.errors import CorpusError
from physioprep.readers.person import days_of_shift
from physioprep.recording import IDENTIFYING

#: Characters of a key at least, and bytes that are read of one at most.
_SHORTEST: Final = 16
_LONGEST: Final = 4096
#: Before a pseudonym that becomes a running number.
_UNNAMED: Final = "pseudonym:"


@dataclass(frozen=True)
class People:
    """How a scan treats people.

    Parameters
    ----------
    key : bytes
        Secret of the pseudonyms and of the shifts of dates.
    numbered : bool
        Whether pseudonyms become running numbers.
    shift_dates : bool
        Whether the starts of recordings are moved, all of one person by the same number of days.
    """

    key: bytes
    numbered: bool
    shift_dates: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values, as they travel to a worker.

        Returns
        -------
        dict
        """
        return {"key": self.key.hex(), "numbered": self.numbered, "shift": self.shift_dates}


def people_of(key_file: str | Path | None, *, shift_dates: bool) -> People:
    """Return how a scan treats people, as its user asked.

    Parameters
    ----------
    key_file : path-like or None
        File whose bytes are the key; spaces around them do not count.
    shift_dates : bool
        As in `People`.

    Returns
    -------
    People
        With a key of its own, and numbered, if no file is given.

    Raises
    ------
    CorpusError
        The file cannot be read, or its key is shorter than 16 bytes.
    """
    if key_file is None:
        return People(secrets.token_bytes(32), numbered=True, shift_dates=shift_dates)
    try:
        with Path(key_file).open("rb") as file:
            key = file.read(_LONGEST + 1).strip()
    except OSError as error:
        raise CorpusError(f"{key_file}: {error.strerror or error}") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise CorpusError(
            f"{key_file}: a key of {len(key)} bytes; it must have {_SHORTEST} to {_LONGEST}, as "
            "`openssl rand -hex 32` makes one"
        )
    return People(key, numbered=False, shift_dates=shift_dates)


def with_person(entry: Entry, metadata: Mapping[str, Any], *, numbered: bool) -> Entry:
    """Fill in subject, age and sex of a recording from its header, where nothing else says them.

    A file that names its person is flagged ``identifying:name, birth date``.

    Parameters
    ----------
    entry : Entry
        As its corpus lists it.
    metadata : mapping
        Of the header.
    numbered : bool
        As in `People`.

    Returns
    -------
    Entry
    """
    changes: dict[str, Any] = {}
    if entry.subject_id is None and "pseudonym" in metadata:
        changes["subject_id"] = f"{_UNNAMED if numbered else ''}{metadata['pseudonym']}"
    for name in ("age", "sex"):
        if getattr(entry, name) is None and "identifying" in metadata and name in metadata:
            changes[name] = metadata[name]
    if metadata.get("identifying"):
        kinds = ", ".join(metadata["identifying"])
        changes["flags"] = (*entry.flags, f"{IDENTIFYING}{kinds}")
    return replace(entry, **changes) if changes else entry


def number_people(subjects: list[str | None]) -> list[str | None]:
    """Replace pseudonyms that nobody has the key of by running numbers, in order of appearance.

    Parameters
    ----------
    subjects : list of str or None
        One per recording.

    Returns
    -------
    list of str or None
        ``person-1``, ``person-2`` … where `with_person` set a pseudonym; others as they are.

    Examples
    --------
    >>> number_people(["pseudonym:f3", "100", None, "pseudonym:0a", "pseudonym:f3"])
    ['person-1', '100', None, 'person-2', 'person-1']
    """
    taken = {subject for subject in subjects if subject is not None}
    numbers: dict[str, str] = {}
    for subject in subjects:
        if subject is not None and subject.startswith(_UNNAMED) and subject not in numbers:
            number = len(numbers) + 1
            while f"person-{number}" in taken:
                number += 1
            numbers[subject] = f"person-{number}"
            taken.add(numbers[subject])
    return [subject if subject is None else numbers.get(subject, subject) for subject in subjects]


def shifted(start: datetime | None, subject: str | None, key: bytes) -> datetime | None:
    """Move the start of a recording into the past, by the same number of days for each person.

    Parameters
    ----------
    start : datetime or None
    subject : str or None
        The person; recordings of nobody share one shift.
    key : bytes
        Of `People`.

    Returns
    -------
    datetime or None
        None stays None, and what would lie before the year 1 becomes None.
    """
    if start is None:
        return None
    try:
        return start + timedelta(days=days_of_shift((subject or "").removeprefix(_UNNAMED), key))
    except OverflowError:
        return None
