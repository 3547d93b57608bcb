"""Read Nicolet and Natus files (``.e``): 16-bit samples as stored, segments, events.

Nothing of the patient's part is handed on but age and pseudonym, and of an event not who made it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.naming import Known, known_of, names_nobody
from physioprep.readers.nicolet_index import Parts, find_parts, first_tag, moment_of, text_of
from physioprep.readers.parts import unscaled
from physioprep.readers.person import person
from physioprep.readers.regular import read_bytes
from physioprep.recording import Recording, SignalGroup, annotation_columns

_CHANNELS: Final = "{A271CCCB-515D-4590-B6A1-DC170C8D6EE2}"
_PATIENT: Final = "{D0B3FD0B-49D9-4BF0-8929-296DE5A55910}"
_EVENT: Final = bytes.fromhex("80f699b7a472d31193d300500400c148")
#: Kinds of events that readers of this format know, by their GUID.
_KINDS: Final = {
    "A5A95612-A7F8-11CF-831A-0800091B5BDA": "Annotation",
    "A5A95645-A7F8-11CF-831A-0800091B5BDA": "Event Comment",
    "A5A95646-A7F8-11CF-831A-0800091B5BDA": "Seizure",
    "C3B68051-EDCF-418C-8D53-27077B92DE22": "Spike",
    "A5A95616-A7F8-11CF-831A-0800091B5BDA": "Patient Event",
    "08784382-C765-11D3-90CE-00104B6F4F70": "Format change",
    "6FF394DA-D1B8-46DA-B78F-866C67CF02AF": "Photic",
    "A5A95608-A7F8-11CF-831A-0800091B5BDA": "Hyperventilation",
    "481DFC97-013C-4BC5-A203-871B0375A519": "Posthyperventilation",
    "725798BF-CD1C-4909-B793-6C7864C27AB7": "Review progress",
    "96315D79-5C24-4A65-B334-E31A95088D55": "Exam start",
    "A5A95617-A7F8-11CF-831A-0800091B5BDA": "Impedance",
    "99FFE0AA-B8F9-49E5-8390-8F072F4E00FC": "EEG Check",
    "A5A9560A-A7F8-11CF-831A-0800091B5BDA": "Print",
    "0DE05C94-7D03-47B9-864F-D586627EA891": "Eyes closed",
    "583AA2C6-1F4E-47CF-A8D4-80C69EB8A5F3": "Eyes open",
    "08EC3F49-978D-4FE4-AE77-4C421335E5FF": "Prune",
    "0A205CD4-1480-4F02-8AFF-4E4CD3B21078": "Artifact",
}
_SEGMENT_BYTES, _PACKET_BYTES, _CHANNEL_BYTES = 152, 48, 552
_AT_CHANNELS: Final = 760
_AT_TEXT: Final = 264
_NAMES, _ID, _BORN = (2, 3, 4, 6), (1, 5), 7


@dataclass(frozen=True)
class _Channel:
    name: str
    reference: str
    rate_hz: float
    step: float  # uV
    offset: float  # uV


@dataclass(frozen=True)
class _Segment:
    start: datetime
    duration_s: float


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is of Nicolet: its first tag is one of the format.

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
    >>> tag = "SegmentStream".encode("utf-16-le").ljust(84, bytes(1))
    >>> is_mine(Path("a.e"), bytes(172) + bytes([1, 0, 0, 0]) + tag)
    True
    >>> is_mine(Path("a.e"), bytes(4096))
    False
    """
    return bool(first_tag(head))


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse a file with fewer samples than its segments last. If False, that is noted.

    Returns
    -------
    Recording
        A group for each rate, a segment for each gap, events as annotations.

    Raises
    ------
    UnreadableFileError
        The file is damaged, or its channels change within it.
    """
    data = read_bytes(path, limits.MAX_OBJECT_BYTES)
    if not first_tag(data[:4096].tobytes()):
        raise UnreadableFileError(path, "no beginning of a Nicolet file")
    try:
        return _recording(find_parts(path, data), verify=verify)
    except struct.error:
        raise UnreadableFileError(path, "Nicolet: a description is cut off") from None


def _recording(parts: Parts, *, verify: bool) -> Recording:
    path = parts.path
    segments = _segments(parts)
    channels = _channels(parts, segments)
    notes: list[str] = []
    groups, references, absent = _groups(parts, channels, segments, notes)
    short = [note for note in notes if "fewer" in note]
    if short and verify:
        raise UnreadableFileError(path, short[0])
    about, words = _patient(parts, segments[0].start)
    rows = _events(parts, segments[0].start, words, notes)
    columns = annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], "nicolet"
    )
    columns["code"] = np.array([row[3] for row in rows], object)
    metadata: dict[str, Any] = {"references": references, "notes": notes, **about}
    metadata |= {"not_read": absent} if absent else {}
    metadata |= {"flags": ["cut-off"]} if short else {}
    start = segments[0].start
    return Recording(path, "nicolet", tuple(groups), (path,), start, metadata, columns)


def _segments(parts: Parts) -> list[_Segment]:
    raw = parts.field("SegmentStream")
    n = len(raw) // _SEGMENT_BYTES
    limits.check(parts.path, n, limits.MAX_SEGMENTS, "segments")
    found = []
    for at in range(0, n * _SEGMENT_BYTES, _SEGMENT_BYTES):
        days, fraction, duration = struct.unpack_from("<3d", raw, at)
        start = moment_of(days, _seconds(fraction))
        if start is None or not 0 <= duration < 1e9:
            raise UnreadableFileError(parts.path, "Nicolet: a segment without time or duration")
        found.append(_Segment(start, duration))
    if not found:
        raise UnreadableFileError(parts.path, "Nicolet: no segment")
    return found


def _channels(parts: Parts, segments: list[_Segment]) -> list[_Channel]:
    """Return the channels by the description that is in force in all segments."""
    changes = parts.field("InfoChangeStream")
    described = parts.field(_CHANNELS)
    found: list[tuple[datetime, list[_Channel]]] = []
    for at in range(0, len(changes) // _PACKET_BYTES * _PACKET_BYTES, _PACKET_BYTES):
        guid = _guid(changes[at : at + 16])
        if f"{{{guid}}}" != _CHANNELS:
            continue
        days, fraction, first, size = struct.unpack_from("<2d2Q", changes, at + 16)
        if not size:
            continue
        if first + size > len(described):
            raise UnreadableFileError(parts.path, "Nicolet: a description of channels is cut off")
        when = moment_of(days, _seconds(fraction)) or datetime.min
        found.append((when, _described(parts.path, described[first : first + size])))
    if not found and described:  # files of one description need not say when it changed
        found.append((datetime.min, _described(parts.path, described)))
    if not found:
        raise UnreadableFileError(parts.path, "Nicolet: no description of channels")
    found.sort(key=lambda each: each[0])
    used = []
    for segment in segments:
        before = [channels for when, channels in found if when <= segment.start]
        used.append(before[-1] if before else found[0][1])
    if any(channels != used[0] for channels in used[1:]):
        cause = "Nicolet: channels change between segments, which is not read"
        raise UnreadableFileError(parts.path, f"{cause}: export each segment to EDF")
    return used[0]


def _described(path: Path, raw: bytes) -> list[_Channel]:
    (n,) = struct.unpack_from("<I", raw, 752)
    limits.check(path, n, limits.MAX_CHANNELS, "channels")
    found = []
    for at in range(_AT_CHANNELS, _AT_CHANNELS + n * _CHANNEL_BYTES, _CHANNEL_BYTES):
        each = raw[at : at + _CHANNEL_BYTES]
        rate, step = struct.unpack_from("<2d", each, 272)
        (offset,) = struct.unpack_from("<d", each, 292)
        if not (0 < rate < 1e6 and np.isfinite(step) and step != 0 and np.isfinite(offset)):
            raise UnreadableFileError(path, "Nicolet: a channel without rate or resolution")
        label, sensor, other = each[:128], each[128:192], each[192:256]
        name = text_of(label) or text_of(sensor)
        found.append(_Channel(name, text_of(other), rate, step, offset))
    return found


def _groups(
    parts: Parts, channels: list[_Channel], segments: list[_Segment], notes: list[str]
) -> tuple[list[SignalGroup], list[list[str]], list[str]]:
    """Return a group for each rate and length, references, and channels without samples."""
    absent: list[str] = []
    sorted_in: dict[tuple[float, int], list[int]] = {}
    for number, channel in enumerate(channels):
        size = sum(n for _, n in parts.sections.get(str(number), []))
        if size < 2:
            absent.append(f"channel {channel.name} (no samples)")
            continue
        sorted_in.setdefault((channel.rate_hz, size // 2), []).append(number)
    groups, references = [], []
    for (rate, n), numbers in sorted_in.items():
        digital = np.empty((len(numbers), n), np.int16)
        for row, number in enumerate(numbers):
            digital[row] = parts.bytes_of(str(number))[: 2 * n].view("<i2")
        those = [channels[number] for number in numbers]
        group = unscaled(
            [each.name for each in those], ["uV"] * len(those), rate, digital, parts.path
        )
        gain = np.array([1 / each.step for each in those])
        baseline = -np.array([each.offset for each in those]) * gain
        starts = _starts(parts, str(numbers[0]), rate, n, segments, notes)
        groups.append(replace(group, gain=gain, baseline=baseline, segments=starts))
        references.append([each.reference for each in those])
    if not groups:
        raise UnreadableFileError(parts.path, "Nicolet: no channel has samples")
    return groups, references, absent


def _starts(
    parts: Parts, tag: str, rate: float, n: int, segments: list[_Segment], notes: list[str]
) -> tuple[tuple[int, float], ...]:
    # a segment begins with a section, about where the durations before it end
    sizes = [size // 2 for _, size in parts.sections[tag]]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    ends = np.concatenate([[0.0], np.cumsum([each.duration_s for each in segments])]) * rate
    starts: list[tuple[int, float]] = []
    for segment, nominal in zip(segments, ends[:-1].tolist(), strict=True):
        near = int(bounds[np.abs(bounds - nominal).argmin()])
        first = near if abs(near - nominal) <= max(2.0, len(segments)) else round(nominal)
        onset = (segment.start - segments[0].start).total_seconds()
        if first >= n:
            break
        if starts and (first <= starts[-1][0] or onset < starts[-1][1]):
            raise UnreadableFileError(parts.path, "Nicolet: segments that are not in order")
        starts.append((first, onset))
    if n < ends[-1] - max(2.0, len(segments)):
        notes.append(
            f"{n} samples at {rate:g} Hz are fewer than the {ends[-1]:.0f} of its segments"
        )
    elif n > ends[-1] + rate:
        notes.append(f"{n} samples at {rate:g} Hz are more than the {ends[-1]:.0f} of its segments")
    return tuple(starts)


#: Onset and duration (s), text, kind.
_Row = tuple[float, float, str, str]


def _events(
    parts: Parts, zero: datetime, words: Known, notes: list[str]
) -> list[_Row]:  # fmt: skip
    raw = parts.field("Events")
    found: list[tuple[float, float, _Row]] = []
    at = n_named = n_untimed = 0
    while raw[at : at + 16] == _EVENT and len(raw) >= at + 232:
        (length,) = struct.unpack_from("<Q", raw, at + 16)
        if length < 232 or at + length > len(raw):
            notes.append("the list of events is cut off")
            break
        limits.check(parts.path, len(found), limits.MAX_ANNOTATIONS, "annotations")
        days, fraction, duration = struct.unpack_from("<3d", raw, at + 32)
        (n_text,) = struct.unpack_from("<Q", raw, at + 128)
        kind = _KINDS.get(_guid(raw[at + 136 : at + 152]), "")
        end = at + min(length, _AT_TEXT + 2 * n_text)
        text = text_of(raw[at + _AT_TEXT : end]) if n_text else ""
        label = text_of(raw[at + 168 : at + 232])
        at += length
        text = text or kind or label or "event"
        if not names_nobody(text, words):
            n_named += 1
            continue
        lasts = duration if 0 <= duration < 1e9 else float("nan")
        found.append((days, fraction, (0.0, lasts, text, kind)))
    # a fraction of a second, in s or ms: no reader of the format says how to tell
    unit = 1e-3 if any(1 <= fraction < 1000 for _, fraction, _ in found) else 1.0
    rows: list[_Row] = []
    for days, fraction, row in found:
        moment = moment_of(days, fraction * unit)
        if moment is None:
            n_untimed += 1
            continue
        rows.append(((moment - zero).total_seconds(), *row[1:]))
    if n_named:
        notes.append(f"{n_named} events that may name people are left out")
    if n_untimed:
        notes.append(f"{n_untimed} events without a time are left out")
    return sorted(rows, key=lambda row: row[0])


def _seconds(fraction: float) -> float:
    """Return a fraction of a second that is stored in s or ms."""
    if not 0 <= fraction < 1000:
        return 0.0
    return fraction if fraction < 1 else fraction / 1000


def _guid(raw: bytes) -> str:
    if len(raw) < 16:
        return ""
    a, b, c = struct.unpack_from("<IHH", raw)
    rest = raw[8:16].hex().upper()
    return f"{a:08X}-{b:04X}-{c:04X}-{rest[:4]}-{rest[4:]}"


def _patient(parts: Parts, recorded: datetime) -> tuple[dict[str, Any], Known]:
    """Return what is handed on of the person, and the words of all texts about it."""
    raw = parts.field(_PATIENT)
    texts: dict[int, str] = {}
    born = None
    if len(raw) >= 40:
        n_values, n_texts = struct.unpack_from("<2Q", raw, 24)
        at = 40
        for _ in range(min(n_values, 64)):
            (number,) = struct.unpack_from("<Q", raw, at)
            at += 8
            if number in (7, 8, 23, 24):
                (value,) = struct.unpack_from("<d", raw, at)
                at += 8
                born = moment_of(value) if number == _BORN else born
        n_texts = min(n_texts, 64)
        setup = struct.unpack_from(f"<{2 * n_texts}Q", raw, at)
        at += 16 * n_texts
        for number, length in zip(setup[::2], setup[1::2], strict=True):
            texts[number] = text_of(raw[at : at + 2 * length])
            at += 2 * (length + 1)
    about = person(
        identity=next((texts[number] for number in _ID if texts.get(number)), ""),
        names=" ".join(texts[number] for number in _NAMES if texts.get(number)),
        birth_date=born.date() if born is not None else None,
        recorded=recorded,
    )
    names, ids = ([texts[number] for number in each if number in texts] for each in (_NAMES, _ID))
    return about, known_of(names, ids=ids, born=[born])
