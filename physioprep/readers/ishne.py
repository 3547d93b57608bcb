"""Read ISHNE Holter recordings, with the ``.ann`` file of their beats.

The paper of the format (Badilini 1998) leaves open whether the number of samples counts one lead or
all: both are taken. What lies behind them is not read, but noted. The checksum covers the header
only, so the samples of a long recording need not be read before they are used.
"""

from __future__ import annotations

import binascii
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers import streamed
from physioprep.readers.clinical_text import facts_of
from physioprep.readers.naming import known_of
from physioprep.readers.person import person
from physioprep.readers.regular import opened, read_bytes
from physioprep.readers.wfdb_signals import read_into
from physioprep.recording import (
    NO_SCALE,
    GroupHeader,
    Header,
    Recording,
    SignalGroup,
    annotation_columns,
    no_scale_note,
)

_MAGIC: Final = b"ISHNE1.0"
_BEATS: Final = (b"ANN  1.0", _MAGIC)  # some databases of THEW write the other
_FIXED: Final = 522
_MOST_LEADS: Final = 12
_ABSENT: Final = -9
#: Sample of a lead that failed.
_MISSING: Final = -32768
#: Codes 0 (unknown) and 1 (generic bipolar) name no lead.
_LEADS: Final = {
    **dict(enumerate(("X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF"), 2)),
    **dict(enumerate(("V1", "V2", "V3", "V4", "V5", "V6", "ES", "AS", "AI"), 11)),
}
_QUALITIES: Final = {
    **{1: "good", 2: "intermittent noise (<10%)", 3: "frequent noise (>10%)"},
    **{4: "intermittent disconnection (<10%)", 5: "frequent disconnection (>10%)"},
}
_PACEMAKERS: Final = {
    **{0: "none", 1: "unknown type", 2: "single chamber unipolar", 3: "dual chamber unipolar"},
    **{4: "single chamber bipolar", 5: "dual chamber bipolar"},
}
#: More than 65,535 samples have passed without a beat.
_TIMEOUT: Final = ord("!")
_BEAT: Final = np.dtype([("label", "u1"), ("own", "u1"), ("interval", "<u2")])


