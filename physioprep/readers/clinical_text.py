"""Which texts of a clinical file are handed on: statements of the device, and plain facts.

What people write into such a file names people. So only lines of the interpretation that name
nobody are handed on, and facts that look like a version or a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from physioprep.readers.naming import Known, names_nobody

#: A model or version: few characters, a digit, no long number, which could be a serial number.
_FACT: Final = re.compile(r"(?=.*\d)(?!.*\d{6})[\w .,+/()-]{1,40}", re.ASCII)


def statements_of(
    lines: Sequence[Sequence[dict[str, Any]]], known: Known
) -> tuple[list[dict[str, Any]], int]:
    """Return the statements of an interpretation that name nobody.

    Parameters
    ----------
    lines : sequence of sequence of dict
        The statements of each line, with ``"text"`` and perhaps ``"code"``.
    known : Known
        What the file says of people.

    Returns
    -------
    statements : list of dict
    n_left_out : int
        How many lines name somebody.
    """
    kept = [
        line
        for line in lines
        if names_nobody(" ".join(each["text"] for each in line), known)
        and all(names_nobody(each.get("code", ""), known) for each in line)
    ]
    return [each for line in kept for each in line], len(lines) - len(kept)


def facts_of(texts: dict[str, str], known: Known) -> dict[str, str]:
    """Return those of some facts that are models or versions, and name nobody.

    Parameters
    ----------
    texts : dict of str to str
    known : Known
        What the file says of people.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> facts_of({"device": "MAC55", "software": "by Smith", "serial": "20231107"}, Known())
    {'device': 'MAC55'}
    """
    return {
        name: text
        for name, text in texts.items()
        if _FACT.fullmatch(text) and names_nobody(text, known)
    }
