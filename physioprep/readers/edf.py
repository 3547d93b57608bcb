"""Read EDF, EDF+C, EDF+D, BDF and BDF+ files.

Own code: `pyedflib` takes 73 times as long as reading the bytes, and refuses several valid
files, among them EDF+D.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers import streamed
from physioprep.readers.edf_annotations import (
    Timeline,
    is_status,
    parse_tals,
    tal_columns,
    trigger_columns,
)
from physioprep.readers.edf_header import EdfHeader, read_edf_header
from physioprep.readers.regular import open_file
from physioprep.readers.structures import annotation_endings
from physioprep.readers.wfdb_annotations import Beside, look_beside, merge
from physioprep.readers.wfdb_formats import decode_24
from physioprep.readers.wfdb_signals import read_into
from physioprep.recording import (
    NO_SCALE,
    GroupHeader,
    Header,
    Recording,
    SignalGroup,
    no_scale_note,
)

_CHUNK_BYTES = 1 << 20  # the pieces stay in the cache
_PIECE_BYTES = 1 << 12  # a read of so many bytes takes no longer than one of few


def read_header(path: Path) -> Header:
    """Read the header of an EDF or BDF file.

    Of EDF+D files the times of all data records are read too, since only they tell where the
    gaps are.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Header
        One signal group per sampling rate, without the annotation signals.

    Raises
    ------
    UnreadableFileError
        The file is missing or its header malformed.
    """
    with _open(path) as file:
        header = read_edf_header(file, path)
        n_records, sizes = _count_records(file, path, header, verify=False)
        # the stated count, even of a truncated file: `read` raises for it
        n_stated = header.n_records if header.n_records >= 0 else n_records
        wanted = n_records if header.is_discontinuous else min(1, n_records)
        timeline = parse_tals(_annotation_blocks(file, header, wanted), path, strict=False)
    first, segments, notes = _clock(header, timeline, path)
    groups = tuple(
        _group_header(header, members, n_stated, segments) for members in _by_rate(header, path)
    )
    start = header.start_time and header.start_time + timedelta(seconds=first)
    metadata = _describe(header, [*header.notes, *sizes, *notes], timeline)
    beside = _annotations_beside(path)
    beside.in_metadata(metadata)
    return Header(path, "edf", groups, (path, *beside.files), start, metadata)


def read(path: Path, verify: bool = True) -> Recording:
    """Read an EDF or BDF file with its samples and annotations.

    Parameters
    ----------
    path : Path
    verify : bool
        Raise unless the file holds exactly the number of data records that it states, and
        undamaged annotations. If False, its whole data records and the annotations that can be
        read are, and ``metadata["notes"]`` says so.

    Returns
    -------
    Recording
        int16 samples of EDF, int32 of BDF. Physical values of a signal whose stated range is
        empty (minimum equals maximum) are NaN, since its scale is unknown.

    Raises
    ------
    UnreadableFileError
        The file is missing, malformed, or not as long as its header states. Where only its
        annotations are damaged, its `in_annotations` is true.

    Examples
    --------
    >>> import tempfile
    >>> from pyedflib.highlevel import write_edf_quick
    >>> path = Path(tempfile.mkdtemp()) / "a.edf"
    >>> _ = write_edf_quick(str(path), np.array([[-3, 0, 2]], np.int32), 3, digital=True)
    >>> read(path).groups[0].digital
    array([[-3,  0,  2]], dtype=int16)
    """
    with _open(path) as file:
        header = read_edf_header(file, path)
        n_records, notes = _count_records(file, path, header, verify)
        members = _by_rate(header, path)
        width = 2 if header.sample_bytes == 2 else 4
        if n_records * header.record_bytes // header.sample_bytes * width > streamed.LARGE_BYTES:
            stamp = streamed.stamp_of(file.fileno())
            arrays = [_stream(path, header, n_records, numbers, stamp) for numbers in members]
            blocks = _annotation_blocks(file, header, n_records)
            timeline = parse_tals(blocks, path, strict=verify)
        else:
            arrays, pieces = _read_records(file, path, header, n_records, members)
            timeline = parse_tals(_rows(pieces), path, strict=verify)
    first, segments, more = _clock(header, timeline, path)
    groups, tables = [], []
    if timeline.onsets:
        tables.append(tal_columns(timeline, first))
    for numbers, array in zip(members, arrays, strict=True):
        group = _group_header(header, numbers, n_records, segments)
        groups.append(SignalGroup(**vars(group), digital=array))
        if header.sample_bytes == 3:
            tables += [
                trigger_columns(array, row, group.sampling_rate, path)
                for row, number in enumerate(numbers)
                if is_status(header.signals[number])
            ]
    metadata = _describe(header, [*header.notes, *notes, *more], timeline)
    beside = _annotations_beside(path, groups[0].sampling_rate if groups else None)
    beside.in_metadata(metadata)
    start = header.start_time and header.start_time + timedelta(seconds=first)
    columns = merge([*tables, *beside.tables])
    return Recording(path, "edf", tuple(groups), (path, *beside.files), start, metadata, columns)


def _open(path: Path) -> BufferedReader:
    return os.fdopen(open_file(path), "rb")


def _count_records(
    file: BufferedReader, path: Path, header: EdfHeader, verify: bool
) -> tuple[int, list[str]]:
    """Return the number of data records to read, and notes on what is not standard."""
    data = os.fstat(file.fileno()).st_size - header.header_bytes
    whole, rest = divmod(data, header.record_bytes)
    stated = header.n_records
    if any(signal.is_annotations for signal in header.signals):  # each record is parsed
        limits.check(path, whole, limits.MAX_TIMED_RECORDS, "data records with annotations")
    if stated == -1:
        note = [f"the last data record is cut off after {rest} bytes"] if rest else []
        return whole, ["states no number of data records", *note]
    if stated == whole and not rest:
        return stated, []
    missing = stated * header.record_bytes - data
    cause = (
        f"{missing} bytes shorter than its header says ({whole} of {stated} data records)"
        if missing > 0
        else f"{-missing} bytes longer than the {stated} data records it states"
    )
    if verify:
        raise UnreadableFileError(path, cause)
    return min(stated, whole), [cause]


def _by_rate(header: EdfHeader, path: Path) -> list[list[int]]:
    """Group the numbers of ordinary signals by samples per data record, by first appearance."""
    groups: dict[int, list[int]] = {}
    for number, signal in enumerate(header.signals):
        if not signal.is_annotations:
            groups.setdefault(signal.n_samples, []).append(number)
    if groups and header.record_duration_s == 0:
        raise UnreadableFileError(path, "signals in data records of no duration")
    return list(groups.values())


def _group_header(
    header: EdfHeader,
    members: list[int],
    n_records: int,
    segments: list[tuple[int, float]],
) -> GroupHeader:
    signals = [header.signals[member] for member in members]
    n_samples = signals[0].n_samples
    return GroupHeader(
        channels=tuple([signal.label for signal in signals]),
        units=tuple([signal.units for signal in signals]),
        sampling_rate=n_samples / header.record_duration_s,
        n_samples=n_samples * n_records,
        gain=np.array([signal.gain for signal in signals]),
        baseline=np.array([signal.baseline for signal in signals]),
        invalid=np.full(len(signals), np.nan),
        segments=tuple([(record * n_samples, onset) for record, onset in segments]),
    )


def _clock(
    header: EdfHeader, timeline: Timeline, path: Path
) -> tuple[float, list[tuple[int, float]], list[str]]:
    """Return the first sample's time, (first record, onset) per continuous segment, notes."""
    times = timeline.records
    if len(times) == 0 or (not header.is_discontinuous and np.isnan(times[0])):
        return 0.0, [(0, 0.0)], []
    if header.is_discontinuous and np.isnan(times).any():
        raise UnreadableFileError(path, "an EDF+D data record without its time")
    first = float(times[0])
    if not 0 <= first < 1e9:
        raise UnreadableFileError(path, f"starts {first} s after its start time")
    duration = header.record_duration_s
    fastest = max((s.n_samples for s in header.signals if not s.is_annotations), default=0)
    if not fastest:
        return first, [(0, 0.0)], []
    tolerance = duration / fastest / 2  # half a sample
    if not header.is_discontinuous:
        drift = np.abs(times - first - np.arange(len(times)) * duration)
        if np.nanmax(drift) > tolerance:
            return first, [(0, 0.0)], ["calls itself continuous, but its records' times do not fit"]
        return first, [(0, 0.0)], []
    steps = np.diff(times) - duration
    if np.any(steps < -tolerance):
        late = int(np.flatnonzero(steps < -tolerance)[0]) + 1
        raise UnreadableFileError(path, f"data record {late} starts before the previous one ends")
    starts = np.flatnonzero(steps > tolerance) + 1
    return first, [(0, 0.0), *((int(at), float(times[at] - first)) for at in starts)], []


