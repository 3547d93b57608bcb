"""Multi-segment WFDB records: several records in sequence, with gaps.

In the fixed layout all segments hold the same signals; in the variable layout a first segment
of length 0 lists all signals, and each segment holds some of them, with its own gains.
See header(5) of the WFDB Applications Guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.wfdb_formats import FORMATS, INVALID
from physioprep.readers.wfdb_header import RecordHeader, SignalLine
from physioprep.recording import GroupHeader, SignalGroup


@dataclass(frozen=True)
class Segment:
    """One segment with samples.

    Parameters
    ----------
    start : int
        Its first frame in the whole record.
    path : Path
        Of its header.
    record : RecordHeader
        Its header.
    """

    start: int
    path: Path
    record: RecordHeader


@dataclass(frozen=True)
class Layout:
    """The structure of a whole multi-segment record.

    Parameters
    ----------
    path : Path
        Of the master header.
    signals : tuple of SignalLine
        The record's signals, as the layout (variable) or the first segment (fixed) lists them.
    groups : tuple of GroupHeader
        One per sampling rate.
    as_float : bool
        True if the gain or baseline of a signal differs between segments: no single scale
        describes its integers, so the samples are returned in physical units.
    segments : tuple of Segment
        Those with samples.
    files : tuple of Path
        Headers and signal files of all segments.
    metadata : dict of str to Any
        ``"layout"``, ``"segments"`` and ``"gains_vary"``.
    """

    path: Path
    signals: tuple[SignalLine, ...]
    groups: tuple[GroupHeader, ...]
    as_float: bool
    segments: tuple[Segment, ...]
    files: tuple[Path, ...]
    metadata: dict[str, Any]


Load = Callable[[Path], tuple[Path, RecordHeader]]
ReadGroups = Callable[[Path, RecordHeader, bool], tuple[tuple[SignalGroup, ...], dict[str, Any]]]


def plan(path: Path, record: RecordHeader, load: Load) -> Layout:
    """Read the segments' headers and describe the whole record.

    Parameters
    ----------
    path : Path
        The master header.
    record : RecordHeader
        Its content.
    load : callable
        Reads a segment's header, as `physioprep.readers.wfdb.load`.

    Returns
    -------
    Layout

    Raises
    ------
    UnreadableFileError
        The segments contradict the master header or one another, or gaps are far larger than
        the files.
    """
    variable = record.segments[0][1] == 0 and record.segments[0][0] != "~"
    total = sum(length for _, length in record.segments)
    limits.check(path, total, limits.MAX_SAMPLES, "samples per signal")
    if record.n_frames and total != record.n_frames:
        raise UnreadableFileError(
            path, f"its segments have {total} samples, its first line says {record.n_frames}"
        )
    segments, files, start = [], [], 0
    listed: tuple[SignalLine, ...] = ()
    for number, (name, length) in enumerate(record.segments):
        if name != "~":
            segment_path, segment = load(path.parent / f"{name}.hea")
            _check_segment(path, record, segment_path, segment, length, variable and not number)
            files.append(segment_path)
            if variable and not number:
                listed = segment.signals
            else:
                listed = listed or segment.signals
                segment = segment._replace(n_frames=length)  # some state none
                segments.append(Segment(start, segment_path, segment))
                files += [segment_path.parent / signal.file for signal in segment.signals]
        start += length
    if len(listed) != record.n_signals:
        raise UnreadableFileError(
            path, f"its first line says {record.n_signals} signals, its segments {len(listed)}"
        )
    if len({signal.description for signal in listed}) != len(listed) and variable:
        raise UnreadableFileError(path, "two signals of one name in a variable layout")
    if not variable:
        listed = _named(listed, segments)
    signals, as_float = _common(path, listed, segments, variable)
    groups = _groups(record, signals, total, as_float)
    files = list(dict.fromkeys(files))
    width = 8 if as_float else 4
    check_size(path, sum(width * len(group.channels) * group.n_samples for group in groups), files)
    metadata = {
        "layout": "variable" if variable else "fixed",
        "segments": [list(segment) for segment in record.segments],
        "gains_vary": as_float,
    }
    return Layout(path, signals, groups, as_float, tuple(segments), tuple(files), metadata)


def _check_segment(
    path: Path,
    record: RecordHeader,
    segment_path: Path,
    segment: RecordHeader,
    length: int,
    is_layout: bool,
) -> None:
    if segment.segments:
        raise UnreadableFileError(path, f"its segment {segment_path.name} itself has segments")
    if segment.frame_rate != record.frame_rate:
        raise UnreadableFileError(
            segment_path, f"{segment.frame_rate} Hz in a record of {record.frame_rate} Hz"
        )
    for number, line in enumerate(() if is_layout else segment.signals):
        if line.format not in ((0,) if line.file == "~" else FORMATS):
            cause = f"signal {number} has the unknown storage format {line.format}"
            raise UnreadableFileError(segment_path, cause)
    if not is_layout and segment.n_frames not in (0, length):
        raise UnreadableFileError(
            segment_path, f"{segment.n_frames} samples, {path.name} says {length}"
        )


def _common(
    path: Path, listed: tuple[SignalLine, ...], segments: list[Segment], variable: bool
) -> tuple[tuple[SignalLine, ...], bool]:
    """Return each signal with a scale and format for all segments, and if scales differ."""
    found: dict[int, list[SignalLine]] = {number: [] for number in range(len(listed))}
    for segment in segments:
        for number, signal in zip(
            rows(path, listed, segment, variable), segment.record.signals, strict=True
        ):
            found[number].append(signal)
    signals, as_float = [], False
    for number, lines in found.items():
        if len({line.samples_per_frame for line in lines}) > 1:
            raise UnreadableFileError(path, f"signal {number} changes its rate between segments")
        if len({line.units for line in lines}) > 1:
            raise UnreadableFileError(path, f"signal {number} changes its unit between segments")
        as_float |= len({(line.gain, line.baseline) for line in lines}) > 1
        signal = lines[0] if lines else listed[number]
        # the widest format: its sentinel value is outside the range of all others
        widest = min(lines, key=lambda line: INVALID.get(line.format, 0), default=None)
        name = listed[number].description
        signals.append(signal._replace(format=widest.format if widest else 16, description=name))
    return tuple(signals), as_float


def rows(path: Path, listed: tuple[SignalLine, ...], segment: Segment, variable: bool) -> list[int]:
    """Match the signals of a segment with those of the record.

    Parameters
    ----------
    path : Path
        Of the master header.
    listed : tuple of SignalLine
        Signals of the record.
    segment : Segment
    variable : bool
        Match by name (variable layout). In a fixed layout the position counts; segments that
        hold the same signals in another order are matched by name.

    Returns
    -------
    list of int
        The number in `listed` of each signal of the segment.

    Raises
    ------
    UnreadableFileError
        The segment has other signals than the record, or two of one name.
    """
    names = [signal.description for signal in segment.record.signals]
    if not variable:
        if len(names) != len(listed):
            raise UnreadableFileError(
                segment.path, f"{len(names)} signals in a record of {len(listed)}"
            )
        return _fixed_rows(listed, segment)
    order = {signal.description: number for number, signal in enumerate(listed)}
    unknown = [name for name in names if name not in order]
    if unknown or len(set(names)) != len(names):
        what = f"signal {unknown[0]!r} is not in the layout" if unknown else "a signal twice"
        raise UnreadableFileError(segment.path, what)
    return [order[name] for name in names]


def _named(listed: tuple[SignalLine, ...], segments: list[Segment]) -> tuple[SignalLine, ...]:
    """Give each signal of a fixed layout the first name that a segment states for it."""
    named = list(listed)
    for segment in segments:
        for number, line in enumerate(segment.record.signals[: len(named)]):
            if not _stated_name(named, number):
                named[number] = named[number]._replace(description=line.description)
    return tuple(named)


def _stated_name(lines: Sequence[SignalLine], number: int) -> str:
    """Return a signal's name to compare; "" where its header states none."""
    name = " ".join(lines[number].description.split()).lower()
    return "" if name == f"signal {number}" else name


