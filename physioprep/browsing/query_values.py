"""Values of requests, checked: numbers in their range, names, choices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote

from physioprep.browsing.refusal import RefusedError

#: Characters of a value, and values of a request.
LONGEST: Final = 10_000
_MOST: Final = 64


def parse_query(text: str) -> dict[str, str]:
    """Return the values of a request by name.

    Parameters
    ----------
    text : str
        What follows ``?`` in its address.

    Returns
    -------
    dict of str to str
        Of a name that occurs twice the last one.

    Raises
    ------
    RefusedError
        It is too long, or no UTF-8.

    Examples
    --------
    >>> parse_query("source=0&q=a%20b")
    {'source': '0', 'q': 'a b'}
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST)
    except ValueError:
        raise RefusedError("the request is too long or no UTF-8") from None
    for name, value in pairs:
        if len(value) > LONGEST:
            raise RefusedError(f"{name[:40]} is too long")
    return dict(pairs)


def number(values: Mapping[str, str], name: str, default: float | None = None) -> float:
    """Return a finite number.

    Parameters
    ----------
    values : mapping of str to str
        From `parse_query`.
    name : str
    default : float or None
        Where it is not given; None: it must be.

    Returns
    -------
    float

    Raises
    ------
    RefusedError
        It is none, or not given.
    """
    text = values.get(name, "")
    if not text and default is not None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RefusedError(f"{name} is no number")
    return value


def whole(
    values: Mapping[str, str], name: str, least: int, most: int, default: int | None = None
) -> int:
    """Return a whole number.

    Parameters
    ----------
    values : mapping of str to str
        From `parse_query`.
    name : str
    least, most : int
        Its range.
    default : int or None
        Where it is not given; None: it must be.

    Returns
    -------
    int

    Raises
    ------
    RefusedError
        It is none, out of its range, or not given.
    """
    text = values.get(name, "")
    if not text and default is not None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise RefusedError(f"{name} is no whole number")
    value = int(text)
    if not least <= value <= most:
        raise RefusedError(f"{name} must be from {least} to {most}")
    return value


def choice(values: Mapping[str, str], name: str, allowed: Sequence[str], default: str) -> str:
    """Return one of some words.

    Parameters
    ----------
    values : mapping of str to str
        From `parse_query`.
    name : str
    allowed : sequence of str
    default : str
        Where it is not given.

    Returns
    -------
    str

    Raises
    ------
    RefusedError
        It is another word.
    """
    text = values.get(name, "") or default
    if text not in allowed:
        raise RefusedError(f"{name} must be one of {', '.join(allowed)}")
    return text


def names(values: Mapping[str, str], name: str) -> list[str]:
    """Return names joined by commas, each percent-encoded.

    Parameters
    ----------
    values : mapping of str to str
        From `parse_query`.
    name : str

    Returns
    -------
    list of str
        Empty where it is not given.

    Examples
    --------
    >>> names({"channels": "I,a%2Cb"}, "channels")
    ['I', 'a,b']
    """
    return [unquote(part) for part in values.get(name, "").split(",") if part]
