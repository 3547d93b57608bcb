"""The files of a MEF 3 session: what describes a channel's segment, its index, and records.

Of texts only names of channels, units and markers are read, and those that name the person, for a
pseudonym and to leave out markers that name it, too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.mef_red import crc_of
from physioprep.readers.regular import read_bytes

#: What is said of an encrypted session or block.
ENCRYPTED: Final = "encrypted MEF: it needs a password, and is not read. Decrypt it with pymef"
HEADER: Final = 1024
_METADATA: Final = 16_384
_NO_TIME: Final = -(2**63)
_NO_ZONE: Final = -86_401
_INDEX: Final = np.dtype(
    {
        "names": ["at", "time", "first", "n", "size", "flags"],
        "formats": ["<i8", "<i8", "<i8", "<u4", "<u4", "u1"],
        "offsets": [0, 8, 16, 24, 28, 44],
        "itemsize": 56,
    }
)


@dataclass(frozen=True)
class Facts:
    """What is read of the metadata of a segment.

    Parameters
    ----------
    rate_hz, factor : float
        Hz; physical value of a step, 0 where none is stated.
    unit : str
    n_samples : int
    highpass_hz, lowpass_hz, notch_hz : float
        0 where not stated.
    time_offset : int
        To be added to times that are stored, µs.
    zone_s : int or None
        Offset of local time from UTC.
    names, identity : str
        Of the person.
    hidden : bool
        Whether the part about the person is encrypted.
    """

    rate_hz: float
    factor: float
    unit: str
    n_samples: int
    highpass_hz: float
    lowpass_hz: float
    notch_hz: float
    time_offset: int
    zone_s: int | None
    names: str
    identity: str
    hidden: bool


def read_checked(path: Path, kind: bytes, notes: list[str], *, verify: bool) -> bytes:
    """Return the content of a file of a session.

    Parameters
    ----------
    path : Path
    kind : bytes
        Its type: ``b"tmet"``.
    notes : list of str
        A wrong checksum is added where `verify` is false.
    verify : bool
        Refuse a wrong checksum.

    Returns
    -------
    bytes

    Raises
    ------
    UnreadableFileError
        It is of another type or version, big-endian, or its checksum is wrong.
    """
    data = read_bytes(path, limits.MAX_OBJECT_BYTES).tobytes()
    if len(data) < HEADER or data[8:12] != kind:
        raise UnreadableFileError(path, f"no {kind.decode()} file of MEF")
    if data[13] != 3 or data[15] != 1:
        cause = f"MEF version {data[13]}, byte order {data[15]}: only 3, little-endian, is read"
        raise UnreadableFileError(path, cause)
    header, body = struct.unpack_from("<2I", data)
    wrong = header != 0 and crc_of(data[4:HEADER]) != header
    if kind in (b"tmet", b"tidx") and body:
        wrong = wrong or crc_of(data[HEADER:]) != body
    if wrong and verify:
        raise UnreadableFileError(path, "its checksum is wrong")
    if wrong:
        notes.append(f"{path.name}: its checksum is wrong")
    return data


def facts_of(path: Path, data: bytes) -> Facts:
    """Return what the metadata of a segment says.

    Parameters
    ----------
    path : Path
        Named in errors.
    data : bytes
        Content of a ``.tmet``.

    Returns
    -------
    Facts

    Raises
    ------
    UnreadableFileError
        It is encrypted or cut off, or states no rate.
    """
    if len(data) < _METADATA:
        raise UnreadableFileError(path, "cut off")
    technical, personal = struct.unpack_from("<2b", data, HEADER)
    if technical > 0:
        raise UnreadableFileError(path, ENCRYPTED)
    rate, low, high, notch, _, factor = struct.unpack_from("<6d", data, 8720)
    (n_samples,) = struct.unpack_from("<q", data, 8920)
    if not (0 < rate < 1e7) or n_samples < 0:
        raise UnreadableFileError(path, f"{n_samples} samples at {rate} Hz")
    hidden = personal > 0
    offset, _, _, zone = struct.unpack_from("<3qi", data, 13_312)
    plain = not hidden
    return Facts(
        rate_hz=rate,
        factor=factor if np.isfinite(factor) else 0.0,
        unit=_text(data[8768:8896]),
        n_samples=n_samples,
        highpass_hz=low if low > 0 else 0.0,
        lowpass_hz=high if high > 0 else 0.0,
        notch_hz=notch if notch > 0 else 0.0,
        time_offset=offset if plain and offset != _NO_TIME else 0,
        zone_s=zone if plain and zone != _NO_ZONE and abs(zone) <= 86_400 else None,
        names=f"{_text(data[13340:13468])} {_text(data[13468:13596])}".strip() if plain else "",
        identity=_text(data[13596:13724]) if plain else "",
        hidden=hidden,
    )


def time_of(stored: int, offset: int) -> int:
    """Return a time.

    Parameters
    ----------
    stored : int
        Below 0 where an offset was taken from it.
    offset : int
        µs.

    Returns
    -------
    int
        µs since 1970, UTC.

    Examples
    --------
    >>> time_of(-5, 100), time_of(7, 100)
    (105, 7)
    """
    return -stored + offset if stored < 0 else stored


def index_of(path: Path, data: bytes) -> NDArray[np.void]:
    """Return the index of a segment.

    Parameters
    ----------
    path : Path
        Named in errors.
    data : bytes
        Content of a ``.tidx``.

    Returns
    -------
    ndarray
        An entry per block: ``at``, ``time`` (as stored), ``first``, ``n``, ``size``, ``flags``.

    Raises
    ------
    UnreadableFileError
        It has fewer entries than its header states.
    """
    (n,) = struct.unpack_from("<q", data, 32)
    stored = (len(data) - HEADER) // _INDEX.itemsize
    if not 0 <= n <= stored:
        raise UnreadableFileError(path, f"{stored} entries, its header states {n}")
    return np.frombuffer(data, _INDEX, n, HEADER)


@dataclass(frozen=True)
class Record:
    """A marker.

    Parameters
    ----------
    time : int
        As stored.
    duration_s : float
    text, kind : str
    """

    time: int
    duration_s: float
    text: str
    kind: str


def records_of(path: Path, data: bytes, notes: list[str]) -> list[Record]:
    """Return the markers in a file of records.

    Parameters
    ----------
    path : Path
        Named in errors.
    data : bytes
        Content of a ``.rdat``.
    notes : list of str
        What is left out is added.

    Returns
    -------
    list of Record

    Raises
    ------
    UnreadableFileError
        There are too many.
    """
    found: list[Record] = []
    at, n_hidden, n_other = HEADER, 0, 0
    while at + 24 <= len(data):
        kind = data[at + 4 : at + 8].decode("latin-1")
        if not (kind.isascii() and kind.isprintable()):
            notes.append(f"{path.name}: its records are damaged from byte {at} on: left out")
            break
        limits.check(path, len(found) + n_hidden + n_other, limits.MAX_ANNOTATIONS, "records")
        hidden, size, time = struct.unpack_from("<bIq", data, at + 11)
        body = data[at + 24 : at + 24 + size]
        at += 24 + size
        if len(body) < size:
            notes.append(f"{path.name}: its records are cut off")
            break
        if hidden > 0:
            n_hidden += 1
            continue
        said = _marker(kind, body)
        if said is None:
            n_other += 1
            continue
        found.append(Record(time, said[0], said[1], kind))
    if n_hidden:
        notes.append(f"{n_hidden} encrypted records are left out")
    if n_other:
        notes.append(f"{n_other} records that are no markers are left out")
    return found


def _marker(kind: str, body: bytes) -> tuple[float, str] | None:
    """Return duration (s) and text of a record; None for logs, templates and what is unknown."""
    nan = float("nan")
    if kind == "Note":
        return nan, _text(body)
    if kind == "EDFA" and len(body) >= 8:
        return int.from_bytes(body[:8], "little", signed=True) / 1e6, _text(body[8:])
    if kind == "Seiz" and len(body) >= 1312:
        return int.from_bytes(body[16:24], "little", signed=True) / 1e6, "seizure"
    if kind == "Epoc" and len(body) >= 192:
        lasts = int.from_bytes(body[24:32], "little", signed=True) / 1e6
        return lasts, _text(body[64:192]) or _text(body[32:64])
    if kind == "ESti" and len(body) >= 416:
        return nan, "electrical stimulation"
    if kind == "CSti" and len(body) >= 200:
        lasts = int.from_bytes(body[64:72], "little", signed=True) / 1e6
        return lasts, f"{_text(body[:64])} {_text(body[72:136])}".strip()
    if kind == "Curs" and len(body) >= 160:
        return nan, _text(body[32:160])
    return None


def _text(raw: bytes) -> str:
    return " ".join(raw.split(b"\0")[0].decode("utf-8", "replace").split())
