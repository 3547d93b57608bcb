"""Damage of every kind that a file may have, the same for the same random numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Act = Callable[[bytes, Random], bytes]
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_TOKENS = (
    *(b"-1", b"0", b"1", b"3", b"1e999", b"-1e999", b"nan", b"inf", b"1e-320", b"0.5", b"-0", b""),
    *(b"2147483648", b"9223372036854775808", b"99999999999999999999", b"1" * 400, b"1_0", b"0x10"),
    *("\u0663".encode(), b"null", b"true", b"[]", b"{}", b"'", b'"', b"\\", b"../x", b"#"),
)
_BYTES = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, 10, 13, 32)


def _place(data: bytes, random: Random) -> int:
    """Return a place; headers and ends of files are hit as often as all the rest."""
    n = len(data)
    which = random.randrange(6)
    if which == 0:
        return random.randrange(min(n, 256))
    if which == 1:
        return random.randrange(min(n, 4096))
    if which == 2:
        return n - 1 - random.randrange(min(n, 512))
    return random.randrange(n)


def _flip(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _set(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    value = random.choice(_BYTES) if random.random() < 0.5 else random.randrange(256)
    return data[:at] + bytes([value]) + data[at + 1 :]


def _word(data: bytes, random: Random) -> bytes:
    """Overwrite a word with a number at the edge of its range."""
    at, width = _place(data, random), random.choice((2, 4, 8))
    top = 1 << (8 * width - 1)
    value = random.choice((0, 1, top - 1, top, 2 * top - 1, top >> 8, (1 << 20) % (2 * top)))
    order: str = random.choice(("little", "big"))
    word = value.to_bytes(width, "big")
    word = word if order == "big" else word[::-1]
    return data[:at] + word[: len(data) - at] + data[at + width :]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _without(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + data[at + random.choice((1, 1, 2, 8, 100)) :]


def _repeat(data: bytes, random: Random) -> bytes:
    at, n = _place(data, random), random.choice((1, 4, 16, 256))
    return data[:at] + data[at : at + n] * random.choice((2, 3, 50)) + data[at + n :]


def _splice(data: bytes, random: Random) -> bytes:
    """Put a piece of the file over another one."""
    n = random.choice((1, 4, 16, 256))
    start, at = _place(data, random), _place(data, random)
    piece = data[start : start + n]
    return data[:at] + piece + data[at + len(piece) :]


def _nulls(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + bytes(random.choice((1, 1, 4, 64))) + data[at:]


def _number(data: bytes, random: Random) -> bytes:
    found = list(_NUMBER.finditer(data, 0, 1 << 16))
    if not found:
        return _set(data, random)
    which = random.choice(found)
    return data[: which.start()] + random.choice(_TOKENS) + data[which.end() :]


def _lines(data: bytes, random: Random) -> bytes:
    """Swap, repeat or drop lines."""
    lines = data.split(b"\n")
    a, b = random.randrange(len(lines)), random.randrange(len(lines))
    act = random.randrange(3)
    if act == 0:
        lines[a], lines[b] = lines[b], lines[a]
    elif act == 1:
        lines.insert(a, lines[b])
    else:
        del lines[a]
    return b"\n".join(lines)


_ANY: tuple[Act, ...] = (_flip, _flip, _set, _set, _word, _cut, _without, _repeat, _splice, _nulls)
_TEXT: tuple[Act, ...] = (*_ANY, _number, _number, _number, _number, _lines, _lines)


def is_text(data: bytes) -> bool:
    """Return whether a file is text, whose numbers and lines may be changed."""
    try:
        head = data[:4096].decode()
    except UnicodeDecodeError:
        return False
    return "\0" not in head


def mutate(data: bytes, random: Random) -> bytes:
    """Return a damaged file; never the same bytes."""
    acts = _TEXT if is_text(data) else _ANY
    out = data
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if out:
            out = random.choice(acts)(out, random)
    return out if out != data else data + b"\0"
