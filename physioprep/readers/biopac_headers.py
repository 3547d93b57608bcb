"""The headers of BIOPAC AcqKnowledge, by the layouts of bioread.

bioread knows the fields of each revision. It is not used to walk from one to the next: lengths and
numbers that lie make it loop for minutes, and it goes on in silence after most faults.
"""

from __future__ import annotations

import ctypes
import functools
import math
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any, Final

import numpy as np

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted

#: Bytes behind the foreign data in which the types of the channels are looked for, as bioread does.
_SEARCHED: Final = 4096
#: The shortest headers that hold all fields needed: of the graph, of a channel.
_SHORTEST_GRAPH, _SHORTEST_CHANNEL = 24, 112
_TYPES: Final = {0: "f8", 1: "f8", 2: "i2"}


@dataclass(frozen=True)
class Source:
    """A file and how its numbers are written.

    Parameters
    ----------
    path : Path
    data : bytes or mmap
        All of it.
    revision : int
    order : str
        ``"<"`` or ``">"``.
    """

    path: Path
    data: bytes | mmap
    revision: int
    order: str


@dataclass(frozen=True)
class Channel:
    """A channel as the headers describe it.

    Parameters
    ----------
    name, unit : str
    divider : int
        Of the base rate.
    n_samples : int
    scale, offset : float
        ``physical = digital * scale + offset``; 1 and 0 for floating-point samples.
    number : int
        By which markers name it.
    dtype : dtype
        Of the samples in the file.
    """

    name: str
    unit: str
    divider: int
    n_samples: int
    scale: float
    offset: float
    number: int
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Described:
    """What the headers before the samples say.

    Parameters
    ----------
    rate_hz : float
        Base rate.
    compressed : bool
    channels : list of Channel
    start : int
        Where they end.
    """

    rate_hz: float
    compressed: bool
    channels: list[Channel]
    start: int


@dataclass(frozen=True)
class Marker:
    """An event marker.

    Parameters
    ----------
    sample : int
        At the base rate.
    text : str
    channel : int
        `Channel.number`; -1 for all.
    code : str
        Its type, from version 4 on.
    """

    sample: int
    text: str
    channel: int
    code: str


@functools.lru_cache(maxsize=64)
def _layout(kind: Any, revision: int, order: str) -> Any:
    return kind.for_revision(revision, order)._struct_class  # bioread makes it anew at each use


def header_at(source: Source, kind: Any, offset: int) -> Any:
    """Return a header of bioread's.

    Parameters
    ----------
    source : Source
    kind : type
        A class of `bioread.headers`.
    offset : int
        Where it begins.

    Returns
    -------
    bioread.headers.Header

    Raises
    ------
    UnreadableFileError
        It lies outside the file.
    """
    layout = _layout(kind, source.revision, source.order)
    if not 0 <= offset <= len(source.data) - ctypes.sizeof(layout):
        raise UnreadableFileError(source.path, "AcqKnowledge: ends within its headers")
    encoding = "utf-8" if source.revision >= version_4() else "latin1"
    header = kind.for_revision(source.revision, source.order, encoding)
    header._struct = layout.from_buffer_copy(source.data, offset)
    header.offset = offset
    return header


def version_4() -> int:
    """Return the first revision of AcqKnowledge 4.

    Returns
    -------
    int
    """
    from bioread.file_revisions import V_400B

    return int(V_400B)


def size_of(source: Source, kind: Any) -> int:
    """Return the bytes of a header without what follows it.

    Parameters
    ----------
    source : Source
    kind : type
        A class of `bioread.headers`.

    Returns
    -------
    int
    """
    return ctypes.sizeof(_layout(kind, source.revision, source.order))


def describe(source: Source) -> Described:
    """Read the headers before the samples.

    Parameters
    ----------
    source : Source

    Returns
    -------
    Described

    Raises
    ------
    UnreadableFileError
        They are damaged or promise too much.
    """
    from bioread import headers as kinds

    path = source.path
    graph = header_at(source, kinds.GraphHeader, 0)
    at, n = int(graph.effective_len_bytes), int(graph.channel_count)
    paddings = int(graph.expected_padding_headers)
    limits.check(path, max(n, paddings), limits.MAX_CHANNELS, "channels")
    if n < 1 or at < _SHORTEST_GRAPH or paddings < 0:
        raise UnreadableFileError(
            path, f"AcqKnowledge: {counted(n, 'channel')}, a header of {counted(at, 'byte')}"
        )
    step_ms = float(graph.sample_time)
    rate_hz = 1000 / step_ms if step_ms > 0 else math.nan
    limits.check_rate(path, rate_hz)
    for _ in range(paddings):
        at += _positive(source, header_at(source, kinds.UnknownPaddingHeader, at), 4)
    heads = []
    for _ in range(n):
        heads.append(header_at(source, kinds.ChannelHeader, at))
        at += _positive(source, heads[-1], _SHORTEST_CHANNEL)
    at += _positive(source, header_at(source, kinds.ForeignHeader, at), 0)
    types, at = _types(source, at, n)
    order = "<" if graph.compressed else source.order  # compressed samples are little-endian
    channels = [
        _channel(source, head, np.dtype(order + type))
        for head, type in zip(heads, types, strict=True)
    ]
    return Described(rate_hz, bool(graph.compressed), channels, at)


