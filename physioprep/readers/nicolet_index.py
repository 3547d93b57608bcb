"""The parts of a Nicolet file (``.e``): its tags, its index, and the bytes of a part.

Each part (a channel's samples, the segments, the events) lies in sections anywhere in the file.
No section may lie outside of it, and all together take no more bytes than the file has.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError

_AT_TAGS, _TAG_BYTES = 172, 84
_AT_INDEX: Final = 172_208
_ENTRY_BYTES: Final = 24
_MOST_TAGS: Final = 10_000
_TAG: Final = re.compile(r"\{[0-9A-Fa-f-]{36}\}|\d{1,5}|[A-Za-z][A-Za-z ]{2,38}", re.ASCII)
_OLE: Final = datetime(1899, 12, 30)


@dataclass(frozen=True)
class Parts:
    """A file's bytes, and where its parts lie.

    Parameters
    ----------
    path : Path
    data : ndarray of uint8
        The whole file.
    sections : dict of str to list of (int, int)
        First byte and number of bytes of each section of a part, by its tag.
    """

    path: Path
    data: NDArray[np.uint8]
    sections: dict[str, list[tuple[int, int]]]

    def bytes_of(self, tag: str) -> NDArray[np.uint8]:
        """Return the bytes of a part, its sections one after the other.

        Parameters
        ----------
        tag : str

        Returns
        -------
        ndarray of uint8
            Empty where there is no such part.
        """
        pieces = [self.data[at : at + n] for at, n in self.sections.get(tag, [])]
        return np.concatenate(pieces) if pieces else np.empty(0, np.uint8)

    def field(self, tag: str, limit: int = 1 << 26) -> bytes:
        """Return the bytes of a part that describes.

        Parameters
        ----------
        tag : str
        limit : int
            Most bytes.

        Returns
        -------
        bytes

        Raises
        ------
        UnreadableFileError
            It is longer.
        """
        size = sum(n for _, n in self.sections.get(tag, []))
        limits.check(self.path, size, limit, "bytes of a description")
        return self.bytes_of(tag).tobytes()


def first_tag(head: bytes) -> str:
    """Return the first tag of a file; "" where its beginning is not that of a Nicolet file.

    Parameters
    ----------
    head : bytes
        The first bytes.

    Returns
    -------
    str
    """
    if len(head) < _AT_TAGS + 4 + _TAG_BYTES:
        return ""
    (n,) = struct.unpack_from("<I", head, _AT_TAGS)
    said = text_of(head[_AT_TAGS + 4 : _AT_TAGS + 84])
    return said if 1 <= n <= _MOST_TAGS and _TAG.fullmatch(said) else ""


def text_of(raw: bytes) -> str:
    """Return a text of a field, up to its first NUL.

    Parameters
    ----------
    raw : bytes
        UTF-16.

    Returns
    -------
    str
    """
    text = raw[: len(raw) // 2 * 2].decode("utf-16-le", "replace").partition("\0")[0]
    return " ".join(text.split())


def moment_of(days: float, seconds: float = 0.0) -> datetime | None:
    """Return a time.

    Parameters
    ----------
    days : float
        Since 30 December 1899, local.
    seconds : float
        To be added.

    Returns
    -------
    datetime or None
        None where it is no time.

    Examples
    --------
    >>> moment_of(43831.5, 0.25)
    datetime.datetime(2020, 1, 1, 12, 0, 0, 250000)
    """
    if not (0 < days < 2_900_000 and abs(seconds) < 86_400):
        return None
    return _OLE + timedelta(seconds=round(days * 86_400, 3)) + timedelta(seconds=seconds)


def find_parts(path: Path, data: NDArray[np.uint8]) -> Parts:
    """Read tags and index of a file.

    Parameters
    ----------
    path : Path
        Named in errors.
    data : ndarray of uint8
        The whole file.

    Returns
    -------
    Parts

    Raises
    ------
    UnreadableFileError
        It is an older Nervus file, or damaged.
    """
    (n_tags,) = struct.unpack_from("<I", data[_AT_TAGS : _AT_TAGS + 4].tobytes())
    raw = data[_AT_TAGS + 4 : _AT_TAGS + 4 + n_tags * _TAG_BYTES].tobytes()
    if len(raw) < n_tags * _TAG_BYTES or len(data) < _AT_INDEX + 24:
        raise UnreadableFileError(path, "Nicolet: cut off within its tags or index")
    names: dict[int, str] = {}
    for at in range(0, len(raw), _TAG_BYTES):
        (number,) = struct.unpack_from("<I", raw, at + 80)
        names.setdefault(number, text_of(raw[at : at + 80]))
    head = data[_AT_INDEX : _AT_INDEX + 16].tobytes()
    n_entries, _, pointer, _ = struct.unpack("<4I", head)
    if not n_entries or not pointer:
        raise UnreadableFileError(
            path, "Nicolet: no index; older Nervus files are not read: export them to EDF"
        )
    limits.check(path, n_entries, len(data) // _ENTRY_BYTES, "entries of its index")
    sections: dict[str, list[tuple[int, int]]] = {}
    seen = total = 0
    while seen < n_entries:
        block = data[pointer : pointer + 8].tobytes()
        n = int.from_bytes(block, "little")
        end = pointer + 8 + n * _ENTRY_BYTES
        if len(block) < 8 or not 0 < n <= n_entries or end + 8 > len(data):
            raise UnreadableFileError(path, "Nicolet: its index is damaged or cut off")
        rows = np.frombuffer(data[pointer + 8 : end].tobytes(), "<u8").reshape(n, 3)
        for number, at, sizes in rows.tolist():
            size = sizes >> 32
            if at + size > len(data):
                raise UnreadableFileError(path, "Nicolet: a section ends behind the file")
            total += size
            sections.setdefault(names.get(number, ""), []).append((at, size))
        seen += n
        pointer = int.from_bytes(data[end : end + 8].tobytes(), "little")
    if total > len(data):
        raise UnreadableFileError(path, "Nicolet: sections that lie over each other")
    return Parts(path, data, sections)
