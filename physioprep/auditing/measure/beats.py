"""Simple detection of heart beats: enough to average them, to count them and to compare leads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.measure.medians import middle_of, quantile
from physioprep.auditing.measure.peaks import peaks_of_rows

#: Rate to which ECG and EEG are resampled for the checks, Hz.
ANALYSIS_HZ = 100
#: The median beat: samples before and after the R peak at `ANALYSIS_HZ`.
BEFORE, AFTER = 30, 50
#: Output samples per block of resampling, and the largest numerator of a ratio done in blocks.
BLOCK_OUT, MOST_UP = 32, 64


def to_analysis_rate(signal: NDArray[np.floating], rate_hz: float) -> NDArray[np.float32]:
    """Resample to 100 Hz; the median is removed first, then missing samples are 0.

    Parameters
    ----------
    signal : ndarray of float, shape (channel, sample)
        Physical values; NaN where missing.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    ndarray of float32, shape (channel, sample)
        Band-limited to 45 Hz where `rate_hz` allows.

    Examples
    --------
    >>> to_analysis_rate(np.zeros((2, 5000)), 500.0).shape
    (2, 1000)
    """
    return centred_to_analysis_rate(without_median(signal), rate_hz)


def without_median(signal: NDArray[np.floating]) -> NDArray[np.float32]:
    """Remove the median of each channel; missing samples become 0.

    Parameters
    ----------
    signal : ndarray of float, shape (channel, sample)
        NaN where missing.

    Returns
    -------
    ndarray of float32, shape (channel, sample)
    """
    values = np.asarray(signal, np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, np.nan)
        middle = [
            np.median(row[ok]) if ok.any() else 0.0 for row, ok in zip(values, finite, strict=True)
        ]
        values = np.nan_to_num(values - np.array(middle, np.float32)[:, None])
    else:
        few = values[
            :, :: max(1, values.shape[1] // 1000)
        ]  # median removed: less transient at the edges
        values = values - (middle_of(few)[:, None] if few.size else 0)
    return values


def centred_to_analysis_rate(values: NDArray[np.float32], rate_hz: float) -> NDArray[np.float32]:
    """Resample to 100 Hz what has no median and no missing samples.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        From `without_median`.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    ndarray of float32, shape (channel, sample)
    """
    from fractions import Fraction

    ratio = Fraction(ANALYSIS_HZ / rate_hz).limit_denominator(1000)
    if ratio == 1 or values.shape[1] == 0:
        return values
    # at rates such as 62.47 Hz the ratio is off by about 1e-6: one sample in hours
    return resample(values, ratio.numerator, ratio.denominator)


def resample(values: NDArray[np.float32], up: int, down: int) -> NDArray[np.float32]:
    """Resample as `scipy.signal.resample_poly` does, by matrix products: five times as fast.

    Blocks of whole periods of the ratio, with the filter's reach on both sides, are multiplied
    by the filter as a banded matrix.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        Without missing samples.
    up, down : int
        The new rate is `up` / `down` times the old one.

    Returns
    -------
    ndarray of float32, shape (channel, sample)
    """
    from scipy.signal import resample_poly

    n = values.shape[1]
    periods = max(1, round(BLOCK_OUT / up))
    if up > MOST_UP or n * len(values) == 0:
        return np.asarray(resample_poly(values, up, down, axis=1), np.float32)
    matrix, reach = _filter_matrix(up, down, periods)
    step, wide = periods * down, matrix.shape[0]
    blocks = -(-n // step)
    padded = np.zeros((len(values), reach + blocks * step + wide), np.float32)
    padded[:, reach : reach + n] = values
    frames = np.lib.stride_tricks.sliding_window_view(padded, wide, axis=1)[
        :, : blocks * step : step
    ]
    out = (np.ascontiguousarray(frames).reshape(-1, wide) @ matrix).reshape(len(values), -1)
    return out[:, : -(-n * up // down)]


@lru_cache(maxsize=16)
def _filter_matrix(up: int, down: int, periods: int) -> tuple[NDArray[np.float32], int]:
    """Return the filter of `resample_poly` (Kaiser, 5.0) as a matrix, and its reach in samples."""
    from scipy.signal import firwin

    half = 10 * max(up, down)
    taps = up * firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", 5.0))
    reach = -(-half // up)
    wide = periods * down + 2 * reach
    places = np.arange(periods * up) * down - (np.arange(wide)[:, None] - reach) * up + half
    inside = (places >= 0) & (places < taps.size)
    matrix = np.where(inside, taps[np.clip(places, 0, taps.size - 1)], 0)
    return matrix.astype(np.float32), reach


def band(signal: NDArray[np.float32], low_hz: float, high_hz: float) -> NDArray[np.float32]:
    """Band-pass a 100 Hz signal, zero-phase; edges taper over 0.5 Hz (low) and 2 Hz (high).

    Parameters
    ----------
    signal : ndarray of float32, shape (channel, sample)
        At 100 Hz.
    low_hz, high_hz : float
        Pass band.

    Returns
    -------
    ndarray of float32, shape (channel, sample)

    Examples
    --------
    >>> t = np.arange(1000) / 100
    >>> slow, kept = np.sin(2 * np.pi * 0.5 * t), np.sin(2 * np.pi * 10 * t)
    >>> out = band((slow + kept)[None].astype(np.float32), 3, 20)[0]
    >>> bool(np.abs(out - kept)[100:-100].max() < 0.02)
    True
    """
    return bands(signal, (low_hz, high_hz))[0]


def bands(
    signal: NDArray[np.float32], *limits_hz: tuple[float, float]
) -> list[NDArray[np.float32]]:
    """Band-pass a 100 Hz signal as `band` does, into several bands: it is transformed once.

    Parameters
    ----------
    signal : ndarray of float32, shape (channel, sample)
        At 100 Hz.
    *limits_hz : tuple of float
        Pass bands: lowest and highest frequency.

    Returns
    -------
    list of ndarray of float32, shape (channel, sample)
        One per band.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    n = signal.shape[1]
    padded = (
        int(2 ** math.ceil(math.log2(max(n, 2))))
        if n < 4096
        else next_fast_len(n + 2 * ANALYSIS_HZ)
    )
    spectrum = rfft(signal, padded, axis=1)
    out = []
    for low_hz, high_hz in limits_hz[:-1]:
        filtered = irfft(spectrum * _gain(padded, low_hz, high_hz), padded, axis=1)
        out.append(np.asarray(filtered[:, :n], np.float32))
    spectrum *= _gain(padded, *limits_hz[-1])
    out.append(np.asarray(irfft(spectrum, padded, axis=1)[:, :n], np.float32))
    return out


