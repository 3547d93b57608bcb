"""Apply a split to records and windows: each is in one part or in none, and both are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.query import query_mask
from physioprep.splits.match import Mask, columns_of, match_part, texts_of
from physioprep.splits.names import expand
from physioprep.splits.rule import Split

if TYPE_CHECKING:
    import pandas as pd

#: Names that a message lists.
_SHOWN: Final = 3


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of some records, for the rules that tell windows of a record apart.

    Parameters
    ----------
    record : ndarray of int, shape (window,)
        Row of the records.
    start_s : ndarray of float64, shape (window,)
        From the record's start.
    window_s : float
        Length of a window.
    event : ndarray of int64, shape (window,)
        Number of the trial that the window begins in, from 0 in each record; -1 where none.
    """

    record: NDArray[np.int64]
    start_s: NDArray[np.float64]
    window_s: float
    event: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Assignment:
    """The parts of a split.

    Parameters
    ----------
    names : tuple of str
        Of the parts.
    part : ndarray of int8, shape (record,) or (window,)
        Place in `names`; -1 in none.
    per_window : bool
        Whether `part` has one value per window.
    missing : tuple of str
        Subjects, records and the like that the split lists and no record has.
    """

    names: tuple[str, ...]
    part: NDArray[np.int8]
    per_window: bool
    missing: tuple[str, ...] = ()


def assign(split: Split, records: pd.DataFrame, windows: Windows | None = None) -> Assignment:
    """Tell the part of each record, or of each window where the rules tell windows apart.

    Parameters
    ----------
    split : Split
    records : pandas.DataFrame
        Records of its corpus, all of those at hand.
    windows : Windows, optional
        Needed where `Split.per_window`.

    Returns
    -------
    Assignment

    Raises
    ------
    ShardError
        If a record (or window) is in two parts, no record is in any, or a rule cannot be applied.

    Examples
    --------
    >>> import pandas as pd
    >>> records = pd.DataFrame({"record_id": ["1", "2", "3"], "subject_id": ["a", "b", "c"]})
    >>> split = Split("x", "", "", {"train": {"subjects": ["a", "d"]}, "test": {"rest": True}})
    >>> found = assign(split, records)
    >>> found.part.tolist(), found.missing
    ([0, 1, 1], ('d',))
    """
    names = tuple(split.parts)
    masks: dict[str, Mask] = {}
    missing: list[str] = []
    for part, rules in split.parts.items():
        if "rest" not in rules:
            try:
                masks[part], lost = match_part(records, rules)
            except ShardError as error:
                raise ShardError(f"split {split.name!r}: part {part!r}: {error}") from None
            missing += lost
    owners = [str(one) for one in records["record_id"]]
    if split.per_window:
        if windows is None:
            raise ShardError(f"split {split.name!r} tells windows of one record apart")
        table = _window_table(records, windows) if _asks(split) else None
        for part, mask in masks.items():
            masks[part] = mask[windows.record] & _of_windows(split, part, windows, table)
        owners = []
        n = len(windows.record)
    else:
        n = len(records)
    codes = np.full(n, -1, np.int8)
    for part, mask in masks.items():
        twice = mask & (codes >= 0)
        if twice.any():
            row = int(np.flatnonzero(twice)[0])
            who = f"record {owners[row]}" if owners else _window_name(records, windows, row)
            raise ShardError(
                f"split {split.name!r}: {who} is in parts {names[codes[row]]!r} and {part!r}"
            )
        codes[mask] = names.index(part)
    for part, rules in split.parts.items():
        if "rest" in rules:
            codes[codes < 0] = names.index(part)
    if n and not (codes >= 0).any():
        what = "windows" if split.per_window else "records"
        raise ShardError(
            f"split {split.name!r}: none of the {n} {what} is in any part"
            + (f" (it lists {', '.join(missing[:_SHOWN])} ...)" if missing else "")
            + _held(split, records)
        )
    return Assignment(names, codes, split.per_window, tuple(dict.fromkeys(missing)))


def _held(split: Split, records: pd.DataFrame) -> str:
    """Say what the columns hold that the rules ask for."""
    asked = {
        column: None
        for rules in split.parts.values()
        for name, value in rules.items()
        for column in columns_of(name, value)
    }
    said = []
    for column in asked:
        texts = list(dict.fromkeys(each for each in texts_of(records, column) if each is not None))
        more = " ..." if len(texts) > _SHOWN else ""
        said.append(f"{column}: {', '.join(texts[:_SHOWN]) or 'nothing'}{more}")
    return f"; the records have {'; '.join(said)}" if said else ""


def _asks(split: Split) -> bool:
    return any("windows" in rules for rules in split.parts.values())


def _window_table(records: pd.DataFrame, windows: Windows) -> pd.DataFrame:
    """Return what a query on windows may name: the records' columns, start, end and trial."""
    import pandas as pd

    table = records.iloc[windows.record].reset_index(drop=True)
    event = pd.array(windows.event, "Int64")
    event[windows.event < 0] = pd.NA
    return table.assign(
        start_s=windows.start_s, end_s=windows.start_s + windows.window_s, event=event
    )


def _of_windows(split: Split, part: str, windows: Windows, table: pd.DataFrame | None) -> Mask:
    """Return which windows keep to the rules on windows of a part."""
    rules = split.parts[part]
    mask = np.ones(len(windows.record), bool)
    if "trials" in rules:
        wanted = [int(number) for number in expand(rules["trials"])]
        mask &= np.isin(windows.event, wanted)
    if "windows" in rules:
        assert table is not None
        mask &= query_mask(table, rules["windows"], "windows")
    return mask


def _window_name(records: pd.DataFrame, windows: Windows | None, row: int) -> str:
    assert windows is not None
    record = records["record_id"].iloc[int(windows.record[row])]
    return f"the window of record {record} at {windows.start_s[row]:g} s"
