"""The frame of SCP-ECG (EN 1064): sections, their checksums, leads (3) and places of QRS (4)."""

from __future__ import annotations

import binascii
import struct
from pathlib import Path
from typing import Final, NamedTuple

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.plain_text import counted

HEAD: Final = 16
_RECORD: Final = 6
_POINTER: Final = struct.Struct("<HII")
#: The sections of the standard; others are of manufacturers, or of version 3.
_KNOWN: Final = 11
#: Section 3: codes of leads.
LEADS: Final = (
    *("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V2R", "V3R", "V4R", "V5R", "V6R"),
    *("V7R", "X", "Y", "Z", "CC5", "CM5", "LA", "RA", "LL", "fI", "fE", "fC", "fA", "fM", "fF"),
    *("fH", "I-cal", "II-cal", "V1-cal", "V2-cal", "V3-cal", "V4-cal", "V5-cal", "V6-cal"),
    *("V7-cal", "V2R-cal", "V3R-cal", "V4R-cal", "V5R-cal", "V6R-cal", "V7R-cal", "X-cal"),
    *("Y-cal", "Z-cal", "CC5-cal", "CM5-cal", "LA-cal", "RA-cal", "LL-cal", "fI-cal", "fE-cal"),
    *("fC-cal", "fA-cal", "fM-cal", "fF-cal", "fH-cal", "III", "aVR", "aVL", "aVF", "-aVR"),
    *("V8", "V9", "V8R", "V9R", "D", "A", "J", "Defib", "ExtPace", "A1", "A2", "A3", "A4"),
    *("V8-cal", "V9-cal", "V8R-cal", "V9R-cal", "D-cal", "A-cal", "J-cal"),
)


class Lead(NamedTuple):
    """A lead of section 3.

    Attributes
    ----------
    start, end : int
        First and last sample, counted from 1.
    code : int
    """

    start: int
    end: int
    code: int

    @property
    def n_samples(self) -> int:
        """Return its samples.

        Returns
        -------
        int
        """
        return self.end - self.start + 1


class Beat(NamedTuple):
    """A QRS complex of section 4; samples are counted from 1.

    Attributes
    ----------
    kind : int
        0: the reference beat is subtracted.
    start, fiducial, end : int
        Of the zone of subtraction.
    protected : (int, int)
        First and last sample that is not decimated; (0, 0) where not stated.
    """

    kind: int
    start: int
    fiducial: int
    end: int
    protected: tuple[int, int] = (0, 0)


class Beats(NamedTuple):
    """Section 4.

    Attributes
    ----------
    length_ms : int
        Of the reference beat.
    fiducial : int
        Its sample there, counted from 1.
    beats : tuple of Beat
    """

    length_ms: int = 0
    fiducial: int = 0
    beats: tuple[Beat, ...] = ()


def lead_name(code: int) -> str:
    """Return the name of a lead.

    Parameters
    ----------
    code : int
        Of section 3.

    Returns
    -------
    str

    Examples
    --------
    >>> lead_name(1), lead_name(3), lead_name(62), lead_name(64), lead_name(200)
    ('I', 'V1', 'aVR', 'aVF', 'lead 200')
    """
    return LEADS[code - 1] if 1 <= code <= len(LEADS) else f"lead {code}"


def is_scp(head: bytes) -> bool:
    """Return whether bytes begin like an SCP-ECG record.

    Parameters
    ----------
    head : bytes

    Returns
    -------
    bool
    """
    if len(head) < _RECORD + HEAD + _POINTER.size:
        return False
    size, (number, length) = (
        struct.unpack_from("<I", head, 2)[0],
        struct.unpack_from("<HI", head, 8),
    )
    first = _POINTER.unpack_from(head, _RECORD + HEAD)
    whole = length >= HEAD + _POINTER.size and (length - HEAD) % _POINTER.size == 0
    return bool(number == 0 and whole and size >= length and first[0] == 0 and first[2] == 7)