@lru_cache(maxsize=64)
def _gain(padded: int, low_hz: float, high_hz: float) -> NDArray[np.float32]:
    frequencies = np.fft.rfftfreq(padded, 1 / ANALYSIS_HZ)
    rise = np.clip((frequencies - low_hz + 0.5) / 0.5, 0, 1)
    fall = np.clip((high_hz + 2.0 - frequencies) / 2.0, 0, 1)
    gain = (np.sin(rise * np.pi / 2) * np.sin(fall * np.pi / 2)) ** 2
    return np.asarray(gain, np.float32)


def find_beats(signal: NDArray[np.float32]) -> NDArray[np.intp]:
    """Find QRS complexes.

    By the energy between 5 and 20 Hz; each lead is normalised by its own largest beats, so that one
    noisy lead does not dominate. After Pan and Tompkins, IEEE Trans. Biomed. Eng. 32, 1985.

    Parameters
    ----------
    signal : ndarray of float32, shape (channel, sample)
        At 100 Hz.

    Returns
    -------
    ndarray of int
        Samples at 100 Hz, ascending, at least 0.25 s apart.
    """
    return find_all_beats(signal[None])[0]


def find_all_beats(signals: NDArray[np.float32]) -> list[NDArray[np.intp]]:
    """Find the QRS complexes of each record, as `find_beats` does of one.

    Parameters
    ----------
    signals : ndarray of float32, shape (record, channel, sample)
        At 100 Hz.

    Returns
    -------
    list of ndarray of int
        One per record.
    """
    records, channels, n = signals.shape
    if n < ANALYSIS_HZ or not channels:
        return [np.empty(0, np.intp)] * records
    return beats_of_band(band(signals.reshape(-1, n), 5, 20).reshape(signals.shape))


