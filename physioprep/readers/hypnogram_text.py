"""Read hypnograms in plain text: a table with times, or a stage a line.

A table has the columns ``onset`` and ``duration``, or ``start`` and ``stop`` (or ``end``), in s,
and ``stage`` (or ``event``, ``label``, ``description``), separated by commas, tabs or semicolons;
anything else is one stage a line, for which the length of an epoch must be known; an empty line is
an epoch without a stage, but for those at the end.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from typing import Final

from physioprep.readers.label_rows import LabelRow, check_number, interval, seconds

#: Columns of the label in a table, the first that is there.
_LABELS: Final = ("stage", "event", "label", "description")
_STARTS: Final = ("onset", "start")
_STOPS: Final = ("stop", "end")
_DELIMITERS: Final = ("\t", ";", ",")
#: Of a line; an end that was turned into CRLF twice is one.
_END: Final = re.compile(r"\r*\n|\r")


def parse_hypnogram(
    text: str, epoch_s: float | None = None, stages: Mapping[str, str] | None = None
) -> list[LabelRow]:
    r"""Return the labels of a hypnogram or a table of events.

    Parameters
    ----------
    text : str
    epoch_s : float, optional
        Length of an epoch: of a stage a line, and of rows of a table without ``duration``.
    stages : mapping of str to str, optional
        The file's stage to a name; others keep their own.

    Returns
    -------
    list of LabelRow
        ``code`` is the stage as the file has it. An epoch without a stage has none.

    Raises
    ------
    ValueError
        It is no hypnogram, or the length of its epochs is not known.

    Examples
    --------
    >>> [row.onset for row in parse_hypnogram("W\nN1\n", epoch_s=30)]
    [0.0, 30.0]
    >>> parse_hypnogram("onset,duration,stage\n60,30,2\n", stages={"2": "N2"})
    [LabelRow(onset=60.0, duration=30.0, text='N2', code='2', channel=-1)]
    """
    names = stages or {}
    stages_by_line = _END.split(text.rstrip())
    lines = [line for line in stages_by_line if line.strip()]
    if not lines:
        raise ValueError("is empty")
    first = lines[0]
    delimiter = next((mark for mark in _DELIMITERS if mark in first), ",")
    header = [cell.strip().lower() for cell in first.split(delimiter)]
    if _first(header, _STARTS) is not None:
        return _table(lines, delimiter, header, epoch_s, names)
    if len(header) > 1:
        raise ValueError(f"no column 'onset' or 'start', but {first[:60]!r}")
    if epoch_s is None:
        raise ValueError("a stage a line: state the length of an epoch (epoch_s: 30)")
    rows = []
    for number, line in enumerate(stages_by_line):
        code = line.strip()
        if not code:
            continue
        rows.append(LabelRow(number * float(epoch_s), float(epoch_s), names.get(code, code), code))
        check_number(rows)
    return rows


def has_empty_epochs(text: str) -> bool:
    r"""Return whether a hypnogram of a stage a line has an epoch without a stage.

    Parameters
    ----------
    text : str

    Returns
    -------
    bool

    Examples
    --------
    >>> has_empty_epochs("W\n\nN1\n"), has_empty_epochs("W\nN1\n\n"), has_empty_epochs("a,b\n\n1,2")
    (True, False, False)
    """
    lines = [line.strip() for line in _END.split(text.rstrip())]
    first = next(filter(None, lines), "")
    is_table = any(mark in first for mark in _DELIMITERS) or first.lower() in _STARTS
    return not is_table and "" in lines and bool(first)


def _table(
    lines: list[str],
    delimiter: str,
    header: list[str],
    epoch_s: float | None,
    names: Mapping[str, str],
) -> list[LabelRow]:
    label, onset = _first(header, _LABELS), _first(header, _STARTS)
    if label is None or onset is None:
        raise ValueError(f"no column {', '.join(_LABELS[:-1])} or {_LABELS[-1]}")
    if len(set(header)) < len(header):
        raise ValueError("two columns of one name")
    duration, stop = _first(header, ("duration",)), _first(header, _STOPS)
    rows: list[LabelRow] = []
    try:
        for cells in csv.reader(lines[1:], delimiter=delimiter):
            line = delimiter.join(cells)
            if len(cells) != len(header):
                raise ValueError(f"{len(cells)} cells, not {len(header)}: {line[:60]!r}")
            said = "" if duration is None else cells[duration].strip()
            start = seconds(cells[onset], line)
            length = math.nan if epoch_s is None else epoch_s
            if said:
                length = seconds(said, line)
            elif stop is not None and cells[stop].strip():
                start, length = interval(cells[onset], cells[stop], line)
            if length < 0:
                raise ValueError(f"a duration below 0: {line[:60]!r}")
            code = cells[label].strip()
            text = names.get(code, code)
            rows.append(LabelRow(start, length, text, code))
            check_number(rows)
    except csv.Error as error:
        raise ValueError(f"not a table: {error}") from None
    return rows


def _first(header: list[str], names: tuple[str, ...]) -> int | None:
    """Return the place of the first of these names that a header has."""
    return next((header.index(name) for name in names if name in header), None)
