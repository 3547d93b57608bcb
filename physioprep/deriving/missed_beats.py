"""R peaks that the first detector misses: a second one looks where beats are too far apart."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.delineation import FEWEST_BEATS, cleaned_lead
from physioprep.deriving.pieces import Lead, pieces
from physioprep.shards.peaks import detect_r_peaks

Ints = NDArray[np.int64]

#: Beats may be missing between R peaks farther apart than this times the median RR: where Pan and
#: Tompkins (IEEE Trans. Biomed. Eng. 32, 1985) search back.
_FAR: Final = 1.66
_SECOND: Final = "pantompkins1985"
#: The second detector's peak is behind the R peak, or a little before it, by so much at most, s.
_BEFORE_S: Final = 0.15
_AFTER_S: Final = 0.02
#: No beat is nearer to another, s.
_NEAR_S: Final = 0.3


def with_missed_beats(lead: Lead, peaks: Ints) -> Ints:
    """Return R peaks with those that a second detector finds in long intervals.

    Parameters
    ----------
    lead : Lead
        In mV.
    peaks : ndarray of int64, shape (beat,)
        Samples of the R peaks, ascending.

    Returns
    -------
    ndarray of int64

    Notes
    -----
    NeuroKit2's default detector compares slopes with their running mean, and misses small beats
    among large ones (MIT-BIH 207: 28%). Its `pantompkins1985` finds these, but not where R is:
    each is moved to the largest sample around. Before the first and behind the last R peak nothing
    is looked for: there it finds beats in noise.

    Examples
    --------
    >>> from physioprep.deriving.pieces import lead_of
    >>> peaks = np.array([100, 200, 300])
    >>> with_missed_beats(lead_of(np.zeros(400), 100.0), peaks) is peaks
    True
    """
    if len(peaks) < FEWEST_BEATS:
        return peaks
    rr = np.diff(peaks)
    far = np.flatnonzero(rr > _FAR * np.median(rr))
    near = round(_NEAR_S * lead.rate_hz)
    begin, end = peaks[far] + near, peaks[far + 1] - near
    found: list[int] = []
    for first, stop, low, high in pieces(lead.length, lead.rate_hz):
        mine = (begin < stop) & (end > first)
        if not mine.any():
            continue
        values = np.asarray(lead.read(low, high), np.float64)
        for peak in _moved(values, lead.rate_hz).tolist():
            place = peak + low
            inside = ((begin[mine] < place) & (place < end[mine])).any()
            if first <= place < stop and inside and (not found or place - found[-1] >= near):
                found.append(place)
    return np.sort(np.r_[peaks, np.array(found, np.int64)]) if found else peaks


def _moved(values: NDArray[np.float64], rate_hz: float) -> Ints:
    """Return the second detector's peaks, each at the largest sample around it."""
    found = detect_r_peaks(values, rate_hz, method=_SECOND)
    if not len(found):
        return found
    cleaned = cleaned_lead(values, max(1, round(rate_hz)))
    before, after = round(_BEFORE_S * rate_hz), round(_AFTER_S * rate_hz)
    moved = [
        max(0, peak - before) + int(cleaned[max(0, peak - before) : peak + after + 1].argmax())
        for peak in found.tolist()
    ]
    places = np.unique(np.array(moved, np.int64))
    return places[np.isfinite(values[places])]
