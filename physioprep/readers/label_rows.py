"""Labels of label files, whatever their format: rows, checked, and as columns of annotations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.recording import annotation_columns

_SHOWN: Final = 60  # characters of a bad line that an error shows


class LabelRow(NamedTuple):
    """One label: an interval in time, and what it is called.

    Parameters
    ----------
    onset : float
        s from the start of the recording.
    duration : float
        s; NaN where the file states none.
    text : str
        The label.
    code : str
        How the file writes it, or the name of the channel that it is of; "" where neither.
    channel : int
        Number of the channel or derivation; -1 for all.

    Examples
    --------
    >>> LabelRow(0.0, 30.0, "W").channel
    -1
    """

    onset: float
    duration: float
    text: str
    code: str = ""
    channel: int = -1


def interval(start: str, stop: str, line: str) -> tuple[float, float]:
    """Return onset and duration of a label that states start and stop.

    Parameters
    ----------
    start, stop : str
        s.
    line : str
        Shown in the error.

    Returns
    -------
    (float, float)

    Raises
    ------
    ValueError
        They are no finite numbers, or the stop is before the start.

    Examples
    --------
    >>> interval("1.5", "4", "1.5 4 seiz")
    (1.5, 2.5)
    """
    onset, end = seconds(start, line), seconds(stop, line)
    if end < onset:
        raise ValueError(f"ends before it starts: {line[:_SHOWN]!r}")
    return onset, end - onset


def seconds(text: str, line: str) -> float:
    """Return a finite number.

    Parameters
    ----------
    text : str
    line : str
        Shown in the error.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> seconds(" 30.0", "")
    30.0
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e12:
        raise ValueError(f"{text[:_SHOWN]!r} is no time in s: {line[:_SHOWN]!r}")
    return value


def check_number(rows: Sequence[LabelRow]) -> None:
    """Refuse more labels than a recording may have annotations.

    Parameters
    ----------
    rows : sequence of LabelRow
        So far.

    Raises
    ------
    ValueError
        There are more than `physioprep.limits.MAX_ANNOTATIONS`.

    Examples
    --------
    >>> check_number([])
    """
    if len(rows) > limits.MAX_ANNOTATIONS:
        cause = f"over the limit of {limits.MAX_ANNOTATIONS} labels"
        raise ValueError(f"{cause} ({limits.VARIABLE} raises it)")


def columns_of(rows: Sequence[LabelRow], source: str) -> dict[str, NDArray[Any]]:
    """Return labels as a table of annotations.

    Parameters
    ----------
    rows : sequence of LabelRow
    source : str
        File format or ending they are from.

    Returns
    -------
    dict of str to ndarray
        See `physioprep.recording.ANNOTATION_COLUMNS`.

    Examples
    --------
    >>> columns_of([LabelRow(0.0, 30.0, "N2", "2")], "nsrr-stages")["code"].tolist()
    ['2']
    """
    onset, duration = [row.onset for row in rows], [row.duration for row in rows]
    channel = [row.channel for row in rows]
    columns = annotation_columns(onset, duration, [row.text for row in rows], source, channel)
    columns["code"] = np.array([row.code for row in rows], object)
    return columns


def joined(tables: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return tables of annotations as one.

    Parameters
    ----------
    tables : sequence of mapping of str to ndarray
        All of the same columns.

    Returns
    -------
    dict of str to ndarray
        In the given order; {} of none.

    Examples
    --------
    >>> one = columns_of([LabelRow(0.0, 30.0, "W")], "a")
    >>> joined([one, one])["text"].tolist(), joined([])
    (['W', 'W'], {})
    """
    if not tables:
        return {}
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
