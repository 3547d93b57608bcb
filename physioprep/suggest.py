"""The nearest known name, for messages about an unknown one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name.

    Parameters
    ----------
    name : str
        As it was given.
    known : iterable of str
        Names that exist.

    Returns
    -------
    str
        ``; did you mean 'NAME'?``, or "" where no known name is near.

    Examples
    --------
    >>> did_you_mean("lead_swap", ["flat-lead", "lead-swap"])
    "; did you mean 'lead-swap'?"
    >>> did_you_mean("x", ["flat-lead"])
    ''
    """
    by_folded = {each.casefold(): each for each in known}
    near = get_close_matches(name.casefold(), list(by_folded), 1)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""
