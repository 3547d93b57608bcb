"""Check the chunks of an XDF file byte by byte, before a library decodes them.

pyxdf goes on after damage: a sample that is cut off repeats the one before, and after a lost chunk
the deduced stamps are wrong. It is given only chunks whose every byte is as the format says.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from physioprep import limits
from physioprep.documents import load_xml
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.lead_labels import Labels
from physioprep.readers.naming import known_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: First bytes of each file.
MAGIC: Final = b"XDF:"
#: Bytes of a value of each type; 0 for texts of any length.
SIZES: Final = {
    **{"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8},
    "string": 0,
}
_BOUNDARY: Final = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
_HEADER, _STREAM, _SAMPLES, _CLOCK, _BOUND, _FOOTER = 1, 2, 3, 4, 5, 6


class DamageError(Exception):
    """A chunk is not as the format says; the text says what, without any text of the file."""


@dataclass
class Stream:
    """A stream as its header and its chunks say."""

    about: Element
    format: str
    n_channels: int
    rate_hz: float
    n_samples: int = 0
    footer: Element | None = None


@dataclass
class Checked:
    """The sound chunks of a file."""

    content: bytes = b""  # for pyxdf: stream headers, samples and clock offsets
    header: Element | None = None
    streams: dict[int, Stream] = field(default_factory=dict)
    damage: str = ""  # of the first damaged chunk; those behind it are not looked at
    n_unknown: int = 0
    n_empty: int = 0  # chunks without a sample or a clock offset
    n_offsets: int = 0
    n_single: int = 0  # chunks of one sample


def check_chunks(path: Path, content: bytes | mmap) -> Checked:
    """Check all chunks up to the first that is damaged.

    Parameters
    ----------
    path : Path
        Named in errors.
    content : bytes or mmap
        Of the file, not compressed.

    Returns
    -------
    Checked

    Raises
    ------
    UnreadableFileError
        A limit is exceeded, or a stream is of a type that the format does not have.
    """
    found, at = Checked(), len(MAGIC)
    kept = [MAGIC]
    while at < len(content):
        try:
            start, end = _bounds(content, at)
            tag = int.from_bytes(content[start : start + 2], "little")
            _check(path, found, tag, content[start + 2 : end])
        except DamageError as error:
            found.damage = f"the chunk at byte {at} {error}"
            break
        _check_counts(path, found)
        if tag == _STREAM:
            number = int.from_bytes(content[start + 2 : start + 6], "little")
            kept.append(_plain_header(number, found.streams[number]))
        elif tag in (_SAMPLES, _CLOCK):
            kept.append(content[at:end])
        at = end
    found.content = b"".join(kept)
    return found


def _check_counts(path: Path, found: Checked) -> None:
    limits.check(path, found.n_empty, limits.MAX_EMPTY_CHUNKS, "chunks without a sample")
    limits.check(path, found.n_offsets, limits.MAX_CLOCK_OFFSETS, "clock offsets")
    limits.check(path, found.n_single, limits.MAX_SINGLE_SAMPLES, "chunks of one sample")


def _bounds(content: bytes | mmap, at: int) -> tuple[int, int]:
    """Return where a chunk's tag begins and where the chunk ends."""
    length, start = _number(content, at)
    if length < 2:
        raise DamageError("has no content")
    if start + length > len(content):
        raise DamageError(f"states {counted(length, 'byte')}, {len(content) - start} are left")
    return start, start + length


def _number(data: bytes | mmap, at: int) -> tuple[int, int]:
    """Return a number of variable length, and where it ends."""
    width = data[at] if at < len(data) else 0
    if width not in (1, 4, 8) or at + 1 + width > len(data):
        raise DamageError("has a length that is cut off or damaged")
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width


def _check(path: Path, found: Checked, tag: int, body: bytes) -> None:
    found.n_empty += tag not in (_SAMPLES, _CLOCK)
    if tag == _HEADER:
        found.header = _xml(body)
    elif tag == _BOUND:
        if body != _BOUNDARY:
            raise DamageError("is no boundary, though it says so")
    elif tag in (_STREAM, _SAMPLES, _CLOCK, _FOOTER):
        if len(body) < 4:
            raise DamageError("names no stream")
        number = int.from_bytes(body[:4], "little")
        if tag == _STREAM:
            _add_stream(path, found, number, body[4:])
            return
        if number not in found.streams:
            raise DamageError("is of a stream without a header before it")
        stream = found.streams[number]
        if tag == _SAMPLES:
            n_samples = _check_samples(stream, body[4:])
            stream.n_samples += n_samples
            found.n_empty += not n_samples
            found.n_single += n_samples == 1
        elif tag == _FOOTER:
            stream.footer = _xml(body[4:])
        elif len(body) != 20:
            raise DamageError(f"is a clock offset of {counted(len(body), 'byte')}, not 20")
        else:
            found.n_offsets += 1
    else:
        found.n_unknown += 1


