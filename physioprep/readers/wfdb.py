"""Read WFDB records: header, signal files, annotation files, single- or multi-segment.

Own code, since `wfdb.rdheader` spends 84 times the cost of reading the record's bytes, and
because no other reader verifies the checksums that WFDB headers state.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.errors import UnreadableFileError
from physioprep.limits import MAX_WFDB_HEADER_BYTES, check
from physioprep.readers import wfdb_annotations, wfdb_kinds, wfdb_plain, wfdb_segments
from physioprep.readers.regular import open_file
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
from physioprep.recording import Header, Recording, SignalGroup

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
    path, name, text = _text_of(path)
    twin = wfdb_kinds.recognise(text, name)
    usual = _read_plain(path, name, twin, verify) if twin is not None else None
    if usual is not None:
        return usual
    record = _parsed(path, name, text, twin)
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
    path, name, text = _text_of(path)
    return path, _parsed(path, name, text, wfdb_kinds.recognise(text, name))


def _text_of(path: Path) -> tuple[Path, str, str]:
    """Return the path of a header, its name without the ending, and its text."""
    name = path.name
    if not name.endswith(".hea"):
        beside = path.with_name(name + ".hea")
        path = beside if os.path.isfile(beside) else path.with_suffix(".hea")  # noqa: PTH113
        name = path.name
    file = open_file(path)
    try:
        raw = os.read(file, _USUAL_HEADER)  # asking for more would allocate more
        while len(raw) >= _USUAL_HEADER and (more := os.read(file, MAX_WFDB_HEADER_BYTES)):
            raw += more
            check(path, len(raw), MAX_WFDB_HEADER_BYTES, "bytes of header")
    except OSError as error:  # of the reading: a folder opens
        raise UnreadableFileError(path, str(error.strerror or error)) from None
    finally:
        os.close(file)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return path, name.removesuffix(".hea"), text


def _parsed(path: Path, name: str, text: str, twin: wfdb_kinds.Twin | None) -> RecordHeader:
    if twin is not None:
        return wfdb_kinds.header_of(twin, name)
    record = parse_header(text, path)
    wfdb_kinds.learn(text, name, record)
    return record


def _read_plain(path: Path, name: str, twin: wfdb_kinds.Twin, verify: bool) -> Recording | None:
    """Read a record of the usual kind; None where it is not, or anything is wrong with it."""
    plain = wfdb_plain.fits(twin)
    if plain is None:
        return None
    folder = path.parent
    file = folder / f"{name}{twin.kind.suffix}"
    n_frames, n_signals = twin.head.n_frames, len(plain.channels)
    data = wfdb_plain.read_file(str(file), plain, n_frames)
    if data is None:
        return None
    digital = np.empty((n_signals, n_frames), wfdb_plain.dtype_for(plain))
    wfdb_plain.decode(data, plain, digital)
    states, differs = ["not verified"] * n_signals, []
    if verify:
        stated, wrong = wfdb_plain.checksum_states(digital, np.array(twin.numbers[1::2]))
        if wrong.any():
            return None
        states = ["verified" if each else "not stated" for each in stated.tolist()]
        pairs = zip(twin.numbers[::2], digital[:, 0].tolist(), strict=True)
        differs = [number for number, (first, found) in enumerate(pairs) if first != found]
    group = SignalGroup(
        plain.channels,
        plain.units,
        twin.head.frame_rate,
        n_frames,
        plain.gain.copy(),
        plain.baseline.copy(),
        plain.invalid.copy(),
        digital=digital,
    )
    record = wfdb_kinds.header_of(twin, name)
    metadata = describe(record, record.signals)
    metadata |= {"checksums": states, "initial_value_differs": differs}
    rate_hz = record.frame_rate
    beside = wfdb_annotations.look_beside(folder, name, (file.name,), rate_hz=rate_hz)
    beside.in_metadata(metadata)
    columns, files = wfdb_annotations.merge(beside.tables), (path, file, *beside.files)
    return Recording(path, "wfdb", (group,), files, record.start_time, metadata, columns)


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
