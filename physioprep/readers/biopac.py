"""Read the files of BIOPAC AcqKnowledge, versions 2 to 5, compressed or not.

Samples stay as stored: 16-bit integers with the scale of their channel, or float64. Channels of
other rates, numbers of samples or types are other signal groups. The journal is free text, and is
left out.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers import biopac_headers as headers
from physioprep.readers.biopac_tail import check_interval, past_journal, tail_fault
from physioprep.readers.extras import load_library
from physioprep.readers.regular import map_bytes
from physioprep.recording import (
    NO_SCALE,
    Recording,
    SignalGroup,
    annotation_columns,
    no_scale_note,
)

#: Revisions of the file format: AcqKnowledge 2 to 5.
_FIRST, _LAST = 30, 200
_LONGEST_HEADER: Final = 1 << 20
_PIECE: Final = 1 << 20  # samples taken apart at a time


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is of AcqKnowledge.

    The format has no magic number. A plausible revision, length and number of channels are too
    weak a sign alone, so the ending counts, too.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool

    Examples
    --------
    >>> head = struct.pack("<hiih", 0, 38, 1894, 3) + bytes(100)
    >>> is_mine(Path("a.acq"), head), is_mine(Path("a.dat"), head)
    (True, False)
    """
    return path.suffix.lower() == ".acq" and _order(head) is not None


