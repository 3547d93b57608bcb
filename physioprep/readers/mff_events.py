"""Epochs, events and categories of EGI's MFF, in seconds from the time of the recording."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep import limits
from physioprep.documents import load_xml
from physioprep.errors import UnreadableFileError
from physioprep.readers.regular import read_bytes
from physioprep.readers.xml_tree import count_of, load, number_of, text_of
from physioprep.trees import files_below
from physioprep.xml_pieces import Texts

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
#: Numbers of an experiment that come with an event: of the cell, observation, trial, response.
_KEYS: Final = frozenset({"cel#", "obs#", "trl#", "rsp#", "pos#", "con#", "eval", "rtim", "gidx"})
#: Bytes of an XML file of which characters that no XML may hold are left out.
_MOST_MENDED: Final = 8 << 20
#: In UTF-8: control characters, U+FFFE and U+FFFF.
_NO_XML: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Epoch:
    """A stretch without a gap.

    Parameters
    ----------
    begin_s, end_s : float
    first, last : int
        Numbers of its blocks, from 1.
    """

    begin_s: float
    end_s: float
    first: int
    last: int


@dataclass(frozen=True)
class Event:
    """An event, or a segment of a category.

    Parameters
    ----------
    onset_s, duration_s : float
    text, code : str
    track : str
        ``"mff"`` or ``"mff category"``.
    channel : int
        Number within all channels; -1 for all.
    keys : dict
        Numbers of the experiment.
    averaged : bool
        Whether it is a mean of segments.
    """

    onset_s: float
    duration_s: float
    text: str
    code: str
    track: str = "mff"
    channel: int = -1
    keys: dict[str, float] | None = None
    averaged: bool = False


def load_part(path: Path) -> Element:
    """Return the root of an XML file of an MFF; characters that no XML may hold are left out.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Element

    Raises
    ------
    UnreadableFileError
        It is no XML all the same.
    """
    try:
        return load(path, Texts(most=limits.MAX_TEXT_BYTES))
    except UnreadableFileError:  # EGI writes what users type, which may end in U+FFFF
        if path.stat().st_size > _MOST_MENDED:
            raise
        raw = read_bytes(path, _MOST_MENDED).tobytes()
        clean = _NO_XML.sub(b"", raw)
        if clean == raw:
            raise
        return load_xml(clean, lambda cause: UnreadableFileError(path, cause))


def moment_of(text: str) -> tuple[int, int, str] | None:
    """Return a time with nanoseconds.

    Parameters
    ----------
    text : str

    Returns
    -------
    nanoseconds : int
        Since 1970, in UTC; local time where no offset is stated.
    digits : int
        Of the fraction of a second.
    offset : str
        From UTC, ``""`` where none is stated.
        Instead of all three, None if the text is no time.

    Examples
    --------
    >>> moment_of("1970-01-01T01:00:00.000000001+01:00")
    (1, 9, '+01:00')
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    *date, fraction, zone = found.groups()
    stated = "+00:00" if zone == "Z" else zone or ""
    try:
        moment = datetime.fromisoformat("{}-{}-{}T{}:{}:{}".format(*date) + (stated or "+00:00"))
    except ValueError:
        return None
    apart = moment - _EPOCH
    seconds = apart.days * 86_400 + apart.seconds
    return seconds * 10**9 + int((fraction or "").ljust(9, "0")), len(fraction or ""), stated


def read_epochs(folder: Path, per_second: int) -> list[Epoch]:
    """Read ``epochs.xml``.

    Parameters
    ----------
    folder : Path
    per_second : int
        Its units of time in a second.

    Returns
    -------
    list of Epoch
        In the order of their blocks; empty where there is no such file.

    Raises
    ------
    UnreadableFileError
        It is damaged.
    """
    path = folder / "epochs.xml"
    if not path.is_file():
        return []
    found = []
    for each in load_part(path).iter("epoch"):
        said = [
            count_of(path, each, n) for n in ("beginTime", "endTime", "firstBlock", "lastBlock")
        ]
        begin, end, first, last = (-1 if number is None else number for number in said)
        if not 0 <= begin <= end or not 1 <= first <= last:
            raise UnreadableFileError(path, "an epoch without its times or blocks")
        found.append(Epoch(begin / per_second, end / per_second, first, last))
    found.sort(key=lambda epoch: epoch.first)
    if any(later.first <= sooner.last for sooner, later in pairwise(found)):
        raise UnreadableFileError(path, "epochs that have blocks in common")
    return found


