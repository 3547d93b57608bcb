"""Read Micromed's files (``.TRC``, header type 4): samples as stored, notes, triggers, reductions.

Nothing of the patient's header is handed on but the age. Impedances are not read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.naming import Known, known_of, names_nobody
from physioprep.readers.parts import unscaled
from physioprep.readers.pauses import DISCONTINUOUS
from physioprep.readers.person import person
from physioprep.readers.regular import read_bytes
from physioprep.recording import Recording, SignalGroup, annotation_columns

_TITLE: Final = b"* MICROMED"
_ZONES: Final = (
    *("ORDER", "LABCOD", "NOTE", "FLAGS", "TRONCA", "IMPED_B", "IMPED_E", "MONTAGE"),
    *("COMPRESS", "AVERAGE", "HISTORY", "DVIDEO", "EVENT A", "EVENT B", "TRIGGER"),
)
_AT_ZONES: Final = 176
_HEADER: Final = _AT_ZONES + 16 * len(_ZONES)
#: Of an electrode: acquired, type, its label and that of its reference, range, unit, filters, rate.
_ELECTRODE: Final = struct.Struct("<2x6s6s5ih4HH")
_ELECTRODE_BYTES: Final = 128
_UNITS: Final = {-1: "nV", 0: "uV", 1: "mV", 2: "V", 100: "%", 101: "bpm", 102: ""}
#: Fills unused entries.
_NONE: Final = 0xFFFFFFFF


@dataclass(frozen=True)
class _Electrode:
    name: str
    reference: str
    unit: str
    gain: float
    ground: int
    signed: bool
    factor: int  # of the rate


@dataclass(frozen=True)
class _File:
    """A file's bytes, and what its header says of their places."""

    path: Path
    data: NDArray[np.uint8]
    zones: dict[str, tuple[int, int]]

    def table(self, zone: str, fields: list[tuple[str, str]]) -> NDArray[Any]:
        """Return the entries of a zone; whole ones only."""
        kind = np.dtype(fields)
        at, length = self.zones[zone]
        if at + length > len(self.data):
            raise UnreadableFileError(self.path, f"zone {zone} ends behind the file")
        n = length // kind.itemsize
        limits.check(self.path, n, limits.MAX_ANNOTATIONS, f"entries of {zone}")
        return np.frombuffer(self.data[at : at + n * kind.itemsize].tobytes(), kind)


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is of Micromed, by its title or its list of zones.

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
    >>> is_mine(Path("a.trc"), b"* MICROMED  Brain-Quick file *"), is_mine(Path("a.trc"), b"")
    (True, False)
    """
    return head.startswith(_TITLE) or head[_AT_ZONES : _AT_ZONES + 8] == b"ORDER   "


def read(path: Path, *, verify: bool = True) -> Recording:
    """Read a file.

    Parameters
    ----------
    path : Path
    verify : bool
        Refuse a file that ends within a sample. If False, its whole samples are read, and noted.

    Returns
    -------
    Recording
        Notes, triggers, flags and events are annotations; `code` of an event is its number.

    Raises
    ------
    UnreadableFileError
        The file is damaged, or of another header type.
    """
    data = read_bytes(path, limits.MAX_OBJECT_BYTES)
    head = data[:_HEADER].tobytes()
    if len(head) < _HEADER or not is_mine(path, head):
        raise UnreadableFileError(path, "no whole header of Micromed")
    if head[175] != 4:
        raise UnreadableFileError(path, f"Micromed's header type {head[175]}: only 4 is read")
    file = _File(path, data, _zones(path, head))
    start, n, interval, rate, width, packed = struct.unpack_from("<I5H", head, 138)
    limits.check(path, n, limits.MAX_CHANNELS, "channels")
    if packed or not n or width not in (1, 2, 4) or interval not in (0, n * width):
        cause = f"{n} channels of {width} bytes, {interval} apart, compression {packed}: not read"
        raise UnreadableFileError(path, cause)
    if start > len(data):
        raise UnreadableFileError(path, "its samples begin behind its end")
    electrodes = _electrodes(file, n)
    notes: list[str] = []
    flags: list[str] = []
    left = (len(data) - start) % (n * width)
    if left and verify:
        raise UnreadableFileError(path, f"ends within a sample: {left} bytes are left")
    if left:
        notes.append(f"ends within a sample: {left} bytes are left out")
        flags.append("cut-off")
    group = _group(file, electrodes, start, rate, width, n)
    segments = _segments(file, group, notes, flags)
    names = _texts(head[64:86], head[86:106])
    born = _moment(bytes([head[107], head[106], head[108]]) + bytes(3))
    known = known_of(names, born=[born])
    rows = _rows(file, group, segments, known, notes)
    metadata: dict[str, Any] = {
        "references": [each.reference for each in electrodes],
        "notes": notes,
    }
    metadata |= {"flags": flags} if flags else {}
    begun = _moment(head[128:134])
    metadata |= person(
        names=" ".join(name for name in names if name),
        birth_date=date(born.year, born.month, born.day) if born is not None else None,
        recorded=begun,
    )
    columns = _columns(rows)
    group = replace(group, segments=segments)
    return Recording(path, "micromed", (group,), (path,), begun, metadata, columns)


def _zones(path: Path, head: bytes) -> dict[str, tuple[int, int]]:
    zones = {}
    for number, name in enumerate(_ZONES):
        said, at, length = struct.unpack_from("<8sII", head, _AT_ZONES + 16 * number)
        if said.strip(b" \0") != name.encode():
            raise UnreadableFileError(path, f"its list of zones is damaged at {name}")
        zones[name] = (at, length)
    return zones


def _texts(*fields: bytes) -> list[str]:
    return [" ".join(field.strip(b" \0\1").decode("latin-1").split()) for field in fields]


def _moment(fields: bytes) -> datetime | None:
    """Return a time of day, month, year from 1900, hour, minute and second."""
    day, month, year, hour, minute, second = fields
    try:
        return datetime(1900 + year, month, day, hour, minute, second)
    except ValueError:
        return None


def _electrodes(file: _File, n: int) -> list[_Electrode]:
    """Return the electrodes in the order of the samples."""
    order = file.table("ORDER", [("at", "<u2")])["at"][:n]
    if len(order) < n:
        raise UnreadableFileError(file.path, f"an order of {len(order)} of {n} channels")
    start, length = file.zones["LABCOD"]
    found = []
    for code in order.tolist():
        at = start + code * _ELECTRODE_BYTES
        if (code + 1) * _ELECTRODE_BYTES > length or at + _ELECTRODE_BYTES > len(file.data):
            raise UnreadableFileError(file.path, "an electrode that is not described")
        raw = file.data[at : at + _ELECTRODE_BYTES].tobytes()
        name, other, low, high, ground, bottom, top, unit, *_, factor = _ELECTRODE.unpack_from(raw)
        label, reference = _texts(name.split(b"\0")[0], other.split(b"\0")[0])
        if high - low + 1 <= 0 or top == bottom or unit not in _UNITS or not factor:
            cause = f"an electrode of unknown range, unit or rate (number {code})"
            raise UnreadableFileError(file.path, cause)
        gain = (high - low + 1) / (top - bottom)
        found.append(_Electrode(label, reference, _UNITS[unit], gain, ground, low < 0, factor))
    if len({each.factor for each in found}) > 1:
        raise UnreadableFileError(file.path, "channels of several rates: not read")
    return found


def _group(
    file: _File, electrodes: list[_Electrode], start: int, rate: int, width: int, n: int
) -> SignalGroup:
    signed = width == 4 and any(each.signed for each in electrodes)
    kind = f"<{'i' if signed else 'u'}{width}"
    n_samples = (len(file.data) - start) // (n * width)
    if not rate or not n_samples:
        raise UnreadableFileError(file.path, f"{n_samples} samples at {rate} Hz")
    body = file.data[start : start + n_samples * n * width]
    samples = np.ascontiguousarray(body).view(kind).reshape(n_samples, n).T
    group = unscaled(
        [each.name for each in electrodes],
        [each.unit for each in electrodes],
        rate * electrodes[0].factor,
        samples,
        file.path,
    )
    return replace(
        group,
        gain=np.array([each.gain for each in electrodes]),
        baseline=np.array([each.ground for each in electrodes], np.float64),
    )


def _segments(
    file: _File, group: SignalGroup, notes: list[str], flags: list[str]
) -> tuple[tuple[int, float], ...]:
    """Return where a reduced recording goes on: time and place of each piece that was kept."""
    pieces: list[tuple[int, int]] = []
    for time, at in file.table("TRONCA", [("time", "<u4"), ("at", "<u4")]).tolist():
        if (time == 0 and at == 0 and pieces) or _NONE in (time, at):
            break
        pieces.append((at, time))
    pieces = pieces if pieces and pieces[0][0] == 0 else [(0, 0), *pieces]
    ordered = all(
        sooner[0] < later[0] and later[1] - sooner[1] >= later[0] - sooner[0]
        for sooner, later in pairwise(pieces)
    )
    while len(pieces) > 1 and pieces[-1] == (0, 0):
        pieces.pop()
    if not ordered or pieces[-1][0] >= group.n_samples:
        notes.append("its list of pieces contradicts itself: where it was cut is not known")
        flags.append(DISCONTINUOUS)
        return ((0, 0.0),)
    return tuple((at, time / group.sampling_rate) for at, time in pieces)


#: Onset and duration (s), text, code, number of the stored sample.
_Row = tuple[float, float, str, str, int]


def _rows(
    file: _File,
    group: SignalGroup,
    segments: tuple[tuple[int, float], ...],
    names: Known,
    notes: list[str],
) -> list[_Row]:
    """Return the annotations; their numbers of samples count those that are stored."""
    rate, n = group.sampling_rate, group.n_samples
    firsts = np.array([first for first, _ in segments])
    rows: list[_Row] = []
    n_named = n_beyond = 0

    def add(at: int, lasts: float, text: str, code: str) -> None:
        nonlocal n_beyond
        if at >= n:
            n_beyond += 1
            return
        first, onset = segments[int(np.searchsorted(firsts, at, "right")) - 1]
        rows.append((onset + (at - first) / rate, lasts, text, code, at))

    for at, raw in file.table("NOTE", [("at", "<u4"), ("text", "S40")]).tolist():
        (text,) = _texts(raw.split(b"\0")[0])
        if at == _NONE or not text:
            continue
        if not names_nobody(text, names):
            n_named += 1
            continue
        add(at, float("nan"), text, "note")
    for at, value in file.table("TRIGGER", [("at", "<u4"), ("value", "<u2")]).tolist():
        if at != _NONE and (at or value):
            add(at, float("nan"), str(value), "trigger")
    pairs = [("begin", "<u4"), ("end", "<u4")]
    for zone, fields in (
        ("FLAGS", pairs),
        ("EVENT A", [("code", "<u4"), *pairs]),
        ("EVENT B", [("code", "<u4"), *pairs]),
    ):
        for *code, begin, end in file.table(zone, fields).tolist():
            if 0 < begin <= end < _NONE:
                what = f"{zone.lower()} {code[0]}" if code else "flag"
                add(begin, (end - begin) / rate, what, str(code[0]) if code else "flag")
    if n_named:
        notes.append(f"{n_named} notes that may name people are left out")
    if n_beyond:
        notes.append(f"{n_beyond} annotations behind the last sample are left out")
    return rows


def _columns(rows: list[_Row]) -> dict[str, NDArray[Any]]:
    rows = sorted(rows, key=lambda row: row[0])
    columns = annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], "micromed"
    )
    columns["code"] = np.array([row[3] for row in rows], object)
    columns["sample"] = np.array([row[4] for row in rows], np.int64)
    return columns
