"""Tables of BIDS (``.tsv``), of which a bad row costs itself only."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.readers.confinement import is_inside
from physioprep.readers.regular import read_bytes
from physioprep.recording import annotation_columns

_LINE: Final = re.compile(r"\r\n|\n|\r")  # str.splitlines splits at other characters, too
_EVENT_COLUMNS: Final = ("onset", "duration", "trial_type", "stim_type", "value", "sample")
_YEARS: Final = {"month": 12.0, "week": 365.25 / 7, "day": 365.25}
_SEXES: Final = {
    **dict.fromkeys(("f", "female", "woman", "girl"), "F"),
    **dict.fromkeys(("m", "male", "man", "boy"), "M"),
}


@dataclass(frozen=True)
class Table:
    """The rows of a table that can be read, and what is wrong with the others.

    Parameters
    ----------
    rows : list of dict
        Column, in lower case, to cell, without blanks around it.
    problems : list of str
        One line each, without the name of the file.
    """

    rows: list[dict[str, str]]
    problems: list[str] = field(default_factory=list)


def read_tsv(path: Path, root: Path) -> Table:
    r"""Read a table of BIDS.

    Parameters
    ----------
    path : Path
    root : Path
        Folder of the corpus: a table outside it is not read.

    Returns
    -------
    Table
        Rows without the right number of cells are left out, and named by `problems`.

    Raises
    ------
    CorpusError
        The file cannot be read, or is no table.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "participants.tsv"
    >>> _ = path.write_text("participant_id\tage\nsub-01\t25\nsub-02\n")
    >>> read_tsv(path, path.parent)
    Table(rows=[{'participant_id': 'sub-01', 'age': '25'}], problems=['row 3: 1 cells, not 2'])
    """
    if not is_inside(str(path), str(root)):
        raise CorpusError(f"{path}: lies outside the folder of its corpus")
    try:
        data = read_bytes(path, limits.MAX_ANNOTATION_BYTES, "bytes of table").tobytes()
    except UnreadableFileError as error:
        raise CorpusError(str(error)) from None
    text, problems = _decoded(data)
    if "\0" in text:
        raise CorpusError(f"{path}: not a table: it holds NUL bytes")
    lines = [(n, line) for n, line in enumerate(_LINE.split(text), 1) if line.strip()]
    if not lines:
        raise CorpusError(f"{path}: an empty table")
    names = [name.lower() for name in _cells(lines[0][1])]
    while len(names) > 1 and not names[-1]:  # tabs at the end of the line
        names.pop()
    rows = []
    for number, line in lines[1:]:
        cells = _cells(line, len(names))
        if len(cells) > len(names) and not any(cells[len(names) :]):
            cells = cells[: len(names)]
        if len(cells) == len(names):
            rows.append(dict(zip(names, cells, strict=True)))
        else:
            problems.append(f"row {number}: {len(cells)} cells, not {len(names)}")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        problems.append(f"two columns {', '.join(twice)}: the last one counts")
    return Table(rows, problems)


def _decoded(data: bytes) -> tuple[str, list[str]]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace"), ["UTF-16, not UTF-8"]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return data.decode("latin-1"), ["not UTF-8: read as Latin-1"]


def _cells(line: str, n: int | None = None) -> list[str]:
    """Return the cells of a line; quotes count where they are the ones of a table."""
    plain = [cell.strip() for cell in line.split("\t")]
    if '"' not in line:
        return plain
    try:
        quoted = [cell.strip() for cell in next(csv.reader([line], delimiter="\t"))]
    except csv.Error:  # a cell of over 128 KiB
        return plain
    return quoted if n is None or len(quoted) == n or len(plain) != n else plain


def cell(row: Mapping[str, str], column: str) -> str | None:
    """Return a cell, None where it says that the value is not known.

    Parameters
    ----------
    row : mapping of str to str
    column : str

    Returns
    -------
    str or None

    Examples
    --------
    >>> cell({"age": "n/a", "group": "none"}, "age"), cell({"group": "none"}, "group")
    (None, 'none')
    """
    text = row.get(column, "")
    return None if text.lower() in ("", "n/a") else text


def number(text: str | None, *, comma: bool = False) -> float | None:
    """Return a finite number, None for anything else.

    Parameters
    ----------
    text : str or None
    comma : bool
        Whether one comma may stand for the decimal point.

    Returns
    -------
    float or None

    Examples
    --------
    >>> number("1.5"), number("1,5"), number("1,5", comma=True), number("inf")
    (1.5, None, 1.5, None)
    """
    text = text or ""
    if comma and text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def read_json(path: Path, root: Path) -> dict[str, Any]:
    """Read the description of a table; empty where there is none that can be read.

    Parameters
    ----------
    path : Path
    root : Path
        Folder of the corpus.

    Returns
    -------
    dict of str to Any
    """
    if not path.is_file() or not is_inside(str(path), str(root)):
        return {}
    try:
        data = read_bytes(path, limits.MAX_YAML_BYTES, "bytes of JSON").tobytes()
        found = json.loads(data.decode("utf-8-sig"))
    except (UnreadableFileError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class Years(NamedTuple):
    """An age.

    Attributes
    ----------
    value : float or None
        Years.
    problem : str
        What is to be said of it; ``""``: nothing.
    """

    value: float | None
    problem: str = ""


def years(text: str | None, described: Any) -> Years:
    """Return an age in years.

    Parameters
    ----------
    text : str or None
        A cell: ``"29"``, ``"29,5"``, and ``"89+"`` for whoever is older.
    described : Any
        What ``participants.json`` says of the column; its ``Units`` may be others than years.

    Returns
    -------
    Years

    Examples
    --------
    >>> years("29,5", {}), years("18", {"Units": "months"}).value
    (Years(value=29.5, problem=''), 1.5)
    >>> years("89+", {}).value, years("adult", {}).problem
    (89.0, "age 'adult' is not a number of years")
    """
    if text is None:
        return Years(None)
    unit = str(described.get("Units", "")).lower() if isinstance(described, dict) else ""
    per_year = next((n for name, n in _YEARS.items() if name in unit), 1.0)
    value = number(text.removesuffix("+"), comma=True)
    if value is None or not 0 < value / per_year < 120:
        return Years(None, f"age {text!r} is not a number of years")
    return Years(value / per_year)


def sex_of(row: Mapping[str, str], described: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return a participant's sex by column ``sex``, else ``gender``.

    Parameters
    ----------
    row : mapping of str to str
        Of participants.tsv.
    described : mapping of str to Any
        participants.json; its ``Levels`` say what a code means.

    Returns
    -------
    str or None
        ``"F"``, ``"M"``, or None where it is unknown or another.
    str
        What is to be said of it; ``""``: nothing.

    Examples
    --------
    >>> sex_of({"sex": "n/a", "gender": "2"}, {"gender": {"Levels": {"1": "male", "2": "female"}}})
    ('F', '')
    >>> sex_of({"sex": "2"}, {})
    (None, "sex '2' is neither F nor M")
    """
    for column in ("sex", "gender"):
        text = cell(row, column)
        if text is None:
            continue
        told = described.get(column)
        levels = told.get("Levels") if isinstance(told, dict) else None
        meaning = levels.get(text, text) if isinstance(levels, dict) else text
        if isinstance(meaning, dict):
            meaning = meaning.get("Description", text)
        found = _SEXES.get(text.lower()) or _SEXES.get(str(meaning).strip().lower())
        return found, "" if found else f"{column} {text!r} is neither F nor M"
    return None, ""


