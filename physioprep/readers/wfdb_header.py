"""Parse WFDB header files: text in, plain values out, no samples and no pandas.

The grammar is that of header(5) of the WFDB Applications Guide
(https://physionet.org/physiotools/wag/header-5.htm). Departures of real files whose meaning
is clear are read and noted; anything else is an error.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.wfdb_start import start_of

DEFAULT_RATE_HZ = 250.0
DEFAULT_GAIN = 200.0
_LEAST_GAIN = 1e-300  # below, physical values of digital ones are infinite


class SignalLine(NamedTuple):
    """One signal of a WFDB header; missing fields have the defaults of header(5).

    Attributes
    ----------
    file : str
        Name of the signal file, relative to the header; ``"~"`` for none.
    format : int
        Storage format: 16, 212, ...; 0 for none.
    samples_per_frame, skew, byte_offset : int
        Skew in frames, offset in bytes (samples for FLAC formats).
    gain, baseline : float
        ``physical = (digital - baseline) / gain``.
    calibrated : bool
        False where the header states no gain (0 or missing); then 200 is assumed.
    units : str
        As written; ``"mV"`` where missing.
    adc_resolution, adc_zero : int
        0 where missing.
    initial_value, checksum : int or None
        None where missing.
    block_size : int
        0 where missing.
    description : str
        The signal's name; ``"signal 3"`` where missing.
    """

    file: str
    format: int
    samples_per_frame: int
    skew: int
    byte_offset: int
    gain: float
    baseline: float
    calibrated: bool
    units: str
    adc_resolution: int
    adc_zero: int
    initial_value: int | None
    checksum: int | None
    block_size: int
    description: str


class RecordHeader(NamedTuple):
    """A parsed WFDB header file.

    Attributes
    ----------
    name : str
        Record name as written.
    frame_rate : float
        Frames per second, Hz.
    n_frames : int
        0 where the header states none.
    n_signals : int
        As stated; for a multi-segment record the signals are in the segments' headers.
    signals : tuple of SignalLine
    segments : tuple of (str, int)
        Name and length in frames of each segment; empty for a single-segment record.
    comments : tuple of str
        Without ``#`` and surrounding blanks.
    start_time : datetime or None
        None unless both time and date are stated.
    base_time, base_date, counter : str
        As written; ``""`` where missing.
    notes : tuple of str
        Departures from the standard that were read anyway.
    """

    name: str
    frame_rate: float
    n_frames: int
    n_signals: int
    signals: tuple[SignalLine, ...]
    segments: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]
    start_time: datetime | None
    base_time: str
    base_date: str
    counter: str
    notes: tuple[str, ...]


# ASCII: int and float also take the digits of other scripts.
_FORMAT = re.compile(r"(\d{1,4})(?:x(\d{1,9}))?(?::(\d{1,9}))?(?:\+(\d{1,15}))?", re.ASCII)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_GAIN = re.compile(rf"({_NUMBER})(?:\(({_NUMBER})\))?(?:/(\S+))?", re.ASCII)
_RATE = re.compile(rf"({_NUMBER})(?:/({_NUMBER}(?:\({_NUMBER}\))?))?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def parse_header(text: str, path: Path) -> RecordHeader:
    r"""Parse the text of a WFDB header file.

    Parameters
    ----------
    text : str
        The file's content; LF or CRLF.
    path : Path
        Named in errors.

    Returns
    -------
    RecordHeader

    Raises
    ------
    UnreadableFileError
        The text is not a WFDB header.

    Examples
    --------
    >>> header = parse_header("100 1 360 650000\n100.dat 212 200 11 1024 995 -22131 0 MLII\n",
    ...                       Path("100.hea"))
    >>> header.frame_rate, header.signals[0].baseline, header.signals[0].units
    (360.0, 1024.0, 'mV')
    """
    lines: list[str] = []
    comments: list[str] = []
    text = text.rstrip("\0")
    if "\0" in text:
        raise UnreadableFileError(path, "NUL characters within a WFDB header")
    for line in text.replace("\r", "\n").split("\n"):
        line = line.strip()
        if line[:1] == "#":
            comments.append(line.lstrip("#").strip())
        elif line:
            lines.append(line)
    if not lines:
        raise UnreadableFileError(path, "an empty WFDB header")
    record, n_segments = parse_record_line(lines[0], path)
    body, expected = lines[1:], n_segments or record.n_signals
    if len(body) != expected:
        what = "segments" if n_segments else "signals"
        raise UnreadableFileError(
            path, f"its first line says {expected} {what}, {len(body)} are described"
        )
    if n_segments:
        segments = tuple(_segment_line(line, path) for line in body)
        return record._replace(segments=segments, comments=tuple(comments))
    signals = _full_lines(body, path)
    if signals is None:
        signals = tuple([_signal_line(line, number, path) for number, line in enumerate(body)])
    described = (*record[:4], signals, (), tuple(comments), *record[7:])
    return RecordHeader._make(described)  # _replace takes three times as long


def parse_record_line(line: str, path: Path) -> tuple[RecordHeader, int]:
    """Parse the first line of a header.

    Parameters
    ----------
    line : str
    path : Path
        Named in errors; its name is compared with that of the record.

    Returns
    -------
    record : RecordHeader
        The header so far.
    n_segments : int
        0 for a single-segment record.

    Raises
    ------
    UnreadableFileError
        It is none.
    """
    fields = line.split()
    name, _, n_segments_text = fields[0].partition("/")
    notes = []
    if name != path.name.removesuffix(".hea"):
        notes.append(f"record name {name!r} differs from the file's")
    if len(fields) < 2 or len(fields) > 6:
        raise UnreadableFileError(path, f"not a WFDB record line: {line[:80]!r}")
    n_segments = _count(n_segments_text, "number of segments", path) if n_segments_text else 0
    if "/" in fields[0] and not n_segments:
        raise UnreadableFileError(path, "a multi-segment record without segments")
    n_signals = _count(fields[1], "number of signals", path)
    limits.check(path, n_signals, limits.MAX_CHANNELS, "signals")
    limits.check(path, n_segments, limits.MAX_SEGMENTS, "segments")
    rate, counter = DEFAULT_RATE_HZ, ""
    if len(fields) > 2:
        rate, counter = _rate(fields[2])
        if not 0 < rate < 1e9:
            raise UnreadableFileError(path, f"bad sampling rate {fields[2]!r}")
    else:
        notes.append(f"states no sampling rate: {rate:g} Hz, the default of the format")
    n_frames = _count(fields[3], "number of samples", path) if len(fields) > 3 else 0
    limits.check(path, n_frames, limits.MAX_SAMPLES, "samples per signal")
    base_time, base_date, start, note = start_of(tuple(fields[4:]))
    if note:
        notes.append(note)
    return (
        RecordHeader(
            name, rate, n_frames, n_signals, (), (), (), start, base_time, base_date, counter,
            tuple(notes),
        ),
        n_segments,
    )  # fmt: skip


@lru_cache(maxsize=512)
def _rate(text: str) -> tuple[float, str]:
    """Parse ``360/1000(0)`` into rate (NaN if it is none) and counter."""
    match = _RATE.fullmatch(text)
    return (float(match[1]), match[2] or "") if match else (math.nan, "")


def _full_lines(body: list[str], path: Path) -> tuple[SignalLine, ...] | None:
    """Parse signal lines with all nine fields; None if one is incomplete or malformed.

    Records of a corpus share all fields but file, initial value and checksum, so the others
    are parsed once and cached: a fifth of the time of `_signal_line`.
    """
    fields = [line.split(None, 8) for line in body]
    try:
        own = [number for f in fields for number in (f[5], f[6])]
        shared = _shared(tuple([(f[1], f[2], f[3], f[4], f[7], f[8]) for f in fields]))
        # int() refuses a "-" that is not the first character
        digits = "".join(own).replace("-", "")
        plain = digits.isdecimal() and digits.isascii() and len(max(own, key=len)) < 19
        initial, checksum = [*map(int, own[::2])], [*map(int, own[1::2])]
    except (IndexError, ValueError):
        return None
    if not plain:
        return None
    for name in {f[0] for f in fields}:
        _check_name(name, path)
    make = partial(tuple.__new__, SignalLine)
    return tuple(
        [
            make((f[0],) + before + (first, total) + after)  # noqa: RUF005 (half the time)
            for f, (before, after), first, total in zip(
                fields, shared, initial, checksum, strict=True
            )
        ]
    )


@lru_cache(maxsize=512)
def _shared(
    lines: tuple[tuple[str, ...], ...],
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Parse the fields of signal lines before the initial value and after the checksum."""
    parsed = []
    for form, gain, resolution, zero, block, description in lines:
        line = _signal(["~", form, gain, resolution, zero, "0", "0", block, description], 0)
        parsed.append((line[1:11], line[13:]))
    return parsed


