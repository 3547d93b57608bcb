"""What is looked through: the records of a store or manifest, or the windows of shards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from physioprep.browsing.annotations import Marks
from physioprep.browsing.record_table import RecordTable
from physioprep.browsing.trace import Trace
from physioprep.decisions import RecordName

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Opened:
    """A record, or a window, with its signals.

    Parameters
    ----------
    row : mapping of str to object
        What the source's table says of it.
    traces : mapping of str to Trace
        By key of the modality.
    marks : callable
        Returns the annotations; times are s from the first sample of what is shown.
    problem : str or None
        Why there are no signals.
    """

    row: Mapping[str, Any]
    traces: Mapping[str, Trace]
    marks: Callable[[], Marks]
    problem: str | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A store, shards or a manifest, opened to look through.

    Parameters
    ----------
    kind : {"store", "shards", "manifest"}
    title : str
        Its path.
    table : RecordTable
        One row per record or window.
    open : callable
        Takes the number of a row and returns what it is.
    open_raw : callable or None
        The same of its raw file; None where it is not known where raw files are.
    ids : tuple of list of str
        Corpus and record id of each row.
    windows : tuple of (list of float, float), or None
        Of shards: where in its record each window begins, and how long it is, s.
    """

    kind: str
    title: str
    table: RecordTable
    open: Callable[[int], Opened]
    open_raw: Callable[[int], Opened] | None = None
    ids: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    windows: tuple[list[float], float] | None = None

    @cached_property
    def first_rows(self) -> dict[RecordName, int]:
        """Return the first row of each record: of shards, its first window.

        Returns
        -------
        dict of (str, str) to int
        """
        rows: dict[RecordName, int] = {}
        for row, name in enumerate(zip(*self.ids, strict=True)):
            rows.setdefault(name, row)
        return rows

    def name(self, number: int) -> RecordName:
        """Return corpus and record id of a row.

        Parameters
        ----------
        number : int

        Returns
        -------
        tuple of str
        """
        corpora, records = self.ids
        return corpora[number], records[number]


def row_of(frame: pd.DataFrame, number: int) -> dict[str, Any]:
    """Return a row of a table by column.

    Parameters
    ----------
    frame : pandas.DataFrame
    number : int

    Returns
    -------
    dict of str to object
    """
    return {str(name): value for name, value in frame.iloc[number].items()}
