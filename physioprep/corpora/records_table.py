"""The table records.csv in a folder of recordings: subjects and labels, one row a recording."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from physioprep import limits
from physioprep.corpora.bids_tables import sex_of, years
from physioprep.corpora.entry import is_utf8
from physioprep.corpora.tables import check_names, lines_of
from physioprep.errors import CorpusError
from physioprep.plain_text import quoted
from physioprep.suggest import did_you_mean

log = logging.getLogger(__name__)

TABLE: Final = "records.csv"
KEY: Final = "record_id"
#: Columns of a manifest that the table, or a pattern, may fill beside ``label_*``.
COLUMNS: Final = ("subject_id", "session", "age", "sex", "split")
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
_NAMED: Final = 3
#: Of bytes that are not UTF-8: one row of them shall not cost the others.
_KEPT: Final = "surrogateescape"


@dataclass(frozen=True)
class RecordsTable:
    """What the table says.

    Parameters
    ----------
    rows : dict of str to dict
        Cells by column, by the id of the recording; empty where there is no such table.
    said : list of str
        What is to be said of it, one line each.
    """

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


def read_records(root: Path) -> RecordsTable:
    """Read the table of a folder, if it has one.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    RecordsTable
        Of contradicting rows of one recording, what they agree on. A table of that name with none
        of our columns is another one: it is not used, and that is said. So is a row with too few
        or too many cells, or that is not UTF-8.

    Raises
    ------
    CorpusError
        The table lacks the column ``record_id`` but has others of ours, has one that a manifest
        does not have, or is no table.
    """
    path = root / TABLE
    if not path.is_file():
        return RecordsTable()
    names = _column_names(path)
    if KEY not in names:
        said = f"{TABLE}: not used: it has no column {KEY!r} (it has {_some(names)})"
        return RecordsTable(said=[said])
    check_names(path, names)
    for name in filter(None, names):  # commas at the end of the line name nothing
        if name != KEY:
            check_column(name, TABLE)
    found = RecordsTable()
    for row in _rows(path, names, found.said):
        held = found.rows.setdefault(row[KEY], row)
        differ = [name for name in row if held[name] != row[name]]
        if differ:  # which one is right is not known
            found.said.append(
                f"{TABLE}: several rows of {row[KEY]}, with other {', '.join(differ)}: "
                "these stay null"
            )
            found.rows[row[KEY]] = {**held, **dict.fromkeys(differ, "")}
    return found


def _rows(path: Path, names: Sequence[str], said: list[str]) -> list[dict[str, str]]:
    """Return the rows as cells by column; say which are none."""
    rows: list[dict[str, str]] = []
    wrong = []
    key, number = names.index(KEY), 0
    for number, line in enumerate(lines_of(path, errors=_KEPT), start=1):
        limits.check(path, number * len(names), limits.MAX_TABLE_CELLS, "cells")
        cells = [cell.strip() for cell in line]
        cause = f"has {len(cells)} cells, not {len(names)}" if len(cells) != len(names) else ""
        if not all(map(is_utf8, cells)):
            cause = "is not UTF-8"
        if cause:
            record = quoted(cells[key]) if key < len(cells) and is_utf8(cells[key]) else "?"
            wrong.append(f"row {number} ({record}) {cause}")
        elif number > 1:
            rows.append(dict(zip(names, cells, strict=True)))
    if wrong:
        said.append(
            f"{TABLE}: {len(wrong)} of {number - 1} rows are not used, and what they state stays "
            f"null: {_some(wrong)}"
        )
    return rows


def _column_names(path: Path) -> list[str]:
    """Return the names of the columns; refuse a table that is ours but for the key's name."""
    names = [name.strip() for name in next(lines_of(path, errors=_KEPT), [])]
    if not names:
        raise CorpusError(f"{path}: an empty table")
    if not all(map(is_utf8, names)):
        raise CorpusError(f"{path}: not a table in UTF-8")
    if KEY in names:
        return names
    line = ",".join(names)
    for sign, word in _SEPARATORS.items():
        if sign in line and any(map(_is_ours, line.split(sign))):
            raise CorpusError(f"{path}: its columns are separated by {word}, not by commas")
    if any(map(_is_ours, names)):
        near = did_you_mean(KEY, names)
        raise CorpusError(f"{path}: no column {KEY!r} (it has {', '.join(names[:8])}){near}")
    return names