@dataclass(frozen=True)
class Events:
    """The events of a recording.

    Parameters
    ----------
    columns : dict of str to ndarray
        See `physioprep.recording.ANNOTATION_COLUMNS`.
    n_left_out : int
        Rows without a time, or with another number of cells than columns.
    other_columns : tuple of str
        Columns that `columns` have no place for.
    """

    columns: dict[str, NDArray[Any]]
    n_left_out: int
    other_columns: tuple[str, ...] = ()


def read_events(path: Path, root: Path) -> Events:
    r"""Read ``events.tsv``.

    Parameters
    ----------
    path : Path
    root : Path
        Folder of the corpus.

    Returns
    -------
    Events
        In order of onset. The text is ``trial_type``, or ``value`` where the former is not given;
        ``value`` is also the code.

    Raises
    ------
    CorpusError
        The file cannot be read, or has no column ``onset``.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "events.tsv"
    >>> _ = path.write_text("onset\tduration\ttrial_type\n2\tn/a\tstop\n1.5\t0\tgo\nn/a\t0\tgo\n")
    >>> events = read_events(path, path.parent)
    >>> events.columns["text"].tolist(), events.n_left_out
    (['go', 'stop'], 1)
    """
    table = read_tsv(path, root)
    if table.rows and "onset" not in table.rows[0]:
        raise CorpusError(f"{path}: no column 'onset'")
    comma = _has_decimal_comma([row["onset"] for row in table.rows])
    timed = []
    for row in table.rows:
        onset = number(cell(row, "onset"), comma=comma)
        if onset is not None:
            timed.append((onset, row))
    timed.sort(key=lambda pair: pair[0])
    durations = [number(cell(row, "duration"), comma=comma) for _, row in timed]
    values = [cell(row, "value") or "" for _, row in timed]
    kinds = [cell(row, "trial_type") or cell(row, "stim_type") for _, row in timed]
    columns = annotation_columns(
        [onset for onset, _ in timed],
        [math.nan if one is None or one < 0 else one for one in durations],
        [kind or value for kind, value in zip(kinds, values, strict=True)],
        "events.tsv",
    )
    columns["code"] = np.array([*values, None], object)[:-1]
    columns["sample"] = np.array([_sample(row) for _, row in timed], np.int64)
    bad = sum(problem.startswith("row ") for problem in table.problems)
    others = [name for name in (table.rows[0] if table.rows else ()) if name not in _EVENT_COLUMNS]
    return Events(columns, len(table.rows) - len(timed) + bad, tuple(others))


def _has_decimal_comma(onsets: list[str]) -> bool:
    """Return whether commas are decimal points: no point is, and they do not part thousands."""
    with_comma = [text for text in onsets if "," in text]
    return not any("." in text for text in onsets) and any(
        not re.search(r",\d{3}$", text) for text in with_comma
    )


def _sample(row: Mapping[str, str]) -> int:
    value = number(cell(row, "sample"))
    return int(value) if value is not None and value == int(value) and 0 <= value < 2**53 else -1