def sections_of(
    path: Path, data: bytes, notes: list[str], *, verify: bool
) -> dict[int, bytes]:  # fmt: skip
    """Return the bodies of the sections.

    Parameters
    ----------
    path : Path
        Named in errors.
    data : bytes
        Of the file.
    notes : list of str
        Added to.
    verify : bool
        Whether a wrong checksum is an error.

    Returns
    -------
    dict of int to bytes
        By number, without their headers; those of manufacturers are empty.

    Raises
    ------
    ChecksumError
        The checksum of the record or of a section is wrong.
    UnreadableFileError
        A section lies outside the file.
    """
    size = int.from_bytes(data[2:6], "little")
    if size > len(data):
        raise UnreadableFileError(path, f"{counted(size - len(data), 'byte')} shorter than it says")
    if size < len(data):
        notes.append(f"{counted(len(data) - size, 'byte')} after its end")
    data = data[:size]
    length = int.from_bytes(data[10:14], "little")
    if not HEAD + _POINTER.size <= length <= size - _RECORD:
        raise UnreadableFileError(path, "section 0 is longer than the file")
    wrong = ["the record"] if not _is_right(data) else []
    bodies: dict[int, bytes] = {}
    wrong += [] if _is_right(data[_RECORD : _RECORD + length]) else ["section 0"]
    n_pointers = (length - HEAD) // _POINTER.size
    pointers = data[_RECORD + HEAD :][: n_pointers * _POINTER.size]
    for number, n_bytes, index in _POINTER.iter_unpack(pointers):
        if number == 0 or n_bytes == 0 or index == 0:
            continue
        section = data[index - 1 : index - 1 + n_bytes]
        if len(section) < n_bytes:
            raise UnreadableFileError(path, f"section {number} lies outside the file")
        if number > _KNOWN:
            bodies[number] = b""
            continue
        stated, inner = struct.unpack_from("<HI", section, 2) if n_bytes >= HEAD else (-1, 0)
        if stated != number or inner < HEAD:
            raise UnreadableFileError(path, f"section {number} is not where section 0 says")
        if inner != n_bytes:
            notes.append(
                f"section {number}: {counted(n_bytes, 'byte')} in section 0, {inner} in its header"
            )
            section = section[: min(inner, n_bytes)]
        wrong += [] if _is_right(section) else [f"section {number}"]
        bodies[number] = section[HEAD:]
    if wrong:
        cause = f"wrong checksum of {', '.join(wrong)}"
        if verify:
            raise ChecksumError(path, cause)
        notes.append(cause)
    return bodies


def _is_right(data: bytes) -> bool:
    return binascii.crc_hqx(data[2:], 0xFFFF) == int.from_bytes(data[:2], "little")


def leads_of(path: Path, body: bytes | None) -> tuple[list[Lead], int]:
    """Return the leads and flags of section 3.

    Parameters
    ----------
    path : Path
        Named in errors.
    body : bytes or None

    Returns
    -------
    leads : list of Lead
    flags : int
        Bit 0: the reference beat is subtracted.

    Raises
    ------
    UnreadableFileError
        It is missing or cut.
    """
    if body is None or len(body) < 2 or not body[0]:
        raise UnreadableFileError(path, "section 3, the leads, is missing")
    if len(body) < 2 + 9 * body[0]:
        raise UnreadableFileError(
            path, f"section 3 is cut off: it states {counted(body[0], 'lead')}"
        )
    leads = [Lead(*row) for row in struct.iter_unpack("<IIB", body[2 : 2 + 9 * body[0]])]
    if any(lead.end < lead.start for lead in leads):
        raise UnreadableFileError(path, "section 3: a lead that ends before it begins")
    return leads, body[1]


def beats_of(path: Path, body: bytes | None) -> Beats:
    """Return section 4.

    Parameters
    ----------
    path : Path
        Named in errors.
    body : bytes or None

    Returns
    -------
    Beats
        Empty if there is none.

    Raises
    ------
    UnreadableFileError
        It is cut.
    """
    if body is None:
        return Beats()
    if len(body) < 6:
        raise UnreadableFileError(path, "section 4 is cut off")
    length_ms, fiducial, n_beats = struct.unpack_from("<HHH", body)
    if len(body) == 6:  # some writers count QRS complexes without their places
        return Beats(length_ms, fiducial)
    zones, areas = body[6 : 6 + 14 * n_beats], body[6 + 14 * n_beats :]
    if len(zones) < 14 * n_beats:
        raise UnreadableFileError(path, f"section 4 is cut off: it states {n_beats} QRS complexes")
    beats = [Beat(*row) for row in struct.iter_unpack("<HIII", zones)]
    if len(areas) >= 8 * n_beats:
        pairs = struct.iter_unpack("<II", areas[: 8 * n_beats])
        beats = [beat._replace(protected=pair) for beat, pair in zip(beats, pairs, strict=True)]
    return Beats(length_ms, fiducial, tuple(beats))
