"""SCP-ECG records, written byte by byte for tests."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

# A code of an own table: prefix as bits, total bits, whether it is a value, the value.
Code = tuple[str, int, bool, int]


def crc(content: bytes) -> bytes:
    return struct.pack("<H", binascii.crc_hqx(content, 0xFFFF)) + content


def section(number: int, body: bytes) -> bytes:
    body += bytes(len(body) % 2)
    return crc(struct.pack("<HIBB6s", number, len(body) + 16, 20, 20, bytes(6)) + body)


def record(bodies: dict[int, bytes]) -> bytes:
    """Return a record of sections; section 0 points to them."""
    parts = {number: section(number, body) for number, body in sorted(bodies.items())}
    numbers = sorted({*range(12), *parts})
    size = 16 + 10 * len(numbers)
    at, pointers = 7 + size, struct.pack("<HII", 0, size, 7)
    for number in numbers[1:]:
        part = parts.get(number, b"")
        pointers += struct.pack("<HII", number, len(part), at if part else 0)
        at += len(part)
    whole = crc(struct.pack("<HIBB6s", 0, size, 20, 20, b"SCPECG") + pointers)
    whole += b"".join(parts.values())
    return crc(struct.pack("<I", len(whole) + 6) + whole)


def tag(number: int, value: bytes) -> bytes:
    return struct.pack("<BH", number, len(value)) + value


def text(value: str) -> bytes:
    return value.encode("latin-1") + b"\0"


def person_tags(every: str = "", **names: str) -> bytes:
    """Return section 1; `every` stands in all texts that are not given."""
    last, first, number = (names.get(key, every) for key in ("last", "first", "id"))
    model = names.get("model", every)[:5].encode().ljust(6, b"\0")
    device = struct.pack("<HHHBB6sBBBBB", 0, 0, 0, 0, 17, model, 20, 0xA0, 1, 0, 1)
    device = device.ljust(36, b"\0") + b"".join(text(every) for _ in range(5))
    tags = [
        *((0, text(last)), (1, text(first)), (2, text(number)), (3, text(every))),
        *((4, struct.pack("<HB", 50, 1)), (5, struct.pack("<HBB", 1950, 3, 1)), (8, b"\2")),
        *((number, text(every)) for number in (10, 13, 16, 17, 18, 19, 20, 21, 22, 23, 30, 31, 35)),
        *((14, device), (25, struct.pack("<HBB", 2020, 2, 1)), (26, bytes((9, 10, 11)))),
        *((27, struct.pack("<H", 5)), (28, struct.pack("<H", 150)), (29, b"\2")),
        *((34, struct.pack("<hh", 60, 0) + text(every)), (200, text(every))),
    ]
    return b"".join(tag(*each) for each in tags) + tag(255, b"")


def leads(codes: Sequence[int], start: int, end: int, flags: int = 4) -> bytes:
    rows = [struct.pack("<IIB", start, end, code) for code in codes]
    return bytes((len(codes), flags)) + b"".join(rows)


def beats(length_ms: int, fiducial: int, zones: Any, areas: Any = ()) -> bytes:
    out = struct.pack("<HHH", length_ms, fiducial, len(zones))
    out += b"".join(struct.pack("<HIII", *zone) for zone in zones)
    return out + b"".join(struct.pack("<II", *area) for area in areas)


def waveforms(
    data: Sequence[bytes], step_nv: int = 2500, interval_us: int = 2000, order: int = 0,
    bimodal: int = 0,
) -> bytes:  # fmt: skip
    out = struct.pack("<HHBB", step_nv, interval_us, order, bimodal)
    return out + struct.pack(f"<{len(data)}H", *map(len, data)) + b"".join(data)


def differences(values: Sequence[int], order: int) -> list[int]:
    out = [int(value) for value in values]
    if order == 1:
        return [*out[:1], *(b - a for a, b in pairwise(out))]
    if order == 2:
        pairs = zip(out, out[1:], out[2:], strict=False)
        return [*out[:2], *(c - 2 * b + a for a, b, c in pairs)]
    return out


def plain(values: Sequence[int]) -> bytes:
    return np.array(values, "<i2").tobytes()


def default_bits(value: int) -> str:
    if value == 0:
        return "0"
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + ("1" if value < 0 else "0")
    if -128 <= value < 128:
        return "1111111110" + f"{value & 0xFF:08b}"
    return "1111111111" + f"{value & 0xFFFF:016b}"


def pack_bits(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 16)  # leads have whole words
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def huffman(values: Sequence[int]) -> bytes:
    return pack_bits("".join(map(default_bits, values)))


DEFAULT = struct.pack("<H", 19999)


def tables(every: Sequence[Sequence[Code]]) -> bytes:
    """Return section 2 with own tables; codes are stored with their first bit lowest."""
    out = struct.pack("<H", len(every))
    for codes in every:
        out += struct.pack("<H", len(codes))
        for bits, size, is_value, value in codes:
            mode = 1 if is_value else 0
            out += struct.pack("<BBBhI", len(bits), size, mode, value, int(bits[::-1], 2))
    return out
