"""Zero-phase filters as symmetric FIR kernels of finite length.

A finite symmetric kernel has zero phase, its edge effects last a known number of seconds, and a
long record filtered block by block gives exactly the result of filtering it whole. Two designs:
``"fir"`` is MNE-Python's default (Hamming-windowed, transition bands as `mne.filter.filter_data`
chooses them: min(max(f/4, 2 Hz), f) below, min(max(f/4, 2 Hz), to Nyquist) above, with the band's
edges inside the passband); ``"butterworth"`` is what `scipy.signal.sosfiltfilt` does in an
infinite record, its impulse response cut off where the remainder sums to less than 2e-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import RecipeError

#: A Hamming window's transition band is this many times the kernel's reciprocal duration.
_HAMMING_FACTOR = 3.3
#: The part of a Butterworth kernel that is cut off sums to less than this.
_TAIL = 2e-6


@dataclass(frozen=True)
class Filter:
    """The parameters of one zero-phase filter.

    Parameters
    ----------
    low_hz, high_hz : float or None
        Edges of the passband, Hz; None for no edge on that side.
    notch_hz : tuple of float
        Frequencies to remove, Hz. A `Filter` has either a band or notches, not both.
    design : {"fir", "butterworth"}
        See the module's docstring.
    order : int
        Butterworth only: order of one pass; the filter runs forward and backward.
    q : float
        Butterworth only: quality factor of a notch (`scipy.signal.iirnotch`).
    """

    low_hz: float | None = None
    high_hz: float | None = None
    notch_hz: tuple[float, ...] = ()
    design: str = "fir"
    order: int = 4
    q: float = 30.0


@lru_cache(maxsize=64)
def kernel(spec: Filter, rate_hz: float) -> NDArray[np.float64]:
    """Return the impulse response of a filter.

    Parameters
    ----------
    spec : Filter
        Which filter.
    rate_hz : float
        Sampling rate of the signal to be filtered, Hz.

    Returns
    -------
    ndarray of float64, shape (2 * half + 1,), read-only
        Symmetric; the middle sample is lag 0.

    Raises
    ------
    RecipeError
        If an edge is not between 0 and half the rate, the lower edge is not below the upper
        one, or `spec` has an unknown design, or both a band and notches, or neither.

    Examples
    --------
    >>> h = kernel(Filter(low_hz=0.5, high_hz=40.0), 200.0)
    >>> len(h), bool(np.allclose(h, h[::-1])), bool(abs(h.sum()) < 1e-2)
    (1321, True, True)
    """
    _validate(spec, rate_hz)
    if spec.design == "butterworth":
        taps = _butterworth_kernel(spec, rate_hz)
    elif spec.notch_hz:
        taps = _fir_notch(spec.notch_hz, rate_hz)
    else:
        taps = _fir_band(spec.low_hz, spec.high_hz, rate_hz)
    taps.flags.writeable = False
    return taps


def _validate(spec: Filter, rate_hz: float) -> None:
    if spec.design not in ("fir", "butterworth"):
        raise RecipeError(f"unknown filter design {spec.design!r}: 'fir' or 'butterworth'")
    edges = [edge for edge in (spec.low_hz, spec.high_hz) if edge is not None]
    if bool(edges) == bool(spec.notch_hz):
        raise RecipeError("a filter needs either a band or notches, not both")
    for edge in (*edges, *spec.notch_hz):
        if not 0 < edge < rate_hz / 2:
            raise RecipeError(f"filter edge {edge:g} Hz is not between 0 and {rate_hz / 2:g} Hz")
    if len(edges) == 2 and edges[0] >= edges[1]:
        raise RecipeError(f"filter band [{edges[0]:g}, {edges[1]:g}] Hz is empty")


def _lowpass(cut_hz: float, transition_hz: float, rate_hz: float) -> NDArray[np.float64]:
    """Hamming-windowed low-pass of unit gain at 0 Hz, -6 dB at `cut_hz`.

    `scipy.signal.firwin` gives the same; importing it costs more than ingesting 1,000 records.
    """
    taps = round(_length(_HAMMING_FACTOR * rate_hz / transition_hz, cut_hz))
    taps += 1 - taps % 2
    lag = np.arange(taps) - taps // 2
    response = np.sinc(2 * cut_hz / rate_hz * lag) * np.hamming(taps)
    return np.asarray(response / response.sum(), np.float64)


def _length(taps: float, edge_hz: float) -> float:
    """Return the length of a kernel; raise `RecipeError` where it is none, or over the limit."""
    if not 0 < taps <= limits.MAX_FILTER_TAPS:
        raise RecipeError(
            f"a filter edge at {edge_hz:g} Hz takes a kernel of {taps:.3g} samples, over the limit "
            f"of {limits.MAX_FILTER_TAPS}"
        )
    return taps


def _sum_centred(parts: Sequence[tuple[float, NDArray[np.float64]]]) -> NDArray[np.float64]:
    total = np.zeros(max(len(part) for _, part in parts))
    for sign, part in parts:
        offset = (len(total) - len(part)) // 2
        total[offset : offset + len(part)] += sign * part
    return total


def _fir_band(low_hz: float | None, high_hz: float | None, rate_hz: float) -> NDArray[np.float64]:
    parts: list[tuple[float, NDArray[np.float64]]] = []
    if high_hz is None:
        parts.append((1.0, np.ones(1)))
    else:
        width = min(max(high_hz / 4, 2.0), rate_hz / 2 - high_hz)
        parts.append((1.0, _lowpass(high_hz + width / 2, width, rate_hz)))
    if low_hz is not None:
        width = min(max(low_hz / 4, 2.0), low_hz)
        parts.append((-1.0, _lowpass(low_hz - width / 2, width, rate_hz)))
    return _sum_centred(parts)


def _fir_notch(notch_hz: Sequence[float], rate_hz: float) -> NDArray[np.float64]:
    """MNE-Python's notch: f/200 wide, 0.5 Hz of transition on both sides."""
    parts: list[tuple[float, NDArray[np.float64]]] = [(1.0, np.ones(1))]
    for frequency in notch_hz:
        reach = frequency / 400 + 0.25  # to the middle of the transition band
        if frequency + reach + 0.25 >= rate_hz / 2:
            raise RecipeError(f"notch at {frequency:g} Hz reaches beyond {rate_hz / 2:g} Hz")
        parts.append((-1.0, _lowpass(frequency + reach, 0.5, rate_hz)))
        parts.append((1.0, _lowpass(frequency - reach, 0.5, rate_hz)))
    return _sum_centred(parts)