@dataclass(frozen=True)
class _Head:
    """The fixed header, and where the data begin."""

    data: bytes
    offset: int
    n_stated: int
    notes: list[str] = field(default_factory=list)

    def short(self, at: int) -> int:
        return int(struct.unpack_from("<h", self.data, at)[0])

    def shorts(self, at: int, n: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{n}h", self.data, at)

    def text(self, at: int, size: int) -> str:
        return self.data[at : at + size].split(b"\0")[0].decode("latin-1").strip()

    def day(self, at: int) -> date | None:
        day, month, year = self.shorts(at, 3)
        try:
            return date(year, month, day)
        except ValueError:
            return None


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is an ISHNE recording; its file of beats is none.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
    """
    return head.startswith(_MAGIC) and path.suffix.lower() != ".ann"


def read_header(path: Path) -> Header:
    """Describe an ISHNE recording.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Header

    Raises
    ------
    UnreadableFileError
        The header is damaged, or the file shorter than it says.
    """
    with opened(path) as file:
        head, group, metadata = _describe(file, path, verify=False)
    files = tuple(each for each in (path, _beats_beside(path)) if each is not None)
    return Header(path, "ishne", (group,), files, _start(head), metadata)


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read an ISHNE recording.

    Parameters
    ----------
    path : Path
    verify : bool
        Compare the checksum of the header, and the size of the file with what the header states.
        If False, whole samples of all leads are read, and ``metadata["notes"]`` says so.

    Returns
    -------
    Recording
        int16 in µV. Samples of a large file are read when they are indexed.

    Raises
    ------
    ChecksumError
        The header does not have the checksum that it states.
    UnreadableFileError
        The header is damaged, or the file shorter than it says.
    """
    with opened(path) as file:
        head, group, metadata = _describe(file, path, verify=verify)
        decode = _Frames(head.offset, len(group.channels))
        shape = len(group.channels), group.n_samples
        digital: Any
        if 2 * shape[0] * shape[1] > streamed.LARGE_BYTES:
            rows = range(shape[0])
            source = streamed.Source(path, rows, decode, streamed.stamp_of(file))
            digital = streamed.StreamedSamples(shape, np.dtype(np.int16), (source,))
        else:
            digital = np.ascontiguousarray(decode(file, path, 0, shape[1]))
    steps = np.rint(1000 / group.gain) / 1000  # the file states whole nV
    signals = SignalGroup(**vars(group), digital=digital, steps=steps)
    files: tuple[Path, ...] = (path,)
    columns: Mapping[str, NDArray[Any]] = {}
    beats = _beats_beside(path)
    if beats is not None:
        try:
            columns = _read_beats(beats, group, metadata)
            files = (path, beats)
        except UnreadableFileError as error:
            metadata["not_read"] = [beats.name]
            metadata["notes"] = [*metadata.get("notes", ()), f"{beats.name}: {error.cause}"]
    return Recording(path, "ishne", (signals,), files, _start(head), metadata, columns)


@dataclass(frozen=True)
class _Frames:
    """Decodes samples that lie lead by lead for each time."""

    offset: int
    n_leads: int

    def __call__(self, file: int, path: Path, start: int, stop: int) -> NDArray[Any]:
        buffer = np.empty((stop - start) * self.n_leads * 2, np.uint8)
        read_into(buffer, file, path, self.offset + start * self.n_leads * 2)
        return buffer.view("<i2").astype(np.int16, copy=False).reshape(-1, self.n_leads).T


def _head(file: int, path: Path, *, verify: bool) -> _Head:
    """Read the header of a recording or of its beats."""
    data = os.pread(file, _FIXED, 0)
    if len(data) < _FIXED:
        raise UnreadableFileError(path, f"ends within its header of {_FIXED} bytes")
    checksum, n_variable, n_stated, variable_at, samples_at = struct.unpack_from("<Hiiii", data, 8)
    size = os.fstat(file).st_size
    offset, notes = _FIXED + n_variable, []
    if n_variable < 0 or offset > size:
        raise UnreadableFileError(
            path, f"a variable block of {counted(n_variable, 'byte')} is none"
        )
    if (variable_at, samples_at) != (_FIXED, offset):
        if offset < samples_at <= size:
            offset = samples_at  # space between the blocks
        notes.append(f"its blocks are stated to be elsewhere; samples are read from byte {offset}")
    limits.check(path, n_variable, limits.MAX_YAML_BYTES, "bytes of remarks")
    block = os.pread(file, _FIXED + n_variable - 10, 10)
    right = {binascii.crc_hqx(block[:end], 0xFFFF) for end in (_FIXED - 10, len(block))}
    right |= {(each >> 8) | (each & 0xFF) << 8 for each in right}  # the paper states no order
    if checksum and checksum not in right:
        if verify:
            raise ChecksumError(path, "its header does not have the checksum that it states")
        notes.append("its header does not have the checksum that it states")
    return _Head(data, offset, n_stated, notes)


def _describe(file: int, path: Path, *, verify: bool) -> tuple[_Head, GroupHeader, dict[str, Any]]:
    head = _head(file, path, verify=verify)
    if not is_mine(path, head.data):
        raise UnreadableFileError(path, "not an ISHNE recording")
    n_leads, rate_hz = head.short(156), head.short(272)
    if not 1 <= n_leads <= _MOST_LEADS:
        raise UnreadableFileError(path, f"{counted(n_leads, 'lead')}: must be 1 to {_MOST_LEADS}")
    if rate_hz <= 0:
        raise UnreadableFileError(path, f"a sampling rate of {rate_hz} Hz")
    n_samples = _count(file, path, head, n_leads, verify=verify)
    codes = head.shorts(158, _MOST_LEADS)
    places = [place for place, code in enumerate(codes) if code != _ABSENT]
    if len(places) != n_leads:
        places = list(range(n_leads))
        if any(codes[place] == _ABSENT for place in places):
            head.notes.append("a lead that is stored has the code of an absent one")
    names = tuple(
        _LEADS.get(codes[place], f"lead {n} (spec {codes[place]})")
        for n, place in enumerate(places, 1)
    )
    steps_nv = [head.shorts(206, _MOST_LEADS)[place] for place in places]
    metadata = _metadata(head, names, [codes[place] for place in places], places)
    bare = [name for name, step in zip(names, steps_nv, strict=True) if step <= 0]
    if bare:
        metadata["flags"] = [f"{NO_SCALE}{name}" for name in bare]
        head.notes.append(no_scale_note(bare))
    if head.notes:
        metadata["notes"] = head.notes
    group = GroupHeader(
        channels=names,
        units=("uV",) * n_leads,
        sampling_rate=float(rate_hz),
        n_samples=n_samples,
        gain=np.array([1000 / step if step > 0 else np.nan for step in steps_nv]),
        baseline=np.zeros(n_leads),
        invalid=np.full(n_leads, float(_MISSING)),
    )
    return head, group, metadata


def _count(file: int, path: Path, head: _Head, n_leads: int, *, verify: bool) -> int:
    """Return the samples of each lead; what is stated counts one lead, or all.

    It counts all where that is just what the file holds, else one lead: bytes behind so many are
    none of them. A header that states none (0) leaves all whole samples.

    Raises
    ------
    UnreadableFileError
        The file holds fewer, and `verify` is set.
    """
    n_bytes = os.fstat(file).st_size - head.offset
    there, rest = divmod(n_bytes, 2 * n_leads)
    stated, leads = head.n_stated, counted(n_leads, "lead")
    if not rest and stated in (there, there * n_leads):
        return there
    if 0 < stated <= there:
        behind = counted(n_bytes - stated * 2 * n_leads, "byte")
        head.notes.append(f"{behind} behind the {stated} samples that its header states: not read")
        return stated
    if stated == 0 and not rest:
        head.notes.append(f"{there} samples of {leads}, its header states 0: all are read")
        return there
    if rest:
        cause = f"ends within sample {there + 1} of {leads}, its header states {stated}"
    else:
        cause = f"{counted(there, 'sample')} of {leads}, its header states {stated}"
    if verify:
        raise UnreadableFileError(path, cause)
    head.notes.append(cause)
    return there


def _metadata(
    head: _Head, names: tuple[str, ...], codes: list[int], places: list[int]
) -> dict[str, Any]:
    qualities = head.shorts(182, _MOST_LEADS)
    first, last, number = head.text(28, 40), head.text(68, 40), head.text(108, 20)
    recorder = head.text(232, 40)
    found: dict[str, Any] = {"lead_codes": codes, "format_version": head.short(26)}
    rated = {
        name: _QUALITIES[qualities[place]]
        for name, place in zip(names, places, strict=True)
        if qualities[place] in _QUALITIES
    }
    if rated:
        found["lead_quality"] = rated
    if head.short(230) in _PACEMAKERS:
        found["pacemaker"] = _PACEMAKERS[head.short(230)]
    if recorder.lower() in ("analog", "digital"):
        found["recorder"] = recorder.lower()
    else:
        found |= facts_of(
            {"device": recorder}, known_of([first, last], ids=[number], born=[head.day(132)])
        )
    return found | person(
        identity=number,
        names=f"{first} {last}".strip(),
        sex={1: "M", 2: "F"}.get(head.short(128), ""),
        birth_date=head.day(132),
        recorded=head.day(138),
    )


def _start(head: _Head) -> datetime | None:
    day, (hour, minute, second) = head.day(138), head.shorts(150, 3)
    if day is None:
        return None
    try:
        return datetime(day.year, day.month, day.day, hour, minute, second)
    except ValueError:
        return None


def _beats_beside(path: Path) -> Path | None:
    found = [path.with_suffix(suffix) for suffix in (".ann", ".ANN")]
    return next((each for each in found if each != path and each.is_file()), None)


def _read_beats(
    path: Path, group: GroupHeader, metadata: dict[str, Any]
) -> Mapping[str, NDArray[Any]]:
    """Read a file of beats: the first sample, then a label and an interval for each beat."""
    data = read_bytes(path, limits.MAX_ANNOTATION_BYTES, "bytes of annotations")
    with opened(path) as file:
        head = _head(file, path, verify=True)
    if not head.data.startswith(_BEATS):
        raise UnreadableFileError(path, "not a file of beats")
    rate_hz = head.short(272)
    if rate_hz > 0 and rate_hz != group.sampling_rate:
        raise UnreadableFileError(path, f"its beats count samples of {rate_hz} Hz")
    rest = data[head.offset :]
    if len(rest) < 4 or len(rest) % 4:
        raise UnreadableFileError(path, "is cut off within a beat")
    first = int(rest[:4].view("<u4")[0])
    rows = rest[4:].view(_BEAT)
    limits.check(path, len(rows), limits.MAX_ANNOTATIONS, "annotations")
    samples = first + np.cumsum(rows["interval"], dtype=np.int64)
    kept = rows["label"] != _TIMEOUT
    samples, rows = samples[kept], rows[kept]
    after = int((samples >= group.n_samples).sum())
    if after:
        text = f"{path.name}: {after} beats lie after the end of the samples"
        metadata["notes"] = [*metadata.get("notes", ()), text]
    onsets = samples / group.sampling_rate
    columns = annotation_columns(onsets, np.full(len(onsets), np.nan), [""] * len(rows), "ann")
    columns["code"] = np.array([chr(label) for label in rows["label"]], object)
    columns["sample"] = samples
    columns["subtype"] = rows["own"].astype(np.int64)
    return columns
