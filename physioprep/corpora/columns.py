"""Collect the rows of a manifest into columns."""

from __future__ import annotations

import logging
from typing import Any

from physioprep.corpora.headers import COLUMNS, Row

log = logging.getLogger(__name__)


class Columns:
    """Manifest columns as plain lists, filled with rows whose tasks end in any order."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._append_to = [column.append for column in self.columns.values()]
        self._early: dict[int, list[Row]] = {}
        self._length = 0
        self.n_rows = 0

    def add(self, first: int, rows: list[Row]) -> None:
        """Add rows.

        Parameters
        ----------
        first : int
            Number of the first.
        rows : list of Row
            The rows that follow each other from it.
        """
        self.n_rows += len(rows)
        self._early[first] = rows
        while self._length in self._early:
            for row in self._early.pop(self._length):
                self._append(row)

    def _append(self, row: Row) -> None:
        for append, value in zip(self._append_to, row.values, strict=True):
            append(value)
        for name, value in row.labels.items():
            column = self.columns.setdefault(f"label_{name}", [])
            column.extend([None] * (self._length - len(column)))
            column.append(value)
        self._length += 1
        if row.trace is not None:
            path, error = (row.values[COLUMNS.index(name)] for name in ("path", "error"))
            log.warning("%s: %s; this may be a fault of physioprep", path, error)
            log.debug("%s: %s", path, row.trace)

    def finish(self) -> dict[str, list[Any]]:
        """Return the columns, all of one length.

        Returns
        -------
        dict of str to list
        """
        for column in self.columns.values():
            column.extend([None] * (self._length - len(column)))
        return self.columns
