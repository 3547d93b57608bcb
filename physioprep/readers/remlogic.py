r"""Read RemLogic's event export, a text with clock times; the CAP Sleep Database is scored in it.

After some lines on the night comes a table by tabs, of which ``Position`` and ``Location`` may be
absent, and whose times may be ``22.09.33``::

    Sleep Stage	Position	Time [hh:mm:ss]	Event	Duration[s]	Location
    W	Unknown Position	22:09:33	SLEEP-S0	30	ROC-LOC
    S2	Unknown Position	23:59:58	MCAP-A1	4	EEG-C4-A1
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from physioprep.readers.label_rows import LabelRow, check_number, seconds

#: Stage by event; 4 is the stage 4 of Rechtschaffen and Kales, part of N3.
STAGES: Final = {
    "SLEEP-S0": "W", "SLEEP-S1": "N1", "SLEEP-S2": "N2", "SLEEP-S3": "N3", "SLEEP-S4": "N3",
    "SLEEP-REM": "REM", "SLEEP-MT": "movement", "SLEEP-UNSCORED": "unscored",
}  # fmt: skip
_TITLE: Final = "RemLogic Event Export"
_TIME: Final = "time[hh:mm:ss]"
_HEADER: Final = re.compile(rb"(^|[\t\r\n])Time ?\[hh:mm:ss\]\t+Event\t+Duration ?\[s\]")
_CLOCK: Final = re.compile(r"(?:\d{4}-\d\d-\d\dT)?\d{1,2}([:.])[0-5]\d\1[0-5]\d(\.\d+)?")
_DAY: Final = 86_400.0
_SHOWN: Final = 60  # characters of a bad line that an error shows


def is_remlogic(head: bytes) -> bool:
    r"""Return whether a file begins as RemLogic's event exports do.

    Parameters
    ----------
    head : bytes
        Its first bytes.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_remlogic(b"RemLogic Event Export\r\nPatient:\tN 1\r\n"), is_remlogic(b"0\n0\n5\n")
    (True, False)
    """
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(_TITLE.encode()) or _HEADER.search(head) is not None


def parse_remlogic(
    content: bytes,
    start: datetime | None,
    duration_s: float,
    names: Mapping[str, str] | None = None,
) -> dict[str, list[LabelRow]]:
    r"""Return the stages and the other events of a scored night.

    Parameters
    ----------
    content : bytes
        The file: UTF-8, else Latin-1.
    start : datetime or None
        Of the recording: times count from its time of day. The first is taken to be within half a
        day of it, each further one within half a day of the one before.
    duration_s : float
        Of the recording: a night of which nothing lies within it is not of this recording.
    names : mapping of str to str, optional
        The file's event to a name; others have those of `STAGES`, or keep their own.

    Returns
    -------
    dict of str to list of LabelRow
        ``"remlogic-stages"`` and ``"remlogic-events"``. Of stages, ``code`` is the file's event
        (``SLEEP-S4``), of others the location.

    Raises
    ------
    ValueError
        It is no such table, a row is damaged, or the recording states no time or another one.

    Examples
    --------
    >>> text = b"Time [hh:mm:ss]\tEvent\tDuration[s]\n00:00:05\tSLEEP-S2\t30\n"
    >>> parse_remlogic(text, datetime(2001, 1, 1, 23, 59, 45), 60.0)["remlogic-stages"]
    [LabelRow(onset=20.0, duration=30.0, text='N2', code='SLEEP-S2', channel=-1)]
    """
    if start is None:
        raise ValueError("its times are those of a clock, and the recording states no start time")
    lines = [line for line in _text(content).splitlines() if line.strip()]
    place, columns = _header(lines)
    begin = start.hour * 3600 + start.minute * 60 + start.second + start.microsecond / 1e6
    before = begin
    found: dict[str, list[LabelRow]] = {"remlogic-stages": [], "remlogic-events": []}
    for line in lines[place + 1 :]:
        clock, code, lasts, location = _cells(line, columns)
        before += (clock - before + _DAY / 2) % _DAY - _DAY / 2
        is_stage = code.startswith("SLEEP-")
        text = (names or {}).get(code, STAGES.get(code, code))
        row = LabelRow(round(before - begin, 6), lasts, text, code if is_stage else location)
        rows = found["remlogic-stages" if is_stage else "remlogic-events"]
        rows.append(row)
        check_number(rows)
    rows = [row for each in found.values() for row in each]
    inside = (row.onset < duration_s and row.onset + row.duration >= 0 for row in rows)
    if rows and not any(inside):
        cause = "none of its times lies within the recording"
        raise ValueError(f"{cause}, which is of {duration_s:.0f} s from {start:%H:%M:%S} on")
    return found


def _cells(line: str, columns: Mapping[str, int]) -> tuple[float, str, float, str]:
    """Return time of day, event, duration and location of a row."""
    cells = [cell.strip() for cell in line.split("\t")]
    # found by the clock, since a row may have a position that the header lacks
    clocks = [number for number, cell in enumerate(cells) if _CLOCK.fullmatch(cell)]
    after = dict(enumerate(cells[clocks[0] :])) if len(clocks) == 1 else {}
    code, said = after.get(columns["event"], ""), after.get(columns["duration[s]"], "")
    if not code or not said:
        raise ValueError(f"no time, event and duration: {line[:_SHOWN]!r}")
    lasts = seconds(said, line)
    if lasts < 0:
        raise ValueError(f"a duration below 0: {line[:_SHOWN]!r}")
    location = after.get(columns["location"], "") if "location" in columns else ""
    return _clock(after[0], line), code, lasts, location


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # names of patients
        return content.decode("latin-1")


def _header(lines: list[str]) -> tuple[int, dict[str, int]]:
    """Return the number of the line that names the columns, and their places from the time's."""
    for number, line in enumerate(lines):
        names = [cell.replace(" ", "").lower() for cell in line.split("\t")]
        if {_TIME, "event", "duration[s]"} <= set(names):
            time = names.index(_TIME)
            return number, {name: place - time for place, name in enumerate(names)}
    raise ValueError("no table with the columns Time [hh:mm:ss], Event and Duration[s]")


def _clock(cell: str, line: str) -> float:
    hour, minute, second = re.split(r"[:.]", cell.rpartition("T")[2], maxsplit=2)
    if int(hour) > 23:
        raise ValueError(f"{cell!r} is no time of day: {line[:_SHOWN]!r}")
    return int(hour) * 3600 + int(minute) * 60 + float(second)
