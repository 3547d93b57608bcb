"""What a scan says at its end: of tables, of what it did not take, of recordings it cannot read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from physioprep.corpora.not_taken import by_kind, in_words
from physioprep.corpora.noted import NOTED
from physioprep.corpora.unknown_units import UNIT

#: How its notes begin in a manifest.
TABLE: Final = "table: "
_NAMED: Final = 5


def table_notes(said: Iterable[str]) -> list[str]:
    """Return what a corpus's module says of its tables, as notes of a manifest.

    Parameters
    ----------
    said : iterable of str

    Returns
    -------
    list of str
    """
    return [f"{TABLE}{line}" for line in said]


def note_lines(notes: Iterable[str], start: str) -> list[str]:
    """Return what the notes of a manifest say of one thing.

    Parameters
    ----------
    notes : iterable of str
    start : str
        How the notes of that thing begin: `TABLE`, `UNIT`, `NOTED`.

    Returns
    -------
    list of str
        Without that beginning.

    Examples
    --------
    >>> note_lines(["not taken: b: a text", "table: records.csv: 1 of 5 rows name nothing"], TABLE)
    ['records.csv: 1 of 5 rows name nothing']
    """
    return [note.removeprefix(start) for note in notes if note.startswith(start)]


def summary_of(notes: Sequence[str], *, as_lists: bool = False) -> dict[str, Any]:
    """Return what the notes of a scan say, for its summary.

    Parameters
    ----------
    notes : sequence of str
    as_lists : bool
        Lists, as for JSON; else words.

    Returns
    -------
    dict of str to Any

    Examples
    --------
    >>> summary_of(["not taken: b.xyz: unknown kind"])["not taken"]
    '1 .xyz (unknown kind: b.xyz)'
    """
    tables, kinds, units = note_lines(notes, TABLE), by_kind(notes), note_lines(notes, UNIT)
    noted = note_lines(notes, NOTED)
    return {
        "tables": tables if as_lists else _first(tables) or "nothing to say",
        "not taken": kinds if as_lists else in_words(kinds) or "nothing",
        "unit not understood": units if as_lists else "; ".join(units) or "none",
        "noted": noted if as_lists else _first(noted) or "nothing",
    }


def _first(lines: list[str]) -> str:
    more = len(lines) - _NAMED
    return "; ".join(lines[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def error_lines(errors: Iterable[str]) -> list[str]:
    """Return errors of recordings, each once, with the number of recordings that have it.

    Parameters
    ----------
    errors : iterable of str

    Returns
    -------
    list of str
        In order of their first recording.

    Examples
    --------
    >>> error_lines(["physioprep.yaml: no units", "b.edf: cut off", "physioprep.yaml: no units"])
    ['physioprep.yaml: no units (2 recordings)', 'b.edf: cut off']
    """
    return [
        error + (f" ({count} recordings)" if count > 1 else "")
        for error, count in Counter(errors).items()
    ]
