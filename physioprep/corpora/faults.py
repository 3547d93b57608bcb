"""Known faults of a recording, as far as its name and header show them."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from physioprep.facts import Facts

if TYPE_CHECKING:
    from physioprep.recording import Header

#: Characters of a name or unit that the facts' expressions are tried on: no true one is longer,
#: and some expressions take time by the square of the length.
LONGEST_NAME: Final = 256


def faults_by_record(facts: Facts) -> Callable[[str], list[str]]:
    """Return a function from record id to known faults.

    Parameters
    ----------
    facts : Facts
        Of the corpus.

    Returns
    -------
    callable
        ``f(record_id)``: ids of the faults whose list of records names it.

    Examples
    --------
    >>> from physioprep.facts import load_facts
    >>> faults_by_record(load_facts("mitdb"))("114")
    ['leads-in-other-order']
    """
    exact: dict[str, list[str]] = {}
    wild: list[tuple[str, str]] = []
    for fault in facts.faults:
        for name in fault.records:
            if "*" in name:
                wild.append((name, fault.id))
            else:
                exact.setdefault(name, []).append(fault.id)

    def lookup(record_id: str) -> list[str]:
        found = list(exact.get(record_id, ()))
        for match, fault_id in wild:
            if fault_id not in found and fnmatchcase(record_id, match):
                found.append(fault_id)
        return found

    return lookup


def faults_by_signal(facts: Facts) -> Callable[[Header], list[str]]:
    """Return a function from header to known faults.

    Parameters
    ----------
    facts : Facts
        Of the corpus.

    Returns
    -------
    callable
        ``f(header)``: ids of the faults that the name or the unit of a channel shows.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from physioprep.facts import load_facts
    >>> from physioprep.recording import GroupHeader, Header
    >>> one = np.ones(1)
    >>> group = GroupHeader(("PLETH",), ("NU",), 250.0, 75_000, one, 0 * one, np.nan * one)
    >>> header = Header(Path("a103l.hea"), "wfdb", (group,), (Path("a103l.hea"),))
    >>> faults_by_signal(load_facts("cinc2015"))(header)
    ['not-in-mv']
    """
    known = [
        (fault.id, re.compile(fault.signal.get("name", ".*")), fault.signal.get("unit", ".*"))
        for fault in facts.faults
        if fault.signal
    ]

    def found(header: Header) -> list[str]:
        if not known:
            return []
        channels = [
            (channel, unit)
            for group in header.groups
            for channel, unit in zip(group.channels, group.units, strict=True)
            if len(channel) <= LONGEST_NAME and len(unit) <= LONGEST_NAME
        ]
        return [
            fault_id
            for fault_id, name, unit in known
            if any(name.fullmatch(c.strip()) and re.fullmatch(unit, u) for c, u in channels)
        ]

    return found
