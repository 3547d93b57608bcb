"""Read WFDB records of the kind that most are: few samples, one file, one rate, no skew.

What is unusual about one, or wrong with it, is for `physioprep.readers.wfdb_record`: here it gives
None, whatever it is.
"""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers import streamed
from physioprep.readers.regular import open_file
from physioprep.readers.wfdb_formats import (
    PACKING,
    dtype_of,
    n_bytes,
    unpack,
    unpack_212_pairs,
)
from physioprep.readers.wfdb_kinds import Plain, Twin

#: Samples, all channels together, of a record that is read in one piece: larger ones would need
#: more memory than in pieces.
MOST_SAMPLES: Final = 1 << 18


def fits(twin: Twin) -> Plain | None:
    """Return how the samples of a record are stored, if it is one of the usual kind.

    Parameters
    ----------
    twin : Twin
        Its header.

    Returns
    -------
    Plain or None
    """
    plain, n_frames = twin.kind.plain, twin.head.n_frames
    if plain is None:
        return None
    most = min(MOST_SAMPLES, streamed.LARGE_BYTES // 4)
    return plain if 0 < n_frames * len(plain.channels) <= most else None


def read_small(path: str, most: int) -> bytes | None:
    """Return the bytes of a small file.

    Parameters
    ----------
    path : str
    most : int
        It must be smaller, in bytes.

    Returns
    -------
    bytes or None
        None if it cannot be read, or is larger.
    """
    try:
        file = open_file(path)
    except UnreadableFileError:
        return None
    try:
        data = os.read(file, most)
    except OSError:
        return None
    finally:
        os.close(file)
    return data if len(data) < most else None


def read_file(path: str, plain: Plain, n_frames: int) -> NDArray[np.uint8] | None:
    """Return the bytes of a signal file that has the length which its header states.

    Parameters
    ----------
    path : str
        Of the signal file.
    plain : Plain
        How its samples are stored.
    n_frames : int
        As stated.

    Returns
    -------
    ndarray of uint8 or None
        None if it is missing, or of another length.
    """
    needed = plain.byte_offset + n_bytes(plain.format, n_frames * len(plain.channels))
    try:
        file = open_file(path)
    except UnreadableFileError:
        return None
    try:
        size = os.fstat(file).st_size
        # writers fill up the last group of samples
        if not needed <= size < needed + PACKING[plain.format][0]:
            return None
        data = np.empty(size, np.uint8)
        if os.readv(file, [data.data]) != size:
            return None
    except OSError:
        return None
    finally:
        os.close(file)
    if path.endswith(".mat") and not _is_mat(data, plain, n_frames):
        return None
    return data


def _is_mat(data: NDArray[np.uint8], plain: Plain, n_frames: int) -> bool:
    """Return whether the header of a MATLAB v4 matrix agrees with the WFDB header."""
    words = data[:20].view("<i4").tolist() if len(data) >= 20 else [0] * 5
    return plain.byte_offset == 20 + words[4] and words[:3] == [30, len(plain.channels), n_frames]


def dtype_for(plain: Plain) -> np.dtype[Any]:
    """Return the dtype of the decoded samples.

    Parameters
    ----------
    plain : Plain

    Returns
    -------
    numpy.dtype
    """
    return dtype_of(plain.format)


def decode(data: NDArray[np.uint8], plain: Plain, out: NDArray[Any]) -> None:
    """Decode the bytes of a signal file.

    Parameters
    ----------
    data : ndarray of uint8
        From `read_file`.
    plain : Plain
        How its samples are stored.
    out : ndarray, shape (channel, sample)
        Filled.
    """
    samples = data[plain.byte_offset :]
    samples = samples[: n_bytes(plain.format, out.size)]
    if plain.format == 212 and len(out) == 2:
        unpack_212_pairs(samples, out)
        return
    out[...] = unpack(samples, plain.format, out.size).reshape(out.shape[::-1]).T


def sums_of(samples: NDArray[Any]) -> NDArray[np.uint16]:
    """Return the lowest 16 bits of the sum of the samples of each row.

    Parameters
    ----------
    samples : ndarray of int16 or int32, shape (..., sample)

    Returns
    -------
    ndarray of uint16, shape (...)

    Examples
    --------
    >>> sums_of(np.array([[1, -2], [32767, 2]], np.int16))
    array([65535, 32769], dtype=uint16)
    """
    # overflow is intended: only the lowest 16 bits count
    total: NDArray[Any] = samples.sum(axis=-1, dtype=samples.dtype)
    return total.astype(np.uint16)


def checksum_states(
    samples: NDArray[Any], stated: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Compare samples with the checksums that headers state.

    Parameters
    ----------
    samples : ndarray, shape (..., sample)
    stated : ndarray of int64, shape (...)

    Returns
    -------
    is_stated, is_wrong : ndarray of bool, shape (...)
        Some corpora write 0 for every signal, whatever the samples: this states nothing.
    """
    sums = sums_of(samples)
    differs = sums != stated.astype(np.uint16)
    zero = stated == 0
    return ~(zero & differs), differs & ~zero
