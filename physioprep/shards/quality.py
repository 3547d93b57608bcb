"""Windows as int16, and their quality, in integer arithmetic that is exact on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.samples import LARGEST_INT16, MISSING_INT16, NO_SENTINEL, to_physical

#: Samples that are measured at a time: as float64 they stay in a core's own cache.
_BLOCK: Final = 1 << 16


def to_int16(
    digital: NDArray[Any],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
    invalid: NDArray[np.int32],
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Turn a store's samples into int16 without offset.

    Integers stay as they are where they can: an offset of whole steps is added to them, and
    the scale is kept. Only where that does not fit 16 bits (24-bit sources, floats) is a
    channel of a window quantised anew, its largest value to 32767.

    Parameters
    ----------
    digital : ndarray, shape (window, channel, sample)
    scale, offset, invalid : ndarray, shape (window, channel)
        As in a store; ``physical = digital * scale + offset``.

    Returns
    -------
    signal : ndarray of int16, shape (window, channel, sample)
        ``physical = signal * scale``; -32768 is missing.
    scale : ndarray of float32, shape (window, channel)

    Examples
    --------
    >>> one = np.ones((1, 1), np.float32)
    >>> to_int16(np.array([[[1024, 1030, 0]]]), one / 200, -one * 1024 / 200,
    ...          np.zeros((1, 1), np.int32))[0]
    array([[[     0,      6, -32768]]], dtype=int16)
    """
    if digital.dtype.kind == "f":
        missing = np.isnan(digital)
        return _quantise(digital, missing, scale, offset)
    has_missing = bool((invalid != NO_SENTINEL).any()) and bool(
        (digital == invalid[..., None]).any()
    )
    wide = digital.dtype != np.int16
    if not has_missing and not wide and not offset.any() and digital.min(initial=0) > MISSING_INT16:
        return digital, scale.copy()
    missing = digital == invalid[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(scale != 0, offset.astype(np.float64) / scale, 0.0)
    shift = np.rint(steps)
    value = digital.astype(np.int64) + shift.astype(np.int64)[..., None]
    value[missing] = 0
    fits = (np.abs(steps - shift) < 1e-3) & (np.abs(value).max(axis=-1, initial=0) <= LARGEST_INT16)
    signal = np.where(fits[..., None], value, 0).astype(np.int16)
    signal[missing] = MISSING_INT16
    kept = scale.astype(np.float32)
    if not fits.all():
        again = ~fits
        signal[again], kept[again] = _quantise(
            digital[again], missing[again], scale[again], offset[again]
        )
    return signal, kept


def _quantise(
    digital: NDArray[Any],
    missing: NDArray[np.bool_],
    scale: NDArray[np.float32],
    offset: NDArray[np.float32],
) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    value = to_physical(digital, scale, offset, dtype=np.float64)
    value[missing] = 0
    largest = np.abs(value).max(axis=-1, initial=0)
    step = (np.where(largest > 0, largest, 1.0) / LARGEST_INT16).astype(np.float32)
    signal = np.clip(np.rint(value / step[..., None]), -LARGEST_INT16, LARGEST_INT16).astype(
        np.int16
    )
    signal[missing] = MISSING_INT16
    return signal, step


@dataclass(frozen=True, eq=False)
class Quality:
    """Quality of some windows of one modality.

    Parameters
    ----------
    valid : ndarray of float32, shape (window,)
        Fraction of samples that are not missing, in the worst channel present.
    max_abs : ndarray of float32, shape (window,)
        Largest absolute value of any channel present, in the modality's units.
    min_std : ndarray of float32, shape (window,)
        Standard deviation of the flattest channel present, in the modality's units.
    sums : ndarray of int64, shape (window, 3, channel)
        Count, sum and sum of squares of the digital samples that are not missing.
    """

    valid: NDArray[np.float32]
    max_abs: NDArray[np.float32]
    min_std: NDArray[np.float32]
    sums: NDArray[np.int64]


def measure(
    signal: NDArray[np.int16], scale: NDArray[np.float32], present: NDArray[np.bool_]
) -> Quality:
    """Measure windows.

    Parameters
    ----------
    signal : ndarray of int16, shape (window, channel, sample)
    scale : ndarray of float32, shape (window, channel)
    present : ndarray of bool, shape (window, channel)
        Absent channels do not count; a window without any has valid 0.

    Returns
    -------
    Quality

    Examples
    --------
    >>> signal = np.array([[[3, -4, -32768, 1]]], np.int16)
    >>> measure(signal, np.ones((1, 1), np.float32), np.ones((1, 1), bool)).max_abs
    array([4.], dtype=float32)
    """
    size = max(1, _BLOCK // max(1, signal[:1].size))
    parts = [_sums(signal[low : low + size]) for low in range(0, max(1, len(signal)), size)]
    sums, largest_digital = (np.concatenate(each) for each in zip(*parts, strict=True))
    count, total, squares = np.moveaxis(sums, 1, 0)
    some = np.maximum(count, 1)
    variance = np.maximum(squares / some - (total / some) ** 2, 0.0)
    largest = largest_digital * scale.astype(np.float64)
    spread = np.sqrt(variance) * scale
    valid = count / signal.shape[-1]
    anything = present.any(axis=-1)
    return Quality(
        np.where(anything, np.where(present, valid, 2.0).min(axis=-1), 0.0).astype(np.float32),
        np.where(present, largest, 0.0).max(axis=-1).astype(np.float32),
        np.where(anything, np.where(present, spread, np.inf).min(axis=-1), 0.0).astype(np.float32),
        sums,
    )


def _sums(signal: NDArray[np.int16]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return `Quality.sums`, and the largest absolute sample of each channel."""
    low = signal.min(axis=-1)
    if low.min(initial=0) == MISSING_INT16:
        missing = signal == MISSING_INT16
        signal = np.where(missing, np.int16(0), signal)
        count = signal.shape[-1] - missing.sum(axis=-1, dtype=np.int64)
        low = signal.min(axis=-1)
    else:
        count = np.full(signal.shape[:-1], signal.shape[-1], np.int64)
    largest = np.maximum(-low.astype(np.int32), signal.max(axis=-1))
    # Windows hold far fewer than 2**22 samples per channel, so float64 holds the sums exactly.
    real = signal.astype(np.float64)
    squares = np.einsum("...t,...t->...", real, real).astype(np.int64)
    total = real.sum(axis=-1).astype(np.int64)
    return np.stack([count, total, squares], axis=1), np.maximum(largest, 0)


#: Why a window is left out, by number; 0: it is kept.
REASONS: Final = (
    "kept",
    "a modality is absent",
    "missing samples",
    "above the amplitude limit",
    "flat",
)


def judge(
    quality: Mapping[str, Quality],
    there: Mapping[str, NDArray[np.bool_]],
    *,
    complete: bool,
    min_valid: float,
    max_abs: Mapping[str, float],
    min_std: Mapping[str, float],
) -> NDArray[np.int8]:
    """Return which windows keep to the limits, in every modality that they have.

    Parameters
    ----------
    quality : mapping of str to Quality
        By modality.
    there : mapping of str to ndarray of bool, shape (window,)
        Which windows have that modality.
    complete : bool
        Whether a window needs every modality, or any.
    min_valid : float
    max_abs, min_std : mapping of str to float
        See `ShardSpec`.

    Returns
    -------
    ndarray of int8, shape (window,)
        Number of the first of `REASONS` that holds, 0 for good windows.
    """
    some = np.stack(list(there.values()))
    wrong = np.zeros((len(REASONS), some.shape[1]), bool)
    wrong[1] = ~(some.all(axis=0) if complete else some.any(axis=0))
    for name, measured in quality.items():
        wrong[2] |= there[name] & ~(measured.valid >= np.float32(min_valid))
        if name in max_abs:
            wrong[3] |= there[name] & ~(measured.max_abs <= np.float32(max_abs[name]))
        if name in min_std:
            wrong[4] |= there[name] & ~(measured.min_std >= np.float32(min_std[name]))
    reason: NDArray[np.int8] = np.argmax(wrong, axis=0).astype(np.int8)
    return reason
