"""Test the sampling rate of a 12-lead ECG against three durations of the heart beat.

A wrong rate scales the QRS complex, the RR interval and the time to the T wave alike; a fast heart
shortens the second, a broad QRS lengthens the first. The joint distribution of the three over
hearts gives their likelihood at the stated rate, and at others. Heavy tails (Student's t) keep
rare hearts possible.

Low-pass filters and some simulators broaden the QRS complex and leave the heart rate. So a broad
QRS alone is no evidence: the heart rate has to speak for the same correction; see `_supported`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.measure.beats import (
    ANALYSIS_HZ,
    BEFORE,
    centred_to_analysis_rate,
    find_all_beats,
    median_beats,
    median_gap,
    without_median,
)

#: Log of QRS duration (ms), RR interval (s) and time from R to the middle of ST-T (s): median and
#: covariance over the 86 recordings of `limb_leads.COVARIANCE`; ``benchmarks/audit.py --fit``.
MIDDLE = np.array([3.5859, -0.1863, -1.3866])
COVARIANCE = np.array([[0.0267, 0.0009, 0.0023], [0.0009, 0.056, 0.0045], [0.0023, 0.0045, 0.0096]])
#: Degrees of freedom of the tails, and a floor of the variances.
FREEDOM, FLOOR = 4.0, 0.005
#: A rate is doubted if the log-likelihood of the durations is this far below its maximum, and
#: another is reported if it increases the log-likelihood by this much.
DOUBTED, BELIEVED = 3.0, 1.0
#: Factors by which a wrong rate may be corrected.
FACTORS = (0.2, 0.4, 0.5, 2.0, 2.5)
#: A rate is corrected upwards only where the heart beats slower than this, 1/min.
SLOW_BPM = 50.0
#: Far too high a rate leaves no beat to count, but this gain at a correction to a plausible heart
#: rate, 1/min.
CERTAIN, PLAUSIBLE_BPM = 5.0, (40.0, 150.0)
#: Least number of leads for a reliable QRS duration; examined length of a recording, s.
LEAST_LEADS, EXAMINED_S = 8, 30.0


@dataclass(frozen=True)
class RateFit:
    """How well a recording's durations fit its sampling rate.

    Parameters
    ----------
    qrs_ms, interval_s, repolarisation_s : float
        Duration of the steep part of the QRS complex, RR interval, time from R to the middle of
        ST-T.
    factor : float
        What the stated rate would have to be multiplied by; 1 where it fits, or where the
        durations do not agree that it is wrong.
    gain : float
        Increase of the log-likelihood by this factor.
    """

    qrs_ms: float
    interval_s: float
    repolarisation_s: float
    factor: float
    gain: float


def _qrs_widths_s(beats_mv: NDArray[np.float64]) -> list[float]:
    """Return QRS durations, s: how long the middle 80 % of the slope energy of all leads takes.

    NaN of a flat beat; beats are of shape (beat, channel, 80), as `median_beats` returns them.
    """
    around = slice(BEFORE - 18, BEFORE + 16)
    power = (np.diff(beats_mv, axis=2)[:, :, around] ** 2).sum(axis=1)
    total = power.sum(axis=1)
    share = np.cumsum(power, axis=1) / np.where(total > 0, total, 1)[:, None]
    times = np.arange(share.shape[1]) / ANALYSIS_HZ
    return [
        float(np.subtract(*np.interp((0.9, 0.1), one, times))) if there else math.nan
        for one, there in zip(share, (total > 0).tolist(), strict=True)
    ]


def durations(
    beat_mv: NDArray[np.floating] | None, beats: NDArray[np.intp]
) -> NDArray[np.float64] | None:
    """Return the logarithms of three durations: QRS (ms), RR (s), R to the middle of ST-T (s).

    Parameters
    ----------
    beat_mv : ndarray of float, shape (channel, 80), or None
        From `median_beat`.
    beats : ndarray of int
        Samples at 100 Hz, from `find_beats`.

    Returns
    -------
    ndarray of float64, shape (3,), or None
        None where there is no beat to measure.
    """
    return all_durations([beat_mv], [beats])[0]


def all_durations(
    beats_mv: Sequence[NDArray[np.floating] | None], beats: Sequence[NDArray[np.intp]]
) -> list[NDArray[np.float64] | None]:
    """Return the durations of each record, as `durations` does of one.

    Parameters
    ----------
    beats_mv, beats : sequence
        Of each record; all beats have the same channels.

    Returns
    -------
    list of ndarray of float64, shape (3,), or None
        One per record.
    """
    out: list[NDArray[np.float64] | None] = [None] * len(beats)
    rows = [
        number for number, (beat, at) in enumerate(zip(beats_mv, beats, strict=True))
        if beat is not None and at.size > 3
    ]  # fmt: skip
    if not rows:
        return out
    table = np.array([beats_mv[number] for number in rows], np.float64)
    late = np.sqrt((table**2).mean(axis=1))[:, BEFORE + 10 :]
    total = late.sum(axis=1)
    moment = (late * np.arange(10, 10 + late.shape[1])).sum(axis=1)
    for number, width, whole, part in zip(
        rows, _qrs_widths_s(table), total.tolist(), moment.tolist(), strict=True
    ):
        if width > 0 and whole > 0:
            interval = median_gap(beats[number]) / ANALYSIS_HZ
            out[number] = np.log([1e3 * width, interval, part / whole / ANALYSIS_HZ])
    return out


def misfit(
    logs: NDArray[np.float64],
    middle: NDArray[np.float64] = MIDDLE,
    covariance: NDArray[np.float64] = COVARIANCE,
) -> float:
    """Return how far the log-likelihood of durations is below its maximum.

    Parameters
    ----------
    logs : ndarray of float64, shape (3,)
        From `durations`.
    middle, covariance : ndarray of float64, shape (3,) and (3, 3)
        Of the durations of sound recordings.

    Returns
    -------
    float
        0 for typical durations.

    Examples
    --------
    >>> misfit(MIDDLE)
    0.0
    >>> misfit(MIDDLE + np.log(2)) > BELIEVED
    True
    """
    precision = _precision(covariance.tobytes(), len(middle))
    off = logs - middle
    return float((FREEDOM + len(middle)) / 2 * np.log1p(off @ precision @ off / FREEDOM))


@lru_cache(maxsize=8)
def _precision(covariance: bytes, n: int) -> NDArray[np.float64]:
    table = np.frombuffer(covariance, np.float64).reshape(n, n)
    return np.asarray(np.linalg.inv(table + FLOOR * np.eye(n)))


def fit(logs: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate `MIDDLE` and `COVARIANCE`; outliers are clipped to 3 standard deviations.

    Parameters
    ----------
    logs : sequence of ndarray of float64, shape (3,)
        From `durations`, of sound recordings.

    Returns
    -------
    middle : ndarray of float64, shape (3,)
        Medians.
    covariance : ndarray of float64, shape (3, 3)
    """
    table = np.array(logs)
    middle = np.median(table, axis=0)
    far = 3 * 1.4826 * np.median(np.abs(table - middle), axis=0)
    return middle, np.cov(np.clip(table - middle, -far, far).T)


