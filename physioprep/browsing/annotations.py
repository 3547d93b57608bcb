"""Annotations of a stretch, and the next or previous one of a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Marks:
    """Annotations of a record, by time.

    Parameters
    ----------
    time_s, stop_s : ndarray of float64, shape (annotation,)
        Onset and end, s; a mark without a duration ends where it begins.
    duration_s : list of (float or None)
    symbols, texts, annotators : list of str
    channels : list of (str or None)
        None: of all channels.
    """

    time_s: NDArray[np.float64]
    stop_s: NDArray[np.float64]
    duration_s: list[float | None]
    symbols: list[str]
    texts: list[str]
    channels: list[str | None]
    annotators: list[str]

    def row(self, place: int) -> dict[str, Any]:
        """Return an annotation as it is sent.

        Parameters
        ----------
        place : int

        Returns
        -------
        dict
        """
        return {
            "time_s": float(self.time_s[place]), "duration_s": self.duration_s[place],
            "symbol": self.symbols[place], "text": self.texts[place],
            "channel": self.channels[place], "annotator": self.annotators[place],
        }  # fmt: skip


def marks_of(table: pd.DataFrame, names: tuple[str, ...]) -> Marks:
    """Return annotations in the order of their onset.

    Parameters
    ----------
    table : pandas.DataFrame
        With the columns of `physioprep.recording.ANNOTATION_COLUMNS`. Those without a finite onset
        cannot be shown and are left out.
    names : tuple of str
        Of the signals that they number; () where the numbers cannot be told.

    Returns
    -------
    Marks
    """
    table = table[np.isfinite(table["onset"].to_numpy(np.float64))]
    table = table.sort_values("onset", kind="stable")
    onset = table["onset"].to_numpy(np.float64)
    duration = table["duration"].to_numpy(np.float64)
    known = np.isfinite(duration) & (duration > 0)
    sources = [str(source) for source in table["source"]]
    # WFDB says 0 where nobody said anything: one annotator's marks are all there then
    numbers = table["channel"].tolist()
    chosen = {source for source, number in zip(sources, numbers, strict=True) if number > 0}
    channels = [
        _name(number, names) if source in chosen else None
        for source, number in zip(sources, numbers, strict=True)
    ]
    return Marks(
        onset,
        onset + np.where(known, duration, 0),
        [one if there else None for one, there in zip(duration.tolist(), known, strict=True)],
        [str(code) for code in table["code"]],
        [str(text) for text in table["text"]],
        channels,
        sources,
    )


def no_marks() -> Marks:
    """Return no annotations.

    Returns
    -------
    Marks
    """
    return Marks(np.empty(0), np.empty(0), [], [], [], [], [])


def _name(number: int, names: tuple[str, ...]) -> str | None:
    if number < 0:
        return None
    return names[number] if number < len(names) else f"signal {number + 1}"


def marks_between(
    marks: Marks, annotator: str, start_s: float, stop_s: float, limit: int
) -> dict[str, Any]:
    """Return the annotations that touch a stretch.

    Parameters
    ----------
    marks : Marks
    annotator : str
        Whose; "" for all.
    start_s, stop_s : float
        The stretch, s; its end does not belong to it.
    limit : int
        Rows at most.

    Returns
    -------
    dict
        ``total`` there, ``next_s`` and ``previous_s`` beyond, None where there are none, ``rows``.
    """
    own = _own(marks, annotator)
    starts = marks.time_s
    lasting = (starts < start_s) & (marks.stop_s > start_s)
    there = np.flatnonzero(own & (lasting | ((starts >= start_s) & (starts < stop_s))))
    later = np.flatnonzero(own & (starts >= stop_s))
    before = np.flatnonzero(own & (starts < start_s) & ~lasting)
    return {
        "total": len(there),
        "next_s": float(starts[later[0]]) if later.size else None,
        "previous_s": float(starts[before[-1]]) if before.size else None,
        "rows": [marks.row(place) for place in there[:limit].tolist()],
    }


def nearest_mark(
    marks: Marks, annotator: str, time_s: float, symbol: str, *, forwards: bool
) -> dict[str, Any] | None:
    """Return the nearest annotation after or before a time.

    Parameters
    ----------
    marks : Marks
    annotator : str
        Whose; "" for all.
    time_s : float
        s; an annotation at this very time is not meant.
    symbol : str
        Its symbol or its text; "" for any.
    forwards : bool
        After the time.

    Returns
    -------
    dict or None
        None where there is none.
    """
    own = _own(marks, annotator)
    if symbol:
        pairs = zip(marks.symbols, marks.texts, strict=True)
        own &= np.array([symbol in pair for pair in pairs], bool)
    found = np.flatnonzero(own & (marks.time_s > time_s if forwards else marks.time_s < time_s))
    return marks.row(int(found[0 if forwards else -1])) if found.size else None


def _own(marks: Marks, annotator: str) -> NDArray[np.bool_]:
    if not annotator:
        return np.ones(len(marks.time_s), bool)
    return np.array([each == annotator for each in marks.annotators], bool)