def _butterworth_kernel(spec: Filter, rate_hz: float) -> NDArray[np.float64]:
    from scipy.signal import butter, freqz_sos, iirnotch, tf2sos

    if spec.notch_hz:
        sos = np.concatenate([tf2sos(*iirnotch(f, spec.q, fs=rate_hz)) for f in spec.notch_hz])
    elif spec.low_hz is None:
        sos = butter(spec.order, spec.high_hz, "lowpass", fs=rate_hz, output="sos")
    elif spec.high_hz is None:
        sos = butter(spec.order, spec.low_hz, "highpass", fs=rate_hz, output="sos")
    else:
        edges = (spec.low_hz, spec.high_hz)
        sos = butter(spec.order, edges, "bandpass", fs=rate_hz, output="sos")
    slowest = max(abs(np.roots(section[3:])).max() for section in sos)
    # Long enough that what wraps around the inverse transform is below rounding.
    edge_hz = min(spec.notch_hz or [e for e in (spec.low_hz, spec.high_hz) if e is not None])
    length = -80 / np.log(slowest) if 0 < slowest < 1 else np.inf
    n = 1 << int(np.ceil(np.log2(_length(length, edge_hz))))
    gain = np.abs(freqz_sos(sos, worN=np.linspace(0, np.pi, n + 1))[1]) ** 2
    response = np.fft.fftshift(np.fft.irfft(gain))
    rest = np.cumsum(np.abs(response[::-1]))[: n - 1]  # symmetric: both tails are alike
    half = n - int(np.searchsorted(2 * rest, _TAIL))
    taps = np.array(response[n - half : n + half + 1])
    # A small smooth correction keeps the gain at 0 Hz what it was (0 for a high-pass).
    window = np.hanning(len(taps) + 2)[1:-1]
    taps += (gain[0] - taps.sum()) * window / window.sum()
    return taps
