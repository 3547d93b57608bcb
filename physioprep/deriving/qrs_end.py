"""Whether QRS has ended where its end was found: else neither its duration nor ST is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.amplitudes import QrsEnds, together
from physioprep.deriving.measurements import middle
from physioprep.deriving.pieces import Lead

Floats = NDArray[np.float64]

#: Slopes are differences over so long before and after a sample, s.
_HALF_S: Final = 0.008
#: Behind its end QRS is looked for so long, s, and goes on where the leads together are as steep as
#: this share of the steepest within it. Of 12 records of LUDB at most 0.31, where ends are up to 50
#: ms early and ST is right; paced beats (MIT-BIH 102) have 0.7.
_BEHIND_S: Final = (0.02, 0.06)
_STEEP: Final = 0.4
#: In more than this share of the beats, those left do not speak for the record.
_MOST: Final = 0.5
#: QRS of a record is from this quantile of the leads' onsets to one less it of their offsets. Of 0,
#: 0.1 and 0.25 its spread beside electrocardiographs' own durations is the smallest; with 0 a lead
#: made a QRS of 416 ms (PTB-XL).
_OUTER: Final = 0.1
REASON: Final = "the signal is steep behind the end of QRS: no QRS duration, no ST"


def goes_on(leads: Sequence[Lead], r_peaks: NDArray[np.int64], ends: QrsEnds) -> NDArray[np.bool_]:
    """Return of which beats QRS goes on behind the end that was found.

    Parameters
    ----------
    leads : sequence of Lead
        In mV, the leads of a record whose beats are alike; of none nothing is known.
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks, ascending.
    ends : QrsEnds
        From `physioprep.deriving.amplitudes.common_qrs`.

    Returns
    -------
    ndarray of bool, shape (beat,)

    Notes
    -----
    Methods that look for the ends of the R wave find those of a wide QRS within it. The slope is
    that of all leads together (root of the sum of squares); missing samples have none.

    Examples
    --------
    >>> from physioprep.deriving.pieces import lead_of
    >>> signal = np.zeros(500)
    >>> signal[240:250], signal[250:260] = np.arange(10) / 10, 1 - np.arange(10) / 10
    >>> ends = QrsEnds(np.array([238]), np.array([262]), np.array([True]))
    >>> goes_on([lead_of(signal, 500.0)], np.array([250]), ends).tolist()
    [False]
    >>> signal[270:290] = 1 - np.arange(20) / 20
    >>> goes_on([lead_of(signal, 500.0)], np.array([250]), ends).tolist()
    [True]
    """
    out = np.zeros(len(r_peaks), np.bool_)
    for parts in zip(*(lead.around(r_peaks) for lead in leads), strict=True):
        own, low, _ = parts[0]
        rate_hz = leads[0].rate_hz
        steep = np.sqrt(sum(_slope(values, rate_hz) ** 2 for _, _, values in parts))
        near = ends.less(low, own)
        first, last = (round(after * rate_hz) for after in _BEHIND_S)
        for place, onset, offset in zip(
            np.flatnonzero(own).tolist(), near.onset.tolist(), near.offset.tolist(), strict=True
        ):
            within = steep[max(0, onset) : offset + 1]
            behind = steep[offset + first : offset + last + 1]
            if len(within) and len(behind):
                out[place] = behind.max() > _STEEP * within.max()
    return out


def duration_ms(
    leads: Sequence[Mapping[str, Floats]], rate_hz: float, beats: NDArray[np.bool_]
) -> float:
    """Return the duration of QRS over all leads: about its earliest onset to its latest offset.

    Parameters
    ----------
    leads : sequence of mapping of str to ndarray of float64, shape (beat,)
        Points, from `without_ends`, of the leads whose beats are alike.
    rate_hz : float
        Sampling rate, Hz.
    beats : ndarray of bool, shape (beat,)
        From `goes_on`.

    Returns
    -------
    float
        ms, median over beats; NaN where no beat has both ends, or QRS goes on in most beats.

    Notes
    -----
    A vector at a right angle to a lead is not seen in it, and methods that look for the ends of
    the R wave end without S, so that QRS of one lead is shorter than that of the heart. Of
    twelve leads the second onset and the last but one offset count (quantiles 0.1 and 0.9),
    since one lead may be wrong by far.

    Examples
    --------
    >>> first = {"qrs_onset": np.array([40.0]), "qrs_offset": np.array([60.0])}
    >>> second = {"qrs_onset": np.array([50.0]), "qrs_offset": np.array([80.0])}
    >>> duration_ms([first, second], 500.0, np.array([False]))
    74.0
    """
    if not leads or not len(beats) or beats.mean() > _MOST:
        return float("nan")
    onset, _ = together(leads, "qrs_onset", _OUTER, len(beats))
    offset, _ = together(leads, "qrs_offset", 1 - _OUTER, len(beats))
    return middle(offset - onset) * 1000 / rate_hz


def without_ends(points: Mapping[str, Floats], beats: NDArray[np.bool_]) -> dict[str, Floats]:
    """Return the points of a lead without the end of QRS of some beats.

    Parameters
    ----------
    points : mapping of str to ndarray of float64, shape (beat,)
        From `physioprep.deriving.delineation.delineate`.
    beats : ndarray of bool, shape (beat,)
        Which beats.

    Returns
    -------
    dict of str to ndarray of float64, shape (beat,)
    """
    return {**points, "qrs_offset": np.where(beats, np.nan, points["qrs_offset"])}


def without_durations(
    measured: Mapping[str, float | int], beats: NDArray[np.bool_]
) -> tuple[dict[str, float | int], str | None]:
    """Return the measurements of a lead, without QRS duration and ST where most beats have none.

    Parameters
    ----------
    measured : mapping of str to float
        From `physioprep.deriving.measurements.of_lead`.
    beats : ndarray of bool, shape (beat,)
        From `goes_on`.

    Returns
    -------
    measured : dict of str to float
    reason : str or None
        Why these are NaN; None where they are not.
    """
    if not len(beats) or beats.mean() <= _MOST:
        return dict(measured), None
    gone = ("qrs_ms", "st_j60_mv", "st_j80_mv")
    return {name: np.nan if name in gone else value for name, value in measured.items()}, REASON


def _slope(values: Floats, rate_hz: float) -> Floats:
    half = max(1, round(_HALF_S * rate_hz))
    slope = np.zeros(len(values))
    slope[half:-half] = values[2 * half :] - values[: -2 * half]
    return np.nan_to_num(slope)
