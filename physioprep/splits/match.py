"""One function for each rule of a part: which records it keeps, and which names it misses."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.query import query_mask
from physioprep.splits.names import as_text, expand
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Mask = NDArray[np.bool_]
#: Which records a rule keeps, and the names in its list that no record has.
Matched = tuple[Mask, tuple[str, ...]]


def texts_of(records: pd.DataFrame, column: str) -> list[str | None]:
    """Return a column as a rule writes its values.

    Parameters
    ----------
    records : pandas.DataFrame
    column : str

    Returns
    -------
    list of str or None

    Raises
    ------
    ShardError
        If there is no such column.
    """
    if column not in records:
        held = [str(name) for name in records.columns]
        hint = did_you_mean(column, held) or f" (columns: {', '.join(held)})"
        raise ShardError(f"the records have no column {column!r}{hint}")
    known = records[column].notna()
    values = records[column].tolist()
    return [as_text(value) if there else None for value, there in zip(values, known, strict=True)]


def by_names(held: Sequence[str | None], names: Sequence[str]) -> Matched:
    """Keep the records whose text is listed; ``*`` stands for any text.

    Parameters
    ----------
    held : sequence of str or None
        One per record.
    names : sequence of str

    Returns
    -------
    mask : ndarray of bool, shape (record,)
    missing : tuple of str
        Names that no record has.

    Examples
    --------
    >>> by_names(["a1", "a2", "b1", None], ["a*", "c"])
    (array([ True,  True, False, False]), ('c',))
    """
    plain = {name for name in names if "*" not in name}
    wild = [name for name in names if "*" in name]
    mask = np.array([text in plain for text in held], bool)
    found = {text for text in held if text in plain}
    missing = [name for name in dict.fromkeys(names) if name in plain and name not in found]
    for name in wild:
        pattern = re.compile(fnmatch.translate(name.replace("[", "[[]").replace("?", "[?]")))
        hits = np.array([text is not None and bool(pattern.match(text)) for text in held], bool)
        mask |= hits
        if not hits.any():
            missing.append(name)
    return mask, tuple(missing)


def by_folders(paths: Sequence[str | None], folders: Sequence[str]) -> Matched:
    """Keep the records that lie in a folder of one of the names, at any depth.

    Parameters
    ----------
    paths : sequence of str or None
        ``path`` of each record.
    folders : sequence of str
        ``train``, or several in a row: ``train/normal``.

    Returns
    -------
    mask : ndarray of bool, shape (record,)
    missing : tuple of str
        Folders without any record.

    Examples
    --------
    >>> by_folders(["edf/train/a.edf", "edf/eval/train.edf"], ["train", "dev"])
    (array([ True, False]), ('dev',))
    """
    above = [f"/{(path or '').split('#')[0].rpartition('/')[0]}/" for path in paths]
    mask, missing = np.zeros(len(above), bool), []
    for folder in folders:
        hits = np.array([f"/{folder.strip('/')}/" in place for place in above], bool)
        mask |= hits
        if not hits.any():
            missing.append(folder)
    return mask, tuple(missing)


def by_order(records: pd.DataFrame, rule: Mapping[str, Any], among: Mask) -> Mask:
    """Keep the records whose value of a column is in a stretch of all values, sorted as texts.

    Parameters
    ----------
    records : pandas.DataFrame
    rule : mapping
        ``of``, ``take`` and ``within``, as `Split` has them: a share counts
        ``int(share * number)`` values, as the scripts of the field do.
    among : ndarray of bool, shape (record,)
        Records that count.

    Returns
    -------
    ndarray of bool, shape (record,)

    Raises
    ------
    ShardError
        If there is no such column.
    """
    held = texts_of(records, rule["of"])
    apart = [texts_of(records, name) for name in rule.get("within", ())]
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for row in np.flatnonzero(among).tolist():
        if held[row] is not None:
            groups.setdefault(tuple(column[row] for column in apart), []).append(row)
    mask = np.zeros(len(records), bool)
    for rows in groups.values():
        values = sorted({str(held[row]) for row in rows})
        taken = set(values[slice(*(_place(end, len(values)) for end in rule["take"]))])
        mask[[row for row in rows if held[row] in taken]] = True
    return mask


def _place(end: float | None, n: int) -> int | None:
    return int(end * n) if isinstance(end, float) else end


def match_part(records: pd.DataFrame, rules: Mapping[str, Any]) -> Matched:
    """Return the records that keep to all rules of a part, but those on windows.

    Parameters
    ----------
    records : pandas.DataFrame
        Of one corpus.
    rules : mapping
        By name, as `Split` has them.

    Returns
    -------
    mask : ndarray of bool, shape (record,)
    missing : tuple of str
        Listed names that no record has.

    Raises
    ------
    ShardError
        If a column is missing, a query is wrong, or a table of the publisher is needed.
    """
    mask = np.ones(len(records), bool)
    missing: list[str] = []
    for name, value in rules.items():
        if name in _LISTED:
            column, match = _LISTED[name]
            kept, lost = match(texts_of(records, column), expand(value))
            mask &= kept
            missing += lost
        elif name in ("column", "exactly"):
            for column, values in value.items():
                held = texts_of(records, column)
                if name == "column":
                    kept, lost = by_names(held, expand(values))
                else:
                    kept, lost = _exactly(held, values)
                mask &= kept
                missing += lost
        elif name == "where":
            mask &= query_mask(records, value, "records")
        elif name == "csv":
            raise ShardError(
                f"the split is in {value['file']} of the raw files: say where they are (--raw DIR; "
                "in Python physioprep.shards.listed_split)"
            )
    if "order" in rules:  # among the records that the other rules keep
        mask = by_order(records, rules["order"], mask)
    return mask, tuple(missing)


def _exactly(held: Sequence[str | None], values: Sequence[str]) -> Matched:
    wanted, found = set(values), set(held)
    missing = tuple(name for name in dict.fromkeys(values) if name not in found)
    return np.array([text in wanted for text in held], bool), missing


_LISTED: Final[Mapping[str, tuple[str, Callable[..., Matched]]]] = {
    "subjects": ("subject_id", by_names),
    "records": ("record_id", by_names),
    "folders": ("path", by_folders),
}


def columns_of(name: str, value: Any) -> list[str]:
    """Return the columns whose values a rule lists.

    Parameters
    ----------
    name : str
        Of the rule.
    value : object
        What it asks for.

    Returns
    -------
    list of str

    Examples
    --------
    >>> columns_of("subjects", ["1-3"]), columns_of("column", {"split": ["1"]})
    (['subject_id'], ['split'])
    """
    if name in _LISTED:
        return [_LISTED[name][0]]
    return list(value) if name in ("column", "exactly") else []
