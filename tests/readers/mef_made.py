"""Small MEF 3 sessions, made byte by byte: an encoder of their blocks, headers, records."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from physioprep.readers.mef_red import crc_of
from tests.readers.planted import NAME

START = 1_577_880_000_000_000  # 2020-01-01 12:00 UTC
RATE_HZ = 500.0


def differences(samples: Sequence[int]) -> bytes:
    out = struct.pack("<i", samples[0])
    for before, now in pairwise(samples):
        step = now - before
        out += struct.pack("<b", step) if -128 < step < 128 else b"\x80" + struct.pack("<i", now)
    return out


def statistics(raw: bytes) -> list[int]:
    counts = np.bincount(np.frombuffer(raw, np.uint8), minlength=256)
    top = counts.max()
    scaled = counts if top <= 255 else np.ceil(counts * (254.999999999 / top))
    return [int(value) for value in scaled]


def range_coded(raw: bytes, counts: list[int]) -> bytes:
    """Encode bytes as the format's specification does."""
    cumulated = [0, *np.cumsum(counts).tolist()]
    total = cumulated[-1]
    out = bytearray()
    low, span, held, waiting = 0, 0x80000000, 0, 0

    def shift() -> None:
        nonlocal low, span, held, waiting
        while span <= 0x800000:
            if low < 0x7F800000:
                out.append(held)
                out.extend(b"\xff" * waiting)
                held, waiting = low >> 23 & 255, 0
            elif low & 0x80000000:
                out.append(held + 1)
                out.extend(b"\0" * waiting)
                held, waiting = low >> 23 & 255, 0
            else:
                waiting += 1
            span = span << 8 & 0xFFFFFFFF
            low = low << 8 & 0x7FFFFFFF

    for byte in raw:
        shift()
        each = span // total
        low += each * cumulated[byte]
        span = each * counts[byte] if byte < 255 else span - each * cumulated[byte]
    shift()
    rest = (low >> 23) + 1
    out.append(held + (rest > 255))
    out.extend((b"\0" if rest > 255 else b"\xff") * waiting)
    return bytes(out[1:]) + bytes([rest & 255, 0])  # the first byte is none


def block(samples: Sequence[int], time: int, flags: int = 0, **said: Any) -> bytes:
    raw = differences(samples)
    counts = statistics(raw)
    body = range_coded(raw, counts)
    size = -(-(304 + len(body)) // 8) * 8
    fields = {"slope": 0.0, "intercept": 0.0, "scale": 1.0, "n": len(samples)} | said
    head = struct.pack("<B11x3f3Iq", flags, fields["slope"], fields["intercept"],
                       fields["scale"], len(raw) + 1, fields["n"], size, -time)  # fmt: skip
    whole = (head + bytes(counts) + body).ljust(size - 4, b"~")
    return struct.pack("<I", crc_of(whole)) + whole


def universal(kind: bytes, body: bytes, n: int, version: int = 3) -> bytes:
    head = kind + b"\0" + bytes([version, 0, 1])
    head += struct.pack("<3q", -START, -START, n).ljust(36, b"\0")
    head = head.ljust(44, b"\0") + NAME.encode().ljust(256, b"\0") * 3
    head = head.ljust(1016, b"\0")
    body_crc = struct.pack("<I", crc_of(body))
    return struct.pack("<I", crc_of(body_crc + head)) + body_crc + head + body


def metadata(n_samples: int, **said: Any) -> bytes:
    given = {"sections": (-1, -2), "rate": RATE_HZ, "factor": -0.5, "unit": "uV", "zone": 3600}
    given |= {"offset": 0} | said
    raw = bytearray(15_360)
    raw[0:2] = struct.pack("<2b", *given["sections"])

    def put(at: int, value: bytes) -> None:
        raw[at - 1024 : at - 1024 + len(value)] = value

    put(2560, NAME.encode())
    put(4608, NAME.encode())
    put(6664, NAME.encode())
    put(8720, struct.pack("<6d", given["rate"], 1.0, 100.0, 50.0, 50.0, given["factor"]))
    put(8768, given["unit"].encode())
    put(8920, struct.pack("<q", n_samples))
    put(13312, struct.pack("<3qi", given["offset"], 0, 0, given["zone"]))
    for at in (13340, 13468, 13596, 13724):
        put(at, NAME.encode())
    return universal(b"tmet", bytes(raw), 1)


def segment(
    name: str, pieces: Sequence[tuple[Sequence[int], float, int]], **said: Any
) -> dict[str, bytes]:
    """Return the files of a segment; a piece is samples, onset in s, flags."""
    first = at = 0
    data, index = b"", b""
    for samples, onset, flags in pieces:
        time = START + round(onset * 1e6)
        made = block(samples, time, flags)
        index += struct.pack(
            "<3q2I8x4xB11x", 1024 + at, -time, first, len(samples), len(made), flags
        )
        data, at, first = data + made, at + len(made), first + len(samples)
    return {
        f"{name}.tmet": metadata(first, **said),
        f"{name}.tidx": universal(b"tidx", index, len(pieces)),
        f"{name}.tdat": universal(b"tdat", data, len(pieces)),
    }


def record(kind: bytes, onset: float, body: bytes, hidden: int = 0) -> bytes:
    body = body + b"~" * (-len(body) % 8)
    head = kind + b"\0\1\0" + struct.pack("<bIq", hidden, len(body), -START - round(onset * 1e6))
    return struct.pack("<I", crc_of(head + body)) + head + body


def wave(seed: int, n: int) -> list[int]:
    steps = np.random.default_rng(seed).integers(-90, 90, n)
    steps[n // 2] = 70_000
    return [int(value) for value in np.cumsum(steps)]


FAST = {"A1": wave(1, 900), "A2": wave(2, 900)}
SLOW = [5] * 40 + wave(3, 60)


def session(**changed: Any) -> dict[str, bytes]:
    """Return two channels of 900 samples with a gap of 3 s, one of another rate, records."""
    files = {}
    for name, values in FAST.items():
        first = [(values[:300], 0.0, 1), (values[300:600], 0.6, 0)]
        for at, pieces in enumerate((first, [(values[600:], 4.2, 1)])):
            place = f"s.mefd/{name}.timd/{name}-00000{at}.segd/"
            made = segment(f"{name}-00000{at}", pieces, **changed)
            files |= {place + file: content for file, content in made.items()}
    made = segment("T-000000", [(SLOW, 0.5, 1)], **({"rate": 50.0, "unit": "mV"} | changed))
    files |= {f"s.mefd/T.timd/T-000000.segd/{file}": content for file, content in made.items()}
    records = record(b"Note", 1.0, b"eyes open\0") + record(b"Note", 1.5, f"{NAME} left".encode())
    records += record(b"EDFA", 2.0, struct.pack("<q", 500_000) + b"arousal\0")
    records += record(b"Seiz", 3.0, struct.pack("<3q2i", 0, 0, 2_000_000, 1, 0).ljust(1312, b"\0"))
    records += record(b"SyLg", 0.0, NAME.encode()) + record(b"Note", 0.0, b"x" * 16, hidden=1)
    files["s.mefd/s.rdat"] = universal(b"rdat", records, 6)
    return files