def _xml(body: bytes) -> Element:
    # pyxdf, too, takes bytes that are not UTF-8 for unknown characters
    return load_xml(body.decode("utf-8", "replace").encode(), lambda _: DamageError("is no XML"))


def _add_stream(path: Path, found: Checked, number: int, body: bytes) -> None:
    if number in found.streams:
        raise DamageError("is a second header of its stream")
    about = _xml(body)
    format = about.findtext("channel_format") or ""
    try:
        n_channels = int(about.findtext("channel_count") or "")
        rate_hz = float(about.findtext("nominal_srate") or "")
    except ValueError:
        raise DamageError("states no number of channels or no rate") from None
    if format not in SIZES or about.tag != "info":
        raise DamageError("is a stream of a type that the format does not have")
    if n_channels < 1 or not (math.isfinite(rate_hz) and rate_hz >= 0):
        what = f"{n_channels} channels" if n_channels < 1 else f"a rate of {rate_hz:g} Hz"
        raise DamageError(f"states {what}, which is impossible")
    if rate_hz:
        limits.check_rate(path, rate_hz)
    found.streams[number] = Stream(about, format, n_channels, rate_hz)
    total = sum(each.n_channels for each in found.streams.values())
    limits.check(path, total, limits.MAX_CHANNELS, "channels")


def _hide_names(found: Checked) -> list[str]:
    abouts = [each.about for each in found.streams.values()]
    people = [part for about in abouts for part in about.iterfind("desc/subject/*")]
    names = [part.text or "" for part in people if "name" in part.tag.lower()]
    known = known_of(names, ids=[part.text or "" for part in people if part.tag == "id"])
    streams, channels = Labels(known, "stream"), Labels(known, "channel")
    for about in abouts:
        streams.hide([*about.iterfind("name"), *about.iterfind("type")])
        for tag in ("label", "unit"):
            channels.hide(about.iterfind(f"desc/channels/channel/{tag}"))
    return [*streams.notes(), *channels.notes()]


def _plain_header(number: int, stream: Stream) -> bytes:
    """Return a stream header of what pyxdf needs; it stumbles over an empty name, for one."""
    said = {"name": "-", "channel_count": stream.n_channels, "nominal_srate": stream.rate_hz}
    said["channel_format"] = stream.format
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in said.items())
    body = number.to_bytes(4, "little") + f"<info>{fields}</info>".encode()
    return b"\4" + struct.pack("<IH", len(body) + 2, _STREAM) + body


def _check_samples(stream: Stream, body: bytes) -> int:
    """Return the number of samples of a chunk, which fill it exactly."""
    n, at = _number(body, 0)
    size = stream.n_channels * SIZES[stream.format]
    if n > len(body) - at:
        raise DamageError(f"states {counted(n, 'sample')} in {counted(len(body) - at, 'byte')}")
    if n == 1 and size and len(body) == at + 1 + body[at] + size and body[at] in (0, 8):
        return 1
    for stamped, mark in ((0, 0), (8, 8)):  # all samples with a stamp, or none: fast
        step = 1 + stamped + size
        if size and len(body) - at == n * step:
            marks = np.frombuffer(body, np.uint8, offset=at)[::step]
            if bool((marks == mark).all()):
                return n
    for end in _ends(stream, body, at, n):
        at = end
    if at != len(body):
        raise DamageError(f"has {counted(len(body) - at, 'byte')} more than its samples")
    return n


def _ends(stream: Stream, body: bytes, at: int, n: int) -> Iterator[int]:
    """Yield where each sample ends."""
    size, length = stream.n_channels * SIZES[stream.format], len(body)
    for _ in range(n):
        if at >= length or body[at] not in (0, 8):
            raise DamageError("has a sample that is cut off or damaged")
        at += 1 + body[at] + size
        for _ in range(stream.n_channels if not size else 0):
            n_bytes, at = _number(body, at)
            at += n_bytes
        if at > length:
            raise DamageError("has a sample that is cut off")
        yield at


def check_streams(path: Path, found: Checked) -> list[str]:
    """Refuse a file of which nothing can be read; hide names of people in what it describes.

    Parameters
    ----------
    path : Path
    found : Checked
        Labels that hold the name of the file's person are replaced in it.

    Returns
    -------
    list of str
        Notes of what was replaced.

    Raises
    ------
    UnreadableFileError
        It has no stream of regular samples.
    """
    regular = [each for each in found.streams.values() if each.rate_hz and each.format != "string"]
    if not any(each.n_samples for each in regular):
        cause = f"XDF: {found.damage}" if found.damage else "XDF: no stream of regular samples"
        raise UnreadableFileError(path, cause)
    return _hide_names(found)
