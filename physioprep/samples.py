"""Stored samples: the sentinel of missing ones, and the conversion to physical units.

Two conventions occur. Source files state ``physical = (digital - baseline) / gain``; stores and
shards state ``physical = digital * scale + offset``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

#: The digital value of a missing sample in int16 arrays that physioprep writes.
MISSING_INT16: Final = -32768
#: The largest digital value in them; the smallest is its negative.
LARGEST_INT16: Final = 32767
#: In an `invalid` array of a store: no digital value means missing.
NO_SENTINEL: Final = -(2**31)


def to_physical(
    digital: NDArray[Any],
    scale: Any,
    offset: Any = None,
    invalid: Any = None,
    dtype: DTypeLike = np.float32,
) -> NDArray[Any]:
    """Convert samples of a store or of shards to physical units.

    Parameters
    ----------
    digital : ndarray of integers or floats, shape (..., sample)
        Samples as stored.
    scale : ndarray or scalar of float32, shape (...)
        Physical units per digital step: one value per channel (or per window and channel).
    offset : ndarray or scalar of float32, shape (...), optional
        Physical value of digital 0. None: 0, and no addition is made.
    invalid : ndarray, NumPy scalar or int, shape (...), optional
        Sentinel value of missing samples. None: all integer samples are valid. Missing
        floating-point samples are NaN already.
    dtype : numpy.float32 or numpy.float64
        Of the arithmetic and the result.

    Returns
    -------
    ndarray of `dtype`, shape of `digital`
        ``digital * scale + offset``; NaN where a sample is missing.

    Examples
    --------
    >>> digital = np.array([[2, -32768], [4, 6]], np.int16)
    >>> to_physical(digital, np.array([0.5, 0.25], np.float32), invalid=MISSING_INT16)
    array([[1. , nan],
           [1. , 1.5]], dtype=float32)
    """
    out: NDArray[Any] = digital.astype(dtype)
    out *= scale[..., None]
    if offset is not None:
        out += offset[..., None]
    if invalid is not None and digital.dtype.kind == "i":
        # A Python int keeps the comparison in the samples' own dtype, which is fast.
        out[digital == (invalid if isinstance(invalid, int) else invalid[..., None])] = np.nan
    return out


def convert_by_gain(
    digital: NDArray[Any],
    gain: NDArray[np.float64],
    baseline: NDArray[np.float64],
    invalid: NDArray[np.float64],
    out: NDArray[Any],
) -> None:
    """Convert samples of a source file to physical units, into a given array.

    Parameters
    ----------
    digital : ndarray, shape (channel, sample)
        Samples as the file stores them.
    gain, baseline, invalid : ndarray of float64, shape (channel,)
        As in `GroupHeader`.
    out : ndarray of float32 or float64, shape (channel, sample)
        Filled with ``(digital - baseline) / gain``, and NaN where a sample is missing.

    Examples
    --------
    >>> out = np.empty((1, 2))
    >>> one = np.ones(1)
    >>> convert_by_gain(np.array([[300, 0]]), 200 * one, 100 * one, 0 * one, out)
    >>> out
    array([[ 1., nan]])
    """
    if out.dtype == np.float64:
        np.subtract(digital, baseline[:, None], out=out)
        out /= gain[:, None]
    elif digital.dtype in (np.int16, np.float32) and not baseline.any():
        out[...] = digital
        out *= (1 / gain).astype(np.float32)[:, None]
    else:  # the difference from the baseline may need more digits than float32 has
        wide = digital - baseline[:, None]
        np.divide(wide, gain[:, None], out=out, casting="same_kind")
    missing = sentinel_mask(digital, invalid)
    if missing is not None:
        out[missing] = np.nan


def scale_and_offset(
    gain: NDArray[np.float64], baseline: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn a source file's gain and baseline into a store's scale and offset.

    Parameters
    ----------
    gain, baseline : ndarray of float64, shape (channel,)
        ``physical = (digital - baseline) / gain``.

    Returns
    -------
    scale, offset : ndarray of float32, shape (channel,)
        ``physical = digital * scale + offset``.

    Examples
    --------
    >>> scale_and_offset(np.array([200.0]), np.array([1024.0]))
    (array([0.005], dtype=float32), array([-5.12], dtype=float32))
    """
    return (1 / gain).astype(np.float32), (-baseline / gain).astype(np.float32)


def sentinel_mask(digital: NDArray[Any], invalid: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Return which samples of a source file hold their channel's sentinel value.

    Parameters
    ----------
    digital : ndarray, shape (channel, sample)
        Samples as the file stores them.
    invalid : ndarray of float64, shape (channel,)
        Sentinel of each channel; NaN where the file states none.

    Returns
    -------
    ndarray of bool, shape (channel, sample), or None
        None where no sample can hold it: none is stated, or all samples are above it.

    Examples
    --------
    >>> sentinel_mask(np.array([[-32768, 7]]), np.array([-32768.0]))
    array([[ True, False]])
    >>> sentinel_mask(np.array([[3, 7]]), np.array([-32768.0])) is None
    True
    """
    stated = invalid[invalid == invalid]  # NaN: none is stated
    if not stated.size or not digital.size:
        return None
    if digital.dtype.kind == "f":  # -999.9 of float32 samples is not -999.9 of float64
        return np.asarray(digital == invalid.astype(digital.dtype)[:, None])
    if digital.min() > stated.max():
        return None
    return np.asarray(digital == invalid[:, None])


def mark_missing(digital: NDArray[np.int16], out: NDArray[np.float32]) -> None:
    """Set samples of `out` to NaN where `digital` holds the sentinel `MISSING_INT16`.

    Parameters
    ----------
    digital : ndarray of int16
        Samples of shards.
    out : ndarray of float32, shape of `digital`
        Their physical values, changed in place.

    Examples
    --------
    >>> out = np.zeros(2, np.float32)
    >>> mark_missing(np.array([5, -32768], np.int16), out)
    >>> out
    array([ 0., nan], dtype=float32)
    """
    if digital.min() == MISSING_INT16:
        out[digital == MISSING_INT16] = np.nan
