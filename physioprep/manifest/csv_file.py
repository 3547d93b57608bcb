"""A manifest as a CSV file: lists as JSON, times in ISO 8601.

A text label that reads as a number or a list has a ``'`` before it, the mark that spreadsheets
have for this: ``'007`` is the text 007.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from physioprep.atomic import temporary_file
from physioprep.documents import load_json
from physioprep.errors import ManifestError
from physioprep.manifest.cells import is_text, label_kind
from physioprep.manifest.conform import conform, data_columns
from physioprep.manifest.schema import COLUMNS, make_series
from physioprep.plain_text import guard_cell, unguard_cell

if TYPE_CHECKING:
    import pandas as pd


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a manifest as a CSV file.

    Parameters
    ----------
    frame : pandas.DataFrame
        A valid manifest.
    path : Path
    """
    import pandas as pd

    flat: dict[str, Any] = {}
    for name in map(str, frame.columns):
        values = frame[name]
        kind = COLUMNS[name][0] if name in COLUMNS else label_kind(name, frame[name])
        if kind.startswith("list"):
            values = pd.Series(
                [None if v is None else json.dumps(v, ensure_ascii=False) for v in values],
                dtype=object,
            )
        if name not in COLUMNS and kind == "text":
            flat[name] = [_marked(v) if isinstance(v, str) else v for v in values]
        elif values.dtype == object:
            flat[name] = [guard_cell(v) if isinstance(v, str) else v for v in values]
        else:
            flat[name] = values.array
    table = pd.DataFrame(flat)
    # by itself, pandas does not quote a carriage return, which ends a row for whoever reads it
    returns = any(isinstance(v, str) and "\r" in v for column in flat.values() for v in column)
    quoting: Literal[0, 1] = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    with temporary_file(path) as temporary:
        table.to_csv(temporary, index=False, date_format="%Y-%m-%dT%H:%M:%S.%f", quoting=quoting)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a manifest from a CSV file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    pandas.DataFrame
        Conformed, not validated.

    Raises
    ------
    ManifestError
        It is no CSV table, or a cell is not what its column holds.
    """
    import pandas as pd

    try:
        # every cell as text first: pandas' guessing would make numbers of record ids
        raw = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (ValueError, pd.errors.ParserError) as error:
        raise ManifestError(f"{path}: not a CSV table: {_one_line(error)}") from None
    out: dict[str, Any] = {}
    for name in data_columns(raw.columns):
        cells = [cell if cell != "" else None for cell in raw[name].tolist()]
        kind = COLUMNS[name][0] if name in COLUMNS else "label"
        try:
            out[name] = make_series(name, kind, _parse(kind, cells))
        except ValueError as error:
            raise ManifestError(f"{path}: column {name}: {_one_line(error)}") from None
    return conform(pd.DataFrame(out))


def _parse(kind: str, cells: Sequence[str | None]) -> list[Any]:
    import pandas as pd

    if kind.startswith("list"):
        return [None if cell is None else load_json(cell, ValueError) for cell in cells]
    if kind == "time":
        return [None if cell is None else pd.Timestamp(cell) for cell in cells]
    if kind == "label":
        lists = _lists(cells)
        if lists is not None:
            return lists
        try:
            return [None if cell is None else _number(cell) for cell in cells]
        except ValueError:
            return [None if cell is None else _unmarked(cell) for cell in cells]
    return [None if cell is None else unguard_cell(cell) for cell in cells]


def _marked(text: str) -> str:
    """Return a text label as a cell that no reader takes for a number, list or formula."""
    return f"'{text}" if _reads_as_other(text) else guard_cell(text)


def _unmarked(cell: str) -> str:
    """Return the text label that `_marked` took."""
    return cell[1:] if cell[0] == "'" and _reads_as_other(cell) else unguard_cell(cell)


def _reads_as_other(text: str) -> bool:
    bare = text.lstrip("'")
    if (bare[:1], bare[-1:]) == ("[", "]"):
        return True
    try:
        float(bare)
    except ValueError:
        return False
    return True


def _number(cell: str) -> float:
    """Return the number of a cell; of one that nobody wrote for us, too.

    Raises
    ------
    ValueError
        It is none, or more digits than a number holds: a code, which is text.
    """
    value = float(cell)
    if cell.strip().lstrip("+-").isdigit() and int(value) != int(cell):
        raise ValueError(cell)
    return value


def _lists(cells: Sequence[str | None]) -> list[Any] | None:
    """Return a label's cells as lists of texts, where all that state anything are such lists."""
    if not all(cell is None or (cell[0], cell[-1]) == ("[", "]") for cell in cells):
        return None
    try:
        lists = [None if cell is None else load_json(cell, ValueError) for cell in cells]
    except ValueError:
        return None
    known = [value for value in lists if value is not None]
    return lists if known and all(is_text(each) for value in known for each in value) else None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
