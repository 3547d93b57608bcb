"""Resample or filter an array: the same arithmetic as in a recipe, one step per call."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physioprep.errors import RecipeError
from physioprep.harmonise.chain import design_chain
from physioprep.harmonise.filters import Filter
from physioprep.harmonise.transform import transform


def resample(x: ArrayLike, rate_hz: float, target_hz: float) -> NDArray[np.float32]:
    """Resample a signal, band-limited and without delay.

    Parameters
    ----------
    x : array_like, shape (channel, sample) or (sample,)
        NaN marks missing samples.
    rate_hz, target_hz : float
        Hz.

    Returns
    -------
    ndarray of float32, shape (channel, output_length) or (output_length,)
        Sample ``n`` is at ``n / target_hz`` s. NaN exactly where its time falls on a missing
        sample (each lasts one period): stretches between gaps are resampled separately,
        with reflect padding at their ends.

    Raises
    ------
    RecipeError
        If a rate is not positive, or one is over 100,000 times the other.

    Examples
    --------
    >>> t = np.arange(1000) / 500
    >>> y = resample(np.sin(2 * np.pi * 7 * t), 500.0, 200.0)
    >>> expected = np.sin(2 * np.pi * 7 * np.arange(400) / 200)
    >>> y.shape, bool(abs(y - expected)[100:300].max() < 1e-4)
    ((400,), True)
    """
    return transform(x, design_chain(rate_hz, target_hz, ()))


def bandpass(
    x: ArrayLike,
    rate_hz: float,
    low_hz: float,
    high_hz: float,
    *,
    design: str = "fir",
    order: int = 4,
) -> NDArray[np.float32]:
    """Apply a zero-phase band-pass filter.

    Parameters
    ----------
    x : array_like, shape (channel, sample) or (sample,)
        NaN marks missing samples: each stretch between them is filtered separately.
    rate_hz : float
        Sampling rate, Hz.
    low_hz, high_hz : float
        Edges of the passband, Hz.
    design : {"fir", "butterworth"}
        See `physioprep.harmonise.filters`.
    order : int
        Butterworth only: order of one of the two passes.

    Returns
    -------
    ndarray of float32, shape of `x`
        NaN where `x` is. The ends of a stretch have reflect padding; within half a kernel
        of them (3.3 s at 0.5 Hz and design ``"fir"``) the result depends on it.

    Raises
    ------
    RecipeError
        As in `physioprep.harmonise.filters.kernel`.

    Examples
    --------
    >>> t = np.arange(4000) / 200
    >>> y = bandpass(3 + np.sin(2 * np.pi * 10 * t), 200.0, 0.5, 40.0)
    >>> bool(abs(y[1000:3000] - np.sin(2 * np.pi * 10 * t)[1000:3000]).max() < 0.005)
    True
    """
    return _apply(x, rate_hz, Filter(low_hz, high_hz, design=design, order=order))


def highpass(
    x: ArrayLike, rate_hz: float, low_hz: float, *, design: str = "fir", order: int = 4
) -> NDArray[np.float32]:
    """Apply a zero-phase high-pass filter.

    Parameters
    ----------
    x, rate_hz
        As in `bandpass`.
    low_hz : float
        Lower edge of the passband, Hz.
    design, order
        As in `bandpass`.

    Returns
    -------
    ndarray of float32, shape of `x`
        Missing samples and ends as in `bandpass`.

    Raises
    ------
    RecipeError
        As in `physioprep.harmonise.filters.kernel`.

    Examples
    --------
    >>> float(abs(highpass(np.full(2000, 5.0), 200.0, 0.5)).max())
    0.0
    """
    return _apply(x, rate_hz, Filter(low_hz, None, design=design, order=order))


def lowpass(
    x: ArrayLike, rate_hz: float, high_hz: float, *, design: str = "fir", order: int = 4
) -> NDArray[np.float32]:
    """Apply a zero-phase low-pass filter.

    Parameters
    ----------
    x, rate_hz
        As in `bandpass`.
    high_hz : float
        Upper edge of the passband, Hz.
    design, order
        As in `bandpass`.

    Returns
    -------
    ndarray of float32, shape of `x`
        Missing samples and ends as in `bandpass`.

    Raises
    ------
    RecipeError
        As in `physioprep.harmonise.filters.kernel`.

    Examples
    --------
    >>> float(lowpass(np.full(2000, 5.0), 200.0, 40.0)[0])
    5.0
    """
    return _apply(x, rate_hz, Filter(None, high_hz, design=design, order=order))


def notch(
    x: ArrayLike,
    rate_hz: float,
    mains_hz: float,
    *,
    harmonics: int = 1,
    design: str = "fir",
    q: float = 30.0,
) -> NDArray[np.float32]:
    """Remove mains interference with zero-phase notch filters.

    Parameters
    ----------
    x, rate_hz
        As in `bandpass`.
    mains_hz : float
        Usually 50 or 60 Hz.
    harmonics : int
        Number of multiples of `mains_hz` to remove, `mains_hz` itself included. Those at or
        above half the sampling rate are left out.
    design : {"fir", "butterworth"}
        As in `bandpass`.
    q : float
        Butterworth only: quality factor.

    Returns
    -------
    ndarray of float32, shape of `x`
        Missing samples and ends as in `bandpass`.

    Raises
    ------
    RecipeError
        If `mains_hz` is not below half the sampling rate.

    Examples
    --------
    >>> t = np.arange(6000) / 200
    >>> y = notch(np.sin(2 * np.pi * 50 * t), 200.0, 50.0)
    >>> bool(abs(y[2000:4000]).max() < 0.005)
    True
    """
    multiples = [mains_hz * k for k in range(1, harmonics + 1)]
    inside = tuple(f for f in multiples if f + f / 400 + 0.5 < rate_hz / 2)
    if not inside:
        raise RecipeError(f"mains at {mains_hz:g} Hz is not below {rate_hz / 2:g} Hz")
    return _apply(x, rate_hz, Filter(notch_hz=inside, design=design, q=q))


def _apply(x: ArrayLike, rate_hz: float, spec: Filter) -> NDArray[np.float32]:
    return transform(x, design_chain(rate_hz, rate_hz, (spec,)))
