"""Signal-quality indices per record and channel, and one score between 0 and 1 from them.

ECG: bSQI (two beat detectors agree: Li, Mark and Clifford, Physiol. Meas. 29, 2008), kSQI
(kurtosis), pSQI (QRS band 5-15 Hz in 5-40 Hz) and basSQI (1 - 0-1 Hz in 0-40 Hz; Clifford et al.,
Physiol. Meas. 33, 2012). EEG: power of line noise, muscle and drift, the deviation of a channel's
amplitude from the others', and its largest correlation with another (PREP: Bigdely-Shamlo et al.,
Front. Neuroinform. 9, 2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.measure.beats import ANALYSIS_HZ, bands
from physioprep.auditing.measure.medians import quantile
from physioprep.auditing.measure.spectrum import MAINS_HZ, share

#: Number of stretches of a piece in which beats are detected, and their length, s.
STRETCHES, STRETCH_S = 6, 10.0
#: Beats of two detectors within this are the same beat, s (Li 2008).
AGREE_S = 0.15
#: A stretch of this length has at least one beat, s.
TOP_S = 1.5
#: Value of each index that scores 0, and value that scores 1.
RAMPS: Mapping[str, tuple[float, float]] = {
    "bsqi": (0.3, 1.0), "ksqi": (3.0, 6.0), "psqi": (0.2, 0.5), "bassqi": (0.5, 0.99),
    "line_noise": (0.8, 0.3), "muscle": (0.8, 0.4), "drift": (0.98, 0.9),
    "deviation": (8.0, 4.0), "correlation": (0.2, 0.5),
}  # fmt: skip
INDICES = tuple(RAMPS)
#: Weights of the indices in the score of an ECG: the detectors' agreement is most informative.
WEIGHTS = {"bsqi": 3.0, "bassqi": 1.0, "ksqi": 0.5, "psqi": 0.5}
#: A stretch in which the detectors agree on less than this is noisy.
AGREED = 0.5


def stretches(resampled: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut up to six stretches of 10 s, evenly spread.

    Parameters
    ----------
    resampled : ndarray of float32, shape (channel, sample)
        At 100 Hz.

    Returns
    -------
    ndarray of float32, shape (stretch, channel, sample)
        One stretch where the signal is shorter than 10 s.
    """
    n, length = resampled.shape[1], round(STRETCH_S * ANALYSIS_HZ)
    if n <= length:
        return resampled[None]
    starts = np.linspace(0, n - length, min(STRETCHES, n // length)).astype(int)
    return np.stack([resampled[:, start : start + length] for start in starts])


def agreement(resampled: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return bSQI: beats that both of two detectors find, over beats that either finds.

    One detector takes the energy between 5 and 20 Hz (after Pan and Tompkins, 1985), the other
    the curve length of the signal (after Zong, Moody and Jiang, Comput. Cardiol. 30, 2003).

    Parameters
    ----------
    resampled : ndarray of float32, shape (..., sample)
        At 100 Hz.

    Returns
    -------
    ndarray of float64, shape (...)
        0 where neither finds a beat.
    """
    if resampled.shape[-1] < ANALYSIS_HZ:
        return np.zeros(resampled.shape[:-1])
    flat = np.ascontiguousarray(resampled).reshape(-1, resampled.shape[-1])
    return _agreement(*bands(flat, (5, 20), (1, 35))).reshape(resampled.shape[:-1])


def _agreement(narrow: NDArray[np.float32], wide: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return bSQI of rows, from 5 to 20 and from 1 to 35 Hz."""
    from scipy.ndimage import uniform_filter1d

    energy = uniform_filter1d(narrow**2, 9, axis=1)
    unit = np.maximum(np.abs(wide).mean(axis=1, keepdims=True), 1e-9)
    steps = np.diff(wide / unit, axis=1, prepend=wide[:, :1] / unit)
    length = uniform_filter1d(np.sqrt(0.05 + steps**2), 13, axis=1)
    length -= quantile(length[:, ::4], 0.5)[:, None]

    block = min(round(TOP_S * ANALYSIS_HZ), wide.shape[1])
    whole = wide.shape[1] // block * block

    def beats(x: NDArray[np.float32], part: float) -> NDArray[np.bool_]:
        # median of the maxima of blocks: a few ectopic beats do not hide the others
        tops = x[:, :whole].reshape(len(x), -1, block).max(axis=-1)
        top = np.median(tops, axis=1, keepdims=True)
        return np.asarray((x == running_maximum(x, 51)) & (x > part * top) & (top > 0))

    one, two = beats(energy, 0.1), beats(length, 0.4)
    reach = 2 * round(AGREE_S * ANALYSIS_HZ) + 1
    both = (one & running_maximum(two, reach)).sum(axis=1)
    every = one.sum(axis=1) + two.sum(axis=1) - both
    return np.asarray(both / np.maximum(every, 1), np.float64)


def running_maximum(x: NDArray[Any], size: int) -> NDArray[Any]:
    """Return the maximum of `size` neighbours around each value, by doubling.

    Parameters
    ----------
    x : ndarray of float or bool, shape (row, sample)
    size : int
        Odd.

    Returns
    -------
    ndarray, shape (row, sample)
        At the ends, of the neighbours that there are.

    Examples
    --------
    >>> running_maximum(np.array([[1.0, 5.0, 2.0, 0.0]]), 3)
    array([[5., 5., 5., 2.]])
    """
    half = size // 2
    out = np.full((len(x), x.shape[1] + 2 * half), False if x.dtype == bool else -np.inf, x.dtype)
    out[:, half : half + x.shape[1]] = x
    reach = 1
    while reach < size:  # each value becomes the maximum of itself and `reach` to its right
        step = min(reach, size - reach)
        out = np.maximum(out[:, :-step], out[:, step:])
        reach += step
    return out


def kurtosis(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the fourth standardised moment along the last axis.

    Parameters
    ----------
    x : ndarray of float32, shape (..., sample)

    Returns
    -------
    ndarray of float64, shape (...)
        3 of Gaussian noise; 0 of a flat line.

    Examples
    --------
    >>> float(kurtosis(np.array([1.0, -1.0] * 50, np.float32)))
    1.0
    """
    x = x - x.mean(axis=-1, keepdims=True)
    square = x * x
    variance = square.mean(axis=-1)
    fourth = (square * square).mean(axis=-1)
    return np.asarray(fourth / np.where(variance > 0, variance, np.inf) ** 2, np.float64)


def ecg_indices(
    resampled: NDArray[np.float32],
    frequencies: NDArray[np.float64],
    power: NDArray[np.float32],
    filtered: Sequence[NDArray[np.float32]] = (),
) -> dict[str, NDArray[np.float64]]:
    """Return the quality indices of ECG channels.

    Parameters
    ----------
    resampled : ndarray of float32, shape (channel, sample)
        At 100 Hz.
    frequencies, power : ndarray
        From `spectrum`.
    filtered : sequence of ndarray of float32, shape (channel, sample), optional
        `resampled` from 5 to 20 and from 1 to 35 Hz, where it is known.

    Returns
    -------
    dict of str to ndarray of float64, shape (channel,)
        ``bsqi, ksqi, psqi, bassqi`` and ``noisy``, the share of noisy stretches.
    """
    parts = stretches(resampled)
    if len(filtered) == 2 and len(parts) == 1 and resampled.shape[1] >= ANALYSIS_HZ:
        seen = _agreement(filtered[0], filtered[1])[None]
    else:
        seen = agreement(parts)
    return {
        "bsqi": seen.mean(axis=0),
        "ksqi": np.median(kurtosis(parts), axis=0),
        "psqi": share(frequencies, power, (5, 15), (5, 40)),
        "bassqi": 1 - share(frequencies, power, (0, 1), (0, 40)),
        "noisy": (seen < AGREED).mean(axis=0),
    }


def eeg_indices(
    frequencies: NDArray[np.float64],
    power: NDArray[np.float32],
    covariance: NDArray[np.float64],
    live: NDArray[np.bool_],
) -> dict[str, NDArray[np.float64]]:
    """Return the quality indices of EEG channels.

    Parameters
    ----------
    frequencies, power : ndarray
        From `spectrum`.
    covariance : ndarray of float64, shape (channel, channel)
        Of the signal above 1 Hz.
    live : ndarray of bool, shape (channel,)
        False where a channel is flat or absent.

    Returns
    -------
    dict of str to ndarray of float64, shape (channel,)
        ``line_noise, muscle, drift, deviation, correlation``; NaN where undefined.
    """
    top = float(frequencies[-1]) if len(frequencies) else 0.0
    nothing = np.full(len(power), np.nan)
    mains = [share(frequencies, power, (f - 1, f + 1), (1, top)) for f in MAINS_HZ if f + 1 < top]
    size = np.sqrt(np.maximum(np.diag(covariance), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.abs(covariance / np.outer(size, size))
        level = np.log(size)
    np.fill_diagonal(correlation, -1)
    correlation[:, ~live] = -1
    best = correlation.max(axis=1) if live.sum() > 1 else nothing
    deviation = nothing.copy()
    if live.sum() >= 4:
        middle = np.median(level[live])
        scatter = 1.4826 * np.median(np.abs(level[live] - middle))
        # floor: among channels of nearly equal amplitude any would be an outlier
        deviation[live] = (level[live] - middle) / max(float(scatter), 0.15)
    return {
        "line_noise": np.max(mains, axis=0) if mains else nothing,
        "muscle": share(frequencies, power, (20, 45), (1, 45)),
        "drift": share(frequencies, power, (0, 1), (0, 45)),
        "deviation": deviation,
        "correlation": np.where(live & (best >= 0), best, np.nan),
    }


def score(
    indices: Mapping[str, NDArray[np.float64]],
    missing: NDArray[np.float64],
    flat: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return one quality score per channel, from 0 (unusable) to 1.

    The share of valid samples that are not flat, times the weighted mean (`WEIGHTS`, ECG) or the
    minimum (EEG) of the indices, each mapped to 0..1 by `RAMPS`. Unknown indices are left out.

    Parameters
    ----------
    indices : mapping of str to ndarray of float64, shape (channel,)
        From `ecg_indices` or `eeg_indices`.
    missing, flat : ndarray of float64, shape (channel,)
        Shares of the samples.

    Returns
    -------
    ndarray of float64, shape (channel,)

    Examples
    --------
    >>> good = {"bsqi": np.array([1.0, 0.2]), "ksqi": np.array([9.0, 3.0])}
    >>> score(good, np.zeros(2), np.array([0.0, 0.0])).tolist()
    [1.0, 0.0]
    """
    usable = (1 - missing) * (1 - np.where(np.isnan(flat), 1.0, flat))
    parts = []
    for name, (bad, good) in RAMPS.items():
        if name in indices:
            value = np.abs(indices[name]) if name == "deviation" else indices[name]
            parts.append(np.clip((value - bad) / (good - bad), 0, 1))
    if not parts:
        return np.asarray(usable, np.float64)
    table = np.array(parts)
    known = np.isfinite(table)
    if "bsqi" in indices:
        weight = np.array([[WEIGHTS[name]] for name in RAMPS if name in indices]) * known
        total = (np.where(known, table, 0) * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1)
    else:
        total = np.where(known, table, 1).min(axis=0)
    return np.asarray(usable * total, np.float64)
