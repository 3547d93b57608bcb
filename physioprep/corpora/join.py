"""Labels of a table from outside, joined to a manifest by record, study or subject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep import limits
from physioprep.corpora.tables import lines_of, number, text
from physioprep.errors import CorpusError
from physioprep.local_path import local_path
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    pass

#: Columns of a manifest that a table is joined by, and names that tables have for them.
KEYS: Final = {
    "record_id": ("record_id", "record", "record_name", "file_name"),
    "session": ("session", "study_id", "study", "exam_id", "ecg_id"),
    "subject_id": ("subject_id", "subject", "patient_id", "patient", "participant_id"),
}
_NAMED: Final = 3


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
    """

    name: str
    on: str
    key: str
    rows: dict[str, int]
    columns: dict[str, list[Any]]


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
            held.append(text(cell))
    ids = {name for held in KEYS.values() for name in held}
    kept = {
        name: _typed(held)
        for name, held in zip(names, cells, strict=True)
        if name != column and name.lower() not in ids
    }
    if not kept:
        raise CorpusError(f"{path}: no column beside {column!r}")
    return Table(path.name, column, key, rows, kept)


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
        How many rows name no recording, and how many recordings have no row.

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
            f"{_some(table.rows)}; they have {_some(dict.fromkeys(map(str, keys)))}"
        )
    return (
        f"{table.name} by {table.on}: {len(lost)} of {len(table.rows)} rows name no recording"
        f"{_in_brackets(lost)}; {len(without)} of {len(keys)} recordings have no row"
        f"{_in_brackets(dict.fromkeys(map(str, without)))}"
    )


def _typed(cells: list[str | None]) -> list[Any]:
    """Return a column as numbers where each cell is one, else as texts."""
    numbers = [number(cell) for cell in cells]
    is_number = all(cell is None or found is not None
                    for cell, found in zip(cells, numbers, strict=True))  # fmt: skip
    return numbers if is_number else list(cells)


def _some(keys: Iterable[str]) -> str:
    held = list(keys)
    return ", ".join(held[:_NAMED]) + (", …" if len(held) > _NAMED else "")


def _in_brackets(keys: Iterable[str]) -> str:
    said = _some(keys)
    return f" ({said})" if said else ""
