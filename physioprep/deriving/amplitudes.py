"""Amplitudes of the beats of a lead, between the ends of QRS that all leads have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.quantities import AMPLITUDES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Of the leads' onsets of QRS this quantile is the common one, of their offsets one less it: a
#: quarter of the leads may be wrong.
EARLY: Final = 0.25
#: The common onset is so long before the R peak at least and at most, s, and the offset after it.
_ONSET_S: Final = (0.02, 0.12)
_OFFSET_S: Final = (0.02, 0.14)
#: QRS where no lead has its onset or offset: so long before and after the R peak, s.
_HALF_S: Final = 0.05
#: S is looked for so much longer, since methods end QRS early.
_MARGIN_S: Final = 0.01
#: The baseline: so long a piece before the common onset, s.
_BASELINE_S: Final = 0.02
#: What rises as high, and by this share of QRS, is an R wave; after the lowest sample by this share
#: of its depth, since ST rises there, too.
_R_MV: Final = 0.025
_R_SHARE: Final = 0.05
_LATE_R_SHARE: Final = 0.25


@dataclass(frozen=True, eq=False)
class QrsEnds:
    """Where QRS begins and ends in the leads of a record together.

    Parameters
    ----------
    onset, offset : ndarray of int64, shape (beat,)
        Samples; a guess where no lead has one.
    known : ndarray of bool, shape (beat,)
        Whether the offset is one that leads have.
    """

    onset: Ints
    offset: Ints
    known: NDArray[np.bool_]

    def less(self, low: int, own: NDArray[np.bool_]) -> QrsEnds:
        """Return the ends of some beats, counted from another sample.

        Parameters
        ----------
        low : int
            The sample that becomes 0.
        own : ndarray of bool, shape (beat,)
            Which beats.

        Returns
        -------
        QrsEnds
        """
        return QrsEnds(self.onset[own] - low, self.offset[own] - low, self.known[own])


def common_qrs(leads: Sequence[Mapping[str, Floats]], r_peaks: Ints, rate_hz: float) -> QrsEnds:
    """Return where QRS begins and ends, out of the onsets and offsets of all leads.

    Parameters
    ----------
    leads : sequence of mapping of str to ndarray of float64, shape (beat,)
        Points of each lead, from `physioprep.deriving.delineation.delineate`.
    r_peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks, of one lead.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    QrsEnds

    Notes
    -----
    R peaks are those of one lead: in another the same sample may be the lowest of S, and the
    onset that a method finds before it lies within QRS. Early onsets and late offsets are right.

    Examples
    --------
    >>> leads = [{"qrs_onset": np.array([on]), "qrs_offset": np.array([60.0])}
    ...     for on in (30.0, 30.0, 30.0, 49.0)]
    >>> common_qrs(leads, np.array([50]), 250.0).onset
    array([30])
    """
    onset, _ = together(leads, "qrs_onset", EARLY, len(r_peaks))
    offset, known = together(leads, "qrs_offset", 1 - EARLY, len(r_peaks))
    before = np.where(np.isnan(onset), _HALF_S * rate_hz, r_peaks - onset)
    after = np.where(known, offset - r_peaks, _HALF_S * rate_hz)
    before = np.clip(before, _ONSET_S[0] * rate_hz, _ONSET_S[1] * rate_hz)
    after = np.clip(after, _OFFSET_S[0] * rate_hz, _OFFSET_S[1] * rate_hz)
    return QrsEnds(
        r_peaks - np.rint(before).astype(np.int64), r_peaks + np.rint(after).astype(np.int64), known
    )


def together(
    leads: Sequence[Mapping[str, Floats]], name: str, quantile: float, n_beats: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return a quantile over the leads that have a point, and of which beats there is one.

    Parameters
    ----------
    leads : sequence of mapping of str to ndarray of float64, shape (beat,)
        Points of each lead, samples.
    name : str
        Of the point.
    quantile : float
        0 is the earliest lead, 1 the latest.
    n_beats : int
        Number of beats.

    Returns
    -------
    found : ndarray of float64, shape (beat,)
        Samples; NaN where no lead has the point.
    known : ndarray of bool, shape (beat,)
        Where one has it.

    Examples
    --------
    >>> together([{"a": np.array([3.0])}, {"a": np.array([5.0])}], "a", 1.0, 1)[0].tolist()
    [5.0]
    """
    every = np.stack([np.asarray(lead[name], np.float64) for lead in leads])
    known = np.asarray(np.isfinite(every).any(axis=0), np.bool_)
    out: Floats = np.full(n_beats, np.nan)
    if known.any():
        out[known] = np.nanquantile(every[:, known], quantile, axis=0)
    return out, known


