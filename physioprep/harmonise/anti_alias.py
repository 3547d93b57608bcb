"""The anti-alias filter of band-limited resampling, and the ratio of two sampling rates.

The filter is a Kaiser-windowed sinc (Crochiere and Rabiner 1983, chapter 4; 90 dB,
flat to 0.95 of the lower Nyquist frequency, closed at that frequency). Output sample ``n`` is
at time ``n / target_hz`` exactly: there is no delay.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import RecipeError

#: The passband ends at this part of the lower of both Nyquist frequencies.
PASS = 0.95
_LARGEST_TERM = 100_000
_ATTENUATION_DB = 90.0
_BETA = 0.1102 * (_ATTENUATION_DB - 8.7)  # Kaiser 1974


@lru_cache(maxsize=256)
def ratio(rate_hz: float, target_hz: float) -> Fraction:
    """Return target over source rate as a fraction of whole numbers.

    Parameters
    ----------
    rate_hz, target_hz : float
        Hz.

    Returns
    -------
    Fraction
        The simplest fraction of numbers up to 100,000 within 1e-9 of the true ratio (0.1 ms per
        day). Rates that have none (360.0003 Hz) keep their own ratio, see `simple_ratio`.

    Raises
    ------
    RecipeError
        If a rate is not positive, or one is over 100,000 times the other.

    Examples
    --------
    >>> ratio(360.0, 200.0), ratio(257.0, 500.0)
    (Fraction(5, 9), Fraction(500, 257))
    """
    if not (0 < rate_hz < math.inf and 0 < target_hz < math.inf):
        raise RecipeError(f"cannot resample from {rate_hz:g} to {target_hz:g} Hz")
    exact = Fraction(target_hz) / Fraction(rate_hz)
    if found := _simplest(exact, Fraction(1, 10**9), _LARGEST_TERM):
        return found
    if not 1 <= exact * _LARGEST_TERM <= _LARGEST_TERM**2:
        raise RecipeError(f"cannot resample from {rate_hz!r} to {target_hz!r} Hz: too far apart")
    return exact.limit_denominator(_LARGEST_TERM**3)


@lru_cache(maxsize=256)
def simple_ratio(exact: Fraction) -> Fraction:
    """Return a fraction of small numbers near a ratio of two rates.

    Parameters
    ----------
    exact : Fraction
        From `ratio`.

    Returns
    -------
    Fraction
        `exact` itself where its terms are at most 100,000; else the simplest one within 2e-6, or
        within 2e-5. The difference is for `drift.transform_drifting` to correct.

    Examples
    --------
    >>> simple_ratio(ratio(360.0003, 200.0)), simple_ratio(ratio(257.0, 500.0))
    (Fraction(5, 9), Fraction(500, 257))
    """
    if max(exact.numerator, exact.denominator) <= _LARGEST_TERM:
        return exact
    near = _simplest(exact, Fraction(2, 10**6), _LARGEST_TERM)
    return near or _simplest(exact, Fraction(2, 10**5), _LARGEST_TERM) or exact


def _simplest(exact: Fraction, tolerance: Fraction, largest: int) -> Fraction | None:
    for power in range(18):
        simple = exact.limit_denominator(min(2**power, largest))
        if simple and abs(simple / exact - 1) < tolerance and simple.numerator <= largest:
            return simple
    return None


def output_length(n_samples: int, rate_hz: float, target_hz: float) -> int:
    """Return the number of samples that `functions.resample` returns.

    Parameters
    ----------
    n_samples : int
        Input samples.
    rate_hz, target_hz : float
        Hz.

    Returns
    -------
    int
        ``ceil(n_samples * target_hz / rate_hz)``, as in `scipy.signal.resample_poly`. Output
        samples are at 0, 1/target, 2/target, ... s, up to the end of the last input sample.

    Examples
    --------
    >>> output_length(650_000, 360.0, 200.0), output_length(257, 257.0, 500.0)
    (361112, 500)
    """
    return math.ceil(n_samples * ratio(rate_hz, target_hz))


def half_length_s(rate_hz: float, target_hz: float) -> float:
    """Return half the length of the anti-alias filter's kernel.

    Parameters
    ----------
    rate_hz, target_hz : float
        Hz.

    Returns
    -------
    float
        Seconds; 0 for equal rates.

    Examples
    --------
    >>> round(half_length_s(500.0, 200.0), 3), half_length_s(200.0, 200.0)
    (0.571, 0.0)
    """
    if rate_hz == target_hz:
        return 0.0
    transition_hz = (1 - PASS) * min(rate_hz, target_hz) / 2
    return float((_ATTENUATION_DB - 7.95) / (2.285 * 2 * np.pi * transition_hz) / 2)


def anti_alias_gain(
    frequency_hz: NDArray[np.float64], rate_hz: float, target_hz: float
) -> NDArray[np.float64]:
    """Return the anti-alias filter's gain.

    Parameters
    ----------
    frequency_hz : ndarray of float64
        Hz, not negative.
    rate_hz, target_hz : float
        Hz. Equal rates need no filter: gain 1.

    Returns
    -------
    ndarray of float64, shape of `frequency_hz`
        1 in the passband, 0 in the stopband.

    Examples
    --------
    >>> anti_alias_gain(np.array([0.0, 95.0, 100.0]), 500.0, 200.0).round(3)
    array([1., 1., 0.])
    """
    if rate_hz == target_hz:
        return np.ones_like(frequency_hz)
    nyquist = min(rate_hz, target_hz) / 2
    cut, duration = nyquist * (1 + PASS) / 2, 2 * half_length_s(rate_hz, target_hz)
    x, step = _step_response()
    rising = np.interp((frequency_hz + cut) * duration, x, step)
    falling = np.interp((frequency_hz - cut) * duration, x, step)
    return np.asarray(rising - falling)


@lru_cache(maxsize=1)
def _step_response() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integrate the Kaiser window's spectrum over (frequency times duration), from 0 to 1.

    The gain of a windowed sinc is the difference of two such integrals, one at each cut-off.
    """
    x = np.linspace(-200.0, 200.0, 400_001)
    root = np.sqrt((_BETA**2 - (np.pi * x) ** 2).astype(np.complex128))
    spectrum = np.sinc(1j * root / np.pi).real  # sinh(r)/r, sin(r)/r beyond the main lobe
    step = np.concatenate([[0.0], np.cumsum((spectrum[1:] + spectrum[:-1]) / 2)])
    return x, step / step[-1]
