"""Which element of a damaged DICOM file is cut, states too much, or holds what it may not hold.

pydicom says of most damage what its own code stumbled over. Here the elements are walked once more,
by their lengths only. Elements are named by the standard's dictionary, never by what they hold.
"""

from __future__ import annotations

import struct
from functools import cache
from mmap import mmap
from os import environ
from typing import Any, Final

from physioprep import limits
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
#: From this group on there is only padding, which the standard allows at the end.
_PADDING: Final = 0xFFFC
#: Elements: a day of annotated beats has fewer.
_MOST: Final = max(1, int(300_000 * limits.read_factor(environ.get(limits.VARIABLE))))
#: Those of them that lie in no other: the standard has fewer.
_MOST_OUTER: Final = 20_000


def check_lengths(content: bytes | mmap, inflated: bytes = b"") -> tuple[str, int]:
    """Say what is wrong with the lengths of a file's elements.

    What pydicom goes past is gone past: an element without a kind of value in its place is taken
    for one of the implicit syntax. Zeros behind the last element are no element.

    Parameters
    ----------
    content : bytes or mmap
        The whole file.
    inflated : bytes
        Its data set, if that is deflated.

    Returns
    -------
    damage : str
        Empty if nothing is wrong.
    end : int
        Of the last element in the file.
    """
    try:
        return "", _walk_file(content, inflated)
    except _DamageError as error:
        return str(error), len(content)


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


def behind(dataset: Any, n_zeros: int) -> list[str]:
    """Note what lies behind the elements of the standard.

    Parameters
    ----------
    dataset : pydicom.Dataset
    n_zeros : int
        Bytes behind the last element, which are zeros.

    Returns
    -------
    list of str
        Empty if nothing does.
    """
    values = [dataset.get_item(tag).value for tag in dataset.keys() if tag.group >= _PADDING]  # noqa: SIM118 (keys parse nothing)
    n_bytes = n_zeros + sum(len(value or b"") for value in values)
    return [f"{counted(n_bytes, 'byte')} behind its last element: not read"] if n_bytes else []


class _DamageError(Exception):
    """What is wrong, in words that quote nothing."""


