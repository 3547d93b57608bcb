"""Huffman codes of SCP-ECG (EN 1064, section 2): the default table, and tables of a file's own.

What a code at each bit would stand for is found for all bits at once; only the walk from one code
to the next is a loop.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError

_DEFAULT: Final = 19999
_CODE: Final = struct.Struct("<BBBhI")
#: Longest prefix that is looked up in a table; longer ones are searched for.
_SHORT: Final = 16
_LONGEST: Final = 32


@dataclass(frozen=True, eq=False)
class Table:
    """The codes of a table.

    Parameters
    ----------
    prefix, extra : ndarray of int64
        Bits of each code, and bits of the value that follow it.
    value : ndarray of int64
        What it stands for, or the number of the table that it switches to.
    switches : ndarray of bool
    lookup : ndarray of int64
        Which code any 16 bits begin with; -1 for none.
    longer : tuple of (int, ndarray, ndarray)
        Bits, codes in order, and their numbers, of codes over 16 bits.
    """

    prefix: NDArray[np.int64]
    extra: NDArray[np.int64]
    value: NDArray[np.int64]
    switches: NDArray[np.bool_]
    lookup: NDArray[np.int64]
    longer: tuple[tuple[int, NDArray[np.int64], NDArray[np.int64]], ...]


def read_tables(path: Path, body: bytes) -> list[Table] | None:
    """Return the tables of section 2.

    Parameters
    ----------
    path : Path
        Named in errors.
    body : bytes
        Of the section, without its header.

    Returns
    -------
    list of Table or None
        None if it holds none: samples are not compressed.

    Raises
    ------
    UnreadableFileError
        It is cut, or a code is none.
    """
    if len(body) < 2:
        raise UnreadableFileError(path, "section 2 is cut off")
    n_tables = int.from_bytes(body[:2], "little")
    if n_tables == _DEFAULT:
        return [_table(_default())]
    at, tables = 2, []
    for _ in range(n_tables):
        n_codes = int.from_bytes(body[at : at + 2], "little")
        at += 2
        end = at + n_codes * _CODE.size
        if end > len(body) or not n_codes:
            raise UnreadableFileError(path, "section 2 is cut off")
        rows = [*_CODE.iter_unpack(body[at:end])]
        if any(not 0 < row[0] <= row[1] <= row[0] + _LONGEST or row[0] > _LONGEST for row in rows):
            raise UnreadableFileError(path, "section 2: a code of an impossible length")
        if any(row[2] == 0 and not 1 <= row[3] <= n_tables for row in rows):
            raise UnreadableFileError(path, "section 2: a switch to a table that is not there")
        tables.append(_table(rows))
        at = end
    return tables or None


def _default() -> list[tuple[int, int, int, int, int]]:
    """Return the default table; codes are stored with their first bit lowest."""
    rows = [(1, 1, 1, 0, 0)]
    for size in range(1, 9):
        ones = (1 << size) - 1
        rows += [(size + 2, size + 2, 1, size, ones)]
        rows += [(size + 2, size + 2, 1, -size, ones | 1 << size + 1)]
    return [*rows, (10, 18, 1, 0, 0x1FF), (10, 26, 1, 0, 0x3FF)]


def _table(rows: list[tuple[int, int, int, int, int]]) -> Table:
    prefix = np.array([row[0] for row in rows], np.int64)
    codes = [int(f"{row[4] & (1 << row[0]) - 1:0{row[0]}b}"[::-1], 2) for row in rows]
    lookup = np.full(1 << _SHORT, -1, np.int64)
    for number in sorted(range(len(rows)), key=lambda number: -rows[number][0]):
        free = _SHORT - rows[number][0]
        if free >= 0:  # of two that begin alike, the shorter is met first
            lookup[codes[number] << free : (codes[number] + 1) << free] = number
    longer = []
    for size in sorted({row[0] for row in rows if row[0] > _SHORT}):
        numbers = [number for number, row in enumerate(rows) if row[0] == size]
        numbers.sort(key=codes.__getitem__)
        longer.append((size, np.array([codes[n] for n in numbers]), np.array(numbers)))
    return Table(
        prefix=prefix,
        extra=np.array([row[1] for row in rows], np.int64) - prefix,
        value=np.array([row[3] for row in rows], np.int64),
        switches=np.array([row[2] == 0 for row in rows]),
        lookup=lookup,
        longer=tuple(longer),
    )


def decode(tables: list[Table], data: bytes, count: int) -> NDArray[np.int64]:
    """Return the values of a lead; it begins with the first table.

    Parameters
    ----------
    tables : list of Table
    data : bytes
    count : int
        How many.

    Returns
    -------
    ndarray of int64
        Fewer where the data end, or a code is none.
    """
    n_bits = 8 * len(data)
    count = min(count, n_bits)
    windows = _windows(data)
    numbers = [_codes_at(tables[0], windows, n_bits)]
    after = [_next(tables[0], numbers[0], n_bits)]
    if not tables[0].switches.any():
        at, starts, steps = 0, [], after[0]
        for _ in range(count):
            starts.append(at)
            at = steps[at]
        return _values(tables[0], numbers[0], windows, np.array(starts, np.int64), n_bits)
    for table in tables[1:]:
        numbers.append(_codes_at(table, windows, n_bits))
        after.append(_next(table, numbers[-1], n_bits))
    return _switching(tables, numbers, after, windows, count)


def _switching(
    tables: list[Table], numbers: list[NDArray[np.int64]], after: list[list[int]],
    windows: NDArray[np.int64], count: int,
) -> NDArray[np.int64]:  # fmt: skip
    n_bits = len(windows) - _LONGEST - 1
    places = [
        np.where(found >= 0, table.switches[found] * table.value[found], 0).tolist()
        for table, found in zip(tables, numbers, strict=True)
    ]
    of: list[list[int]] = [[] for _ in tables]  # where the codes of each table begin
    order: list[list[int]] = [[] for _ in tables]
    current = at = n = 0
    while n < count and at < n_bits:
        other = places[current][at]
        if not other:
            of[current].append(at)
            order[current].append(n)
            n += 1
        at = after[current][at]
        current = other - 1 if other else current
    out = np.zeros(n, np.int64)
    for table, found, starts, where in zip(tables, numbers, of, order, strict=True):
        values = _values(table, found, windows, np.array(starts, np.int64), n_bits)
        out[where[: len(values)]] = values
        if len(values) < len(starts):  # only the last code of all can be cut, or be none
            return out[: where[len(values)]]
    return out


def _windows(data: bytes) -> NDArray[np.int64]:
    """Return the 32 bits from each bit on, and zeros after the end."""
    padded = np.frombuffer(data + bytes(10), np.uint8).astype(np.int64)
    five = sum(padded[k : len(padded) - 4 + k] << 8 * (4 - k) for k in range(5))
    shifts = np.arange(8, 0, -1)
    every: NDArray[np.int64] = (np.asarray(five)[:, None] >> shifts & 0xFFFFFFFF).ravel()
    return every[: 8 * len(data) + _LONGEST + 1]


def _codes_at(table: Table, windows: NDArray[np.int64], n_bits: int) -> NDArray[np.int64]:
    """Return which code begins at each bit; -1 for none."""
    found: NDArray[np.int64] = table.lookup[windows[:n_bits] >> _LONGEST - _SHORT]
    for size, codes, numbers in table.longer:
        none = np.flatnonzero(found < 0)
        bits = windows[none] >> _LONGEST - size
        place = np.searchsorted(codes, bits).clip(max=len(codes) - 1)
        same = codes[place] == bits
        found[none[same]] = numbers[place[same]]
    return found


def _next(table: Table, numbers: NDArray[np.int64], n_bits: int) -> list[int]:
    """Return where the code after the one at each bit begins; the end leads to itself."""
    sizes = np.where(numbers >= 0, (table.prefix + table.extra)[numbers], n_bits)
    after: list[int] = np.append(np.arange(n_bits) + sizes, n_bits).clip(max=n_bits).tolist()
    return after


def _values(
    table: Table, numbers: NDArray[np.int64], windows: NDArray[np.int64],
    starts: NDArray[np.int64], n_bits: int,
) -> NDArray[np.int64]:  # fmt: skip
    """Return what the codes at some bits stand for, up to the first that is cut or none."""
    starts = starts[starts < n_bits]
    which = numbers[starts]
    ends = starts + (table.prefix + table.extra)[which]
    wrong = np.flatnonzero((which < 0) | (ends > n_bits))
    if wrong.size:
        starts, which = starts[: wrong[0]], which[: wrong[0]]
    extra = table.extra[which]
    raw = windows[starts + table.prefix[which]] >> (_LONGEST - extra)
    negative = (extra > 0) & (raw >> (extra - 1).clip(min=0) == 1)
    return np.asarray(table.value[which] + raw * (extra > 0) - (negative.astype(np.int64) << extra))
