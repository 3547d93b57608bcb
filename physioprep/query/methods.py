"""The methods that a query may call: a closed list, with the arguments each takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep.errors import QueryError
from physioprep.patterns import matches

if TYPE_CHECKING:
    import pandas as pd

    Column = pd.Series[Any]


@dataclass(frozen=True)
class Method:
    """A method of a column.

    Attributes
    ----------
    call : callable
        Takes the column and the arguments.
    takes : tuple of type
        Types of the arguments by position; all but `optional` are needed.
    options : mapping of str to type
        Arguments by name, each with its type.
    optional : int
        How many of `takes`, from the last, may be left out.
    """

    call: Callable[..., Column]
    takes: tuple[type, ...] = ()
    options: Mapping[str, type] = field(default_factory=dict)
    optional: int = 0


def _affix(which: str) -> Callable[..., Column]:
    def call(column: Column, affix: str | tuple[str, ...], na: bool = False) -> Column:
        return getattr(column.str, which)(affix, na=na).astype(bool)  # type: ignore[no-any-return]

    return call


def _contains(
    column: Column, pat: str, case: bool = True, na: bool = False, regex: bool = True
) -> Column:
    if regex and re.escape(pat) != pat:
        return _search(column, pat, case, na)
    return column.str.contains(pat, case=case, na=na, regex=False).astype(bool)


def _match(column: Column, pat: str, case: bool = True, na: bool = False) -> Column:
    return _search(column, pat, case, na, "match")


def _fullmatch(column: Column, pat: str, case: bool = True, na: bool = False) -> Column:
    return _search(column, pat, case, na, "fullmatch")


def _search(column: Column, pat: str, case: bool, na: bool, how: str = "search") -> Column:
    """Search with RE2, whose time is linear in the text, whatever the pattern."""
    import pandas as pd

    held = matches(column.tolist(), pat, how, QueryError, case=case)
    if na:
        held = held | np.array([not isinstance(value, str) for value in column], bool)
    return pd.Series(held, index=column.index)


def _strip(which: str) -> Callable[..., Column]:
    def call(column: Column, characters: str | None = None) -> Column:
        return getattr(column.str, which)(characters)  # type: ignore[no-any-return]

    return call


def _join(column: Column, separator: str) -> Column:
    """Join the texts of each list.

    Raises
    ------
    QueryError
        If the column holds something else than lists.
    """
    import pandas as pd

    def joined(value: Any) -> str | None:
        if isinstance(value, list | tuple | np.ndarray):
            return separator.join(map(str, value))
        if value is None or value is pd.NA or value != value:
            return None
        raise QueryError("str.join is for columns of lists, as flags")

    return pd.Series([joined(value) for value in column], index=column.index, dtype=object)


def _between(column: Column, left: Any, right: Any, inclusive: Any = "both") -> Column:
    return column.between(left, right, inclusive=inclusive)


_CASE: Final = {"case": bool, "na": bool}
#: Methods of ``column.str``.
TEXT_METHODS: Final[dict[str, Method]] = {
    "contains": Method(_contains, (str,), {**_CASE, "regex": bool}),
    "match": Method(_match, (str,), _CASE),
    "fullmatch": Method(_fullmatch, (str,), _CASE),
    "startswith": Method(_affix("startswith"), (tuple,), {"na": bool}),
    "endswith": Method(_affix("endswith"), (tuple,), {"na": bool}),
    "lower": Method(lambda column: column.str.lower()),
    "upper": Method(lambda column: column.str.upper()),
    "strip": Method(_strip("strip"), (str,), optional=1),
    "lstrip": Method(_strip("lstrip"), (str,), optional=1),
    "rstrip": Method(_strip("rstrip"), (str,), optional=1),
    "len": Method(lambda column: column.str.len()),
    "join": Method(_join, (str,)),
}
#: Methods of a column itself.
COLUMN_METHODS: Final[dict[str, Method]] = {
    "isna": Method(lambda column: column.isna()),
    "isnull": Method(lambda column: column.isna()),
    "notna": Method(lambda column: column.notna()),
    "notnull": Method(lambda column: column.notna()),
    "between": Method(_between, (object, object), {"inclusive": str}),
    "isin": Method(lambda column, values: column.isin(values), (list,)),
}
