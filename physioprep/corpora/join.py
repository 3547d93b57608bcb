"""Labels of a table from outside, joined to a manifest by record, study or subject."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from physioprep import limits
from physioprep.corpora.tables import lines_of
from physioprep.errors import CorpusError
from physioprep.local_path import local_path
from physioprep.plain_text import first_names, quoted
from physioprep.suggest import did_you_mean

#: Columns of a manifest that a table is joined by, and names that tables have for them.
KEYS: Final = {
    "record_id": ("record_id", "record", "record_name", "file_name"),
    "session": ("session", "study_id", "study", "exam_id", "ecg_id"),
    "subject_id": ("subject_id", "subject", "patient_id", "patient", "participant_id"),
}
#: 007 and 1_000 are codes, and so is 12E5: only programs write numbers as 1e-05.
_NUMBER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+)?(?:[eE][+-][0-9]{1,3})?")


@dataclass(frozen=True)
class Table:
    """A table to be joined.

    Parameters
    ----------
    name : str
        Of its file.
    on : str
        Its column of keys.
    key : str
        Column of the manifest, one of `KEYS`.
    rows : dict of str to int
        By key: which row.
    columns : dict of str to list
        Numbers, or texts; None where a cell is empty.
    said : list of str
        Which columns are texts although they hold numbers, too.
    """

    name: str
    on: str
    key: str
    rows: dict[str, int]
    columns: dict[str, list[Any]]
    said: list[str] = field(default_factory=list)


def read_join(path: str | Path | None, on: str | None) -> Table | None:
    """Read a table that is to be joined.

    Parameters
    ----------
    path : path-like or None
        CSV, or with the ending ``.tsv`` TSV. None: no table.
    on : str or None
        Its column of keys. A name of `KEYS` says what it is joined by; else
        ``COLUMN=record_id``, ``COLUMN=session`` or ``COLUMN=subject_id`` does.

    Returns
    -------
    Table or None

    Raises
    ------
    CorpusError
        Only one of both is given, there is no such table or column, a key is there twice, or a
        line has another number of cells.
    """
    if path is None and on is None:
        return None
    if path is None or on is None:
        raise CorpusError("join and on go together: a table, and its column of records or subjects")
    path = local_path(path, CorpusError)
    if not path.is_file():
        raise CorpusError(f"{path}: no such table to join")
    column, _, key = on.partition("=")
    key = key or next((name for name, held in KEYS.items() if column.lower() in held), "")
    if key not in KEYS:
        raise CorpusError(f"on {on!r}: say what it is, {column}={' or '.join(KEYS)}")
    lines = lines_of(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    names = [name.strip() for name in next(lines, [])]
    if column not in names:
        raise CorpusError(f"{path}: no column {column!r}{did_you_mean(column, names)}")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise CorpusError(f"{path}: column {repeated!r} is there twice")
    rows: dict[str, int] = {}
    cells: list[list[str | None]] = [[] for _ in names]
    place = names.index(column)
    for line_number, line in enumerate(lines, start=2):
        if len(line) != len(names):
            raise CorpusError(f"{path}: row {line_number} has {len(line)} cells, not {len(names)}")
        limits.check(path, line_number * len(names), limits.MAX_TABLE_CELLS, "cells")
        if rows.setdefault(line[place].strip(), len(rows)) != line_number - 2:
            raise CorpusError(f"{path}: {column} {line[place].strip()!r} is there twice")
        for held, cell in zip(cells, line, strict=True):
            held.append(cell.strip() or None)
    ids = {name for held in KEYS.values() for name in held}
    said: list[str] = []
    kept = {
        name: _typed(name, held, said)
        for name, held in zip(names, cells, strict=True)
        if name != column and name.lower() not in ids
    }
    if not kept:
        raise CorpusError(f"{path}: no column beside {column!r}")
    return Table(path.name, column, key, rows, kept, said)


def join_table(columns: dict[str, list[Any]], table: Table) -> str:
    """Add the columns of a table to those of a manifest, as labels.

    Parameters
    ----------
    columns : dict of str to list
        Of the manifest; it gains ``label_<name>`` of each column but those of ids.
    table : Table

    Returns
    -------
    str
        How many rows name no recording, how many recordings have no row, and which columns hold
        numbers and texts.

    Raises
    ------
    CorpusError
        The manifest has a label of that name, or no row fits a recording.
    """
    taken = [name for name in table.columns if f"label_{name}" in columns]
    if taken:
        raise CorpusError(f"{table.name}: the corpus has a label_{taken[0]} of its own: rename it")
    keys: Sequence[str | None] = columns[table.key]
    found = [None if key is None else table.rows.get(key) for key in keys]
    for name, held in table.columns.items():
        columns[f"label_{name}"] = [None if row is None else held[row] for row in found]
    rows, without = set(found), [key for key, row in zip(keys, found, strict=True) if row is None]
    lost = [key for key, row in table.rows.items() if row not in rows]
    if len(without) == len(keys):
        raise CorpusError(
            f"{table.name}: no {table.on} is a {table.key} of these recordings: it has "
            f"{first_names(table.rows)}; they have {first_names(dict.fromkeys(map(str, keys)))}"
        )
    misses = (
        f"{table.name} by {table.on}: {len(lost)} of {len(table.rows)} rows name no recording"
        f"{_in_brackets(lost)}; {len(without)} of {len(keys)} recordings have no row"
        f"{_in_brackets(dict.fromkeys(map(str, without)))}"
    )
    return "; ".join([misses, *table.said])


def _typed(name: str, cells: list[str | None], said: list[str]) -> list[Any]:
    """Return a column as numbers where each cell is one, else as texts, none of which changes."""
    held = [cell for cell in cells if cell is not None]
    other = [cell for cell in held if not _is_number(cell)]
    if not other:
        return [None if cell is None else float(cell) for cell in cells]
    if len(other) < len(held):
        said.append(
            f"label_{name} is text, since {quoted(other[0])} is no number that float64 keeps"
        )
    return list(cells)


def _is_number(cell: str) -> bool:
    """Return whether a cell is a plain number that float64 keeps as it is written."""
    if not _NUMBER.fullmatch(cell) or not any(map(str.isdigit, cell)):
        return False
    value = float(cell)
    return math.isfinite(value) and Decimal(repr(value)) == Decimal(cell)


def _in_brackets(keys: Iterable[str]) -> str:
    said = first_names(keys)
    return f" ({said})" if said else ""
