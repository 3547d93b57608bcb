"""The spectrum of a recording at its own sampling rate, and its narrow lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.measure.medians import middle_of

#: Length of a stretch, s, and number of stretches per piece.
STRETCH_S, STRETCHES = 4.0, 8
#: Mains frequencies, Hz.
MAINS_HZ = (50.0, 60.0)
#: A line exceeds its neighbourhood (1 to 4 Hz away) by this factor, in this share of channels.
LINE_TIMES, LINE_CHANNELS = 40.0, 0.6


def spectrum(
    values: NDArray[np.float32], rate_hz: float
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return the mean power spectrum of up to eight stretches of 4 s, Hann-windowed.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        NaN is replaced by the channel's mean.
    rate_hz : float
        Hz.

    Returns
    -------
    frequencies : ndarray of float64, shape (bin,)
        Hz.
    power : ndarray of float32, shape (channel, bin)
        Squared unit of `values`, not normalised.

    Examples
    --------
    >>> t = np.arange(5000) / 500
    >>> f, p = spectrum(np.sin(2 * np.pi * 50 * t)[None].astype(np.float32), 500.0)
    >>> float(f[p[0].argmax()])
    50.0
    """
    from scipy.fft import rfft

    n = values.shape[1]
    length = min(n, round(STRETCH_S * rate_hz))
    count = max(1, min(STRETCHES, 2 * (n // length) - 1))
    starts = np.linspace(0, n - length, count).astype(int)
    window = np.hanning(length).astype(np.float32)
    power = np.zeros((values.shape[0], length // 2 + 1), np.float32)
    for start in starts:
        x = values[:, start : start + length]
        x = x - x.mean(axis=1, keepdims=True) if np.isfinite(x).all() else _filled(x)
        f = rfft(x * window, axis=1)
        power += f.real**2 + f.imag**2
    return np.arange(length // 2 + 1) * rate_hz / length, power / count


def _filled(x: NDArray[np.float32]) -> NDArray[np.float32]:
    there = np.isfinite(x)
    total = np.where(there, x, 0).sum(axis=1, keepdims=True)
    mean = total / np.maximum(there.sum(axis=1, keepdims=True), 1)
    return np.where(there, x - mean, 0).astype(np.float32)


def share(
    frequencies: NDArray[np.float64],
    power: NDArray[np.float32],
    band_hz: tuple[float, float],
    of_hz: tuple[float, float],
) -> NDArray[np.float64]:
    """Return the power in a band relative to that in another, per channel.

    Parameters
    ----------
    frequencies, power : ndarray
        From `spectrum`.
    band_hz, of_hz : tuple of float
        Lowest and highest frequency of the numerator and the denominator, Hz.

    Returns
    -------
    ndarray of float64, shape (channel,)
        NaN where the denominator is 0.

    Examples
    --------
    >>> f, p = np.arange(5.0), np.ones((1, 5), np.float32)
    >>> share(f, p, (0, 1), (0, 3))
    array([0.5])
    """

    def within(low: float, high: float) -> NDArray[np.float64]:
        kept = (frequencies >= low) & (frequencies <= high)
        return np.asarray(power[:, kept].sum(axis=1), np.float64)

    total = within(*of_hz)
    out = np.full(len(power), np.nan)
    return np.asarray(np.divide(within(*band_hz), total, out=out, where=total > 0))


def lines(frequencies: NDArray[np.float64], power: NDArray[np.float32]) -> tuple[float, ...]:
    """Return narrow spectral lines that most channels share.

    A line is a local maximum 40 times above the median of its neighbours 1 to 4 Hz away.

    Parameters
    ----------
    frequencies, power : ndarray
        From `spectrum`.

    Returns
    -------
    tuple of float
        Hz, the strongest first; at most four.

    Examples
    --------
    >>> f, p = np.arange(0, 125, 0.25), np.ones((2, 500), np.float32)
    >>> p[:, 240] = 1000
    >>> lines(f, p)
    (60.0,)
    """
    live = power.sum(axis=1) > 0
    return lines_of(frequencies, power[live][None])[0] if live.any() else ()


def lines_of(
    frequencies: NDArray[np.float64], power: NDArray[np.float32]
) -> list[tuple[float, ...]]:
    """Return the narrow spectral lines of each record, as `lines` does of one.

    Parameters
    ----------
    frequencies : ndarray of float64, shape (bin,)
        Hz.
    power : ndarray of float32, shape (record, channel, bin)
        No channel is 0 throughout.

    Returns
    -------
    list of tuple of float
        Hz, the strongest first; at most four a record.
    """
    from scipy.ndimage import uniform_filter1d

    out: list[tuple[float, ...]] = [()] * len(power)
    if len(frequencies) < 40 or frequencies[1] > 0.5:
        return out
    per_hz = 1 / frequencies[1]
    near, far = round(1 * per_hz), round(4 * per_hz)
    first = int(np.searchsorted(frequencies, 20.0))
    last = len(frequencies) - near - 1
    if first + far >= last:
        return out
    usual = np.log(np.maximum(power, 1e-30))
    offsets = np.concatenate([np.arange(-far, -near), np.arange(near + 1, far + 1)])
    middle = middle_of(np.ascontiguousarray(usual.transpose(0, 2, 1)))
    rises = (middle[:, 1:-1] >= middle[:, :-2]) & (middle[:, 1:-1] > middle[:, 2:])
    # only few peaks are examined further
    ground = uniform_filter1d(middle, 2 * far + 1, axis=1)[:, 1:-1]
    suspects = rises & (middle[:, 1:-1] - ground > np.log(LINE_TIMES) / 3)
    suspects[:, : first - 1] = suspects[:, last - 1 :] = False
    records, peaks = np.nonzero(suspects)
    peaks += 1
    around = np.clip(peaks[:, None] + offsets, 0, len(frequencies) - 1)
    excess = usual[records, :, peaks]
    excess = excess - middle_of(usual[records[:, None], :, around].transpose(0, 2, 1))
    shared = (excess > np.log(LINE_TIMES)).mean(axis=1) >= LINE_CHANNELS
    for record in np.unique(records[shared]).tolist():
        own = np.flatnonzero(shared & (records == record))
        found = [(float(np.median(excess[k])), float(frequencies[peaks[k]])) for k in own]
        out[record] = tuple(f for _, f in sorted(found, reverse=True)[:4])
    return out
