"""Kinds of WFDB headers: those of a corpus differ in few characters, so one is parsed for many.

Headers of one kind differ in the record's name, its first line, initial values, checksums and
comments only. What is not of a known kind is for `physioprep.readers.wfdb_header.parse_header`.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers.wfdb_formats import INVALID, PACKING, STREAMED
from physioprep.readers.wfdb_header import RecordHeader, SignalLine, parse_record_line

#: Kinds that are remembered: headers of another one are parsed as before.
_MOST: Final = 8
#: Signals of a header, of which a pattern is made.
_MOST_SIGNALS: Final = 64
#: File; format to ADC zero; initial value; checksum; block size and description.
_LINE: Final = re.compile(
    r"(\S+)((?:[ \t]+\S+){4}[ \t]+)(-?\d{1,18})([ \t]+)(-?\d{1,18})([ \t]+\S+[ \t]+\S[^\n]*)",
    re.ASCII,
)


class Plain(NamedTuple):
    """Signals of one rate and format in one file, without skew: what most records have.

    Attributes
    ----------
    format : int
        Storage format, one of `physioprep.readers.wfdb_formats.STREAMED`.
    byte_offset : int
        Bytes before the first sample.
    channels, units : tuple of str
    gain, baseline, invalid : ndarray of float64, shape (channel,)
        As in `physioprep.recording.GroupHeader`; not to be changed.
    """

    format: int
    byte_offset: int
    channels: tuple[str, ...]
    units: tuple[str, ...]
    gain: NDArray[np.float64]
    baseline: NDArray[np.float64]
    invalid: NDArray[np.float64]


class Kind(NamedTuple):
    """What the headers of one kind have in common.

    Attributes
    ----------
    body : re.Pattern
        Of the signal lines. Its groups are the file, then initial value and checksum of each.
    suffix : str
        What follows the record's name in that of the signal file.
    fields : tuple of (tuple, tuple)
        Of each signal, the fields before the initial value but the file, and those after the
        checksum.
    plain : Plain or None
        None where the samples need more than one step.
    """

    body: re.Pattern[str]
    suffix: str
    fields: tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...]
    plain: Plain | None


class Twin(NamedTuple):
    """A header of a known kind.

    Attributes
    ----------
    kind : Kind
    head : RecordHeader
        Its first line; without name, signals and comments.
    numbers : tuple of int
        Initial value and checksum of each signal in turn.
    comments : tuple of str
    """

    kind: Kind
    head: RecordHeader
    numbers: tuple[int, ...]
    comments: tuple[str, ...]


_kinds: Final[list[Kind]] = []  # the last used first; always replaced as a whole
_seen: Final[dict[tuple[Any, ...], bool]] = {}  # and whether a pattern was made of it


def recognise(text: str, record: str) -> Twin | None:
    """Parse a header that is of a known kind.

    Parameters
    ----------
    text : str
        Of the header.
    record : str
        Name of its file without the ending.

    Returns
    -------
    Twin or None
        None where the whole grammar is needed.
    """
    size = len(record)
    if not text.startswith(record) or text[size : size + 1] not in (" ", "\t") or "\0" in text:
        return None
    end = text.find("\n")
    if record.split() != [record] or record[0] == "#" or end < 0:
        return None
    head = _head(text[size:end])
    if head is None:
        return None
    kinds = _kinds[:]
    for place, kind in enumerate(kinds):
        match = kind.body.match(text, end + 1)
        if match is None or len(kind.fields) != head.n_signals:
            continue
        file, *numbers = match.groups()
        comments = _comments(text[match.end() :])
        if comments is None or file != record + kind.suffix:
            continue
        if place:
            _kinds[:] = [kind, *kinds[:place], *kinds[place + 1 :]]
        return Twin(kind, head, (*map(int, numbers),), comments)
    return None


def header_of(twin: Twin, record: str) -> RecordHeader:
    """Return what `parse_header` returns for a header of a known kind.

    Parameters
    ----------
    twin : Twin
    record : str
        Name of its file without the ending.

    Returns
    -------
    RecordHeader
    """
    make, file, numbers = (
        partial(tuple.__new__, SignalLine),
        record + twin.kind.suffix,
        twin.numbers,
    )
    signals = tuple(
        [
            make((file, *before, first, total, *after))
            for (before, after), first, total in zip(
                twin.kind.fields, numbers[::2], numbers[1::2], strict=True
            )
        ]
    )
    return RecordHeader._make((record, *twin.head[1:4], signals, (), twin.comments, *twin.head[7:]))


def learn(text: str, record: str, parsed: RecordHeader) -> None:
    """Remember the kind of a header, if it is the second one of it.

    Parameters
    ----------
    text : str
        Of the header.
    record : str
        Name of its file without the ending.
    parsed : RecordHeader
        From `parse_header`.
    """
    if not 0 < len(parsed.signals) <= _MOST_SIGNALS:
        return
    # Most headers may differ in more, such as gains: to compile a pattern takes a millisecond.
    key = tuple([signal[1:11] + signal[13:] for signal in parsed.signals])
    tried = _seen.get(key)
    if tried is None and len(_seen) >= 8 * _MOST:
        _seen.clear()
    _seen[key] = tried is not None
    if tried is not False:
        return
    kind = _kind(text, record, parsed)
    if kind is None:
        return
    before = _kinds[:]
    _kinds[:] = [kind, *before[: _MOST - 1]]
    twin = recognise(text, record)
    if twin is None or header_of(twin, record) != parsed:
        _kinds[:] = before


def _kind(text: str, record: str, parsed: RecordHeader) -> Kind | None:
    file = parsed.signals[0].file
    if not file.startswith(record) or any(line.file != file for line in parsed.signals):
        return None
    body = text.partition("\n")[2].split("\n")[: len(parsed.signals)]
    parts = []
    for number, line in enumerate(body):
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        _, before, _, between, _, after = (re.escape(part) for part in match.groups())
        name = r"\1" if number else r"(\S+)"
        parts.append(rf"{name}{before}(-?\d{{1,18}}){between}(-?\d{{1,18}}){after}")
    pattern = re.compile("\n".join(parts) + r"(?:\n|\Z)", re.ASCII)
    fields = tuple([(tuple(line[1:11]), tuple(line[13:])) for line in parsed.signals])
    return Kind(pattern, file[len(record) :], fields, _plain(parsed.signals))


def _plain(signals: tuple[SignalLine, ...]) -> Plain | None:
    first = signals[0]
    if first.format not in STREAMED or first.format not in PACKING or first.file == "~":
        return None
    for line in signals:
        if line[1:5] != (first.format, 1, 0, first.byte_offset):
            return None
    sentinel = float(INVALID.get(first.format, math.nan))
    arrays = [[line.gain for line in signals], [line.baseline for line in signals]]
    gain, baseline, invalid = (np.array(a) for a in (*arrays, [sentinel] * len(signals)))
    return Plain(
        first.format,
        first.byte_offset,
        tuple([line.description for line in signals]),
        tuple([line.units for line in signals]),
        gain,
        baseline,
        invalid,
    )


@lru_cache(maxsize=512)
def _head(rest: str) -> RecordHeader | None:
    """Parse a first line without the record's name; None where it is not of the usual kind."""
    rest = rest.rstrip("\r")
    try:
        head, n_segments = parse_record_line(f"x{rest}", Path("x.hea"))
    except UnreadableFileError:
        return None
    return None if n_segments or "\r" in rest else head


def _comments(tail: str) -> tuple[str, ...] | None:
    """Return the comments that follow the signals; None where anything else does."""
    if not tail:
        return ()
    comments = []
    for line in tail.replace("\r", "\n").split("\n"):
        line = line.strip()
        if line[:1] == "#":
            comments.append(line.lstrip("#").strip())
        elif line:
            return None
    return tuple(comments)
