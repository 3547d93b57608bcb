"""Morlet wavelets for scalograms: their frequencies and Fourier transforms, in NumPy alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Standard deviations of the envelope after which a wavelet is 0.
_TAIL: Final = 6.0
#: Fewer cycles: the wavelet has a mean, and is none.
_FEWEST_CYCLES: Final = 5.0
_MOST_PX: Final = 4096


@dataclass(frozen=True)
class ScalogramSpec:
    """How scalograms are made.

    Parameters
    ----------
    low_hz, high_hz : float
        First and last frequency, Hz; those between have equal ratios.
    height : int
        Number of frequencies: rows, the lowest frequency first.
    width : int
        Columns: each is the mean power over its share of the window's time.
    cycles : float
        w0 of the Morlet wavelet, 5 or more: about this many cycles in 6 standard deviations.
    log : bool
        In dB of 1 unit of the signal; else in its unit.
    floor : float
        Smaller amplitudes count as this, in the signal's unit, where `log` is on.

    Raises
    ------
    PhysioprepError
        A value is out of its range.

    Examples
    --------
    >>> ScalogramSpec(low_hz=0)
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: scalogram from 0 to 40 Hz: 0 < low < high
    """

    low_hz: float = 0.5
    high_hz: float = 40.0
    height: int = 224
    width: int = 224
    cycles: float = 6.0
    log: bool = True
    floor: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse what makes no scalogram."""
        if not 0 < self.low_hz < self.high_hz < math.inf:
            raise PhysioprepError(
                f"scalogram from {self.low_hz:g} to {self.high_hz:g} Hz: 0 < low < high"
            )
        if not (2 <= self.height <= _MOST_PX and 1 <= self.width <= _MOST_PX):
            raise PhysioprepError(
                f"scalogram of {self.height} x {self.width}: 2 to {_MOST_PX} frequencies, "
                f"1 to {_MOST_PX} columns"
            )
        if not _FEWEST_CYCLES <= self.cycles <= 100:
            raise PhysioprepError(f"wavelet of {self.cycles:g} cycles: 5 to 100")
        if not 0 < self.floor < math.inf:
            raise PhysioprepError(f"floor {self.floor:g}: more than 0")


@dataclass(frozen=True)
class Bank:
    """The wavelets of a spec for windows of one length.

    Parameters
    ----------
    hz : ndarray of float64, shape (height,)
        Their frequencies, ascending.
    spectra : ndarray of complex64, shape (height, `n_fft`)
        Their Fourier transforms.
    reach : ndarray of int64, shape (height,)
        Samples to either side that a value depends on: sqrt(2) standard deviations, the cone of
        influence of Torrence and Compo, Bull. Am. Meteorol. Soc. 79, 1998.
    n_samples : int
        Of a window.
    """

    hz: NDArray[np.float64]
    spectra: NDArray[np.complex64]
    reach: NDArray[np.int64]
    n_samples: int


def wavelets(spec: ScalogramSpec, rate_hz: float, n_samples: int) -> Bank:
    """Return the wavelets of a spec for windows of a length.

    A wavelet is ``2 / (s sqrt(2 pi)) exp(-t^2 / 2 s^2) exp(2 pi i f t)``, s = cycles / (2 pi f): a
    sine of amplitude A has the modulus A at its frequency.

    Parameters
    ----------
    spec : ScalogramSpec
    rate_hz : float
        Sampling rate, Hz.
    n_samples : int
        Of a window.

    Returns
    -------
    Bank

    Raises
    ------
    PhysioprepError
        The highest frequency is not below half the rate, or there are more columns than samples.

    Examples
    --------
    >>> bank = wavelets(ScalogramSpec(1, 30, height=3, width=10), 100.0, 200)
    >>> bank.hz.round(2).tolist()
    [1.0, 5.48, 30.0]
    """
    from scipy.fft import fft, next_fast_len

    if spec.high_hz >= rate_hz / 2:
        raise PhysioprepError(f"scalogram up to {spec.high_hz:g} Hz of samples at {rate_hz:g} Hz")
    if n_samples < spec.width:
        raise PhysioprepError(f"{spec.width} columns out of {n_samples} samples")
    hz = np.geomspace(spec.low_hz, spec.high_hz, spec.height)
    deviation = spec.cycles / (2 * np.pi * hz) * rate_hz
    # further away there is nothing of the window
    half = np.minimum(np.ceil(_TAIL * deviation).astype(np.int64), n_samples - 1)
    n_fft = int(next_fast_len(n_samples + int(half.max())))
    spectra = np.empty((spec.height, n_fft), np.complex64)
    for row in range(spec.height):
        time = np.arange(-half[row], half[row] + 1)
        envelope = np.exp(-0.5 * (time / deviation[row]) ** 2)
        envelope *= 2 / (deviation[row] * math.sqrt(2 * math.pi))
        wavelet = np.zeros(n_fft, np.complex128)
        wavelet[time] = envelope * np.exp(2j * np.pi * hz[row] / rate_hz * time)
        spectra[row] = fft(wavelet)
    reach = np.ceil(math.sqrt(2) * deviation).astype(np.int64)
    return Bank(hz, spectra, reach, n_samples)


def column_edges(n_samples: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first sample of each column, and the one after its last.

    Parameters
    ----------
    n_samples : int
        Of a window.
    width : int
        Number of columns; where it does not divide the samples, columns overlap by one.

    Returns
    -------
    (ndarray of int64, ndarray of int64), each of shape (width,)

    Examples
    --------
    >>> [edge.tolist() for edge in column_edges(5, 2)]
    [[0, 2], [3, 5]]
    """
    column = np.arange(width)
    return column * n_samples // width, -(-(column + 1) * n_samples // width)


def scalogram_of(signal: NDArray[Any], bank: Bank, spec: ScalogramSpec) -> NDArray[np.float32]:
    """Return the scalogram of one window of one channel, in NumPy.

    Parameters
    ----------
    signal : ndarray of float, shape (sample,)
        NaN where missing.
    bank : Bank
        From `wavelets`.
    spec : ScalogramSpec

    Returns
    -------
    ndarray of float32, shape (height, width)
        As `physioprep.stream.time_frequency.scalogram` makes it; NaN where a value depends on a
        missing sample.
    """
    from scipy.fft import fft, ifft

    known = np.isfinite(signal)
    mean = signal[known].mean(dtype=np.float64) if known.any() else 0.0
    flat = np.where(known, signal - mean, 0).astype(np.float32)
    transformed = ifft(fft(flat, bank.spectra.shape[1]) * bank.spectra)[:, : bank.n_samples]
    power = transformed.real**2 + transformed.imag**2
    if not known.all():
        power[_touched(~known, bank.reach)] = np.nan
    first, stop = column_edges(bank.n_samples, spec.width)
    pooled = np.stack(
        [power[:, a:b].mean(axis=1) for a, b in zip(first.tolist(), stop.tolist(), strict=True)],
        axis=1,
    )
    amplitude = np.sqrt(pooled)
    if spec.log:
        amplitude = 20 * np.log10(np.maximum(amplitude, np.float32(spec.floor)))
    return np.asarray(amplitude, np.float32)


def _touched(missing: NDArray[np.bool_], reach: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each row which samples have a missing one in reach."""
    count = np.r_[0, np.cumsum(missing)]
    at = np.arange(len(missing))
    last = np.minimum(at + reach[:, None] + 1, len(missing))
    first = np.maximum(at - reach[:, None], 0)
    return np.asarray(count[last] > count[first])