def _order(head: bytes) -> str | None:
    """Return the byte order in which the beginning of a file is plausible."""
    if len(head) < 24:
        return None
    for order in "<>":
        revision, n_bytes, n_channels = struct.unpack_from(f"{order}iih", head, 2)
        if _FIRST <= revision <= _LAST and 24 <= n_bytes <= _LONGEST_HEADER and n_channels > 0:
            return order
    return None


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse a file of which markers or journal are damaged, or of which a channel has another
        number of compressed samples than its header says. If False, that is noted.

    Returns
    -------
    Recording
        Markers are annotations; `code` is their type.

    Raises
    ------
    UnreadableFileError
        The file is damaged, cut off, or of no revision that is known.
    """
    load_library(path, "bioread", "AcqKnowledge")  # its layouts
    data = map_bytes(path, limits.MAX_OBJECT_BYTES)
    order = _order(data[:24])
    if order is None:
        raise UnreadableFileError(path, "no header of AcqKnowledge of a known revision")
    source = headers.Source(path, data, int.from_bytes(data[2:6], _BYTES[order]), order)
    try:
        return _recording(source, verify=verify)
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except Exception as error:  # bioread's layouts, on what they do not foresee
        cause = f"AcqKnowledge: damaged ({type(error).__name__})"
        raise UnreadableFileError(path, cause) from None


_BYTES: Final[dict[str, Any]] = {"<": "little", ">": "big"}


def _recording(source: headers.Source, *, verify: bool) -> Recording:
    from bioread.file_revisions import version_string_guess

    said = headers.describe(source)
    notes = check_interval(source.path, said.rate_hz)
    metadata: dict[str, Any] = {
        "file_revision": source.revision,
        "software": f"AcqKnowledge {version_string_guess(source.revision)}",
        "compressed": said.compressed,
        "notes": notes,
    }
    at = said.start
    if not said.compressed:
        at += sum(each.n_samples * each.dtype.itemsize for each in said.channels)
        if at > len(source.data):
            stated, there = at - said.start, len(source.data) - said.start
            cause = f"cut off: {counted(stated, 'byte')} of samples are stated, {there} left"
            cause = f"AcqKnowledge: {cause}"
            raise UnreadableFileError(source.path, cause)
    markers: list[headers.Marker] = []
    try:
        markers, at = headers.read_markers(source, at)
        at, journal = past_journal(source, at)
        if journal:
            metadata["not_read"] = ["journal (free text)"]
        if source.revision >= headers.version_4() and not said.compressed:
            _check_tail(source, at, notes, strict=verify)
        elif not said.compressed:  # version 3 writes nothing there
            notes += _behind(source, at)
    except UnreadableFileError as error:
        if verify or said.compressed:  # compressed samples come behind the journal
            raise
        notes.append(error.cause)
        metadata["not_read"] = ["damaged markers or journal"]
    if said.compressed:
        samples = _decompressed(source, said, at, notes, strict=verify)
    else:
        samples = _taken_apart(source, said)
    groups, places = _groups(source.path, said, samples, metadata)
    rows = _annotations(markers, said, places)
    return Recording(source.path, "biopac", groups, (source.path,), None, metadata, rows)


def _behind(source: headers.Source, at: int) -> list[str]:
    n_bytes = len(source.data) - at
    return [f"{counted(n_bytes, 'byte')} behind its last part: not read"] if n_bytes else []


def _check_tail(source: headers.Source, at: int, notes: list[str], *, strict: bool) -> None:
    """Compare the length of what is not read with the end of the file."""
    cause, sure = tail_fault(source, at)
    if cause and sure and strict:
        raise UnreadableFileError(source.path, f"AcqKnowledge: {cause}")
    notes += [cause] if cause else []


def _taken_apart(source: headers.Source, said: headers.Described) -> list[NDArray[Any]]:
    """Return the samples of each channel of a file that interleaves them."""
    n_bytes = sum(each.n_samples * each.dtype.itemsize for each in said.channels)
    words = np.frombuffer(source.data, np.uint16, n_bytes // 2, said.start)
    samples = []
    for number, each in enumerate(said.channels):
        where = interleaved(said.channels, number) // 2
        wide = each.dtype.itemsize // 2
        found = np.empty((each.n_samples, wide), np.uint16)
        for start in range(0, each.n_samples, _PIECE):
            piece = slice(start, start + _PIECE)
            found[piece] = words[where[piece, None] + np.arange(wide)]
        samples.append(found.reshape(-1).view(each.dtype))
    return samples


def interleaved(channels: list[headers.Channel], number: int) -> NDArray[np.int64]:
    """Return where the samples of a channel lie among those of all that are not compressed.

    At each tick of the base rate stand, in the order of the channels, the samples of those whose
    divider divides the tick's number; a channel of which all samples have been is left out.

    Parameters
    ----------
    channels : list of Channel
    number : int
        Of the channel.

    Returns
    -------
    ndarray of int64
        Bytes from the first sample of all.

    Examples
    --------
    >>> two = [
    ...     headers.Channel("", "", divider, 2, 1, 0, 0, np.dtype("<i2")) for divider in (1, 2)
    ... ]
    >>> interleaved(two, 0), interleaved(two, 1)
    (array([0, 4]), array([2, 6]))
    """
    mine = channels[number]
    ticks = np.arange(mine.n_samples, dtype=np.int64) * mine.divider
    alike: dict[tuple[int, int, bool], int] = {}  # bytes a sample of all that run in step
    for at, each in enumerate(channels):
        key = (each.divider, each.n_samples, at < number)
        alike[key] = alike.get(key, 0) + each.dtype.itemsize
    where = np.zeros(mine.n_samples, np.int64)
    for (divider, n_samples, before), n_bytes in alike.items():
        passed = ticks // divider + 1 if before else -(-ticks // divider)
        where += n_bytes * np.minimum(passed, n_samples)
    return where


def _decompressed(
    source: headers.Source, said: headers.Described, at: int, notes: list[str], *, strict: bool
) -> list[NDArray[Any]]:
    """Return the samples of each channel of a compressed file."""
    samples = []
    parts = headers.compressed_parts(source, at, len(said.channels))
    for each, (start, n_bytes, size) in zip(said.channels, parts, strict=True):
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(source.data[start : start + n_bytes], size + 1)
        except zlib.error:
            cause = "AcqKnowledge: compressed samples are damaged"
            raise UnreadableFileError(source.path, cause) from None
        if not inflater.eof or len(content) != size or size % each.dtype.itemsize:
            cause = f"AcqKnowledge: compressed samples are not the {size} bytes that are stated"
            raise UnreadableFileError(source.path, cause)
        found = np.frombuffer(content, each.dtype)
        if len(found) != each.n_samples:
            cause = (
                f"a channel has {counted(len(found), 'sample')}, its header says {each.n_samples}"
            )
            if strict:
                raise UnreadableFileError(source.path, f"AcqKnowledge: {cause}")
            notes.append(cause)
        samples.append(found)
        at = start + n_bytes
    if source.revision < headers.version_4():
        notes += _behind(source, at)
    return samples


def _groups(
    path: Path, said: headers.Described, samples: list[NDArray[Any]], metadata: dict[str, Any]
) -> tuple[tuple[SignalGroup, ...], dict[int, int]]:
    """Return the groups, and the place in the recording of each channel by its number."""
    alike: dict[tuple[int, int, str], list[int]] = {}
    for at, (channel, values) in enumerate(zip(said.channels, samples, strict=True)):
        if len(values):
            key = (channel.divider, len(values), values.dtype.kind)
            alike.setdefault(key, []).append(at)
    if not alike:
        raise UnreadableFileError(path, "has no sample")
    n_empty = sum(not len(values) for values in samples)
    if n_empty:
        metadata["notes"].append(f"channels left out, which have no sample: {n_empty}")
    groups: list[SignalGroup] = []
    places: dict[int, int] = {}
    bare: list[str] = []
    n_placed = 0
    for (divider, n_samples, kind), members in alike.items():
        channels = [said.channels[at] for at in members]
        for each in channels:  # a number that two channels have names neither
            places[each.number] = -1 if each.number in places else n_placed
            n_placed += 1
        rate_hz = said.rate_hz / divider
        limits.check_rate(path, rate_hz)
        scale = np.array([each.scale for each in channels])
        offset = np.array([each.offset for each in channels])
        with np.errstate(all="ignore"):
            gain, baseline = 1 / scale, -offset / scale + 0.0  # no negative zero
        known = np.isfinite(gain) & (gain != 0) & np.isfinite(baseline)
        gain[~known], baseline[~known] = np.nan, 0.0
        bare += [each.name for each, good in zip(channels, known, strict=True) if not good]
        groups.append(
            SignalGroup(
                tuple(each.name for each in channels),
                tuple(each.unit for each in channels),
                rate_hz,
                n_samples,
                gain,
                baseline,
                np.full(len(channels), np.nan),
                digital=np.stack([samples[at] for at in members]).astype(
                    np.int16 if kind == "i" else np.float64
                ),
            )
        )
    if bare:
        metadata |= {"uncalibrated": bare, "flags": [f"{NO_SCALE}{name}" for name in bare]}
        metadata["notes"].append(no_scale_note(bare))
    return tuple(groups), places


def _annotations(
    markers: list[headers.Marker], said: headers.Described, places: dict[int, int]
) -> dict[str, NDArray[Any]]:
    ordered = sorted(markers, key=lambda each: each.sample)
    columns = annotation_columns(
        [each.sample / said.rate_hz for each in ordered],
        [np.nan] * len(ordered),
        [each.text for each in ordered],
        "acq",
        [places.get(each.channel, -1) for each in ordered],
    )
    columns["code"] = np.array([each.code for each in ordered], object)
    columns["sample"] = np.array([each.sample for each in ordered], np.int64)
    return columns
