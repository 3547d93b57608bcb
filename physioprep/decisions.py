"""Decisions on records, by hand: which to keep, which to leave out, and why; a table of texts.

A file of tab-separated values with the columns ``corpus``, ``record_id``, ``keep`` (``yes``,
``no``, or empty where only a note is made) and ``note``, that spreadsheets open. `physioprep browse
--decisions` writes it; `physioprep shard --records` leaves out what it says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from physioprep.atomic import write_text
from physioprep.errors import PhysioprepError
from physioprep.local_path import local_path
from physioprep.plain_text import guard_cell, unguard_cell

_COLUMNS: Final = ("corpus", "record_id", "keep", "note")
_WORDS: Final[Mapping[str, bool | None]] = {"yes": True, "no": False, "": None}
#: Largest file that is read, bytes.
_MOST_BYTES: Final = 1 << 28

#: Corpus and record id.
RecordName = tuple[str, str]


@dataclass(frozen=True)
class Decision:
    """What was decided on a record.

    Parameters
    ----------
    keep : bool or None
        False: leave it out. None: nothing is decided.
    note : str
        Why, in a few words.
    """

    keep: bool | None = None
    note: str = ""


def read_decisions(path: str | Path, *, to_write: bool = False) -> dict[RecordName, Decision]:
    """Read a table of decisions.

    Parameters
    ----------
    path : path-like
        From `write_decisions`, or of a spreadsheet (``.tsv``).
    to_write : bool
        The file is written again: further columns, which would be lost then, are refused.

    Returns
    -------
    dict of (str, str) to Decision
        By corpus and record id, in the order of the file.

    Raises
    ------
    PhysioprepError
        The file is missing, no such table, a value of ``keep`` is another, or a record has two
        rows; or it has further columns, and is to be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     held = {("mitdb", "208"): Decision(False, "noise")}
    ...     read_decisions(write_decisions(held, f"{folder}/flags.tsv"))
    {('mitdb', '208'): Decision(keep=False, note='noise')}
    """
    path = local_path(path)
    rows = _rows(path)
    heading = tuple(rows[0]) if rows else ()
    if lacking := [name for name in _COLUMNS[:3] if name not in heading]:
        raise PhysioprepError(
            f"{path}: no table of decisions: it lacks the column {', '.join(lacking)}"
        )
    if to_write and (others := [name or "(no name)" for name in heading if name not in _COLUMNS]):
        raise PhysioprepError(
            f"{path}: has columns that would be lost when decisions are saved: {', '.join(others)}"
        )
    place = {name: heading.index(name) for name in _COLUMNS if name in heading}
    out: dict[RecordName, Decision] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(row):
            continue
        if len(row) != len(heading):
            raise PhysioprepError(f"{path}: row {number} has {len(row)} of {len(heading)} cells")
        cells = {name: unguard_cell(row[at]) for name, at in place.items()}
        name = cells["corpus"], cells["record_id"]
        if not all(name):
            raise PhysioprepError(f"{path}: row {number} names no record")
        if name in out:
            raise PhysioprepError(f"{path}: row {number}: {'/'.join(name)} has two rows")
        word = cells["keep"].strip().lower()
        if word not in _WORDS:
            raise PhysioprepError(f"{path}: row {number}: keep is {word[:20]!r}, not yes or no")
        out[name] = Decision(_WORDS[word], cells.get("note", ""))
    return out


def _rows(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise PhysioprepError(f"{path}: no such table of decisions")
    if path.stat().st_size > _MOST_BYTES:
        raise PhysioprepError(f"{path}: too large for a table of decisions")
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise PhysioprepError(f"{path}: no table of tab-separated UTF-8 text: {error}") from None


def write_decisions(decisions: Mapping[RecordName, Decision], path: str | Path) -> Path:
    """Write a table of decisions, whole or not at all.

    Parameters
    ----------
    decisions : mapping of (str, str) to Decision
        By corpus and record id. Those without a decision and a note are left out.
    path : path-like
        Is replaced.

    Returns
    -------
    Path

    Raises
    ------
    OSError
        The file cannot be written.
    """
    words = {value: word for word, value in _WORDS.items()}
    text = io.StringIO(newline="")
    table = csv.writer(text, delimiter="\t", lineterminator="\n")
    table.writerow(_COLUMNS)
    for (corpus, record), one in decisions.items():
        if one.keep is not None or one.note:
            cells = (corpus, record, words[one.keep], one.note)
            table.writerow([guard_cell(cell) for cell in cells])
    return write_text(local_path(path), text.getvalue())


def left_out(decisions: Mapping[RecordName, Decision]) -> tuple[str, ...]:
    """Return the records to leave out.

    Parameters
    ----------
    decisions : mapping of (str, str) to Decision

    Returns
    -------
    tuple of str
        ``corpus/record_id``, sorted.

    Examples
    --------
    >>> left_out({("mitdb", "208"): Decision(False), ("mitdb", "100"): Decision(True)})
    ('mitdb/208',)
    """
    gone: Iterable[RecordName] = (name for name, one in decisions.items() if one.keep is False)
    return tuple(sorted("/".join(name) for name in gone))