def _fixed_rows(listed: tuple[SignalLine, ...], segment: Segment) -> list[int]:
    """Match the signals of a segment of a fixed layout; refuse other signals than the record's."""
    ours = [_stated_name(listed, number) for number in range(len(listed))]
    theirs = [_stated_name(segment.record.signals, number) for number in range(len(listed))]
    other = [n for n, pair in enumerate(zip(ours, theirs, strict=True)) if len({*pair, ""}) > 2]
    if not other:
        return list(range(len(listed)))
    if sorted(ours) == sorted(theirs) and len({*ours, ""}) > len(ours):
        return [ours.index(name) for name in theirs]
    number = other[0]
    raise UnreadableFileError(
        segment.path,
        f"signal {number} is {segment.record.signals[number].description!r}, in the segments "
        f"before {listed[number].description!r}: a fixed layout has the same signals throughout",
    )


def _groups(
    record: RecordHeader, signals: tuple[SignalLine, ...], n_frames: int, as_float: bool
) -> tuple[GroupHeader, ...]:
    members: dict[int, list[SignalLine]] = {}
    for signal in signals:
        members.setdefault(signal.samples_per_frame, []).append(signal)
    return tuple(
        GroupHeader(
            channels=tuple(line.description for line in lines),
            units=tuple(line.units for line in lines),
            sampling_rate=record.frame_rate * per_frame,
            n_samples=n_frames * per_frame,
            gain=np.array([1.0 if as_float else line.gain for line in lines]),
            baseline=np.array([0.0 if as_float else line.baseline for line in lines]),
            invalid=np.array([np.nan if as_float else INVALID[line.format] for line in lines]),
        )
        for per_frame, lines in members.items()
    )