def _signal_line(line: str, number: int, path: Path) -> SignalLine:
    fields = line.split(None, 8)
    try:
        signal = _signal(fields, number)
    except (IndexError, ValueError) as error:
        cause = error.args[0] if isinstance(error, ValueError) else "too few fields"
        raise UnreadableFileError(path, f"signal {number}: {cause} in {line[:80]!r}") from None
    if fields[0] != "~":
        _check_name(fields[0], path)
    return signal


def _signal(fields: list[str], number: int) -> SignalLine:
    storage = _storage(fields[1])
    gain, baseline, calibrated, units = _calibration(fields[2]) if len(fields) > 2 else _PLAIN
    resolution, zero, initial, checksum, block = _integers(*fields[3:8])
    return SignalLine(
        fields[0],
        *storage,
        gain,
        float(zero or 0) if baseline is None else baseline,
        calibrated,
        units,
        resolution or 0,
        zero or 0,
        initial,
        checksum,
        block or 0,
        fields[8] if len(fields) > 8 else f"signal {number}",
    )


_PLAIN: tuple[float, float | None, bool, str] = (DEFAULT_GAIN, None, False, "mV")


@lru_cache(maxsize=4096)
def _storage(text: str) -> tuple[int, int, int, int]:
    """Parse ``16x2:3+24`` into format, samples per frame, skew, byte offset."""
    match = _FORMAT.fullmatch(text)
    if not match:
        raise ValueError(f"bad format {text[:40]!r}")
    kind, per_frame, skew, offset = match.groups()
    if per_frame is not None and int(per_frame) == 0:
        per_frame = "1"  # as the WFDB library does
    return int(kind), int(per_frame or 1), int(skew or 0), int(offset or 0)


