"""What is looked through: the records of a store or manifest, or the windows of shards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from physioprep.browsing.record_table import RecordTable
from physioprep.browsing.trace import Trace

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
    annotations : callable
        Returns a table with the columns of `physioprep.recording.ANNOTATION_COLUMNS`; times are
        s from the first sample of what is shown.
    channel_names : tuple of str
        Of the channel numbers of the annotations.
    problem : str or None
        Why there are no signals.
    """

    row: Mapping[str, Any]
    traces: Mapping[str, Trace]
    annotations: Callable[[], pd.DataFrame]
    channel_names: tuple[str, ...] = ()
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
    """

    kind: str
    title: str
    table: RecordTable
    open: Callable[[int], Opened]
    open_raw: Callable[[int], Opened] | None = None
    ids: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))

    def name(self, number: int) -> tuple[str, str]:
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
