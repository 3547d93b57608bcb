"""Read the label files of the TUH corpora: ``.tse``, ``.lbl``, ``.csv``, their ``_bi``, ``.rec``.

TUSZ before version 2 has, beside a recording, ``.tse`` (labels over all channels) and ``.lbl``
(labels by derivation of a montage), both also in ``_bi``, of two classes; version 2 has ``.csv``
(by derivation) and ``.csv_bi`` (over all, channel ``TERM``)::

    version = tse_v1.0.0            version = lbl_v1.0.0
                                    montage = 0, FP1-F7: EEG FP1-REF -- EEG F7-REF
    0.0000 10.2775 bckg 1.0000      number_of_levels = 1
    10.2775 35.7775 fnsz 1.0000     level[0] = 1
                                    symbols[0] = {0: '(null)', 1: 'spsw', 6: 'bckg'}
                                    label = {0, 0, 0.0, 10.2775, 0, [0.0, 0.0, ..., 1.0]}

A label of a ``.lbl`` is level, sublevel, start, stop, derivation, and a probability a symbol. TUEV
has a ``.rec``: lines of derivation, start, stop and the number of an event.
"""

from __future__ import annotations

import csv
import re
from ast import literal_eval
from collections.abc import Callable, Iterator
from typing import Final

from physioprep.readers.label_rows import LabelRow, check_number, interval, seconds

#: Columns that a ``.csv`` needs.
CSV_COLUMNS: Final = ("channel", "start_time", "stop_time", "label")
#: Number of an event in a ``.rec``, and its name.
EVENTS: Final = {1: "SPSW", 2: "GPED", 3: "PLED", 4: "EYEM", 5: "ARTF", 6: "BCKG"}
_NO_CSV: Final = f"not a CSV with the columns {', '.join(CSV_COLUMNS)}"
_ALL: Final = ("TERM", "ALL")  # a channel that means all of them
_VERSION = re.compile(r"version\s*=\s*(\w+)_v\d")
_MONTAGE = re.compile(r"montage\s*=\s*(\d{1,6})\s*,\s*([^:]+):.*")
_SYMBOLS = re.compile(r"symbols\[(\d{1,6})\]\s*=\s*(\{.*\})")
_LABEL = re.compile(
    r"label\s*=\s*\{\s*(\d{1,6})\s*,\s*\d{1,6}\s*,([^,]+),([^,]+),\s*(-?\d{1,6})\s*,"
    r"\s*\[([^\]]*)\]\s*\}"
)


def parse_tse(text: str) -> list[LabelRow]:
    r"""Return the labels of a ``.tse`` or ``.tse_bi``: start, stop, label, probability.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of LabelRow
        A line may name several labels; the most probable one, the first of equals.

    Raises
    ------
    ValueError
        It is no such file; the message quotes the line.

    Examples
    --------
    >>> parse_tse("version = tse_v1.0.0\n\n0.0 10.5 bckg 1.0\n10.5 12 fnsz 1.0\n")[1]
    LabelRow(onset=10.5, duration=1.5, text='fnsz', code='', channel=-1)
    """
    rows: list[LabelRow] = []
    for line in _lines_of(text, "tse"):
        parts = line.split()
        if len(parts) < 4 or len(parts) % 2:
            raise ValueError(f"not start, stop, label, probability: {line[:60]!r}")
        onset, duration = interval(parts[0], parts[1], line)
        chances = [seconds(part, line) for part in parts[3::2]]
        rows.append(LabelRow(onset, duration, parts[2::2][chances.index(max(chances))]))
        check_number(rows)
    return rows


def parse_lbl(text: str) -> list[LabelRow]:
    r"""Return the labels of a ``.lbl`` or ``.lbl_bi``, of every level.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of LabelRow
        ``channel`` counts the derivations of the file's montage, ``code`` names the derivation.

    Raises
    ------
    ValueError
        It is no such file; the message quotes the line.

    Examples
    --------
    >>> lines = ["version = lbl_v1.0.0", "montage = 3, P3-O1: EEG P3-REF -- EEG O1-REF"]
    >>> lines += ["symbols[0] = {0: '(null)', 1: 'fnsz'}"]
    >>> lines += ["label = {0, 0, 1.0, 4.0, 3, [0.0, 1.0]}"]
    >>> parse_lbl("\n".join(lines))
    [LabelRow(onset=1.0, duration=3.0, text='fnsz', code='P3-O1', channel=3)]
    """
    names: dict[int, str] = {}
    symbols: dict[int, dict[int, str]] = {}
    rows: list[LabelRow] = []
    for line in _lines_of(text, "lbl"):
        if found := _MONTAGE.fullmatch(line):
            names[int(found[1])] = found[2].strip()
        elif found := _SYMBOLS.fullmatch(line):
            symbols[int(found[1])] = _symbols(found[2], line)
        elif found := _LABEL.fullmatch(line):
            level, start, stop, channel, chances = found.groups()
            onset, duration = interval(start, stop, line)
            values = [seconds(part, line) for part in chances.split(",")]
            said = symbols.get(int(level), {}).get(values.index(max(values)))
            if said is None:
                raise ValueError(f"a label that is none of the symbols: {line[:60]!r}")
            number = int(channel)
            rows.append(LabelRow(onset, duration, said, names.get(number, ""), number))
            check_number(rows)
        elif not re.match(r"(number_of_levels|level\[\d+\])\s*=", line):
            raise ValueError(f"an unknown line: {line[:60]!r}")
    return rows