def rate_fit(
    values: NDArray[np.float32],
    rate_hz: float,
    beat_mv: NDArray[np.floating] | None,
    beats: NDArray[np.intp],
    middle: NDArray[np.float64] = MIDDLE,
    covariance: NDArray[np.float64] = COVARIANCE,
) -> RateFit | None:
    """Test whether the durations of an ECG fit its sampling rate, or one of `FACTORS` times it.

    Parameters
    ----------
    values : ndarray of float32, shape (channel, sample)
        Any unit; NaN where missing.
    rate_hz : float
        Sampling rate as stated, Hz.
    beat_mv, beats
        Of the recording at the stated rate; see `durations`.
    middle, covariance
        See `fit`.

    Returns
    -------
    RateFit or None
        None with fewer than eight leads, or where no beats were found.
    """
    return rate_fits(values[None], rate_hz, [beat_mv], [beats], middle, covariance)[0]


def rate_fits(
    values: NDArray[np.float32],
    rate_hz: float,
    beats_mv: Sequence[NDArray[np.floating] | None],
    beats: Sequence[NDArray[np.intp]],
    middle: NDArray[np.float64] = MIDDLE,
    covariance: NDArray[np.float64] = COVARIANCE,
) -> list[RateFit | None]:
    """Test the sampling rate of each record, as `rate_fit` does of one.

    Parameters
    ----------
    values : ndarray of float32, shape (record, channel, sample)
        Any unit; NaN where missing.
    rate_hz : float
        Sampling rate as stated, Hz.
    beats_mv, beats : sequence
        Of each record; see `durations`.
    middle, covariance
        See `fit`.

    Returns
    -------
    list of RateFit or None
        One per record.
    """
    enough = values.shape[1] >= LEAST_LEADS
    logs = all_durations(beats_mv, beats) if enough else [None] * len(beats)
    own = [math.nan if one is None else misfit(one, middle, covariance) for one in logs]
    # where the durations are plausible, no other rate is tried
    doubted = [number for number, off in enumerate(own) if off > DOUBTED]
    best: dict[int, tuple[float, float]] = {}
    part = values[doubted, :, : round(EXAMINED_S * rate_hz)]
    if doubted:
        part = without_median(part.reshape(-1, part.shape[2])).reshape(part.shape)
    for factor in FACTORS if doubted else ():
        # upwards, only slow hearts are corrected: see `_supported`
        tried = [
            place for place, number in enumerate(doubted)
            if factor < 1 or _beats_per_min(logs[number]) < SLOW_BPM
        ]  # fmt: skip
        for place, other in zip(tried, _durations_at(part[tried], rate_hz * factor), strict=True):
            number = doubted[place]
            stated = logs[number]
            if other is None or stated is None:
                continue
            likelier = own[number] - misfit(other, middle, covariance)
            if likelier > best.get(number, (1.0, 0.0))[1] and _supported(
                stated, other, middle, factor, likelier
            ):
                best[number] = factor, likelier
    out: list[RateFit | None] = []
    for number, one in enumerate(logs):
        if one is None:
            out.append(None)
            continue
        qrs, interval, late = np.exp(one).tolist()
        out.append(RateFit(qrs, interval, late, *best.get(number, (1.0, 0.0))))
    return out