def _positive(source: Source, header: Any, least: int) -> int:
    n_bytes = int(header.effective_len_bytes)
    if not least <= n_bytes <= len(source.data):
        raise UnreadableFileError(
            source.path, f"AcqKnowledge: a header of {counted(n_bytes, 'byte')}"
        )
    return n_bytes


def _types(source: Source, at: int, n: int) -> tuple[list[str], int]:
    """Find the types of the channels, which are not always right behind the foreign data."""
    window = source.data[at : at + _SEARCHED + 4 * n]
    found: list[tuple[int, list[str]]] = []
    for shift in range(4):
        n_pairs = (len(window) - shift) // 4
        if n_pairs < n:
            continue
        pairs = np.frombuffer(window, source.order + "i2", 2 * n_pairs, shift)
        sizes, codes = pairs[::2], pairs[1::2]
        valid = ((sizes == 8) & ((codes == 0) | (codes == 1))) | ((sizes == 2) & (codes == 2))
        total = np.concatenate([[0], np.cumsum(valid)])
        first = np.flatnonzero(total[n:] - total[:-n] == n)[:1]
        found += [(4 * k + shift, [_TYPES[c] for c in codes[k : k + n].tolist()]) for k in first]
    if not found:
        raise UnreadableFileError(source.path, "AcqKnowledge: no types of its channels are found")
    where, chosen = min(found)
    return chosen, at + int(where) + 4 * n


def _channel(source: Source, head: Any, dtype: np.dtype[Any]) -> Channel:
    n_samples, divider = int(head.point_count), int(head.frequency_divider)
    if n_samples < 0 or divider < 1:
        cause = f"AcqKnowledge: a channel of {n_samples} samples at 1/{divider} of the base rate"
        raise UnreadableFileError(source.path, cause)
    whole = dtype.kind == "i"  # scale and offset of floating-point samples say nothing
    return Channel(
        head.name.strip(),
        head.units.strip(),
        divider,
        n_samples,
        float(head.raw_scale) if whole else 1.0,
        float(head.raw_offset) if whole else 0.0,
        int(head.order_num),
        dtype,
    )


def read_markers(source: Source, at: int) -> tuple[list[Marker], int]:
    """Read the event markers.

    Parameters
    ----------
    source : Source
    at : int
        Where they begin.

    Returns
    -------
    markers : list of Marker
    end : int

    Raises
    ------
    UnreadableFileError
        They are damaged.
    """
    from bioread import headers as kinds

    head = header_at(source, kinds.MarkerHeader, at)
    at += size_of(source, kinds.MarkerHeader)
    n = int(head.marker_count)
    limits.check(source.path, n, limits.MAX_ANNOTATIONS, "markers")
    markers = []
    for _ in range(n):
        item = header_at(source, kinds.MarkerItemHeader, at)
        at += size_of(source, kinds.MarkerItemHeader)
        n_bytes = int(item.text_length)
        if n < 0 or item.sample_index < 0 or not 0 <= n_bytes <= len(source.data) - at:
            raise UnreadableFileError(source.path, "AcqKnowledge: a marker is damaged")
        text = source.data[at : at + n_bytes].decode(item.encoding, "ignore").strip("\0")
        at += n_bytes
        channel = -1 if item.channel_number is None else int(item.channel_number)
        code = (item.type_code or "").strip(" \0")
        markers.append(Marker(int(item.sample_index), text, channel, code))
    from bioread.file_revisions import V_381

    if V_381 <= source.revision < version_4():
        at = _past_colours(source, at, n)
    return markers, at


def _past_colours(source: Source, at: int, n_markers: int) -> int:
    """Return where the colours of the markers end, which not every file has."""
    from bioread import headers as kinds

    if source.data[at : at + 4] == bytes(kinds.JournalHeaderPre4.EXPECTED_TAG_VALUE):
        return at
    header_at(source, kinds.MarkerPreItemMetadataHeaderPre4, at)
    at += size_of(source, kinds.MarkerPreItemMetadataHeaderPre4)
    return at + max(0, n_markers) * size_of(source, kinds.MarkerItemMetadataHeader)


def compressed_parts(source: Source, at: int, n: int) -> list[tuple[int, int, int]]:
    """Return where the compressed samples of each channel are.

    Parameters
    ----------
    source : Source
    at : int
        Where the headers of the compression begin.
    n : int
        Channels.

    Returns
    -------
    list of (int, int, int)
        Position, bytes there, bytes when decompressed.

    Raises
    ------
    UnreadableFileError
        A length contradicts the file.
    """
    from bioread import headers as kinds

    at += _positive(source, header_at(source, kinds.MainCompressionHeader, at), 1)
    parts = []
    for _ in range(n):
        head = header_at(source, kinds.ChannelCompressionHeader, at)
        start, n_bytes = int(head.compressed_data_offset), int(head.compressed_data_len)
        size = int(head.uncompressed_data_len)
        if min(start - at, n_bytes, size) < 0 or start + n_bytes > len(source.data):
            raise UnreadableFileError(source.path, "AcqKnowledge: compressed samples are cut off")
        parts.append((start, n_bytes, size))
        at = start + n_bytes
    limits.check_expansion(
        source.path, sum(size for *_, size in parts), len(source.data), "decompressed"
    )
    return parts
