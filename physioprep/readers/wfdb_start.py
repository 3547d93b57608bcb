"""The time and date at which a WFDB record starts, as the first line of its header says."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from functools import lru_cache

# ASCII: int also takes the digits of other scripts.
_TIME = re.compile(r"(?:(?:(\d{1,2}):)?(\d{1,2}):)?(\d{1,2})(?:\.(\d{1,9}))?", re.ASCII)
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_WORDY_DATE = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})", re.ASCII)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"


@lru_cache(maxsize=512)
def start_of(fields: tuple[str, ...]) -> tuple[str, str, datetime | None, str]:
    """Read base time and date; some Challenge headers have them in reverse order.

    Parameters
    ----------
    fields : tuple of str
        The last ones of a header's first line: none, the time, or the time and the date.

    Returns
    -------
    base_time, base_date : str
        As written; ``""`` where missing.
    start : datetime or None
        None unless both are stated.
    note : str
        What is unusual about them, or ``""``.
    """
    if not fields:
        return "", "", None, ""
    note = ""
    if len(fields) == 2 and _TIME.fullmatch(fields[1]) and not _TIME.fullmatch(fields[0]):
        fields, note = fields[::-1], "start date stands before start time"
    clock = _clock(fields[0])
    day = _day(fields[1]) if len(fields) > 1 else None
    if clock is None or (len(fields) > 1 and day is None):
        note = f"unreadable start time {' '.join(fields)!r}"
    start = datetime.combine(day, clock) if day and clock is not None else None
    return fields[0], fields[1] if len(fields) > 1 else "", start, note


def _clock(text: str) -> time | None:
    match = _TIME.fullmatch(text)
    if not match:
        return None
    hour, minute, second, fraction = match.groups("0")
    try:
        return time(int(hour), int(minute), int(second), int(f"{fraction:0<6}"[:6]))
    except ValueError:
        return None


def _day(text: str) -> date | None:
    try:
        if match := _DATE.fullmatch(text):
            return date(int(match[3]), int(match[2]), int(match[1]))
        if match := _WORDY_DATE.fullmatch(text):
            return date(int(match[3]), _MONTHS.index(match[2].lower()) // 4 + 1, int(match[1]))
    except ValueError:
        pass
    return None
