"""Refuse MATLAB 5 files whose compressed variables grow too much, before any is loaded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from physioprep import limits
from physioprep.errors import UnreadableFileError

_COMPRESSED: Final = 15  # kind of a compressed element
_MOST_GROWTH: Final = 1032  # zlib compresses to no less than 1 / 1032
_PIECE: Final = 1 << 18


def check_sizes(file: Path) -> None:
    """Compare what compressed variables state with what they hold and with the limits.

    Parameters
    ----------
    file : Path
        MATLAB 5; any other file passes.

    Raises
    ------
    UnreadableFileError
        There are too many variables, they state too many bytes, or one holds more than it states.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(128)
        order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
        if order is None:
            return
        total, stated = 0, []
        for count, (start, n_bytes, n_stated) in enumerate(_variables(opened, order), 1):
            limits.check(file, count, limits.MAX_COLUMNS, "variables")
            total += n_stated
            least = limits.MAX_INFLATED_BYTES
            limits.check_expansion(file, total, size, "decompressed", least)
            stated.append((start, n_bytes, n_stated))
        for start, n_bytes, n_stated in stated:
            if n_stated < n_bytes * _MOST_GROWTH and n_bytes * _MOST_GROWTH > _PIECE:
                opened.seek(start)
                _check_held(file, opened, n_bytes, n_stated)


def _variables(opened: BinaryIO, order: str) -> Iterator[tuple[int, int, int]]:
    """Yield where each variable begins, its bytes, and those that a compressed one states."""
    while len(tag := opened.read(8)) == 8:
        kind, n_bytes = struct.unpack(f"{order}II", tag)
        start, n_stated = opened.tell(), 0
        if kind == _COMPRESSED:
            inner = zlib.decompressobj().decompress(opened.read(min(n_bytes, 1024)), 8)
            n_stated = struct.unpack(f"{order}II", inner)[1] if len(inner) == 8 else 0
        yield start, n_bytes if kind == _COMPRESSED else 0, n_stated
        opened.seek(start + n_bytes)


def _check_held(file: Path, opened: BinaryIO, n_bytes: int, n_stated: int) -> None:
    """Inflate up to the stated bytes, keeping none."""
    inflater, held = zlib.decompressobj(), 0
    while n_bytes > 0 and not inflater.eof and (rest := opened.read(min(n_bytes, 1 << 16))):
        n_bytes -= len(rest)
        while rest and not inflater.eof:
            held += len(inflater.decompress(rest, _PIECE))
            rest = inflater.unconsumed_tail
            if held > n_stated + 8:  # with the tag itself
                raise UnreadableFileError(
                    file, f"a variable that states {n_stated} bytes holds {held} and more"
                )