@dataclass(frozen=True)
class _Records:
    """Decodes any samples of the signals of one rate."""

    header: EdfHeader
    offsets: list[int]
    members: list[int]

    def __call__(self, file: int, path: Path, start: int, stop: int) -> NDArray[Any]:
        """Return samples [`start`, `stop`) as an array (signal, sample)."""
        n_samples = self.header.signals[self.members[0]].n_samples
        size, first = self.header.record_bytes, start // n_samples
        n_records = -(-stop // n_samples) - first
        buffer = np.zeros(n_records * size + 1, np.uint8)
        read_into(buffer[1:], file, path, self.header.header_bytes + first * size)
        dtype = np.int16 if self.header.sample_bytes == 2 else np.int32
        out = np.empty((len(self.members), n_records, n_samples), dtype)
        _gather(buffer, self.header, self.offsets, self.members, out)
        skip = start - first * n_samples
        return out.reshape(len(out), -1)[:, skip : skip + stop - start]


def _stream(
    path: Path, header: EdfHeader, n_records: int, members: list[int], stamp: tuple[int, ...]
) -> Any:
    """Return the samples of one rate, for a file too large for memory."""
    shape = len(members), n_records * header.signals[members[0]].n_samples
    dtype = np.dtype(np.int16 if header.sample_bytes == 2 else np.int32)
    source = streamed.Source(
        path, range(len(members)), _Records(header, header.offsets(), members), stamp
    )
    return streamed.StreamedSamples(shape, dtype, (source,))


def _annotation_blocks(
    file: BufferedReader, header: EdfHeader, n_records: int
) -> Iterator[list[bytes]]:
    """Read only the annotation signals of the first `n_records` data records."""
    spans = [
        (offset, signal.n_samples * header.sample_bytes)
        for offset, signal in zip(header.offsets(), header.signals, strict=True)
        if signal.is_annotations
    ]
    size, at, read = header.record_bytes, header.header_bytes, file.fileno()
    if size > _PIECE_BYTES:  # much else between them
        for record in range(n_records if spans else 0):
            first = at + record * size
            yield [os.pread(read, n, first + offset) for offset, n in spans]
        return
    step = _CHUNK_BYTES // size
    for start in range(0, n_records if spans else 0, step):
        data = os.pread(read, size * min(step, n_records - start), at + start * size)
        for first in range(0, len(data), size):
            yield [data[first + offset : first + offset + n] for offset, n in spans]


def _rows(pieces: list[list[tuple[bytes, int]]]) -> Iterator[list[bytes]]:
    """Yield the annotation signals of each data record, of pieces of (bytes, size) by signal."""
    for piece in pieces:
        for row in range(len(piece[0][0]) // piece[0][1]):
            yield [data[row * n : (row + 1) * n] for data, n in piece]


def _read_records(
    file: BufferedReader, path: Path, header: EdfHeader, n_records: int, groups: list[list[int]]
) -> tuple[list[NDArray[Any]], list[list[tuple[bytes, int]]]]:
    """Read all data records into one array per rate; the annotation signals as for `_rows`."""
    width, size, offsets = header.sample_bytes, header.record_bytes, header.offsets()
    dtype = np.int16 if width == 2 else np.int32
    arrays = [
        np.empty((len(members), n_records, header.signals[members[0]].n_samples), dtype)
        for members in groups
    ]
    texts = [number for number, signal in enumerate(header.signals) if signal.is_annotations]
    pieces: list[list[tuple[bytes, int]]] = []
    step = max(1, _CHUNK_BYTES // size)
    buffer = np.zeros(min(step, n_records) * size + 1, np.uint8)  # decode_24 needs one byte before
    file.seek(header.header_bytes)
    for start in range(0, n_records, step):
        n = min(step, n_records - start)
        if file.readinto(buffer[1 : 1 + n * size].data) != n * size:
            raise UnreadableFileError(path, "changed while it was read")
        for members, array in zip(groups, arrays, strict=True):
            _gather(buffer, header, offsets, members, array[:, start : start + n])
        if texts:
            data = buffer[1 : 1 + n * size].reshape(n, size)
            sizes = [header.signals[t].n_samples * width for t in texts]
            pieces.append(
                [
                    (data[:, offsets[t] : offsets[t] + size].tobytes(), size)
                    for t, size in zip(texts, sizes, strict=True)
                ]
            )
    return [array.reshape(len(array), -1) for array in arrays], pieces


def _gather(
    buffer: NDArray[np.uint8],
    header: EdfHeader,
    offsets: list[int],
    members: list[int],
    out: NDArray[Any],
) -> None:
    """Fill `out` (signal, data record, sample) from whole records, from the buffer's byte 1."""
    width, n_samples = header.sample_bytes, out.shape[2]
    strides = (n_samples * width, header.record_bytes, width)
    for row, stop in _runs(members):
        offset, shape = 1 + offsets[members[row]], (stop - row, *out.shape[1:])
        if width == 2:
            out[row:stop] = np.ndarray(shape, "<i2", buffer, offset, strides)
        else:
            out[row:stop] = decode_24(buffer, offset, shape, strides)


def _runs(members: list[int]) -> list[tuple[int, int]]:
    """Split the rows of a group into runs of signals that are adjacent in the file."""
    breaks = [row for row in range(1, len(members)) if members[row] != members[row - 1] + 1]
    return list(zip([0, *breaks], [*breaks, len(members)], strict=True))


def _describe(header: EdfHeader, notes: list[str], timeline: Timeline) -> dict[str, Any]:
    ordinary = [signal for signal in header.signals if not signal.is_annotations]
    uncalibrated = [signal.label for signal in ordinary if signal.gain != signal.gain]
    lost: dict[str, Any] = {"not_read": ["damaged annotations"]} if timeline.damaged else {}
    if uncalibrated:
        lost["flags"] = [f"{NO_SCALE}{name}" for name in uncalibrated]
        notes = [*notes, no_scale_note(uncalibrated)]
    if header.sample_bytes == 3 and not header.is_plus and not any(map(is_status, ordinary)):
        notes = [*notes, "no Status channel: no triggers are read"]
    return lost | {
        "patient": header.patient,
        "recording": header.recording,
        "reserved": header.reserved,
        "n_records": header.n_records,
        "record_duration_s": header.record_duration_s,
        "sample_bytes": header.sample_bytes,
        "signals": list(header.signals),
        "uncalibrated": uncalibrated,
        "notes": [*notes, *timeline.notes, *timeline.damaged],
    }


def _annotations_beside(path: Path, rate_hz: float | None = None) -> Beside:
    """Find the WFDB annotation files that a corpus has beside its EDF files."""
    endings = annotation_endings("edf")
    return look_beside(path.parent, path.name, frozenset(), rate_hz=rate_hz, endings=endings)