class _Walk:
    """The bytes of a data set and how they are written."""

    def __init__(self, data: bytes | mmap, order: str, implicit: bool) -> None:
        self.data, self.implicit, self.order = data, implicit, order
        self.long, self.short = struct.Struct(f"{order}HHI"), struct.Struct(f"{order}HH2sH")
        self.n_elements = 0
        self.padded = True  # zeros may follow the last element

    def elements(self, at: int, end: int, depth: int, inside: str = "") -> int:
        """Go past elements up to the end, or to the mark that closes an item; return where."""
        data, n_outer = self.data, 0
        while at < end:
            self.n_elements += 1
            n_outer += not depth
            if n_outer > _MOST_OUTER:
                raise _DamageError(f"has over {_MOST_OUTER} elements that lie in no other")
            if end - at < 8:
                raise _DamageError(f"ends at byte {end} within the head of an element{inside}")
            group, element, kind, length = self.short.unpack_from(data, at)
            tag, start = group << 16 | element, at + 8
            if self.implicit or group == 0xFFFE or not (kind.isalpha() and kind.isupper()):
                *_, length = self.long.unpack_from(data, at)
                kind = b"SQ" if length and _is_sequence(tag) else b""
            elif kind in _LONG:
                if end - at < 12:
                    raise _DamageError(f"ends at byte {end} within the head of an element{inside}")
                length, start = int.from_bytes(data[start : start + 4], self.bytes_order), at + 12
            if tag in (_ITEM_END, _END):
                return start
            if length == _OPEN:
                at = self.items(start, end, depth, tag, kind)
                continue
            if length > end - start:
                if kind == b"SQ":  # the innermost is what is cut
                    self.items(start, end, depth, tag, kind)
                cause = f"{_named(tag)} at byte {at} states {counted(length, 'byte')}"
                raise _DamageError(f"{cause}, {counted(end - start, 'byte')} left{inside}")
            if kind == b"SQ":
                self.items(start, start + length, depth, tag, kind)
            elif self.padded and tag == depth == 0 and _only_zeros(data, at, end):
                return at
            at = start + length
            self.check_number()
        return at

    def one(self, at: int) -> int:
        """Return where one element that is no sequence ends."""
        end, head = len(self.data), 12 if self.data[at + 4 : at + 6] in _LONG else 8
        width = head - 8 or 2
        if end - at < head:
            raise _DamageError(f"ends at byte {end} within the head of an element")
        length = int.from_bytes(self.data[at + head - width : at + head], "little")
        if length > end - at - head:
            group, element = struct.unpack_from("<HH", self.data, at)
            cause = f"{_named(group << 16 | element)} at byte {at} states {counted(length, 'byte')}"
            raise _DamageError(f"{cause}, {counted(end - at - head, 'byte')} left")
        return at + head + length

    @property
    def bytes_order(self) -> Any:
        return "big" if self.order == ">" else "little"

    def check_number(self) -> None:
        if self.n_elements > _MOST:
            raise _DamageError(f"over the limit of {_MOST} elements ({limits.VARIABLE} raises it)")

    def items(self, at: int, end: int, depth: int, tag: int, kind: bytes) -> int:
        """Go past the items of a sequence, or the fragments of a value in pieces."""
        if depth > _DEEPEST:
            raise _DamageError(f"{_named(tag)} is nested too deep")
        number, walk = 0, self
        if kind == b"UN":  # whose items are written without kinds, in any syntax
            walk = _Walk(self.data, "<", implicit=True)
        while at < end:
            number, self.n_elements = number + 1, self.n_elements + 1
            self.check_number()
            inside = f" in item {number} of {_named(tag)}"
            if end - at < 8:
                raise _DamageError(f"ends within the head of an item{inside}")
            group, element, length = walk.long.unpack_from(self.data, at)
            mark, at = group << 16 | element, at + 8
            if mark == _END:
                return at
            if mark != _ITEM:
                raise _DamageError(f"something else than an item stands at byte {at - 8}{inside}")
            if length == _OPEN:
                at = walk.elements(at, end, depth + 1, inside)
                continue
            if length > end - at:
                if kind in (b"SQ", b"UN", b""):
                    walk.elements(at, end, depth + 1, inside)
                cause = f"an item at byte {at - 8} states {counted(length, 'byte')}"
                raise _DamageError(f"{cause}, {counted(end - at, 'byte')} left{inside}")
            if kind in (b"SQ", b"UN", b""):
                walk.elements(at, at + length, depth + 1, inside)
            at += length
        return at


def _only_zeros(data: bytes | mmap, at: int, end: int) -> bool:
    for start in range(at, end, 1 << 20):
        piece = data[start : min(start + (1 << 20), end)]
        if piece.count(b"\0") < len(piece):
            return False
    return True


def _walk_file(content: bytes | mmap, inflated: bytes) -> int:
    """Return where the last element of a file ends."""
    at, syntax = 0, ""
    if content[128:132] == b"DICM":
        at = 132
        while content[at : at + 2] == b"\2\0":
            if content[at + 2 : at + 4] == b"\x10\0":
                length = int.from_bytes(content[at + 6 : at + 8], "little")
                value = content[at + 8 : at + 8 + length]
                syntax = value.rstrip(b"\0 ").decode("ascii", "replace")
            at = _Walk(content, "<", implicit=False).one(at)
        if at >= len(content):
            raise _DamageError("ends after its meta information")
    data, start = (inflated, 0) if syntax == _DEFLATED else (content, at)
    implicit = syntax == _IMPLICIT or (not syntax and data[start + 4 : start + 6] not in _KINDS)
    walk = _Walk(data, ">" if syntax == _BIG else "<", implicit)
    walk.padded = syntax != _DEFLATED
    end = walk.elements(start, len(data), 0)
    return len(content) if syntax == _DEFLATED else end


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


@cache
def _is_sequence(tag: int) -> bool:
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    return dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ"