@lru_cache(maxsize=4096)
def _calibration(text: str) -> tuple[float, float | None, bool, str]:
    """Parse ``1000(0)/mV`` into gain, baseline (None: ADC zero), calibrated, units."""
    match = _GAIN.fullmatch(text)
    if not match:
        raise ValueError(f"bad gain {text[:40]!r}")
    gain, units = float(match[1]), match[3] or "mV"
    baseline = None if match[2] is None else float(match[2])
    if not math.isfinite(gain) or 0 < abs(gain) < _LEAST_GAIN or not math.isfinite(baseline or 0):
        raise ValueError(f"bad gain or baseline {text[:40]!r}")
    return gain or DEFAULT_GAIN, baseline, gain != 0, units


def _integers(*texts: str) -> tuple[int | None, ...]:
    """Parse ADC resolution, ADC zero, initial value, checksum, block size; None if missing."""
    for text in texts:
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"bad number {text[:40]!r}")
    return (*map(int, texts), *[None] * (5 - len(texts)))


def _segment_line(line: str, path: Path) -> tuple[str, int]:
    fields = line.split()
    if len(fields) != 2:
        raise UnreadableFileError(path, f"not a segment line: {line[:80]!r}")
    if fields[0] != "~":
        _check_name(fields[0], path)
    return fields[0], _count(fields[1], "segment length", path)


def _count(text: str, what: str, path: Path) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise UnreadableFileError(path, f"bad {what} {text[:40]!r}")
    return int(text)


def _check_name(name: str, path: Path) -> None:
    """Refuse names of files outside the header's folder."""
    if "/" not in name and "\\" not in name and name != "..":
        return
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts or "\\" in name:
        raise UnreadableFileError(path, f"names a file outside its folder: {name[:80]!r}")
