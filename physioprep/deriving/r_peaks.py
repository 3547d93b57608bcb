"""R peaks of a record: those of the lead whose beats are most alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving import pieces
from physioprep.deriving.delineation import FEWEST_BEATS
from physioprep.deriving.measurements import correlations
from physioprep.deriving.missed_beats import with_missed_beats
from physioprep.deriving.pieces import Lead, lead_of
from physioprep.shards.peaks import LEADS, detect_r_peaks, search_r_peaks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Leads that are compared, the first of equals first.
CANDIDATES: Final = (*LEADS, "V1", "V3", "V4", "V6", "aVL", "aVR")
#: A lead is as good as the best one if its quality is less by no more than this.
_AS_GOOD: Final = 0.05
#: By so much a lead whose R peak is not the largest deflection of QRS is worse.
_NOT_UPRIGHT: Final = 0.2
#: Beats that are less alike (median of the correlation with their median) are none; of few beats
#: this by the square root of their number, since noise is like its own median.
LIMIT: Final = 0.5
_LIMIT_OF_FEW: Final = 1.5
#: A lead whose beats spread less, mV, is no noise but at a right angle to the heart's axis.
_SMALL_MV: Final = 0.02
#: Parts of a beat, before and after R, s: all of it, and QRS.
_BEAT_S: Final = (0.3, 0.5)
_QRS_S: Final = (0.06, 0.06)
#: Of a longer recording leads are compared in so many stretches.
_STRETCHES: Final = 10
#: NeuroKit2 finds no beat nearer than 0.3 s to the last one. It is asked again with this distance
#: where the median RR is less than `_RR_S`.
_NEAR_S: Final = 0.2
_RR_S: Final = 0.62
#: Peaks between are beats if there are so many to one, and their QRS correlates so with the
#: others' (a T wave is wider), and is so large at least by theirs.
_TIMES: Final = 1.7
_LIKE: Final = 0.9
_LARGE: Final = 0.5


@dataclass(frozen=True, eq=False)
class Beats:
    """R peaks of a record.

    Parameters
    ----------
    r_peaks : ndarray of int64, shape (beat,)
        Samples, ascending.
    place : int or None
        Of the lead they were found in; None where no lead has R peaks.
    reason : str or None
        Why nothing may be measured by them.
    """

    r_peaks: Ints
    place: int | None
    reason: str | None


def choose_beats(held: Sequence[Lead], leads: Sequence[str]) -> Beats:
    """Find the R peaks of a record in the lead whose beats are most alike.

    Parameters
    ----------
    held : sequence of Lead
        In mV.
    leads : sequence of str
        Their names.

    Returns
    -------
    Beats

    Notes
    -----
    The quality of a lead is the median over its beats of the correlation with their median, from
    0.3 s before R to 0.5 s after it, less 0.2 where R is not the largest deflection of QRS. Of
    the leads within 0.05 of the best one the first in the order of `CANDIDATES` is taken; a
    record without any of them is searched in all its leads. Of more than ten minutes, leads are
    compared in ten stretches of a minute, evenly spread.

    Examples
    --------
    >>> choose_beats([lead_of(np.zeros(999), 250.0)], ["II"])
    Beats(r_peaks=array([], dtype=int64), place=None, reason='no R peak was found')
    """
    names = {lead: place for place, lead in reversed(list(enumerate(leads)))}
    order = [names[lead] for lead in CANDIDATES if lead in names] or list(range(len(leads)))
    quality = {place: _quality(held[place]) for place in order} if len(order) > 1 else {}
    best = max(quality.values(), default=0.0)
    first = [place for place in order if quality.get(place, 0.0) >= best - _AS_GOOD]
    later = sorted((p for p in order if p not in first), key=lambda p: -quality[p])
    rest = [place for place in range(len(leads)) if place not in order]
    for place in (*first, *later, *rest):
        lead = held[place]
        peaks = search_r_peaks(lead.read, lead.length, lead.rate_hz)
        if len(peaks):
            peaks = with_missed_beats(lead, _with_near_ones(lead, peaks))
            return Beats(peaks, place, _reason(lead, peaks))
    return Beats(np.empty(0, np.int64), None, "no R peak was found")


def _reason(lead: Lead, peaks: Ints) -> str | None:
    if len(peaks) < FEWEST_BEATS:
        return f"fewer than {FEWEST_BEATS} beats"
    alike, _, count = _alike(lead, peaks)
    if count < FEWEST_BEATS:  # gaps leave no beat whole, and its waves may be known
        return None if len(lead.gaps()) else f"fewer than {FEWEST_BEATS} whole beats"
    return not_alike(alike, count)


def not_alike(quality: float, n_beats: int) -> str | None:
    """Say why nothing may be measured where beats are not alike.

    Parameters
    ----------
    quality : float
        Median of the correlations with the median beat; NaN of a flat lead.
    n_beats : int
        Whole beats.

    Returns
    -------
    str or None
        None where they are alike, or where nothing is known.

    Examples
    --------
    >>> not_alike(0.3, 12)
    'beats are not alike (correlation 0.30 with their median, 0.50 needed)'
    >>> not_alike(0.98, 12), not_alike(0.8, 3) is None
    (None, False)
    """
    limit = max(LIMIT, _LIMIT_OF_FEW / math.sqrt(max(1, n_beats)))
    if n_beats < FEWEST_BEATS or math.isnan(quality) or quality >= limit:
        return None
    alike = max(quality, 0.0)
    return f"beats are not alike (correlation {alike:.2f} with their median, {limit:.2f} needed)"


def is_alike(lead: Lead, r_peaks: Ints) -> bool:
    """Return whether the beats of a lead are alike, or nothing is known of that.

    Parameters
    ----------
    lead : Lead
        In mV.
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks.

    Returns
    -------
    bool
    """
    alike, _, count = _alike(lead, r_peaks)
    return not_alike(alike, count) is None


def is_small(lead: Lead, r_peaks: Ints) -> bool:
    """Return whether the beats of a lead are so small that they need not be alike.

    Parameters
    ----------
    lead : Lead
        In mV.
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks.

    Returns
    -------
    bool
    """
    cut = _cuts(lead, _some(r_peaks), _BEAT_S)
    return bool(len(cut)) and float(np.median(cut.std(axis=1))) < _SMALL_MV


def _quality(lead: Lead) -> float:
    """Return how good a lead is to find beats in; -inf where it has hardly any."""
    found = []
    for low, high in _stretches(lead):
        part = np.asarray(lead.read(low, high), np.float64)
        peaks = detect_r_peaks(part, lead.rate_hz)
        alike, upright, _ = _alike(lead_of(part, lead.rate_hz), peaks)
        found.append(-math.inf if math.isnan(alike) else alike - _NOT_UPRIGHT * (not upright))
    return float(np.median(found))


def _stretches(lead: Lead) -> list[tuple[int, int]]:
    if lead.length <= pieces.PIECE_S * lead.rate_hz:
        return [(0, lead.length)]
    wide = round(pieces.PIECE_S * lead.rate_hz / _STRETCHES)
    starts = np.linspace(0, lead.length - wide, _STRETCHES).astype(np.int64).tolist()
    return [(start, start + wide) for start in starts]


def _alike(lead: Lead, peaks: Ints) -> tuple[float, bool, int]:
    """Return how like their median beats are, if R is its largest deflection, and their number."""
    cut = _cuts(lead, _some(peaks), _BEAT_S)
    if len(cut) < FEWEST_BEATS:
        return math.nan, False, len(cut)
    median = np.median(cut, axis=0)
    at, near = round(_BEAT_S[0] * lead.rate_hz), max(1, round(_QRS_S[0] * lead.rate_hz))
    qrs = np.abs(median - np.median(median))[at - near : at + near + 1]
    upright = bool(qrs[near] >= 0.9 * qrs.max())
    return float(np.median(np.nan_to_num(correlations(cut, median)))), upright, len(cut)


def _some(peaks: Ints) -> Ints:
    """Return 1,000 peaks at most, evenly spread."""
    if len(peaks) <= 1000:
        return peaks
    return peaks[np.linspace(0, len(peaks) - 1, 1000).astype(np.int64)]


def _cuts(lead: Lead, peaks: Ints, around_s: tuple[float, float]) -> Floats:
    """Cut out the whole beats, each less its median."""
    at = np.arange(-round(around_s[0] * lead.rate_hz), round(around_s[1] * lead.rate_hz) + 1)
    rows = [np.empty((0, len(at)))]
    for own, low, values in lead.around(peaks):
        places = (peaks[own] - low)[:, None] + at
        inside = ((places >= 0) & (places < len(values))).all(axis=1)
        cut = values[places[inside]]
        rows.append(cut[np.isfinite(cut).all(axis=1)])
    every = np.concatenate(rows)
    return every - np.median(every, axis=1, keepdims=True)


def _with_near_ones(lead: Lead, peaks: Ints) -> Ints:
    """Return twice as many R peaks where each second one was too near to the one before it."""
    if len(peaks) < FEWEST_BEATS or np.median(np.diff(peaks)) > _RR_S * lead.rate_hz:
        return peaks
    more = search_r_peaks(lead.read, lead.length, lead.rate_hz, _NEAR_S)
    if len(more) < _TIMES * len(peaks):
        return peaks
    known = np.isin(more, peaks)
    ours, others = (_cuts(lead, part, _QRS_S) for part in (more[known], more[~known]))
    if min(len(ours), len(others)) < FEWEST_BEATS:
        return peaks
    one, two = np.median(ours, axis=0), np.median(others, axis=0)
    like = float(correlations(two[None], one)[0])  # NaN of flat ones is not alike
    return more if like >= _LIKE and np.ptp(two) >= _LARGE * np.ptp(one) else peaks
