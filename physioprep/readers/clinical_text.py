"""Which texts of a clinical file are handed on: statements of the device, and plain facts.

What people write into such a file names people. So only lines of the interpretation that name
nobody are handed on, and facts that look like a version or a model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

_WORD: Final = re.compile(r"[^\W\d_]{3,}")
#: Who looked at it: a name follows.
_SIGNED: Final = re.compile(
    r"\b(?:(?:un)?confirmed|referred|reviewed|over-?\s?read|interpreted|edited|verified|ordered"
    r"|signed|requested|acquired|performed|technician|physician)\b.{0,20}(?:\bby\b|:)"
    r"|\b(?:technician|physician|dr|prof)\b\s*[.:]|\bm\.?d\.?\s*$",
    re.IGNORECASE,
)
#: A model or version: few characters, a digit, no long number, which could be a serial number.
_FACT: Final = re.compile(r"(?=.*\d)(?!.*\d{6})[\w .,+/()-]{1,40}", re.ASCII)


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Return the words of three letters or more in fields that name people.

    Parameters
    ----------
    texts : iterable of str

    Returns
    -------
    frozenset of str
        In lower case.

    Examples
    --------
    >>> sorted(words_of(["van Dyke, J.", ""]))
    ['dyke', 'van']
    """
    return frozenset(word.casefold() for text in texts for word in _WORD.findall(text))


def names_nobody(line: str, names: frozenset[str]) -> bool:
    """Return whether a line of an interpretation can be handed on.

    Parameters
    ----------
    line : str
    names : frozenset of str
        As `words_of` gives them.

    Returns
    -------
    bool

    Examples
    --------
    >>> names_nobody("Sinus rhythm", frozenset({"smith"}))
    True
    >>> names_nobody("Confirmed by X", frozenset()), names_nobody("see SMITH", frozenset({"smith"}))
    (False, False)
    """
    return not _SIGNED.search(line) and not names & words_of([line])


def statements_of(
    lines: Sequence[Sequence[dict[str, Any]]], names: frozenset[str]
) -> tuple[list[dict[str, Any]], int]:
    """Return the statements of an interpretation that name nobody.

    Parameters
    ----------
    lines : sequence of sequence of dict
        The statements of each line, with ``"text"``.
    names : frozenset of str
        As `words_of` gives them.

    Returns
    -------
    statements : list of dict
    n_left_out : int
        How many lines name somebody.
    """
    kept = [line for line in lines if names_nobody(" ".join(each["text"] for each in line), names)]
    return [each for line in kept for each in line], len(lines) - len(kept)


def facts_of(texts: dict[str, str], names: frozenset[str]) -> dict[str, str]:
    """Return those of some facts that are models or versions, and name nobody.

    Parameters
    ----------
    texts : dict of str to str
    names : frozenset of str
        As `words_of` gives them.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> facts_of({"device": "MAC55", "software": "by Smith", "serial": "20231107"}, frozenset())
    {'device': 'MAC55'}
    """
    return {
        name: text
        for name, text in texts.items()
        if _FACT.fullmatch(text) and not names & words_of([text])
    }
