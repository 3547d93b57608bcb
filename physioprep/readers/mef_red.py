"""Decode the blocks of MEF 3: range-encoded differences (RED), and their checksums.

A block is decoded byte after byte. Many blocks are decoded side by side, one NumPy operation for
all of them; the last few, and those of short recordings, each by itself.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES: Final = 304
_STATISTICS: Final = 48
_BOTTOM: Final = 0x800000
_ENCRYPTED: Final = 6  # bits of the flags
#: Blocks decoded side by side, and the number below which each is decoded by itself.
_MOST, _FEW = 512, 48
_KEY: Final = -128  # a whole sample follows


def _table() -> NDArray[np.uint32]:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(0xEB31D82E), values >> 1)
    return values


_CRC: Final = _table()
_CRC_LIST: Final[list[int]] = _CRC.tolist()


def crc_of(data: bytes) -> int:
    """Return the checksum of MEF (Koopman's polynomial, no final inversion).

    Parameters
    ----------
    data : bytes

    Returns
    -------
    int

    Examples
    --------
    >>> hex(crc_of(b"123456789") ^ 0xFFFFFFFF)
    '0x2d3dd0ae'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_LIST[(crc ^ byte) & 255]
    return crc


def crcs_of(blocks: Sequence[bytes]) -> list[int]:
    """Return the checksums of many blocks, all but their first four bytes.

    Parameters
    ----------
    blocks : sequence of bytes

    Returns
    -------
    list of int
    """
    found = [0] * len(blocks)
    order = sorted(range(len(blocks)), key=lambda at: -len(blocks[at]))
    for start in range(0, len(order), _MOST):
        those = order[start : start + _MOST]
        if len(those) < _FEW:
            for at in those:
                found[at] = crc_of(blocks[at][4:])
            continue
        lengths = np.array([len(blocks[at]) for at in those])
        rows = np.zeros((len(those), int(lengths[0])), np.uint8)
        for row, at in enumerate(those):
            rows[row, : len(blocks[at])] = np.frombuffer(blocks[at], np.uint8)
        columns = np.ascontiguousarray(rows.T)
        crc = np.full(len(those), 0xFFFFFFFF, np.uint32)
        ends = np.searchsorted(-lengths, -np.arange(lengths[0]), "left")  # blocks that go on
        for step in range(4, int(lengths[0])):
            n = ends[step]
            crc[:n] = (crc[:n] >> 8) ^ _CRC[(crc[:n] ^ columns[step, :n]) & 255]
        for row, at in enumerate(those):
            found[at] = int(crc[row])
    return found


@dataclass(frozen=True)
class Block:
    """A block and what its header says.

    Parameters
    ----------
    data : bytes
        With its header.
    crc : int
    flags : int
        1: a gap is before it; 2, 4: encrypted.
    slope, intercept, scale : float
        Taken out of the samples before they were encoded.
    n_bytes : int
        Of the differences, with the mark of the first sample.
    n_samples : int
    """

    data: bytes
    crc: int
    flags: int
    slope: float
    intercept: float
    scale: float
    n_bytes: int
    n_samples: int

    @property
    def encrypted(self) -> bool:
        """Return whether a password is needed.

        Returns
        -------
        bool
        """
        return bool(self.flags & _ENCRYPTED)


def parse_block(data: bytes) -> Block | None:
    """Return a block.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    Block or None
        None where its header contradicts itself.
    """
    if len(data) < HEADER_BYTES:
        return None
    crc, flags = struct.unpack_from("<IB", data)
    slope, intercept, scale, n_bytes, n_samples, size = struct.unpack_from("<3f3I", data, 16)
    if size != len(data) or not np.isfinite([slope, intercept, scale]).all():
        return None
    if n_samples and not n_samples + 4 <= n_bytes <= 5 * n_samples:
        return None
    return Block(data, crc, flags, slope, intercept, scale, n_bytes, n_samples)


def decode(blocks: Sequence[Block]) -> list[NDArray[np.int32] | None]:
    """Return the samples of blocks that are not encrypted.

    Parameters
    ----------
    blocks : sequence of Block

    Returns
    -------
    list of (ndarray of int32 or None)
        None for a block that is damaged.
    """
    found: list[NDArray[np.int32] | None] = [None] * len(blocks)
    filled = [at for at, block in enumerate(blocks) if block.n_samples]
    for at in set(range(len(blocks))) - set(filled):
        found[at] = np.empty(0, np.int32)
    order = sorted(filled, key=lambda at: -blocks[at].n_bytes)
    for start in range(0, len(order), _MOST):
        those = order[start : start + _MOST]
        for at, differences in zip(those, _decode([blocks[at] for at in those]), strict=True):
            if differences is not None:
                found[at] = _samples(blocks[at], differences)
    return found


def _decode(blocks: list[Block]) -> list[NDArray[np.int8] | None]:
    """Return the differences of blocks, of which the longest is the first."""
    if len(blocks) < _FEW:
        return [_alone(block) for block in blocks]
    n_rows, longest = len(blocks), max(block.n_bytes for block in blocks)
    counts = np.stack([_counts(block) for block in blocks])
    totals = counts.sum(1)
    sound = totals > 0
    counts[~sound, 0] = totals[~sound] = 1
    cumulated = np.concatenate([np.zeros((n_rows, 1), np.int64), np.cumsum(counts, 1)], 1)
    starts = np.concatenate([[0], np.cumsum(totals)])[:-1]
    symbols = np.concatenate([np.repeat(np.arange(256, dtype=np.uint8), row) for row in counts])
    bodies = [np.frombuffer(block.data, np.uint8, offset=HEADER_BYTES) for block in blocks]
    body = np.concatenate([*bodies, np.zeros(1, np.uint8)]).astype(np.int64)
    ends = np.cumsum([len(each) for each in bodies])
    at = ends - [len(each) for each in bodies]
    nothing = len(body) - 1
    last = np.where(at < ends, body[np.minimum(at, nothing)], 0)
    at = at + 1
    low, span = last >> 1, np.full(n_rows, 128, np.int64)
    out = np.zeros((longest, n_rows), np.uint8)
    active = np.searchsorted(-np.array([b.n_bytes for b in blocks]), -np.arange(1, longest + 1),
                             "right")  # fmt: skip
    rows = np.arange(n_rows)
    for step in range(1, longest):
        n = int(active[step])
        if n < _FEW:
            break
        thin = np.flatnonzero(span[:n] <= _BOTTOM)
        while thin.size:
            carried = (low[thin] << 8) | ((last[thin] << 7) & 255)
            place = at[thin]
            there = place < ends[thin]
            last[thin] = new = np.where(there, body[np.where(there, place, nothing)], 0)
            at[thin] = place + there
            low[thin] = (carried | (new >> 1)) & 0xFFFFFFFF
            span[thin] = (span[thin] << 8) & 0xFFFFFFFF
            thin = thin[(span[thin] <= _BOTTOM) & (span[thin] > 0)]
        each = span[:n] // totals[:n]
        each[each == 0] = 1
        count = np.minimum(low[:n] // each, totals[:n] - 1)
        symbol = symbols[starts[:n] + count]
        below = each * cumulated[rows[:n], symbol]
        low[:n] = (low[:n] - below) & 0xFFFFFFFF
        span[:n] = np.where(symbol < 255, each * counts[rows[:n], symbol], span[:n] - below)
        out[step, :n] = symbol
    whole = out.T.view(np.int8)
    found: list[NDArray[np.int8] | None] = []
    for row, block in enumerate(blocks):
        if not sound[row]:
            found.append(None)
        elif active[block.n_bytes - 1] < _FEW:
            found.append(_alone(block))
        else:
            found.append(np.ascontiguousarray(whole[row, 1 : block.n_bytes]))
    return found


def _counts(block: Block) -> NDArray[np.int64]:
    return np.frombuffer(block.data, np.uint8, 256, _STATISTICS).astype(np.int64)


def _alone(block: Block) -> NDArray[np.int8] | None:
    """Return the differences of one block, after the mark of its first sample."""
    counts: list[int] = _counts(block).tolist()
    total = sum(counts)
    if not total:
        return None
    symbols = np.repeat(np.arange(256, dtype=np.uint8), counts).tobytes()
    cumulated = [0]
    for count in counts:
        cumulated.append(cumulated[-1] + count)
    body = block.data[HEADER_BYTES:]
    out = bytearray(max(0, block.n_bytes - 1))
    at, last = 1, body[0] if body else 0
    low, span, end = last >> 1, 128, len(body)
    for step in range(len(out)):
        while span <= _BOTTOM:
            low = (low << 8 | (last << 7 & 255)) & 0xFFFFFFFF
            if at < end:
                last = body[at]
                at += 1
            else:
                last = 0
            low |= last >> 1
            span = span << 8 & 0xFFFFFFFF
            if not span:
                return None
        each = span // total
        count = low // each
        symbol = symbols[count if count < total else total - 1]
        below = each * cumulated[symbol]
        low -= below
        span = each * counts[symbol] if symbol < 255 else span - below
        out[step] = symbol
    return np.frombuffer(bytes(out), np.int8)


def _samples(block: Block, differences: NDArray[np.int8]) -> NDArray[np.int32] | None:
    """Return samples from differences, in which whole samples of four bytes stand after marks."""
    raw = differences.tobytes()
    out = np.empty(block.n_samples, np.int32)
    marks = np.flatnonzero(differences == _KEY).tolist()
    n, at, next_mark = 0, 0, 0  # the first sample's mark is not stored
    while at + 4 <= len(raw):
        key = int.from_bytes(raw[at : at + 4], "little", signed=True)
        at += 4
        while next_mark < len(marks) and marks[next_mark] < at:
            next_mark += 1
        end = marks[next_mark] if next_mark < len(marks) else len(raw)
        run = differences[at:end]
        if n + 1 + len(run) > block.n_samples:
            return None
        values = np.concatenate([[key], run]).cumsum(dtype=np.int64)
        out[n : n + len(values)] = values.astype(np.int32)
        n, at = n + len(values), end + 1
    if n != block.n_samples:
        return None
    return _restored(block, out)


def _restored(block: Block, values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Undo scale and trend, which few recorders use."""
    if block.scale > 1:
        values = _rounded(values * float(block.scale))
    if block.slope or block.intercept:
        trend = float(block.slope) * np.arange(1, len(values) + 1) + float(block.intercept)
        values = _rounded(values + trend)
    return values


def _rounded(values: NDArray[Any]) -> NDArray[np.int32]:
    away = np.trunc(values + np.copysign(0.5, values))
    whole: NDArray[np.int32] = np.clip(away, -(2**31) + 1, 2**31 - 1).astype(np.int32)
    return whole
