"""Chunks of shards from bytes to samples: as they are, or decoded from Blosc or pcodec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError

#: Bytes by which room for compressed chunks grows.
_FRAME = 1 << 20
#: Returns an array of a shape and dtype to write into.
Take = Callable[[tuple[int, ...], Any], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class ArrayLayout:
    """How an array is stored.

    Parameters
    ----------
    chunk : tuple of int
        Shape of a chunk.
    dtype : dtype
    fill_value : object
        Value of what has no file.
    """

    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any


def view_chunk(content: NDArray[np.uint8], array: ArrayLayout, name: str) -> NDArray[np.int16]:
    """Return the samples of an uncompressed chunk.

    Parameters
    ----------
    content : ndarray of uint8
        Bytes of the chunk's file.
    array : ArrayLayout
    name : str
        Of the file, for messages.

    Returns
    -------
    ndarray of int16, shape (window, channel, time)
        A view of `content`.

    Raises
    ------
    ShardError
        If the file has another size.
    """
    wanted = int(np.prod(array.chunk)) * array.dtype.itemsize
    if content.nbytes != wanted:
        raise ShardError(f"{name}: damaged: {content.nbytes} bytes instead of {wanted}")
    return content.view(array.dtype).reshape(array.chunk)


def decode_blosc(frame: NDArray[np.uint8], out: NDArray[np.int16], name: str) -> None:
    """Decode a chunk straight into `out`: no copies, and without the interpreter lock.

    Parameters
    ----------
    frame : ndarray of uint8
        Bytes of the chunk's file, a Blosc frame.
    out : ndarray of int16, shape (window, channel, time)
    name : str
        Of the file, for messages.

    Raises
    ------
    ShardError
        If the frame is damaged.
    """
    from numcodecs import blosc

    try:
        # The decoder trusts the length that a damaged frame states, so it is checked first.
        if len(frame) < 16 or int.from_bytes(frame[4:8].tobytes(), "little") != out.nbytes:
            raise ShardError(f"{name}: damaged: not a frame of this chunk's size")
        if int.from_bytes(frame[12:16].tobytes(), "little") != len(frame):
            raise ShardError(f"{name}: damaged: cut short")
        blosc.decompress(frame, out)
    except (ValueError, RuntimeError) as error:
        raise ShardError(f"{name}: damaged: {error}") from None


def decode_pcodec(frame: NDArray[np.uint8], out: NDArray[np.int16], name: str) -> None:
    """Decode a chunk of pcodec into `out`.

    Parameters
    ----------
    frame : ndarray of uint8
        Bytes of the chunk's file.
    out : ndarray of int16, shape (window, channel, time)
    name : str
        Of the file, for messages.

    Raises
    ------
    ShardError
        If the frame is damaged.
    """
    from numcodecs.pcodec import PCodec

    try:
        values = PCodec().decode(frame)
        if values.dtype != out.dtype or values.size != out.size:
            raise ShardError(f"{name}: damaged: not a frame of this chunk's size")
    except ShardError:
        raise
    except Exception as error:  # its own errors have no common class
        raise ShardError(f"{name}: damaged: {error}") from None
    np.copyto(out, values.reshape(out.shape))


def room_in(whole: NDArray[np.int16], n_bytes: int) -> NDArray[np.uint8]:
    """Return the bytes of `whole`, or, for a file of another size, others.

    Parameters
    ----------
    whole : ndarray of int16
    n_bytes : int
        Size of the file.

    Returns
    -------
    ndarray of uint8, shape (n_bytes,)
    """
    if n_bytes != whole.nbytes:
        return np.empty(n_bytes, np.uint8)
    return whole.reshape(-1).view(np.uint8)


def room_for(take: Take, n_bytes: int) -> NDArray[np.uint8]:
    """Return room for a frame: of few sizes, so that it is taken from a pool again.

    Parameters
    ----------
    take : callable
        See `Take`.
    n_bytes : int
        Size of the frame.

    Returns
    -------
    ndarray of uint8, shape (n_bytes,)
    """
    return take((-(-n_bytes // _FRAME) * _FRAME,), np.uint8)[:n_bytes]