def beats_of_band(filtered: NDArray[np.float32]) -> list[NDArray[np.intp]]:
    """Find QRS complexes as `find_beats` does, in signals that are filtered already.

    Parameters
    ----------
    filtered : ndarray of float32, shape (record, channel, sample)
        At 100 Hz, from 5 to 20 Hz.

    Returns
    -------
    list of ndarray of int
        Of each record: samples at 100 Hz, ascending, at least 0.25 s apart.
    """
    sharp = np.abs(filtered)
    largest = quantile(sharp, 0.98)
    alive = largest > 0
    if alive.all():
        energies = _energy(sharp, largest)
    else:
        nothing = np.zeros(sharp.shape[2], np.float32)
        energies = [
            _energy(one[ok], top[ok]) if ok.any() else nothing
            for one, top, ok in zip(sharp, largest, alive, strict=True)
        ]
    energy = np.array([np.convolve(one, np.ones(9) / 9, "same") for one in energies])
    row, peaks = peaks_of_rows(energy, 25, 0.3 * quantile(energy, 0.97))
    return np.split(peaks, np.searchsorted(row, np.arange(1, len(energy))))


def _energy(sharp: NDArray[np.float32], largest: NDArray[np.floating]) -> Any:
    """Return the mean energy over the channels, each relative to its own largest beats."""
    return np.minimum((sharp / largest[..., None]) ** 2, 4).mean(axis=-2)


def median_gap(beats: NDArray[np.intp]) -> float:
    """Return the median distance of successive beats.

    Parameters
    ----------
    beats : ndarray of int
        From `find_beats`; two or more.

    Returns
    -------
    float
        Samples at 100 Hz.

    Examples
    --------
    >>> median_gap(np.array([0, 80, 170, 250, 340]))
    85.0
    """
    return float(middle_of(np.diff(beats)))


def median_beat(signal: NDArray[np.float32], beats: NDArray[np.intp]) -> NDArray[np.float32] | None:
    """Return the median of all complete beats, from 0.3 s before to 0.5 s after R.

    Parameters
    ----------
    signal : ndarray of float32, shape (channel, sample)
        At 100 Hz.
    beats : ndarray of int
        From `find_beats`.

    Returns
    -------
    ndarray of float32, shape (channel, 80), or None
        The median of each lead is 0; None with fewer than three beats.
    """
    return median_beats(signal[None], [beats])[0]


def median_beats(
    signals: NDArray[np.float32], beats: Sequence[NDArray[np.intp]]
) -> list[NDArray[np.float32] | None]:
    """Return the median beat of each record, as `median_beat` does of one.

    Parameters
    ----------
    signals : ndarray of float32, shape (record, channel, sample)
        At 100 Hz.
    beats : sequence of ndarray of int
        Of each record, from `find_beats`.

    Returns
    -------
    list of ndarray of float32, shape (channel, 80), or None
        None of a record with fewer than three beats.
    """
    out: list[NDArray[np.float32] | None] = [None] * len(signals)
    whole = [b[(b >= BEFORE) & (b + AFTER <= signals.shape[2])] for b in beats]
    by_count: dict[int, list[int]] = {}
    for number, places in enumerate(whole):
        by_count.setdefault(places.size, []).append(number)
    for count, numbers in by_count.items():
        if count < 3:
            continue
        at = np.array([whole[number] for number in numbers])[:, :, None]
        rows = np.array(numbers)[:, None, None]
        windows = signals[rows, :, at + np.arange(-BEFORE, AFTER)]  # record, beat, sample, channel
        beat = middle_of(np.ascontiguousarray(windows.transpose(0, 3, 2, 1)))
        beat = beat - middle_of(beat)[..., None]
        for number, one in zip(numbers, beat, strict=True):
            out[number] = np.asarray(one, np.float32)
    return out
