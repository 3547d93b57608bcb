"""Write small DICOM files byte by byte, in every transfer syntax of waveforms."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

ECG12 = "1.2.840.10008.5.1.4.1.1.9.1.1"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
_LONG = ("OB", "OW", "SQ", "UN", "UT", "UC", "UR")
_NUMBERS = {"US": "H", "UL": "I", "SS": "h", "SL": "i"}
#: (group, element, VR, value): value is text, a number, numbers, bytes, or items of a sequence.
Element = tuple[int, int, str, Any]


def encode(elements: Sequence[Element], *, big: bool = False, implicit: bool = False) -> bytes:
    """Return a data set in order of its tags."""
    order = ">" if big else "<"
    out = b""
    for group, number, kind, value in sorted(elements, key=lambda each: each[:2]):
        body = _value(kind, value, big, implicit)
        body += (b"\0" if kind in ("OB", "UI", "OW") else b" ") * (len(body) % 2)
        tag = struct.pack(f"{order}HH", group, number)
        if implicit:
            out += tag + struct.pack("<I", len(body)) + body
        elif kind in _LONG:
            out += tag + kind.encode() + b"\0\0" + struct.pack(f"{order}I", len(body)) + body
        else:
            out += tag + kind.encode() + struct.pack(f"{order}H", len(body)) + body
    return out


def _value(kind: str, value: Any, big: bool, implicit: bool) -> bytes:
    order = ">" if big else "<"
    if isinstance(value, bytes):
        return value
    if kind == "SQ":
        items = [encode(item, big=big, implicit=implicit) for item in value]
        heads = [struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(item)) for item in items]
        return b"".join(head + item for head, item in zip(heads, items, strict=True))
    if kind in _NUMBERS:
        numbers = value if isinstance(value, list | tuple) else [value]
        return struct.pack(f"{order}{len(numbers)}{_NUMBERS[kind]}", *numbers)
    return str(value).encode("latin-1")


def as_file(
    elements: Sequence[Element], syntax: str = EXPLICIT, *, preamble: bool = True
) -> bytes:  # fmt: skip
    """Return a file; without its preamble it has no meta information either."""
    body = encode(elements, big=syntax == BIG, implicit=syntax == IMPLICIT)
    if not preamble:
        return body
    if syntax == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = packer.compress(body) + packer.flush()
    meta = encode([(2, 2, "UI", ECG12), (2, 3, "UI", "1.2.3"), (2, 0x10, "UI", syntax)])
    return bytes(128) + b"DICM" + encode([(2, 0, "UL", len(meta))]) + meta + body


def code(value: str, scheme: str, meaning: str) -> list[Element]:
    return [(8, 0x100, "SH", value), (8, 0x102, "SH", scheme), (8, 0x104, "LO", meaning)]


def channel(
    source: tuple[str, str, str] = ("2:1", "MDC", "Lead I"), *,
    step: str | None = "2.5", unit: str = "uV", correction: str = "1", baseline: str = "0",
    more: Sequence[Element] = (),
) -> list[Element]:  # fmt: skip
    """Return the definition of a channel."""
    out: list[Element] = [(0x3A, 0x208, "SQ", [code(*source)]), *more]
    if step is not None:
        out += [(0x3A, 0x210, "DS", step), (0x3A, 0x211, "SQ", [code(unit, "UCUM", "unit")])]
        out += [(0x3A, 0x212, "DS", correction), (0x3A, 0x213, "DS", baseline)]
    return out


_KINDS = {"i1": (8, "SB"), "u1": (8, "UB"), "i2": (16, "SS"), "u2": (16, "US")}
_KINDS |= {"i4": (32, "SL"), "u4": (32, "UL")}


def multiplex(
    samples: np.ndarray[Any, Any], channels: Sequence[Sequence[Element]], *, kind: str = "i2",
    rate: str = "250", big: bool = False, more: Sequence[Element] = (),
) -> list[Element]:  # fmt: skip
    """Return a multiplex group of samples (channel, sample); `more` replaces elements."""
    bits, interpretation = _KINDS[kind]
    data = np.ascontiguousarray(samples.T).astype(("> "[not big] + kind).strip()).tobytes()
    made: dict[tuple[int, int], Element] = {}
    for each in (
        (0x3A, 4, "CS", "ORIGINAL"), (0x3A, 5, "US", samples.shape[0]),
        (0x3A, 0x10, "UL", samples.shape[1]), (0x3A, 0x1A, "DS", rate),
        (0x3A, 0x200, "SQ", list(channels)), (0x5400, 0x1004, "US", bits),
        (0x5400, 0x1006, "CS", interpretation), (0x5400, 0x1010, "OW", data), *more,
    ):  # fmt: skip
        made[each[:2]] = each
    return list(made.values())


def recording(groups: Sequence[Sequence[Element]], more: Sequence[Element] = ()) -> list[Element]:
    """Return the elements of a file with these multiplex groups."""
    return [
        (8, 0x16, "UI", ECG12), (8, 0x2A, "DT", "20240229235959.25"),
        (0x5400, 0x100, "SQ", list(groups)), *more,
    ]  # fmt: skip
