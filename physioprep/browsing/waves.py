"""Waves of the ECG that is shown, found on its seconds alone."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.browsing.piece import chosen_rows
from physioprep.browsing.refusal import RefusedError
from physioprep.browsing.trace import Trace
from physioprep.deriving.delineation import delineate
from physioprep.deriving.pieces import lead_of
from physioprep.deriving.r_peaks import choose_beats
from physioprep.harmonise.units import UnknownUnitError, factor

#: Longest stretch, and what is read beside it so that waves at its ends are found, s.
LONGEST_S: Final = 120.0
_EDGE_S: Final = 3.0
_KINDS: Final = {
    "P": ("p_onset", "p_peak", "p_offset"),
    "QRS": ("qrs_onset", "", "qrs_offset"),
    "T": ("t_onset", "t_peak", "t_offset"),
}


def waves_between(
    trace: Trace, channel: str, start_s: float, stop_s: float
) -> list[dict[str, Any]]:
    """Return the waves of a lead in a stretch.

    Parameters
    ----------
    trace : Trace
        Of ECG.
    channel : str
        The lead.
    start_s, stop_s : float
        The stretch, s, of at most `LONGEST_S`.

    Returns
    -------
    list of dict
        ``kind``, ``onset_s``, ``peak_s``, ``offset_s``, None where not found; by time.

    Raises
    ------
    RefusedError
        The signal is no ECG in a unit of voltage, it has no such lead, or the stretch is too long.
    """
    if trace.kind != "ecg":
        raise RefusedError(f"{trace.modality}: waves are found in ECG only")
    if stop_s - start_s > LONGEST_S:
        raise RefusedError(f"waves are found in at most {LONGEST_S:g} s")
    (row,) = chosen_rows(trace, [channel])
    try:
        to_mv = factor(trace.units[row], "mV")
    except UnknownUnitError:
        raise RefusedError(f"{channel}: its unit {trace.units[row]!r} is no voltage") from None
    start, stop = trace.samples(start_s - _EDGE_S, stop_s + _EDGE_S)
    if stop - start < trace.rate_hz:
        return []
    values = trace.read(np.array([row], np.intp), start, stop)[0].astype(np.float64) * to_mv
    lead = lead_of(values, trace.rate_hz)
    if not lead.varies():
        return []
    beats = choose_beats([lead], [channel])
    if beats.reason is not None:  # noise, which derive measures nothing of, either
        return []
    peaks = beats.r_peaks
    points = delineate(lead, trace.rate_hz, peaks)
    first_s = start / trace.rate_hz
    found = [
        wave
        for kind, names in _KINDS.items()
        for wave in _waves(kind, [points[n] if n else peaks for n in names], trace.rate_hz, first_s)
    ]
    inside = [wave for wave in found if start_s <= _time(wave) < stop_s]
    return sorted(inside, key=_time)


def _waves(
    kind: str, points: list[NDArray[Any]], rate_hz: float, first_s: float
) -> list[dict[str, Any]]:
    out = []
    for beat in zip(*(np.asarray(one, np.float64).tolist() for one in points), strict=True):
        times = [None if at != at else first_s + at / rate_hz for at in beat]
        if any(time is not None for time in times):
            names = ("onset_s", "peak_s", "offset_s")
            out.append({"kind": kind, **dict(zip(names, times, strict=True))})
    return out


def _time(wave: dict[str, Any]) -> float:
    known = [wave[name] for name in ("peak_s", "onset_s", "offset_s") if wave[name] is not None]
    return float(known[0])
