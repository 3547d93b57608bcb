"""Which element of a damaged DICOM file is cut, states too much, or holds what it may not hold.

pydicom says of most damage what its own code stumbled over. Here the elements are walked once more,
by their lengths only. Elements are named by the standard's dictionary, never by what they hold.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

from physioprep.plain_text import counted

_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_BIG: Final = "1.2.840.10008.1.2.2"
_IMPLICIT: Final = "1.2.840.10008.1.2"
#: Value representations, and those of them with a length of four bytes.
_KINDS: Final = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
    + (_LONG := b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
)
_OPEN: Final = 0xFFFFFFFF
_ITEM, _ITEM_END, _END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DEEPEST: Final = 20


def damage_in(content: bytes) -> str:
    """Return what is wrong with the lengths of a file's elements.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    str
        Empty if nothing is.
    """
    try:
        return _walk_file(content)
    except _DamageError as error:
        return str(error)


def odd_element(dataset: Any) -> str:
    """Return the first element that holds what it may not hold.

    Parameters
    ----------
    dataset : pydicom.Dataset

    Returns
    -------
    str
        Empty if there is none.
    """
    return _odd(dataset, 0)


class _DamageError(Exception):
    """What is wrong, in words that quote nothing."""


class _Walk:
    """The bytes of a data set and how they are written."""

    def __init__(self, data: bytes, order: str, implicit: bool) -> None:
        self.data, self.order, self.implicit = data, order, implicit

    def elements(self, at: int, end: int, depth: int, inside: str) -> int:
        """Go past elements up to the end, or to the mark that closes an item; return where."""
        while at < end:
            tag, start, length, kind = self.head(at, end, inside)
            if tag in (_ITEM_END, _END):
                return start
            what = _named(tag)
            if length == _OPEN:
                at = self.items(start, end, depth, what)
                continue
            if length > end - start:
                cause = f"{what} at byte {at} states {counted(length, 'byte')}"
                raise _DamageError(f"{cause}, {counted(end - start, 'byte')} left{inside}")
            if kind == b"SQ":
                self.items(start, start + length, depth, what)
            at = start + length
        return at

    def items(self, at: int, end: int, depth: int, what: str) -> int:
        if depth > _DEEPEST:
            raise _DamageError(f"{what} is nested too deep")
        number = 0
        while at < end:
            number += 1
            inside = f" in item {number} of {what}"
            if end - at < 8:
                raise _DamageError(f"ends within the head of an item{inside}")
            group, element, length = struct.unpack_from(f"{self.order}HHI", self.data, at)
            tag, at = group << 16 | element, at + 8
            if tag == _END:
                return at
            if tag != _ITEM:
                raise _DamageError(f"something else than an item stands at byte {at - 8}{inside}")
            if length == _OPEN:
                at = self.elements(at, end, depth + 1, inside)
                continue
            if length > end - at:
                cause = f"an item at byte {at - 8} states {counted(length, 'byte')}"
                raise _DamageError(f"{cause}, {counted(end - at, 'byte')} left{inside}")
            self.elements(at, at + length, depth + 1, inside)
            at += length
        return at

    def head(self, at: int, end: int, inside: str) -> tuple[int, int, int, bytes]:
        """Return tag, where the value starts, its length and its kind."""
        cut = _DamageError(f"ends at byte {end} within the head of an element{inside}")
        if end - at < 8:
            raise cut
        group, element = struct.unpack_from(f"{self.order}HH", self.data, at)
        tag = group << 16 | element
        if self.implicit or group == 0xFFFE:
            (length,) = struct.unpack_from(f"{self.order}I", self.data, at + 4)
            return tag, at + 8, length, _kind_of(tag)
        kind = self.data[at + 4 : at + 6]
        if kind not in _KINDS:
            raise _DamageError(f"{_named(tag)} at byte {at} has no known kind of value{inside}")
        if kind not in _LONG:
            return tag, at + 8, struct.unpack_from(f"{self.order}H", self.data, at + 6)[0], kind
        if end - at < 12:
            raise cut
        return tag, at + 12, struct.unpack_from(f"{self.order}I", self.data, at + 8)[0], kind


def _walk_file(content: bytes) -> str:
    at, syntax = 0, ""
    if content[128:132] == b"DICM":
        meta = _Walk(content, "<", implicit=False)
        at = 132
        while at < len(content) and content[at : at + 2] == b"\2\0":
            tag, start, length, _ = meta.head(at, len(content), "")
            if length > len(content) - start:
                meta.elements(at, len(content), 0, "")  # which says it
            if tag == 0x00020010:
                syntax = content[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")
            at = start + length
        if at >= len(content):
            return "ends after its meta information"
    data, shift = content, at
    if syntax == _DEFLATED:
        try:
            data, shift = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[at:]), 0
        except zlib.error:
            return "its deflated part is damaged"
    implicit = syntax == _IMPLICIT or (not syntax and data[shift + 4 : shift + 6] not in _KINDS)
    _Walk(data, ">" if syntax == _BIG else "<", implicit).elements(shift, len(data), 0, "")
    return ""


def _odd(dataset: Any, depth: int) -> str:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
            value = element.value
        except Exception:  # pydicom raises nearly anything
            return f"{_named(int(tag))} holds what it may not hold"
        if element.VR == "SQ" and depth < _DEEPEST:
            for item in value:
                found = _odd(item, depth + 1)
                if found:
                    return found
        elif element.VR in ("DS", "IS", "US", "UL", "SS", "SL", "FL", "FD") and _no_number(value):
            return f"{_named(int(tag))} holds no number"
    return ""


def _no_number(value: Any) -> bool:
    values = [value] if isinstance(value, str | bytes | int | float) else value
    try:
        for each in values or ():
            if str(each).strip():
                float(each)
    except (TypeError, ValueError):
        return True
    return False


def _named(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag

    number = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return f"{keyword_for_tag(tag)} {number}".strip() or number


def _kind_of(tag: int) -> bytes:
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    return dictionary_VR(tag).encode() if dictionary_has_tag(tag) else b"UN"