def _is_ours(name: str) -> bool:
    low = name.strip().strip('"').lower()
    return low in (KEY, *COLUMNS) or low.startswith("label_") or bool(did_you_mean(KEY, [low]))


def check_column(name: str, where: str) -> None:
    """Refuse a name that is no column to fill.

    Parameters
    ----------
    name : str
    where : str
        For the error.

    Raises
    ------
    CorpusError
        It is neither one of `COLUMNS` nor a label.
    """
    if name not in COLUMNS and not name.startswith("label_"):
        near = did_you_mean(name, [*COLUMNS, f"label_{name}"])
        raise CorpusError(f"{where}: {name!r} is none of {', '.join(COLUMNS)} and label_*{near}")


def used(table: RecordsTable, found: Sequence[str]) -> list[str]:
    """Say how many recordings the table has a row of.

    Parameters
    ----------
    table : RecordsTable
    found : sequence of str
        Ids of the recordings, as the table may name them.

    Returns
    -------
    list of str
        One line; none without a table.

    Examples
    --------
    >>> used(RecordsTable({"a": {}, "b.edf": {}}), ["a", "b"])
    ['records.csv: 1 of 2 recordings have a row']
    """
    n = sum(name in table.rows for name in found)  # two of one name have one row
    return [f"{TABLE}: {n} of {len(found)} recordings have a row"] if table.rows else []


def compare(table: RecordsTable, found: Sequence[str]) -> list[str]:
    """Say which rows of the table name no recording, and which recordings have no row.

    Parameters
    ----------
    table : RecordsTable
    found : sequence of str
        Ids of the recordings.

    Returns
    -------
    list of str
        At most a line each; none without a table.
    """
    if not table.rows:
        return []
    said = []
    idle = sorted(table.rows.keys() - set(found))
    bare = sorted(name for name in found if name not in table.rows)
    if idle:
        hint = "" if len(idle) < len(table.rows) else f" ({found[0]!r} would)" if found else ""
        said.append(
            f"{TABLE}: {len(idle)} of {len(table.rows)} rows name no recording: "
            f"{_some(idle)}{hint}; {KEY} is the relative path without its ending"
        )
    if bare:
        said.append(
            f"{TABLE}: {len(bare)} of {len(found)} recordings have no row: "
            f"{_some(dict.fromkeys(bare))}"
        )
    return said


def age_and_sex(
    record: str, row: Mapping[str, str | None], problems: dict[str, list[str]]
) -> tuple[float | None, str | None]:
    """Return the age and sex that the cells of a recording state.

    Parameters
    ----------
    record : str
        Id of the recording.
    row : mapping of str to (str or None)
        Cells; None and "" mean unknown.
    problems : dict of str to list of str
        By column, the recordings whose cell is neither: they grow.

    Returns
    -------
    age : float or None
        Years.
    sex : {'F', 'M'} or None
    """
    age = years((row.get("age") or "").strip() or None, {})
    sex, problem = sex_of({"sex": (row.get("sex") or "").strip()}, {})
    for column, wrong in (("age", age.problem), ("sex", problem)):
        if wrong:
            problems.setdefault(column, []).append(f"{record} ({row[column]!r})")
    return age.value, sex


def problem_lines(problems: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what `age_and_sex` found, one line per column.

    Parameters
    ----------
    problems : mapping of str to sequence of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> problem_lines({"age": ["a ('-5')"]})
    ["age of 1 recording is no number of years from 0 to 120, and stays null: a ('-5')"]
    """
    what = {"age": "no number of years from 0 to 120", "sex": "neither F nor M"}
    return [
        f"{column} of {len(wrong)} recording{'s' * (len(wrong) > 1)} is {what[column]}, "
        f"and stays null: {_some(wrong)}"
        for column, wrong in problems.items()
    ]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_NAMED]) + (" ..." if len(listed) > _NAMED else "")
