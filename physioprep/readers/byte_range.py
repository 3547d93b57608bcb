"""Which bytes of which file hold a time interval of a recording, computed from headers.

WFDB storage as in signal(5) of the WFDB Applications Guide
(https://physionet.org/physiotools/wag/signal-5.htm), EDF data records as in Kemp et al. 1992
(doi 10.1016/0013-4694(92)90009-7). Other formats compress, index or pickle their samples: for
these the whole file is returned.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from physioprep.readers.wfdb_formats import PACKING
from physioprep.readers.wfdb_header import SignalLine
from physioprep.recording import GroupHeader, Header

#: In samples: times in seconds have rounding errors.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class ByteRange:
    """Bytes ``[first, stop)`` of a file.

    Parameters
    ----------
    file : Path
    first, stop : int
        Bytes from the start of the file.
    channels : tuple of str
        The requested source channels that have samples in these bytes.
    first_sample, stop_sample : int
        First sample of each of these channels, and one past the last; 0 is the first in the file.
    note : str
        Why the bytes hold more than these samples; "" where they hold nothing else.
    """

    file: Path
    first: int
    stop: int
    channels: tuple[str, ...]
    first_sample: int
    stop_sample: int
    note: str = ""


def byte_ranges(
    header: Header, start_s: float, end_s: float, channels: Collection[str] | None = None
) -> list[ByteRange]:
    r"""Return the bytes that hold the samples from `start_s` to `end_s`, both included.

    Parameters
    ----------
    header : Header
        Of the recording. The segments' headers of a multi-segment WFDB record are read.
    start_s, end_s : float
        Seconds from the recording's start. For a time between two samples, both are included.
    channels : collection of str, optional
        Source channels; default: all.

    Returns
    -------
    list of ByteRange
        In the order of the files. Gaps of a discontinuous recording have no bytes.

    Raises
    ------
    UnreadableFileError
        A segment's header is missing or malformed.

    Examples
    --------
    >>> import tempfile
    >>> from physioprep.readers import read_header
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.hea").write_text("a 2 250 9\na.dat 212 200 0\na.dat 212 200 0\n")
    >>> [found] = byte_ranges(read_header(folder / "a"), 0.008, 0.012)
    >>> found.first, found.stop, found.first_sample, found.stop_sample
    (6, 12, 2, 4)
    """
    if header.format == "wfdb":
        if "segments" in header.metadata:
            return list(_of_segments(header, start_s, end_s, channels))
        return list(_of_wfdb(header, start_s, end_s, channels))
    if header.format == "edf":
        return list(_of_edf(header, start_s, end_s, channels))
    return list(_of_whole_files(header, start_s, end_s, channels))


def _stretches(group: GroupHeader, start_s: float, end_s: float) -> Iterator[tuple[int, int]]:
    """Yield the samples [first, stop) between two times, once per continuous segment."""
    stops = [first for first, _ in group.segments[1:]] + [group.n_samples]
    for (first, onset), stop in zip(group.segments, stops, strict=True):
        begin = first + math.floor((start_s - onset) * group.sampling_rate + _TOLERANCE)
        end = first + math.ceil((end_s - onset) * group.sampling_rate - _TOLERANCE) + 1
        begin, end = max(begin, first), min(end, stop)
        if begin < end:
            yield begin, end


def _wanted(group: GroupHeader, channels: Collection[str] | None) -> list[int]:
    return [i for i, name in enumerate(group.channels) if channels is None or name in channels]


def _of_wfdb(
    header: Header, start_s: float, end_s: float, channels: Collection[str] | None
) -> Iterator[ByteRange]:
    lines: list[SignalLine] = header.metadata["signals"]
    files = dict.fromkeys(line.file for line in lines if line.file != "~")
    for group in header.groups:
        per_frame = round(group.sampling_rate / header.metadata["frame_rate"])
        members = [line for line in lines if line.samples_per_frame == per_frame]
        asked = [members[i] for i in _wanted(group, channels)]
        for file in files:
            mine = [line for line in asked if line.file == file]
            for first, stop in _stretches(group, start_s, end_s) if mine else ():
                yield _of_signal_file(header, lines, mine, first, stop)


def _of_signal_file(
    header: Header, lines: list[SignalLine], mine: list[SignalLine], first: int, stop: int
) -> ByteRange:
    """Return the bytes of one file that hold samples [first, stop) of the signals `mine`."""
    line = mine[0]
    path = header.path.parent / line.file
    names = tuple(each.description for each in mine)
    if line.format not in PACKING:
        size, note = path.stat().st_size, "FLAC: only the whole file decodes"
        return ByteRange(path, 0, size, names, first, stop, note)
    together = [each for each in lines if each.file == line.file]
    widths = itertools.accumulate((each.samples_per_frame for each in together), initial=0)
    # by identity, since two signals may have the same description
    aheads = dict(zip(map(id, together), widths, strict=False))
    per_frame = sum(each.samples_per_frame for each in together)
    begins, ends = [], []
    for each in mine:
        ahead = aheads[id(each)]
        n, skew = each.samples_per_frame, each.skew
        last = stop - 1
        begins.append((first // n + skew) * per_frame + ahead + first % n)
        ends.append((last // n + skew) * per_frame + ahead + last % n + 1)
    size, per_group = PACKING[line.format]
    begin, end = min(begins) // per_group, -(-max(ends) // per_group)
    note = (
        "" if len(together) == len(mine) else f"interleaved with {len(together) - len(mine)} more"
    )
    if line.format == 8:
        begin, note = 0, "stored as differences: a value needs all before it"
    at = line.byte_offset
    there = min(at + end * size, path.stat().st_size) if path.exists() else at + end * size
    return ByteRange(path, at + begin * size, there, names, first, stop, note)


def _of_segments(
    header: Header, start_s: float, end_s: float, channels: Collection[str] | None
) -> Iterator[ByteRange]:
    from physioprep.readers.wfdb import read_header

    rate, at = header.metadata["frame_rate"], 0
    for name, length in header.metadata["segments"]:
        begin_s, last_s = at / rate, (at + length - 1) / rate
        if name != "~" and length and begin_s <= end_s and start_s <= last_s + 1 / rate:
            segment = read_header(header.path.parent / f"{name}.hea")
            inside = (max(0.0, start_s - begin_s), min(end_s, last_s) - begin_s)
            yield from _of_wfdb(segment, *inside, channels)
        at += length


def _of_edf(
    header: Header, start_s: float, end_s: float, channels: Collection[str] | None
) -> Iterator[ByteRange]:
    signals: list[Any] = header.metadata["signals"]
    width = header.metadata["sample_bytes"]
    record_bytes = width * sum(signal.n_samples for signal in signals)
    data = 256 * (len(signals) + 1)
    offsets = list(itertools.accumulate((width * one.n_samples for one in signals), initial=0))
    rate = header.metadata["record_duration_s"]
    for group in header.groups:
        n = round(group.sampling_rate * rate)
        members = [
            i for i, one in enumerate(signals) if not one.is_annotations and one.n_samples == n
        ]
        mine = [members[i] for i in _wanted(group, channels)]
        for first, stop in _stretches(group, start_s, end_s) if mine else ():
            before = [offsets[i] for i in mine]
            (k, i), (last, j) = divmod(first, n), divmod(stop - 1, n)
            begin = data + k * record_bytes + min(before) + width * i
            end = data + last * record_bytes + max(before) + width * (j + 1)
            alone = len(mine) == 1 and k == last
            note = "" if alone else f"data records {k} to {last}, {record_bytes} bytes each"
            names = tuple(signals[i].label for i in mine)
            yield ByteRange(header.path, begin, end, names, first, stop, note)


def _of_whole_files(
    header: Header, start_s: float, end_s: float, channels: Collection[str] | None
) -> Iterator[ByteRange]:
    note = f"{header.format}: the place of a sample in the file is not computed"
    for group in header.groups:
        names = tuple(group.channels[i] for i in _wanted(group, channels))
        for first, stop in _stretches(group, start_s, end_s) if names else ():
            file = header.files[0]
            size = file.stat().st_size
            yield replace(ByteRange(file, 0, size, names, first, stop), note=note)