def amplitudes(
    signal: Floats, rate_hz: float, ends: QrsEnds, points: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Measure the amplitudes of each beat of one lead.

    Parameters
    ----------
    signal : ndarray of float64, shape (sample,)
        mV, NaN where missing.
    rate_hz : float
        Sampling rate, Hz.
    ends : QrsEnds
        From `common_qrs`.
    points : mapping of str to ndarray of float64, shape (beat,)
        Of this lead, from `physioprep.deriving.delineation.delineate`.

    Returns
    -------
    dict of str to ndarray of float64, shape (beat,)
        The columns of `AMPLITUDES`, mV; NaN where a point is unknown or a sample is missing.

    Examples
    --------
    >>> nothing = {name: np.full(1, np.nan) for name in ("p_peak", "t_peak")}
    >>> signal = np.zeros(500)
    >>> signal[240:243], signal[250], signal[255] = -0.1, 1.0, -0.3
    >>> ends = QrsEnds(np.array([230]), np.array([270]), np.array([False]))
    >>> found = amplitudes(signal, 500.0, ends, nothing)
    >>> [float(found[name][0]) for name in ("q_mv", "r_mv", "s_mv", "st_j60_mv")]
    [-0.1, 1.0, -0.3, nan]
    """
    wide = max(1, round(_BASELINE_S * rate_hz))
    baseline = _median(signal, ends.onset, wide)
    stop = ends.offset + round(_MARGIN_S * rate_hz)
    q, r, s = _q_r_s(_cut(signal, ends.onset, stop) - baseline[:, None])
    out = {"baseline_mv": baseline, "q_mv": q, "r_mv": r, "s_mv": s}
    for wave in ("p", "t"):
        out[f"{wave}_mv"] = _at(signal, points[f"{wave}_peak"]) - baseline
    offset = np.where(ends.known, ends.offset, np.nan)
    for ms in (60, 80):
        out[f"st_j{ms}_mv"] = _at(signal, offset + round(ms / 1000 * rate_hz)) - baseline
    return {quantity.name: out[quantity.name] for quantity in AMPLITUDES}


def _median(signal: Floats, ends: Ints, wide: int) -> Floats:
    """Return the median of what is there of the samples before some places."""
    out = np.full(len(ends), np.nan)
    for place, end in enumerate(ends.tolist()):
        part = signal[max(0, end - wide) : max(0, end)]
        part = part[np.isfinite(part)]
        if len(part):
            out[place] = np.median(part)
    return out


def _at(signal: Floats, places: Floats) -> Floats:
    """Return the samples at some places; NaN where a place is unknown or outside."""
    out = np.full(len(places), np.nan)
    inside = np.isfinite(places) & (places >= 0) & (places < len(signal))
    out[inside] = signal[places[inside].astype(np.int64)]
    return out


def _cut(signal: Floats, first: Ints, last: Ints) -> Floats:
    """Cut each beat out, with +inf after its last sample; all NaN where a sample is missing."""
    if not len(first) or not len(signal):
        return np.full((len(first), 1), np.nan)
    at = first[:, None] + np.arange(int((last - first).max()) + 1)
    inside = (at >= 0) & (at < len(signal))
    cut: Floats = np.where(inside, signal[np.clip(at, 0, len(signal) - 1)], np.nan)
    beyond = at > last[:, None]
    cut[(~np.isfinite(cut) & ~beyond).any(axis=1)] = np.nan
    cut[beyond] = np.inf
    return cut


def _q_r_s(beats: Floats) -> tuple[Floats, Floats, Floats]:
    """Return Q, R and S of beats less their baseline: 0 where one has no such wave.

    Q is what is below 0 before the first R wave, S what is after it; of r and R' the larger one
    is R. All of a beat without R (QS), or with one of less than a quarter of the depth before it,
    is S.
    """
    there = np.where(np.isposinf(beats), np.nan, beats)
    known = np.isfinite(beats[:, 0])
    q, r, s = (np.full(len(beats), np.nan) for _ in range(3))
    if not known.any():
        return q, r, s
    lowest, highest = np.nanmin(there[known], axis=1), np.nanmax(there[known], axis=1)
    enough = np.maximum(_R_MV, _R_SHARE * (highest - lowest))[:, None]
    late = np.arange(beats.shape[1]) > np.nanargmin(there[known], axis=1)[:, None]
    is_r = there[known] >= np.where(
        late, np.maximum(enough, -_LATE_R_SHARE * lowest[:, None]), enough
    )
    first = np.where(is_r.any(axis=1), is_r.argmax(axis=1), 0)
    before = np.arange(beats.shape[1]) < first[:, None]
    with_zero = np.minimum(beats[known], 0.0)
    q[known] = np.where(before, with_zero, 0.0).min(axis=1)
    s[known] = np.where(before, 0.0, with_zero).min(axis=1)
    r[known] = np.maximum(highest, 0.0)
    return q, r, s
