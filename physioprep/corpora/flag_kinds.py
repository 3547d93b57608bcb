"""How many records have a flag, by its kind: what summaries say of flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from physioprep.facts import ACTIONS


def kind_of_flag(flag: str) -> str:
    """Return the kind of a flag: what is before its colon, of a known fault all of it.

    Parameters
    ----------
    flag : str

    Returns
    -------
    str

    Examples
    --------
    >>> kind_of_flag("saturated:I"), kind_of_flag("same-record-id"), kind_of_flag("fix:polarity")
    ('saturated', 'same-record-id', 'fix:polarity')
    """
    kind = flag.partition(":")[0]
    return flag if kind in ACTIONS else kind


def count_kinds(flags: Iterable[Sequence[str]]) -> dict[str, int]:
    """Count the records that have flags of a kind.

    Parameters
    ----------
    flags : iterable of sequence of str
        Of each record.

    Returns
    -------
    dict of str to int
        Most frequent first.

    Examples
    --------
    >>> count_kinds([["rate-differs:Cz 4 Hz (2)", "rate-differs:4 Hz (2 in JSON)"], ["cut-off"]])
    {'cut-off': 1, 'rate-differs': 1}
    """
    found: Counter[str] = Counter()
    for own in flags:
        found.update({kind_of_flag(flag) for flag in own})
    return ordered(found)


def ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts with the highest first, those alike by name.

    Parameters
    ----------
    counts : mapping of str to int

    Returns
    -------
    dict of str to int

    Examples
    --------
    >>> ordered({"b": 1, "a": 1, "c": 2})
    {'c': 2, 'a': 1, 'b': 1}
    """
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
