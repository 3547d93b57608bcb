"""The signal files of EGI's MFF: blocks of samples, each with a header or that of the one before.

Every size is compared with that of the file before anything is read.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.regular import opened

#: Bits of a sample, and how it is stored. The format foresees others; no recorder writes them.
_DEPTHS: Final[dict[int, np.dtype[Any]]] = {32: np.dtype("<f4"), 64: np.dtype("<f8")}
_BLOCK, _SAME = 1, 0


@dataclass(frozen=True)
class Blocks:
    """Where the samples of a signal file lie.

    Parameters
    ----------
    path : Path
        Of the file.
    rate_hz : float
    n_channels : int
    dtype : dtype
        Of a sample.
    places : tuple of (int, int)
        First byte, and samples per channel, of each block.
    cut : str
        What is missing at the end; "" where nothing is.
    """

    path: Path
    rate_hz: float
    n_channels: int
    dtype: np.dtype[Any]
    places: tuple[tuple[int, int], ...]
    cut: str

    @property
    def n_samples(self) -> int:
        """Return the samples per channel.

        Returns
        -------
        int
        """
        return sum(n for _, n in self.places)


def find_blocks(path: Path) -> Blocks:
    """Find the blocks of a signal file.

    Parameters
    ----------
    path : Path
        ``signal1.bin``.

    Returns
    -------
    Blocks

    Raises
    ------
    UnreadableFileError
        A header contradicts itself or an earlier one, or there is no whole block.
    """
    with opened(path) as file:
        size = os.fstat(file).st_size
        at, cut = 0, ""
        places: list[tuple[int, int]] = []
        shape: tuple[int, int, int] | None = None
        n_bytes = 0
        while at < size:
            head = os.pread(file, 16, at)
            flag = int.from_bytes(head[:4], "little")
            if len(head) < 4 or (flag == _BLOCK and len(head) < 16):
                cut = f"{path.name}: a block's header is cut off"
                break
            if flag == _BLOCK:
                header, n_bytes, n_channels = struct.unpack("<3i", head[4:])
                limits.check(path, n_channels, limits.MAX_CHANNELS, "channels")
                found = _shape(path, os.pread(file, 8 * max(0, n_channels), at + 16), n_channels)
                if found is None:
                    cut = f"{path.name}: a block's header is cut off"
                    break
                _check_header(path, header, n_bytes, found)
                if shape is not None and found != shape:
                    raise UnreadableFileError(path, "channels, rate or type change within it")
                shape, at = found, at + header
            elif flag == _SAME and shape is not None:
                at += 4
            else:
                raise UnreadableFileError(path, f"no block of MFF at byte {at}")
            if at + n_bytes > size:
                cut = f"{path.name}: {at + n_bytes - size} bytes are missing at its end"
                break
            places.append((at, n_bytes // (shape[0] * shape[2] // 8)))
            at += n_bytes
    if shape is None:
        raise UnreadableFileError(path, cut or "empty")
    return Blocks(path, float(shape[1]), shape[0], _DEPTHS[shape[2]], tuple(places), cut)


def _shape(path: Path, per_channel: bytes, n_channels: int) -> tuple[int, int, int] | None:
    """Return channels, rate and bits of a block; None if its header is cut off."""
    if n_channels < 1:
        raise UnreadableFileError(path, f"{n_channels} channels")
    if len(per_channel) < 8 * n_channels:
        return None
    words = np.frombuffer(per_channel, "<u4")
    offsets, kinds = words[:n_channels], words[n_channels:]
    if (kinds != kinds[0]).any():
        raise UnreadableFileError(path, "channels of different rates or types in one block")
    rate, bits = int(kinds[0]) >> 8, int(kinds[0]) & 255
    if bits not in _DEPTHS or rate < 1:
        raise UnreadableFileError(path, f"samples of {bits} bits at {rate} Hz: not read")
    if n_channels > 1:
        step = int(offsets[1])
        if (offsets != step * np.arange(n_channels, dtype=np.uint64)).any():
            raise UnreadableFileError(path, "channels that do not follow each other")
    return n_channels, rate, bits


def _check_header(path: Path, header: int, n_bytes: int, shape: tuple[int, int, int]) -> None:
    width = shape[0] * shape[2] // 8
    if header < 16 + 8 * shape[0] or header > 1 << 20:
        raise UnreadableFileError(path, f"a block's header of {header} bytes")
    if n_bytes < width or n_bytes % width:
        raise UnreadableFileError(path, f"a block of {n_bytes} bytes for {shape[0]} channels")


def load_blocks(blocks: Blocks) -> NDArray[Any]:
    """Return the samples of a signal file.

    Parameters
    ----------
    blocks : Blocks

    Returns
    -------
    ndarray, shape (channel, sample)

    Raises
    ------
    UnreadableFileError
        The file cannot be read, or changed since.
    """
    out = np.empty((blocks.n_channels, blocks.n_samples), blocks.dtype)
    at = 0
    with opened(blocks.path) as file:
        for place, n in blocks.places:
            n_bytes = blocks.n_channels * n * blocks.dtype.itemsize
            data = os.pread(file, n_bytes, place)
            if len(data) < n_bytes:
                raise UnreadableFileError(blocks.path, "changed while it was read")
            out[:, at : at + n] = np.frombuffer(data, blocks.dtype).reshape(blocks.n_channels, n)
            at += n
    return out
