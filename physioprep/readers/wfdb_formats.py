"""WFDB storage formats: how many bytes samples take, and bytes to integers.

Storage formats as in signal(5) of the WFDB Applications Guide
(https://physionet.org/physiotools/wag/signal-5.htm).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: By storage format: bytes in a group of samples, and samples in it.
PACKING: dict[int, tuple[int, int]] = {
    8: (1, 1),
    16: (2, 1),
    24: (3, 1),
    32: (4, 1),
    61: (2, 1),
    80: (1, 1),
    160: (2, 1),
    212: (3, 2),
    310: (4, 3),
    311: (4, 3),
}
FLAC_BITS = {508: 8, 516: 16, 524: 24}
#: Formats that can be decoded from any frame on.
STREAMED = frozenset(PACKING) - {8}
FORMATS = frozenset(PACKING) | frozenset(FLAC_BITS)

#: Sentinel value of missing samples, by storage format. Format 8 has none; this value is used
#: only to fill gaps. Format 0 (null signal) stores nothing.
INVALID: dict[int, int] = {
    0: -(2**15),
    8: -(2**31),
    16: -(2**15),
    24: -(2**23),
    32: -(2**31),
    61: -(2**15),
    80: -(2**7),
    160: -(2**15),
    212: -(2**11),
    310: -(2**9),
    311: -(2**9),
    508: -(2**7),
    516: -(2**15),
    524: -(2**23),
}

_WIDE = frozenset({8, 24, 32, 524})


def dtype_of(format: int) -> np.dtype[Any]:
    """Return the dtype of the decoded samples.

    Parameters
    ----------
    format : int
        Storage format, one of `FORMATS`.

    Returns
    -------
    numpy.dtype
        int16 if the format's samples fit, else int32.

    Examples
    --------
    >>> dtype_of(212), dtype_of(24)
    (dtype('int16'), dtype('int32'))
    """
    return np.dtype(np.int32 if format in _WIDE else np.int16)


def n_bytes(format: int, n_samples: int) -> int:
    """Return how many bytes hold some samples.

    Parameters
    ----------
    format : int
        Storage format, a key of `PACKING`.
    n_samples : int
        Samples of all signals together.

    Returns
    -------
    int

    Examples
    --------
    >>> n_bytes(212, 3), n_bytes(310, 4), n_bytes(311, 5)
    (5, 6, 7)
    """
    size, per_group = PACKING[format]
    whole, rest = divmod(n_samples, per_group)
    if format == 310 and rest:
        return whole * size + (2 if rest == 1 else 4)
    return whole * size + -(-rest * size // per_group)


def unpack(data: NDArray[np.uint8], format: int, n_samples: int) -> NDArray[Any]:
    """Unpack samples of one storage format, in file order.

    Parameters
    ----------
    data : ndarray of uint8
        At least ``n_bytes(format, n_samples)`` long.
    format : int
        Storage format, a key of `PACKING`; format 8 gives the differences.
    n_samples : int

    Returns
    -------
    ndarray of int8, int16 or int32, shape (n_samples,)

    Examples
    --------
    >>> unpack(np.array([0xE3, 0x33, 0xF3], np.uint8), 212, 2)
    array([ 995, 1011], dtype=int16)
    """
    if format in (16, 61):
        return data.view("<i2" if format == 16 else ">i2").astype(np.int16, copy=False)
    if format == 32:
        return data.view("<i4").astype(np.int32, copy=False)
    if format == 8:
        return data.view(np.int8)
    if format == 80:
        return data.astype(np.int16) - np.int16(128)
    if format == 160:
        return (data.view("<u2") ^ np.uint16(0x8000)).view(np.int16)
    if format == 24:
        return decode_24(np.concatenate([np.zeros(1, np.uint8), data]), 1, (n_samples,), (3,))
    size, per_group = PACKING[format]
    n_groups = -(-n_samples // per_group)
    if data.size != n_groups * size:
        data = np.concatenate([data, np.zeros(n_groups * size - data.size, np.uint8)])
    if format == 212:
        pairs = np.empty((2, n_groups), np.int16)
        unpack_212_pairs(data, pairs)
        return pairs.T.reshape(-1)[:n_samples]
    triples = np.empty((n_groups, 3), np.int16)
    words = data.view("<u2").reshape(-1, 2) if format == 310 else data.view("<u4")
    if format == 310:
        low, high = words[:, 0], words[:, 1]
        triples[:, 0] = low >> 1 & 0x3FF
        triples[:, 1] = high >> 1 & 0x3FF
        triples[:, 2] = low >> 11 | high >> 11 << 5
    else:
        for place in range(3):
            triples[:, place] = words >> (10 * place) & 0x3FF
    flat = triples.reshape(-1)[:n_samples]
    return flat << 6 >> 6  # sign of the 10-bit value


def unpack_212_pairs(data: NDArray[np.uint8], out: NDArray[np.int16]) -> None:
    """Unpack format 212: three bytes hold two samples.

    Parameters
    ----------
    data : ndarray of uint8
        Three bytes per pair.
    out : ndarray of int16, shape (2, pair)
        Filled with the even and the odd samples.

    Examples
    --------
    >>> out = np.empty((2, 1), np.int16)
    >>> unpack_212_pairs(np.array([0xE3, 0x33, 0xF3], np.uint8), out)
    >>> out.tolist()
    [[995], [1011]]
    """
    n_pairs = out.shape[1]
    if not n_pairs:
        return
    even, odd = out
    words = np.ndarray((n_pairs,), "<i2", data, 0, (3,)).copy()
    odd[...] = data[2 : 3 * n_pairs : 3]
    np.left_shift(words, 4, out=even)  # to the top 12 bits; the shift back extends the sign
    even >>= 4
    words >>= 4
    words &= -256  # the odd sample's upper four bits, with its sign
    odd |= words


def decode_24(
    data: NDArray[np.uint8], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> NDArray[np.int32]:
    """Decode little-endian 24-bit samples at regular distances in a buffer.

    Parameters
    ----------
    data : ndarray of uint8
        At least one byte must precede the first sample.
    offset : int
        Byte of the first sample, 1 or more.
    shape : tuple of int
        Of the result.
    strides : tuple of int
        Bytes of `data` from one sample to the next along each axis of the result.

    Returns
    -------
    ndarray of int32, C-contiguous, of `shape`

    Examples
    --------
    >>> decode_24(np.array([0, 1, 0, 0, 255, 255, 255], np.uint8), 1, (2,), (3,))
    array([ 1, -1], dtype=int32)
    """
    # four bytes that end with the sample; the shift drops the first and keeps the sign
    words: NDArray[np.int32] = np.ndarray(shape, "<i4", data, offset - 1, strides)
    out = np.empty(shape, np.int32)
    np.right_shift(words, 8, out=out)
    return out
