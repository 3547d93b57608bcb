"""Tables, cells and comments beside the recordings of a corpus, and tables of annotations."""

from __future__ import annotations

import csv
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from physioprep import limits
from physioprep.corpora.not_taken import note_read
from physioprep.errors import CorpusError
from physioprep.readers.regular import open_file

log = logging.getLogger(__name__)


def read_table(
    path: Path, *, delimiter: str = ",", header: bool = True, needs: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Read a table beside the recordings, every cell as text without surrounding blanks.

    Parameters
    ----------
    path : Path
    delimiter : str
    header : bool
        Whether the first line names the columns; else they are ``"0"``, ``"1"``, ...
    needs : sequence of str
        Columns that the table must have.

    Returns
    -------
    list of dict
        One per row; empty, with a warning, where there is no such file: a partial download
        still gives a manifest, with null labels.

    Raises
    ------
    CorpusError
        The file exists but is no such table, or lacks a column.
    UnreadableFileError
        It is over a limit of `physioprep.limits`, or outside the folder of the corpus.
    """
    if not path.is_file():
        log.warning("%s is absent: its columns stay null", path.name)
        return []
    note_read(path)
    rows: list[dict[str, str]] = []
    names: list[str] | None = None
    for number, line in enumerate(lines_of(path, delimiter), start=1):
        line = [cell.strip() for cell in line]
        if names is None:
            names = line if header else [str(place) for place in range(len(line))]
            missing = [name for name in needs if name not in names]
            if missing:
                raise CorpusError(f"{path}: no column {missing[0]!r}")
            check_names(path, names)
            if header:
                continue
        if len(line) != len(names):
            raise CorpusError(f"{path}: row {number} has {len(line)} cells, not {len(names)}")
        limits.check(path, (len(rows) + 1) * len(names), limits.MAX_TABLE_CELLS, "cells")
        rows.append(dict(zip(names, line, strict=True)))
    if names is None:
        raise CorpusError(f"{path}: an empty table")
    return rows


def check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse two columns of one name.

    Parameters
    ----------
    path : Path
        For the error.
    names : sequence of str
        Empty ones are no names.

    Raises
    ------
    CorpusError
    """
    twice = [name for name in names if name and names.count(name) > 1]
    if twice:
        raise CorpusError(f"{path}: {names.count(twice[0])} columns are called {twice[0]!r}")


def lines_of(
    path: Path,
    delimiter: str = ",",
    keep: Callable[[str], object] | None = None,
    errors: str = "strict",
) -> Iterator[list[str]]:
    """Yield the cells of each line of a table, within limits; empty lines are left out.

    Parameters
    ----------
    path : Path
    delimiter : str
    keep : callable, optional
        Of a line's text: whether it belongs to the table; no comment, for example.
    errors : str
        What becomes of bytes that are not UTF-8, as for `open`.

    Yields
    ------
    list of str

    Raises
    ------
    CorpusError
        The file is no table in UTF-8.
    UnreadableFileError
        It is over a limit of `physioprep.limits`, outside the folder of the corpus, or no file.
    """
    with os.fdopen(open_file(path), encoding="utf-8-sig", errors=errors, newline="") as file:
        size = os.fstat(file.fileno()).st_size
        limits.check(path, size, limits.MAX_TABLE_BYTES, "bytes")
        text = file if keep is None else filter(keep, file)
        try:
            for number, line in enumerate(filter(None, csv.reader(text, delimiter=delimiter))):
                limits.check(path, number, limits.MAX_TABLE_ROWS, "rows")
                limits.check(path, len(line), limits.MAX_COLUMNS, "columns")
                yield line
        except (csv.Error, UnicodeDecodeError) as error:
            raise CorpusError(f"{path}: not a table: {error}") from None


def text(cell: str | None) -> str | None:
    """Return the text of a cell, None where it means unknown.

    Parameters
    ----------
    cell : str or None
        Of a table.

    Returns
    -------
    str or None
        Without blanks around it.

    Examples
    --------
    >>> text(" N/A "), text("x1")
    (None, 'x1')
    """
    if cell is None or cell.strip().lower() in ("", "n/a", "na", "nan", "none", "unknown", "?"):
        return None
    return cell.strip()


def number(cell: str | None) -> float | None:
    """Return the number of a cell, None where it holds none.

    Parameters
    ----------
    cell : str or None
        Of a table.

    Returns
    -------
    float or None
        Finite.

    Examples
    --------
    >>> number("29.35"), number("?"), number("NaN")
    (29.35, None, None)
    """
    try:
        value = float(cell or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def age(cell: str | None) -> float | None:
    """Return an age in years; -1, 0 and implausible ages mean unknown.

    Parameters
    ----------
    cell : str or None
        Of a table.

    Returns
    -------
    float or None
        Years, above 0 and below 120.

    Examples
    --------
    >>> age("57"), age("-1"), age("300")
    (57.0, None, None)
    """
    value = number(cell)
    return value if value is not None and 0 < value < 120 else None


def sex(cell: str | None) -> str | None:
    """Return ``"F"`` or ``"M"``, None where unknown.

    Parameters
    ----------
    cell : str or None
        Of a table, in English.

    Returns
    -------
    {'F', 'M'} or None

    Examples
    --------
    >>> sex("female"), sex("Male"), sex("M"), sex("NaN")
    ('F', 'M', 'M', None)
    """
    first = (cell or "").strip().lower()
    if first in ("f", "female", "woman"):
        return "F"
    return "M" if first in ("m", "male", "man") else None


def parts_of(root: Path, files: Mapping[str, str], column: str) -> dict[str, str]:
    """Return which part of a published split each record is in, by tables that list its parts.

    Parameters
    ----------
    root : Path
        Folder of the corpus.
    files : mapping of str to str
        Part to the name of its table; absent ones are left out, since no corpus ships them.
    column : str
        With the names of records; of a path its last part, without the ending.

    Returns
    -------
    dict of str to str
        By record.

    Raises
    ------
    CorpusError
        A table lacks the column, or a record is in two parts.
    """
    found: dict[str, str] = {}
    for part, name in files.items():
        path = root / name
        rows = read_table(path, needs=(column,)) if path.is_file() else []
        for record in (Path(row[column]).stem for row in rows):
            if found.setdefault(record, part) != part:
                raise CorpusError(f"{path}: {record} is in {found[record]} as well")
    return found


def comments(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the ``# Key: value`` comments of a WFDB header, keys in lower case.

    Parameters
    ----------
    metadata : mapping
        Of a `physioprep.recording.Header`; its ``"comments"`` are those of the header.

    Returns
    -------
    dict of str to str
        The first of a key, without blanks around it.

    Examples
    --------
    >>> comments({"comments": ("Age: 76", "<sex>: M", "Digoxin")})
    {'age': '76', 'sex': 'M'}
    """
    out: dict[str, str] = {}
    for line in metadata.get("comments", ()):
        key, colon, value = line.partition(":")
        key = key.strip().removeprefix("<").removesuffix(">").strip().lower()
        if colon and key[:1].isascii() and key[:1].isalpha() and ">" not in key:
            out.setdefault(key, value.strip())
    return out
