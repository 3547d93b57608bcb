"""What readers noted of the recordings of a scan: each text is counted, with its recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from physioprep.plain_text import first_names
from physioprep.recording import NOTE

#: How its notes begin in a manifest.
NOTED: Final = "noted: "
#: How the note of a label begins that no table of the corpus holds.
UNKNOWN_LABEL: Final = "unknown label "
_LONGEST: Final = 60
#: Most texts; a damaged corpus may give another one for each recording.
_MOST: Final = 20


def reader_notes(records: Iterable[str], flags: Iterable[Sequence[str]]) -> list[str]:
    """Return a note for each text that readers noted of recordings.

    Parameters
    ----------
    records : iterable of str
        Ids of recordings.
    flags : iterable of sequence of str
        Of each recording, as in a manifest.

    Returns
    -------
    list of str
        The most frequent first, with the first recordings.

    Examples
    --------
    >>> reader_notes(["a", "b"], [["note:is odd"], []])
    ['noted: is odd: 1 recording: a']
    """
    found: dict[str, dict[str, None]] = {}
    for record, own in zip(records, flags, strict=True):
        for flag in own:
            if flag.startswith(NOTE):
                found.setdefault(flag.removeprefix(NOTE), {})[record] = None
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    lines = [
        f"{NOTED}{text}: {len(held)} recording{'s' * (len(held) > 1)}: {first_names(held)}"
        for text, held in ordered[:_MOST]
    ]
    more = len(ordered) - _MOST
    return [*lines, f"{NOTED}and {more} other notes, see flags"] if more > 0 else lines


def unknown_label(value: str, source: str) -> str:
    """Return the flag of a recording whose label no table of the corpus holds.

    Parameters
    ----------
    value : str
        As it is stated.
    source : str
        Where it is stated.

    Returns
    -------
    str

    Examples
    --------
    >>> unknown_label("X", "REFERENCE-v3.csv")
    "note:unknown label 'X' (REFERENCE-v3.csv)"
    """
    return f"{NOTE}{UNKNOWN_LABEL}{value[:_LONGEST]!r} ({source})"
