"""Read WFDB records: header, signal files, annotation files, single- or multi-segment.

Own code, since `wfdb.rdheader` spends 84 times the cost of reading the record's bytes, and
because no other reader verifies the checksums that WFDB headers state.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from physioprep.errors import UnreadableFileError
from physioprep.limits import MAX_WFDB_HEADER_BYTES, check
from physioprep.readers import wfdb_annotations, wfdb_segments
from physioprep.readers.regular import opened
from physioprep.readers.wfdb_header import RecordHeader, SignalLine, parse_header
from physioprep.readers.wfdb_record import (
    by_rate,
    frames_of,
    group_header,
    longer_files,
    read_groups,
    shorter_files,
    signal_files,
)
from physioprep.recording import Header, Recording

_USUAL_HEADER = 1 << 14


def read_header(path: Path) -> Header:
    r"""Read the header of a WFDB record.

    Parameters
    ----------
    path : Path
        The record without extension, its ``.hea``, or a signal file beside it.

    Returns
    -------
    Header
        Its `files` are the header, the segments' headers, the signal and the annotation files.

    Raises
    ------
    UnreadableFileError
        The header is missing or malformed.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.hea").write_text("a 1 250 3\na.dat 16 200/mV 16 0 1 6 0 I\n# Age: 60\n")
    >>> read_header(folder / "a").metadata["comments"]
    ['Age: 60']
    """
    path, record = load(path)
    if record.segments:
        layout = wfdb_segments.plan(path, record, load)
        groups, files = layout.groups, layout.files
        metadata = describe(record, layout.signals) | layout.metadata
        parts = [(each.path, each.record, each.record.n_frames) for each in layout.segments]
    else:
        n_frames = frames_of(path, record)
        groups = tuple(group_header(record, members, n_frames) for members in by_rate(record))
        files = signal_files(path, record)
        metadata = describe(record, record.signals)
        parts = [(path, record, record.n_frames)]
    metadata["notes"] += shorter_files(part for part in parts if part[2])
    beside = _annotations(path, files)
    beside.in_metadata(metadata)
    return Header(path, "wfdb", groups, (path, *files, *beside.files), record.start_time, metadata)


def read(path: Path, verify: bool = True) -> Recording:
    r"""Read a WFDB record with its samples and annotations.

    Parameters
    ----------
    path : Path
        The record without extension, its ``.hea``, or a signal file beside it.
    verify : bool
        Compare the samples with the checksums that the header states.

    Returns
    -------
    Recording
        ``metadata["checksums"]`` is ``"verified"``, ``"not stated"`` or ``"not verified"`` for
        each signal of a single-segment record.

    Raises
    ------
    UnreadableFileError
        A file is missing, malformed or too short.
    ChecksumError
        The samples of a signal do not have the stated checksum.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.hea").write_text("a 1 250 3\na.dat 16 200/mV 16 0 1 6 0 I\n")
    >>> _ = (folder / "a.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0]))
    >>> read(folder / "a").metadata["checksums"]
    ['verified']
    """
    path, record = load(path)
    metadata: dict[str, Any]
    if record.segments:
        layout = wfdb_segments.plan(path, record, load)
        groups, files = wfdb_segments.read(layout, verify, read_groups), layout.files
        metadata = describe(record, layout.signals) | layout.metadata
        parts = [(each.path, each.record, each.record.n_frames) for each in layout.segments]
    else:
        groups, found = read_groups(path, record, verify)
        files = signal_files(path, record)
        metadata = describe(record, record.signals) | found
        parts = [(path, record, record.n_frames)]
    metadata["notes"] += longer_files(part for part in parts if part[2])
    beside = _annotations(path, files, record.frame_rate)
    beside.in_metadata(metadata)
    columns = wfdb_annotations.merge(beside.tables)
    files = (path, *files, *beside.files)
    return Recording(path, "wfdb", groups, files, record.start_time, metadata, columns)


def load(path: Path) -> tuple[Path, RecordHeader]:
    """Find, read and parse a record's header file.

    Parameters
    ----------
    path : Path
        The record without extension, its ``.hea``, or a signal file beside it.

    Returns
    -------
    path : Path
        The ``.hea``.
    record : RecordHeader

    Raises
    ------
    UnreadableFileError
        The header is missing, malformed, over a limit, or no file.
    """
    if not path.name.endswith(".hea"):
        beside = path.with_name(path.name + ".hea")
        path = beside if os.path.isfile(beside) else path.with_suffix(".hea")  # noqa: PTH113
    try:
        with opened(path) as file:
            raw = os.read(file, _USUAL_HEADER)  # asking for more would allocate more
            while len(raw) >= _USUAL_HEADER and (more := os.read(file, MAX_WFDB_HEADER_BYTES)):
                raw += more
                check(path, len(raw), MAX_WFDB_HEADER_BYTES, "bytes of header")
    except OSError as error:  # of the reading: a folder opens
        raise UnreadableFileError(path, str(error.strerror or error)) from None
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return path, parse_header(text, path)


def describe(record: RecordHeader, signals: tuple[SignalLine, ...]) -> dict[str, Any]:
    """Return the metadata of a recording: the header's content beyond the signal groups.

    Parameters
    ----------
    record : RecordHeader
    signals : tuple of SignalLine
        Of the record; of a multi-segment record those that its segments list.

    Returns
    -------
    dict of str to Any
    """
    return {
        "record_name": record.name,
        "comments": list(record.comments),
        "frame_rate": record.frame_rate,
        "counter": record.counter,
        "base_time": record.base_time,
        "base_date": record.base_date,
        "signals": list(signals),
        "notes": list(record.notes),
    }


def _annotations(
    path: Path, files: tuple[Path, ...], rate_hz: float | None = None
) -> wfdb_annotations.Beside:
    record, names = path.name.removesuffix(".hea"), [file.name for file in files]
    return wfdb_annotations.look_beside(path.parent, record, names, rate_hz=rate_hz)
