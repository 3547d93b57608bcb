"""The table of records that is searched, sorted and paged through."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.refusal import RefusedError
from physioprep.manifest.cells import is_null
from physioprep.manifest.schema import natural_key

if TYPE_CHECKING:
    import pandas as pd

#: Between the cells of a row's text: no word that is typed holds it.
_BETWEEN: Final = "\x1f"
#: Columns of lists that say little in a cell, or much.
_LEFT_OUT: Final = frozenset({"files", "file_sha256", "sha256", "root", "n_samples", "units"})
#: Characters of a cell that are sent.
_LONGEST: Final = 300

Cell = str | int | float | None


@dataclass(frozen=True, eq=False)
class RecordTable:
    """Columns of plain cells, one row per record or window.

    Parameters
    ----------
    columns : dict of str to list
        Cells are texts, numbers or None.
    """

    columns: Mapping[str, Sequence[Cell]]
    _orders: dict[str, NDArray[np.intp]] = field(default_factory=dict, init=False)
    _lower: dict[str, list[str]] = field(default_factory=dict, init=False)

    @property
    def n_rows(self) -> int:
        """Return how many rows there are.

        Returns
        -------
        int
        """
        return len(next(iter(self.columns.values()), ()))

    @cached_property
    def texts(self) -> list[str]:
        """Return all cells of each row as one text, in small letters.

        Returns
        -------
        list of str
        """
        columns = [_as_texts(cells) for cells in self.columns.values()]
        return [_BETWEEN.join(row).lower() for row in zip(*columns, strict=True)]

    def find(self, query: str) -> list[int] | range:
        """Return the rows that hold all words of a query.

        Parameters
        ----------
        query : str
            Words, of which each must occur in a cell; ``column:word`` looks in that column.
            Small and capital letters are alike.

        Returns
        -------
        sequence of int
            Ascending.

        Examples
        --------
        >>> table = RecordTable({"record_id": ["100", "208"], "rhythm": ["AF", None]})
        >>> table.find("af"), table.find("record_id:20"), list(table.find(""))
        ([0], [1], [0, 1])
        """
        found: list[int] | range = range(self.n_rows)
        for word in query.lower().split():
            column, colon, rest = word.partition(":")
            name = next((each for each in self.columns if each.lower() == column), None)
            texts = self._lowered(name) if colon and name is not None else self.texts
            wanted = rest if colon and name is not None else word
            found = [row for row in found if wanted in texts[row]]
        return found

    def order(self, column: str) -> NDArray[np.intp]:
        """Return the rows that have a value in a column, in its order; kept once made.

        Parameters
        ----------
        column : str
            Numbers come by size, texts so that A2 is before A10.

        Returns
        -------
        ndarray of int

        Raises
        ------
        RefusedError
            There is no such column.
        """
        if column not in self.columns:
            raise RefusedError(f"no column {column[:40]!r}")
        if column not in self._orders:
            cells = self.columns[column]
            known = [row for row, cell in enumerate(cells) if cell is not None]
            self._orders[column] = np.array(sorted(known, key=_sort_key(cells)), np.intp)
        return self._orders[column]

    def rows(
        self, query: str, sort: str, descending: bool, extra: Mapping[str, Sequence[float]]
    ) -> list[int] | range:
        """Return the rows that a query finds, sorted.

        Parameters
        ----------
        query : str
            As for `find`.
        sort : str
            A column, or a key of `extra`; "" for the order of the table.
        descending : bool
            The greatest first; rows without a value come last all the same.
        extra : mapping of str to sequence of float
            Further columns to sort by, one number a row.

        Returns
        -------
        sequence of int

        Raises
        ------
        RefusedError
            There is no such column.
        """
        found = self.find(query)
        if not sort:
            return found[::-1] if descending else found
        if sort in extra:
            numbers = np.asarray(extra[sort], np.float64)
            order = np.argsort(-numbers if descending else numbers, kind="stable")
        else:
            known = self.order(sort)
            lacking = np.ones(self.n_rows, bool)
            lacking[known] = False
            order = np.concatenate([known[::-1] if descending else known, np.flatnonzero(lacking)])
        wanted = np.zeros(self.n_rows, bool)
        wanted[np.asarray(found, np.intp)] = True
        return [int(row) for row in order[wanted[order]]]

    def prepare(self) -> None:
        """Make what the first search and the order of records need, which takes a while."""
        _ = self.texts
        self.order("record_id")

    def cells(self, row: int) -> dict[str, Cell]:
        """Return a row as it is sent: long texts are cut.

        Parameters
        ----------
        row : int

        Returns
        -------
        dict of str to str, int, float or None
        """
        return {name: _cut(cells[row]) for name, cells in self.columns.items()}

    def _lowered(self, column: str) -> list[str]:
        if column not in self._lower:
            self._lower[column] = [text.lower() for text in _as_texts(self.columns[column])]
        return self._lower[column]


def table_of(frame: pd.DataFrame) -> RecordTable:
    """Return the table of records, or of windows.

    Parameters
    ----------
    frame : pandas.DataFrame
        A manifest, the records of a store, or the windows of shards. Columns without any value
        are left out, and so are hashes and lists of files.

    Returns
    -------
    RecordTable

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"record_id": ["1"], "modality": [["ecg", "eeg"]], "age": [None]})
    >>> table_of(frame).columns
    {'record_id': ['1'], 'modality': ['ecg, eeg']}
    """
    columns = {}
    for name in map(str, frame.columns):
        if name in _LEFT_OUT:
            continue
        cells = [plain_cell(value) for value in frame[name].tolist()]
        if name == "record_id" or any(cell is not None for cell in cells):
            columns[name] = cells
    return RecordTable(columns)


def plain_cell(value: Any) -> Cell:
    """Return a value of a table as a text, a number or None.

    Parameters
    ----------
    value : object

    Returns
    -------
    str, int, float or None

    Examples
    --------
    >>> plain_cell(float("nan")), plain_cell(["a", ["b", "c"]]), plain_cell(3.0)
    (None, 'a, b c', 3)
    """
    if isinstance(value, str):
        return value
    if is_null(value):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        texts = (" ".join(map(str, v)) if isinstance(v, list | tuple) else str(v) for v in value)
        return ", ".join(texts) or None
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else _finite(value)
    return value if isinstance(value, int) else str(value)


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _as_texts(cells: Sequence[Cell]) -> list[str]:
    return ["" if cell is None else cell if isinstance(cell, str) else f"{cell}" for cell in cells]


def _cut(cell: Cell) -> Cell:
    return f"{cell[:_LONGEST]}…" if isinstance(cell, str) and len(cell) > _LONGEST else cell


def _sort_key(cells: Sequence[Cell]) -> Callable[[int], Any]:
    """Return the key of a row: numbers before texts."""

    def key(row: int) -> Any:
        cell = cells[row]
        if isinstance(cell, str):
            return (1, natural_key(cell.lower()))
        return (0, cell)

    return key