def read_events(folder: Path, zero: int, per_second: int, notes: list[str]) -> list[Event]:
    """Read the events of all tracks.

    Parameters
    ----------
    folder : Path
    zero : int
        Time of the recording, ns.
    per_second : int
        Units of time in a second.
    notes : list of str
        What is left out is added.

    Returns
    -------
    list of Event

    Raises
    ------
    UnreadableFileError
        A track is damaged, or there are too many events.
    """
    found: list[Event] = []
    n_lost = 0
    for path in sorted(files_below(folder)):
        if path.parent != folder or not path.name.startswith("Events"):
            continue
        if path.suffix.lower() != ".xml":
            continue
        root = load_part(path)
        for each in root.iter("event"):
            event = _event(each, zero, per_second)
            n_lost += event is None
            found += [event] if event is not None else []
        limits.check(path, len(found), limits.MAX_ANNOTATIONS, "annotations")
    if n_lost:
        notes.append(f"{n_lost} events without a time are left out")
    return found


def _event(each: Element, zero: int, per_second: int) -> Event | None:
    moment = moment_of(text_of(each, "beginTime"))
    if moment is None:
        return None
    duration = number_of(text_of(each, "duration"))
    code, label = text_of(each, "code"), text_of(each, "label")
    keys = {}
    for key in each.iterfind("keys/key"):
        number = number_of(text_of(key, "data"))
        if number is not None and text_of(key, "keyCode") in _KEYS:
            keys[text_of(key, "keyCode")] = float(number)
    return Event(
        (moment[0] - zero) / 1e9,
        float("nan") if duration is None else duration / per_second,
        label or code,
        code,
        keys=keys or None,
    )


def read_categories(folder: Path, per_second: int, n_of_file: dict[int, int]) -> list[Event]:
    """Read ``categories.xml``: to which category each segment belongs.

    Parameters
    ----------
    folder : Path
    per_second : int
        Units of time in a second.
    n_of_file : dict of int to int
        Number of the first channel of each signal file, and of none after the last.

    Returns
    -------
    list of Event
        A segment each, its ``code`` the status (``"good"``, ``"bad"``), and one for each channel
        that is marked as bad in it.

    Raises
    ------
    UnreadableFileError
        It is damaged.
    """
    path = folder / "categories.xml"
    if not path.is_file():
        return []
    found: list[Event] = []
    for category in load_part(path).iter("cat"):
        name = text_of(category, "name")
        for each in category.iterfind("segments/seg"):
            begin, end = (count_of(path, each, tag) for tag in ("beginTime", "endTime"))
            if begin is None or end is None or begin > end:
                raise UnreadableFileError(path, "a segment without its times")
            at, lasts = begin / per_second, (end - begin) / per_second
            averaged = text_of(each, "name") == "Average"
            status = each.get("status", "")
            found.append(Event(at, lasts, name, status, "mff category", averaged=averaged))
            for marked in each.iterfind("channelStatus/channels"):
                first = n_of_file.get(_count(marked.get("signalBin", "")), -1)
                kind = marked.get("exclusion", "")
                if first < 0 or kind != "badChannels":
                    continue
                for word in text_of(marked).split():
                    channel = first + _count(word) - 1
                    found.append(Event(at, lasts, kind, "bad", "mff category", channel))
            limits.check(path, len(found), limits.MAX_ANNOTATIONS, "annotations")
    return found


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def columns_of(events: list[Event]) -> dict[str, Any]:
    """Return events as columns of annotations, in order of onset.

    Parameters
    ----------
    events : list of Event

    Returns
    -------
    dict of str to ndarray
    """
    import numpy as np

    from physioprep.recording import annotation_columns

    events = sorted(events, key=lambda event: event.onset_s)
    columns = annotation_columns(
        [each.onset_s for each in events],
        [each.duration_s for each in events],
        [each.text for each in events],
        "mff",
        [each.channel for each in events],
    )
    columns["code"] = np.array([each.code for each in events], object)
    columns["source"] = np.array([each.track for each in events], object)
    for name, key in (("subtype", "cel#"), ("num", "obs#")):
        values = [(each.keys or {}).get(key, 0.0) for each in events]
        columns[name] = np.array([v if abs(v) < 2**31 else 0 for v in values], np.int64)
    return columns