def _durations_at(values: NDArray[np.float32], rate_hz: float) -> list[NDArray[np.float64] | None]:
    """Return the durations of each record if this were the rate; its medians are removed."""
    records, channels, n = values.shape
    if not records:
        return []
    resampled = centred_to_analysis_rate(values.reshape(-1, n), rate_hz)
    resampled = resampled.reshape(records, channels, -1)
    found = find_all_beats(resampled)
    return all_durations(median_beats(resampled, found), found)


def _beats_per_min(logs: NDArray[np.float64] | None) -> float:
    return math.nan if logs is None else 60 / math.exp(logs[1])


def _supported(
    logs: NDArray[np.float64],
    other: NDArray[np.float64],
    middle: NDArray[np.float64],
    factor: float,
    gain: float,
) -> bool:
    """Return whether the heart rate, too, speaks for another sampling rate.

    `logs` and `other` are the durations at the stated rate and at `factor` times that.
    """
    nearer = np.abs(other - middle) < np.abs(logs - middle)
    if factor > 1:  # filters broaden beats, and some sound hearts are slow: all three have to agree
        return bool(nearer.all() and _beats_per_min(logs) < SLOW_BPM)
    certain = gain >= CERTAIN and PLAUSIBLE_BPM[0] <= 60 / math.exp(other[1]) <= PLAUSIBLE_BPM[1]
    return bool(nearer[1] or certain)