def parse_csv(text: str) -> list[LabelRow]:
    r"""Return the labels of a ``.csv`` or ``.csv_bi``.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of LabelRow
        ``code`` names the derivation; "" for ``TERM``, all of them.

    Raises
    ------
    ValueError
        It is no such file.

    Examples
    --------
    >>> head = "# version = csv_v1.0.0\nchannel,start_time,stop_time,label,confidence\n"
    >>> parse_csv(head + "FP1-F7,36.5,40.0,cpsz,1.0\n")
    [LabelRow(onset=36.5, duration=3.5, text='cpsz', code='FP1-F7', channel=-1)]
    """
    lines = (line for line in text.splitlines() if line.strip() and line[0] != "#")
    rows: list[LabelRow] = []
    table = csv.reader(lines)
    try:
        names = [name.strip() for name in next(table, [])]
        if not set(CSV_COLUMNS) <= set(names):
            raise ValueError(_NO_CSV)
        channel, start, stop, label = (names.index(name) for name in CSV_COLUMNS)
        for cells in table:
            name = cells[channel].strip()
            onset, duration = interval(cells[start], cells[stop], ",".join(cells))
            code = "" if name in _ALL else name
            rows.append(LabelRow(onset, duration, cells[label].strip(), code))
            check_number(rows)
    except (IndexError, csv.Error):
        raise ValueError(_NO_CSV) from None
    return rows


def parse_rec(text: str) -> list[LabelRow]:
    r"""Return the events of a ``.rec``.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of LabelRow
        ``channel`` counts the derivations of the TCP montage (0 to 21), not the file's signals.

    Raises
    ------
    ValueError
        A line is not channel, start, end, label 1 to 6.

    Examples
    --------
    >>> parse_rec("9,13.6,14.6,6\n")
    [LabelRow(onset=13.6, duration=1.0, text='BCKG', code='', channel=9)]
    """
    rows: list[LabelRow] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            channel, start, stop, label = line.split(",")
            number, event = int(channel), EVENTS[int(float(label))]
            onset, duration = interval(start, stop, line)
        except (KeyError, ValueError, OverflowError):
            cause = f"rows are not channel, start, end, label 1 to 6: {line[:60]!r}"
            raise ValueError(cause) from None
        rows.append(LabelRow(onset, duration, event, channel=number))
        check_number(rows)
    return rows


#: Ending of a label file to how it is read.
PARSERS: Final[dict[str, Callable[[str], list[LabelRow]]]] = {
    ".csv_bi": parse_csv,
    ".csv": parse_csv,
    ".tse_bi": parse_tse,
    ".tse": parse_tse,
    ".lbl_bi": parse_lbl,
    ".lbl": parse_lbl,
    ".rec": parse_rec,
}


def _lines_of(text: str, kind: str) -> Iterator[str]:
    """Yield the lines that are neither empty, nor comments, nor the version, which is checked."""
    versions = 0
    for line in map(str.strip, text.splitlines()):
        if found := _VERSION.match(line):
            versions += found[1] == kind
        elif line and line[0] != "#":
            if not versions:
                raise ValueError(f"no line 'version = {kind}_v...' at its top: {line[:60]!r}")
            yield line
    if not versions:
        raise ValueError(f"no line 'version = {kind}_v...'")


def _symbols(said: str, line: str) -> dict[int, str]:
    try:
        table = literal_eval(said)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise ValueError(f"not a table of symbols: {line[:60]!r}")
    if not all(type(n) is int and isinstance(name, str) for n, name in table.items()):
        raise ValueError(f"not a table of symbols: {line[:60]!r}")
    return table
