"""Read a single-segment WFDB record: signals grouped by rate, samples verified.

A multi-segment record is made of such records (`physioprep.readers.wfdb_segments`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import streamed, wfdb_formats, wfdb_segments, wfdb_signals
from physioprep.readers.regular import opened
from physioprep.readers.streamed import StreamedSamples
from physioprep.readers.wfdb_header import RecordHeader, SignalLine
from physioprep.recording import GroupHeader, SignalGroup

_SUMMED = 1 << 22  # samples
_INVALID = {number: float(value) for number, value in wfdb_formats.INVALID.items()}


def by_rate(record: RecordHeader) -> list[list[int]]:
    """Group the signals of a record by sampling rate.

    Parameters
    ----------
    record : RecordHeader

    Returns
    -------
    list of list of int
        Numbers of the signals with equally many samples per frame, by first appearance.
    """
    groups: dict[int, list[int]] = {}
    widths = [signal.samples_per_frame for signal in record.signals]
    if widths and widths.count(widths[0]) == len(widths):
        return [list(range(len(widths)))]
    for number, signal in enumerate(record.signals):
        groups.setdefault(signal.samples_per_frame, []).append(number)
    return list(groups.values())


def signal_files(path: Path, record: RecordHeader) -> tuple[Path, ...]:
    """Return the signal files of a record.

    Parameters
    ----------
    path : Path
        Of the header.
    record : RecordHeader

    Returns
    -------
    tuple of Path
        Each file once, in order of first appearance.
    """
    names = dict.fromkeys(signal.file for signal in record.signals if signal.file != "~")
    folder = path.parent
    return tuple([folder / name for name in names])


def frames_of(path: Path, record: RecordHeader) -> int:
    """Return the length of a record.

    Parameters
    ----------
    path : Path
        Of the header.
    record : RecordHeader

    Returns
    -------
    int
        Frames, as stated. If the header states none: those in the shortest signal file.

    Raises
    ------
    UnreadableFileError
        The header states no length, and a signal file is missing or not as described.
    """
    if record.n_frames or not record.signals:
        return record.n_frames
    lengths = []
    for name, members in _by_file(path, record).items():
        first = record.signals[members[0]]
        if first.format == 0:
            continue
        per_frame = sum(record.signals[member].samples_per_frame for member in members)
        file = path.parent / name
        try:
            lengths.append(
                wfdb_signals.n_frames_in(file, first.format, first.byte_offset, per_frame)
            )
        except FileNotFoundError:
            raise UnreadableFileError(file, "no such file") from None
    return min(lengths, default=0)


def group_header(record: RecordHeader, members: list[int], n_frames: int) -> GroupHeader:
    """Describe signals of one sampling rate.

    Parameters
    ----------
    record : RecordHeader
    members : list of int
        Numbers of the signals.
    n_frames : int
        Length of the record.

    Returns
    -------
    GroupHeader
    """
    signals = [record.signals[member] for member in members]
    per_frame = signals[0].samples_per_frame
    return GroupHeader(
        channels=tuple([signal.description for signal in signals]),
        units=tuple([signal.units for signal in signals]),
        sampling_rate=record.frame_rate * per_frame,
        n_samples=n_frames * per_frame,
        gain=np.array([signal.gain for signal in signals]),
        baseline=np.array([signal.baseline for signal in signals]),
        invalid=np.array(
            [
                math.nan if s.format == 8 and not s.skew else _INVALID.get(s.format, math.nan)
                for s in signals
            ]
        ),
    )


def read_groups(
    path: Path, record: RecordHeader, verify: bool
) -> tuple[tuple[SignalGroup, ...], dict[str, Any]]:
    """Read all samples of a single-segment record.

    Parameters
    ----------
    path : Path
        Of the header.
    record : RecordHeader
    verify : bool
        Compare the samples with the stated checksums and initial values.

    Returns
    -------
    groups : tuple of SignalGroup
        One per sampling rate.
    found : dict of str to list
        ``"checksums"``, a text per signal, and ``"initial_value_differs"``, signal numbers.

    Raises
    ------
    UnreadableFileError
        A signal file is missing, malformed or too short.
    ChecksumError
        The samples of a signal do not have the stated checksum.
    """
    n_frames = frames_of(path, record)
    n_read = n_frames + _frames_behind(path, record, n_frames)
    signals = _stream(path, record, n_frames) or _decode(path, record, n_read)
    groups, checksums, wrong_starts = [], [""] * len(record.signals), []
    for members in by_rate(record):
        header = group_header(record, members, n_frames)
        if not isinstance(signals, dict):  # one rate, and this is the only group
            digital: Any = signals
        else:
            dtype = np.result_type(*(signals[member].dtype for member in members))
            width = record.signals[members[0]].samples_per_frame
            digital = np.empty((len(members), n_read * width), dtype)
            for row, member in enumerate(members):
                digital[row] = signals[member]
        lines = [record.signals[member] for member in members]
        stated = digital[:, : header.n_samples] if n_read > n_frames else digital
        states = _verify(path, members, lines, stated, verify)
        starts = digital[:, 0].tolist() if verify and header.n_samples else []
        for member, state in zip(members, states, strict=True):
            checksums[member] = state
        for member, line, start in zip(members, lines, starts, strict=bool(starts)):
            # format 8's initial value comes before the first sample
            if line.initial_value not in (None, start) and line.format != 8:
                wrong_starts.append(member)
        _undo_skew(digital, lines)
        if n_read > n_frames:
            digital = np.ascontiguousarray(digital[:, : header.n_samples])
        groups.append(SignalGroup(**vars(header), digital=digital))
    return tuple(groups), {"checksums": checksums, "initial_value_differs": wrong_starts}


def longer_files(parts: Iterable[tuple[Path, RecordHeader, int]]) -> list[str]:
    """Find signal files that hold more than their headers state.

    Parameters
    ----------
    parts : iterable of (Path, RecordHeader, int)
        Path, content and frames of each header; several may name one file.

    Returns
    -------
    list of str
        A note per file, of what is not read.
    """
    ends: dict[Path, tuple[int, int, str]] = {}  # of each file: needed, the least to note, unit
    for path, record, n_frames in parts:
        for name, members in _by_file(path, record).items():
            lines = [record.signals[member] for member in members]
            if name == "~":
                continue
            offset, frames = lines[0].byte_offset, n_frames + max(line.skew for line in lines)
            per_frame = sum(line.samples_per_frame for line in lines)
            if lines[0].format in wfdb_formats.FLAC_BITS:
                found = offset + frames * lines[0].samples_per_frame, 1, "samples per channel"
            else:  # writers fill up the last group of samples
                needed = wfdb_formats.n_bytes(lines[0].format, frames * per_frame)
                found = offset + needed, wfdb_formats.PACKING[lines[0].format][0], "bytes"
            ends[path.parent / name] = max(found, ends.get(path.parent / name, (0, 0, "")))
    notes = []
    for file, (needed, least, unit) in ends.items():
        size = file.stat().st_size if unit == "bytes" else wfdb_signals.flac_shape(file)[0]
        if size - needed >= least:
            notes.append(f"{file.name}: {size - needed} {unit} longer than stated, not read")
    return notes


def shorter_files(parts: Iterable[tuple[Path, RecordHeader, int]]) -> list[str]:
    """Find signal files that are shorter than their headers state; not FLAC nor absent ones.

    Parameters
    ----------
    parts : iterable of (Path, RecordHeader, int)
        As for `longer_files`.

    Returns
    -------
    list of str
        A note per file.
    """
    notes = []
    for path, record, n_frames in parts:
        for name, members in _by_file(path, record).items():
            lines = [record.signals[member] for member in members]
            if name == "~" or lines[0].format in wfdb_formats.FLAC_BITS:
                continue
            n = n_frames * sum(line.samples_per_frame for line in lines)
            needed = lines[0].byte_offset + wfdb_formats.n_bytes(lines[0].format, n)
            with suppress(OSError):
                if (missing := needed - (path.parent / name).stat().st_size) > 0:
                    notes.append(f"{name}: {missing} bytes shorter than its header says")
    return notes


def _frames_behind(path: Path, record: RecordHeader, n_frames: int) -> int:
    """Return how many frames behind the last hold samples of skewed signals."""
    skew = max((line.skew for line in record.signals), default=0)
    if not skew:
        return 0
    found = [skew]
    for name, members in _by_file(path, record).items():
        lines = [record.signals[member] for member in members]
        if name != "~" and (path.parent / name).is_file():
            width = sum(line.samples_per_frame for line in lines)
            there = wfdb_signals.n_frames_in(
                path.parent / name, lines[0].format, lines[0].byte_offset, width
            )
            found.append(max(0, there - n_frames))
    return min(found)


def _stream(path: Path, record: RecordHeader, n_frames: int) -> StreamedSamples | None:
    """Return the samples of a record too large for memory; None if it fits or must be decoded."""
    n_signals = len(record.signals)
    if 2 * n_frames * n_signals <= streamed.LARGE_BYTES // 2:  # whatever the format
        return None
    dtype = np.result_type(*(wfdb_formats.dtype_of(line.format) for line in record.signals))
    if n_frames * n_signals * dtype.itemsize <= streamed.LARGE_BYTES or any(
        line.skew or line.samples_per_frame > 1 or line.format not in wfdb_formats.STREAMED
        for line in record.signals
    ):
        return None
    sources = []
    for name, members in _by_file(path, record).items():
        line, file = record.signals[members[0]], path.parent / name
        wanted = wfdb_formats.n_bytes(line.format, n_frames * len(members))
        with opened(file) as descriptor:
            wfdb_signals.check_length(descriptor, file, line.byte_offset + wanted)
            stamp = streamed.stamp_of(descriptor)
        if name.endswith(".mat"):
            _check_mat(file, line.byte_offset, len(members), n_frames)
        frames = wfdb_signals.Frames(line.format, line.byte_offset, len(members))
        sources.append(streamed.Source(file, members, frames, stamp))
    return StreamedSamples((n_signals, n_frames), dtype, tuple(sources))


def _decode(
    path: Path, record: RecordHeader, n_frames: int
) -> NDArray[Any] | dict[int, NDArray[Any]]:
    """Decode all signal files: one array if one file holds all at one rate, else by signal."""
    decoded: dict[int, NDArray[Any]] = {}
    for name, members in _by_file(path, record).items():
        lines = [record.signals[member] for member in members]
        if name == "~":  # null signals: described, never recorded
            n_all = n_frames * sum(line.samples_per_frame for line in lines)
            wfdb_segments.check_size(path, 2 * n_all, signal_files(path, record))
            for member, line in zip(members, lines, strict=True):
                n_samples = n_frames * line.samples_per_frame
                decoded[member] = np.full(n_samples, wfdb_formats.INVALID[0], np.int16)
            continue
        file = path.parent / name
        signals = wfdb_signals.decode_file(
            file,
            lines[0].format,
            lines[0].byte_offset,
            tuple([line.samples_per_frame for line in lines]),
            n_frames,
            tuple([line.initial_value or 0 for line in lines]),
        )
        if name.endswith(".mat"):
            _check_mat(file, lines[0].byte_offset, len(lines), n_frames)
        if isinstance(signals, np.ndarray) and len(members) == len(record.signals):
            return signals
        decoded.update(zip(members, signals, strict=True))
    return decoded


def _by_file(path: Path, record: RecordHeader) -> Mapping[str, list[int]]:
    """Group signal numbers by file; refuse contradicting descriptions of one file."""
    files: dict[str, list[int]] = {}
    stored: dict[str, tuple[int, int]] = {}
    for number, signal in enumerate(record.signals):
        name, form = signal.file, (signal.format, signal.byte_offset)
        if name in files and stored[name] == form:
            files[name].append(number)
            continue
        if name in files:
            raise UnreadableFileError(path, f"two formats or byte offsets for one file, {name!r}")
        known = {0} if name == "~" else wfdb_formats.FORMATS
        if signal.format not in known:
            cause = f"signal {number} has the unknown storage format {signal.format}"
            raise UnreadableFileError(path, cause)
        files[name], stored[name] = [number], form
    return files


def _verify(
    path: Path, members: list[int], lines: list[SignalLine], digital: NDArray[Any], verify: bool
) -> list[str]:
    """Compare the 16-bit sums of the samples with the stated checksums."""
    if not verify:
        return ["not verified"] * len(lines)
    sums = np.zeros(len(lines), digital.dtype)
    step = max(1, _SUMMED // max(1, len(lines)))
    for start in range(0, digital.shape[1], step):  # streamed samples may not fit in memory
        # overflow is intended: only the lowest 16 bits count
        sums += digital[:, start : start + step].sum(axis=1, dtype=digital.dtype)
    states = []
    for member, line, total in zip(members, lines, sums.tolist(), strict=True):
        stated = line.checksum
        # some corpora write 0 for every signal, whatever the samples
        if stated is None or (stated == 0 and total & 0xFFFF):
            states.append("not stated")
        elif (stated ^ total) & 0xFFFF:
            raise ChecksumError(
                path.parent / line.file,
                f"signal {member} ({line.description}) has the checksum {total & 0xFFFF}, its "
                f"header says {stated & 0xFFFF}",
            )
        else:
            states.append("verified")
    return states


def _undo_skew(digital: NDArray[Any], lines: list[SignalLine]) -> None:
    """Shift skewed signals back; samples beyond the end of the file become invalid."""
    for row, line in enumerate(lines):
        if line.skew:
            shift = min(line.skew * line.samples_per_frame, digital.shape[1])
            kept = digital.shape[1] - shift
            digital[row, :kept] = digital[row, shift:].copy()
            digital[row, kept:] = wfdb_formats.INVALID[line.format]


def _check_mat(path: Path, offset: int, n_signals: int, n_frames: int) -> None:
    """Compare the matrix header of a MATLAB v4 signal file with the WFDB header."""
    with path.open("rb") as file:
        words = np.frombuffer(file.read(20), "<i4")
    if len(words) < 5 or offset != 20 + words[4]:
        return  # not such a matrix; the WFDB header alone describes it
    kind, rows, columns = words[:3].tolist()
    if (kind, rows, columns) != (30, n_signals, n_frames):
        raise UnreadableFileError(
            path,
            f"holds a {rows} x {columns} matrix, its header says {n_signals} x {n_frames}",
        )