def check_size(path: Path, size: int, files: Iterable[Path]) -> None:
    """Refuse a record that needs far more memory, for gaps, than its files are large.

    Parameters
    ----------
    path : Path
        Named in errors.
    size : int
        Bytes of the decoded samples, gaps included.
    files : iterable of Path
        Of the record; missing ones count 0 bytes.

    Raises
    ------
    UnreadableFileError
        The size is over `physioprep.limits.MAX_EXPANDED_BYTES`, and over
        `physioprep.limits.MAX_EXPANSION_TIMES` that of the files.
    """
    if size > limits.MAX_EXPANDED_BYTES:
        stored = sum(file.stat().st_size for file in files if file.is_file())
        limits.check_expansion(path, size, stored, "with its gaps")


def read(layout: Layout, verify: bool, read_groups: ReadGroups) -> tuple[SignalGroup, ...]:
    """Read all segments into arrays of the whole record.

    Parameters
    ----------
    layout : Layout
    verify : bool
        Verify the checksums of each segment.
    read_groups : callable
        Reads one segment, as `physioprep.readers.wfdb_record.read_groups`.

    Returns
    -------
    tuple of SignalGroup
        One per sampling rate; gaps hold the sentinel value (`GroupHeader.invalid`).

    Raises
    ------
    UnreadableFileError
        A signal file is missing, malformed or too short.
    ChecksumError
        The samples of a signal do not have the stated checksum.
    """
    targets: dict[int, NDArray[Any]] = {}  # by samples per frame, in the order of the groups
    for width, group in zip(_members(layout.signals), layout.groups, strict=True):
        wide = bool((group.invalid < -(2**15)).any())
        dtype = np.float64 if layout.as_float else np.int32 if wide else np.int16
        array = np.empty((len(group.channels), group.n_samples), dtype)
        array[:] = group.invalid[:, None].astype(dtype)
        targets[width] = array
    row_of = {
        number: row
        for numbers in _members(layout.signals).values()
        for row, number in enumerate(numbers)
    }
    variable = layout.metadata["layout"] == "variable"
    for segment in layout.segments:
        numbers = rows(layout.path, layout.signals, segment, variable)
        groups, _ = read_groups(segment.path, segment.record, verify)
        own = _members(segment.record.signals)
        for (width, members), group in zip(own.items(), groups, strict=True):
            source: Any = group.physical() if layout.as_float else group.digital
            start = segment.start * width
            for row, member in enumerate(members):
                number = numbers[member]
                values = source[row]
                invalid = INVALID[layout.signals[number].format]
                if not layout.as_float and group.invalid[row] != invalid:
                    values = np.where(values == group.invalid[row], invalid, values)
                targets[width][row_of[number], start : start + group.n_samples] = values
    return tuple(
        SignalGroup(**vars(group), digital=array)
        for group, array in zip(layout.groups, targets.values(), strict=True)
    )


def _members(signals: tuple[SignalLine, ...]) -> dict[int, list[int]]:
    """Map samples per frame to the numbers of the signals."""
    members: dict[int, list[int]] = {}
    for number, signal in enumerate(signals):
        members.setdefault(signal.samples_per_frame, []).append(number)
    return members
