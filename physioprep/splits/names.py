"""Names as a rule lists them: ranges, wildcards, numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

#: "S001-S070": the same text before two whole numbers; the second may leave it out.
_RANGE: Final = re.compile(r"(.*?)(\d+)-(.*?)(\d+)", re.DOTALL)
_MOST: Final = 100_000


def expand(items: Iterable[Any]) -> list[str]:
    """Return the names that a list states, ranges written out.

    Parameters
    ----------
    items : iterable
        Names, numbers, and ranges such as ``"S001-S070"`` or ``"1-8"``, both ends included.

    Returns
    -------
    list of str
        In the order given. Numbers have as many digits as the first of their range.

    Raises
    ------
    ValueError
        If a range goes down, or has more than 100,000 names.

    Examples
    --------
    >>> expand(["S008-S010", "x", 7])
    ['S008', 'S009', 'S010', 'x', '7']
    >>> expand(["1-3", "chb01_*"])
    ['1', '2', '3', 'chb01_*']
    """
    names = []
    for item in items:
        text = as_text(item)
        found = _RANGE.fullmatch(text)
        if found is None or found[3] not in ("", found[1]):
            names.append(text)
            continue
        prefix, low, _, high = found.groups()
        if not 0 <= int(high) - int(low) < _MOST:
            raise ValueError(f"range {text!r} goes down, or has over {_MOST:,} names")
        width = len(low)
        names += [f"{prefix}{number:0{width}d}" for number in range(int(low), int(high) + 1)]
    return names


def as_text(value: Any) -> str:
    """Return a value as a rule writes it: whole numbers without a point.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Examples
    --------
    >>> as_text(9.0), as_text("9"), as_text(0.5)
    ('9', '9', '0.5')
    """
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
