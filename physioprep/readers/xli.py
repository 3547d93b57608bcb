"""Decompress XLI, as Philips writes ECGs: LZW of 10-bit codes, over second differences.

Each lead is a chunk: its size (32 bits), 16 bits of no known meaning, the first difference (16
bits), and the codes. The bytes hold the upper halves of all differences, then the lower halves.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted

_HEAD: Final = struct.Struct("<iHh")
_BITS: Final = 10
#: The last code ends the data.
_END: Final = (1 << _BITS) - 1
#: Added to every difference.
_SHIFT: Final = 64


def decode_xli(path: Path, data: bytes, most_samples: int) -> list[NDArray[np.int64]]:
    """Return the leads of XLI data.

    Parameters
    ----------
    path : Path
        Named in errors.
    data : bytes
    most_samples : int
        Of a lead.

    Returns
    -------
    list of ndarray of int64
        As stored: limb leads are residuals, see `undo_residuals`.

    Raises
    ------
    UnreadableFileError
        A chunk is cut, damaged, or holds more samples.
    """
    leads: list[NDArray[np.int64]] = []
    at = 0
    while at < len(data):
        what = f"XLI chunk {len(leads) + 1}"
        if at + _HEAD.size > len(data):
            raise UnreadableFileError(path, f"{what} is cut off")
        size, _, first = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if not 0 < size <= len(data) - at:
            cause = f"{what} of {counted(size, 'byte')}, {len(data) - at} are left"
            raise UnreadableFileError(path, cause)
        raw = _lzw(path, data[at : at + size], 2 * most_samples, what)
        at += size
        leads.append(_summed(path, raw, first, what))
    return leads


def _lzw(path: Path, data: bytes, most: int, what: str) -> bytes:
    """Undo LZW: the table grows by one string a code until it is full."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    whole = bits[: len(bits) // _BITS * _BITS].reshape(-1, _BITS)
    codes = whole @ (1 << np.arange(_BITS - 1, -1, -1))
    strings = [bytes((value,)) for value in range(256)]
    out, n_bytes, before = [], 0, b""
    for code in codes.tolist():
        if code == _END:
            break
        if code < len(strings):
            string = strings[code]
        elif code == len(strings) and before:
            string = before + before[:1]
        else:
            raise UnreadableFileError(path, f"{what}: a code that stands for nothing")
        if before and len(strings) < _END:
            strings.append(before + string[:1])
        out.append(string)
        n_bytes += len(string)
        if n_bytes > most:
            raise UnreadableFileError(path, f"{what} holds more samples than its file states")
        before = string
    return b"".join(out)


def _summed(path: Path, raw: bytes, first: int, what: str) -> NDArray[np.int64]:
    """Undo the differences; an odd byte lacks the lower half of the last sample, which is 0."""
    if len(raw) < 4:
        raise UnreadableFileError(path, f"{what} holds no samples")
    data = np.frombuffer(raw + b"\0" * (len(raw) % 2), np.uint8).reshape(2, -1)
    words = (data[0].astype(np.uint16) << 8 | data[1]).view(np.int16).astype(np.int64)
    steps = np.empty(len(words) - 1, np.int64)
    steps[0] = words[1] - words[0]
    if len(words) > 2:
        steps[1] = -first
        steps[2:] = _SHIFT - words[2:-1]
    values: NDArray[np.int64] = words[0] + np.concatenate(([0], np.cumsum(np.cumsum(steps))))
    if np.abs(values).max() > 1 << 16:  # residuals take a bit more than samples
        raise UnreadableFileError(path, f"{what}: samples over 16 bits")
    return values


def undo_residuals(leads: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """Return limb leads of which XLI stores how far they are from sums of I and II.

    Parameters
    ----------
    leads : mapping of str to ndarray
        By name, with I and II.

    Returns
    -------
    dict of str to ndarray
        III, aVR, aVL and aVF of those that are there.

    Examples
    --------
    >>> one, two = np.array([10]), np.array([30])
    >>> undo_residuals({"I": one, "II": two, "III": np.array([1])})
    {'III': array([19])}
    """
    one, two = leads["I"], leads["II"]
    found = {}
    if "III" in leads:
        found["III"] = two - one - leads["III"]
    three = found.get("III", two - one)
    if "aVR" in leads:
        found["aVR"] = -leads["aVR"] - (one + two) // 2
    if "aVL" in leads:
        found["aVL"] = (one - three) // 2 - leads["aVL"]
    if "aVF" in leads:
        found["aVF"] = (two + three) // 2 - leads["aVF"]
    return found
