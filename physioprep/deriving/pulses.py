"""Pulses of PPG and arterial pressure, their lag behind the R peaks, and pressures in mmHg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.pieces import Lead, inside, pieces
from physioprep.deriving.quantities import KEYS, Quantity

Floats = NDArray[np.float64]

#: Modalities that have pulses, and the names of those channels that are arterial pressures.
MODALITIES: Final = ("ppg", "abp")
ARTERIAL: Final = ("ABP", "ART", "BP", "IBP")
#: Where a foot may lie after (before) its R peak, s, and bins of the search. A steady heart has
#: lags that fit alike, a beat apart: that nearest to the usual one counts, if no artery is faster.
_REACH_S: Final = (-1.0, 1.5)
_BIN_S: Final = 0.02
_USUAL_S: Final = 0.3
_FASTEST_S: Final = 0.05
#: A beat and a pulse belong together within this of the lag, s.
_NEAR_S: Final = 0.15
#: Least beats, and share of them with a pulse near the lag, and within 30 ms of it: pulses of
#: noise are near some lag for half of the beats.
_FEWEST: Final = 5
_LEAST_SHARE: Final = 0.5
_LEAST_SHARP: Final = 0.4
#: From a peak back to its foot at most, s.
_RISE_S: Final = 0.6
#: Pressures beyond these are those of a flushed or closed line, mmHg.
_PLAUSIBLE: Final = (20.0, 300.0)
_LEAST_PULSE: Final = 10.0

_CHANNEL: Final = (
    Quantity("modality", "", "Modality of the pulse wave: ppg or abp."),
    Quantity("channel", "", "Channel of the pulse wave."),
)
PULSES: Final = (
    *KEYS,
    *_CHANNEL,
    Quantity("pulse", "1", "Number of the pulse in the channel, from 0."),
    Quantity("foot_s", "s", "Foot, from the start of the record: where the tangent at the steepest "
             "rise meets the level of the minimum before it (0.5 to 8 Hz)."),
    Quantity("peak_s", "s", "Systolic peak, by NeuroKit2 (Elgendi et al. 2013)."),
    Quantity("r_s", "s", "R peak that the pulse belongs to; null where there is none."),
    Quantity("arrival_s", "s", "Pulse arrival time: foot less R peak."),
    Quantity("systolic_mmhg", "mmHg", "Largest sample of the pulse; null but for arterial "
             "pressures from 20 to 300 mmHg with a pulse pressure of 10 mmHg or more."),
    Quantity("diastolic_mmhg", "mmHg", "Smallest sample before the steepest rise, likewise."),
)  # fmt: skip
PAIRS: Final = (
    *KEYS,
    *_CHANNEL,
    Quantity("n_beats", "1", "Number of R peaks, as in the table of beats."),
    Quantity(
        "n_beats_covered",
        "1",
        "Number of these at which the channel has a sample: the lag is of them.",
    ),
    Quantity("n_pulses", "1", "Number of pulses."),
    Quantity("n_joined", "1", "Number of beats with a pulse within 150 ms of the lag."),
    Quantity(
        "lag_s", "s", "Constant lag of the feet behind the R peaks: median over joined beats."
    ),
    Quantity("lag_iqr_s", "s", "Interquartile range of the lag over joined beats."),
    Quantity("systolic_mmhg", "mmHg", "Median over pulses."),
    Quantity("diastolic_mmhg", "mmHg", "Median over pulses."),
    Quantity("reason", "", "Why there is no lag; null where there is one."),
)


@dataclass(frozen=True, eq=False)
class Wave:
    """A modality of a record that has pulses.

    Parameters
    ----------
    modality : str
        One of `MODALITIES`.
    channels, units : sequence of str
    leads : sequence of Lead
        The samples of each channel.
    """

    modality: str
    channels: Sequence[str]
    units: Sequence[str]
    leads: Sequence[Lead]


def find_pulses(lead: Lead) -> dict[str, Floats]:
    """Find the pulses of a channel.

    Parameters
    ----------
    lead : Lead
        Its samples, which rise with pressure or volume.

    Returns
    -------
    dict of str to ndarray of float64, shape (pulse,)
        ``foot_s`` and ``peak_s``; ``high`` and ``low``, the largest sample of the pulse and the
        smallest before its rise.
    """
    rows: list[tuple[float, float, float, float]] = []
    for first, stop, low, high in pieces(lead.length, lead.rate_hz):
        shift = low / lead.rate_hz
        for row in _pulses_of(np.asarray(lead.read(low, high), np.float64), lead.rate_hz):
            if first <= round(row[1] * lead.rate_hz) + low < stop:
                rows.append((row[0] + shift, row[1] + shift, *row[2:]))
    columns = np.array(rows, np.float64).reshape(-1, 4).T
    return dict(zip(("foot_s", "peak_s", "high", "low"), columns, strict=True))


def _pulses_of(signal: Floats, rate_hz: float) -> list[tuple[float, float, float, float]]:
    import neurokit2

    there = np.isfinite(signal)
    if there.sum() < 2 * rate_hz or np.ptp(signal[there]) == 0:
        return []
    whole = np.interp(np.arange(len(signal)), np.flatnonzero(there), signal[there])
    rate = round(rate_hz)
    cleaned = np.asarray(neurokit2.ppg_clean(whole, sampling_rate=rate, method="elgendi"))
    found = neurokit2.ppg_findpeaks(cleaned, sampling_rate=rate, method="elgendi")["PPG_Peaks"]
    slope = np.gradient(cleaned)
    reach, after = round(_RISE_S * rate_hz), round(_NEAR_S * rate_hz)
    rows, last = [], 0
    for peak in np.asarray(found, np.int64).tolist():
        begin = max(last, peak - reach)
        last = peak
        if peak - begin < 3:
            continue
        steep = begin + int(slope[begin : peak + 1].argmax())
        least = begin + int(cleaned[begin : steep + 1].argmin())
        if slope[steep] <= 0 or not there[least : peak + 1].all():
            continue
        foot = max(least, steep - (cleaned[steep] - cleaned[least]) / slope[steep])
        high = float(np.nanmax(signal[steep : peak + after + 1]))
        low = float(np.nanmin(signal[begin : steep + 1]))
        rows.append((foot / rate_hz, peak / rate_hz, high, low))
    return rows


def constant_lag(r_s: Floats, foot_s: Floats) -> tuple[float, NDArray[np.int64]]:
    """Return the lag of feet behind R peaks, and which pulse each beat has.

    Parameters
    ----------
    r_s, foot_s : ndarray of float64
        Times, s, ascending.

    Returns
    -------
    lag_s : float
        Median over the beats that have a pulse; NaN where no lag holds for half of them.
    pulse : ndarray of int64, shape (beat,)
        -1 where a beat has none.

    Examples
    --------
    >>> beats = np.arange(20) + 0.1 * np.sin(np.arange(20))
    >>> lag_s, pulse = constant_lag(beats, beats + 0.3)
    >>> round(lag_s, 3), int(pulse[3])
    (0.3, 3)
    """
    none = np.full(len(r_s), -1, np.int64)
    if min(len(r_s), len(foot_s)) < _FEWEST:
        return float("nan"), none
    low, high = _REACH_S
    first, stop = (np.searchsorted(foot_s, r_s + edge) for edge in _REACH_S)
    differences = [foot_s[first[beat] : stop[beat]] - r_s[beat] for beat in range(len(r_s))]
    edges = np.arange(low, high + _BIN_S, _BIN_S)
    counts, _ = np.histogram(np.concatenate(differences), edges)
    smooth = np.convolve(counts, np.ones(3), "same")
    centre = edges[:-1] + _BIN_S / 2
    if smooth.max() < _LEAST_SHARP * len(r_s):
        return float("nan"), none
    fits = np.flatnonzero(smooth >= 0.9 * smooth.max())
    fits = fits[centre[fits] >= _FASTEST_S] if (centre[fits] >= _FASTEST_S).any() else fits
    near = float(centre[fits[np.abs(centre[fits] - _USUAL_S).argmin()]])
    pulse = np.searchsorted(foot_s, r_s + near)
    before = np.clip(pulse - 1, 0, len(foot_s) - 1)
    after = np.clip(pulse, 0, len(foot_s) - 1)
    nearer = np.abs(foot_s[before] - r_s - near) <= np.abs(foot_s[after] - r_s - near)
    pulse = np.where(nearer, before, after).astype(np.int64)
    lags = foot_s[pulse] - r_s
    joined = np.abs(lags - near) <= _NEAR_S
    if joined.sum() < max(_FEWEST, _LEAST_SHARE * len(r_s)):
        return float("nan"), none
    return float(np.median(lags[joined])), np.where(joined, pulse, -1)


def add_record(
    rows: dict[str, dict[str, list[Any]]],
    key: Mapping[str, str],
    r_s: Floats | None,
    waves: Sequence[Wave],
) -> None:
    """Add the pulses of a record, and a row for each of its channels that has pulses.

    Parameters
    ----------
    rows : dict of str to dict
        The tables ``pulses`` and ``pairs``, one list a column.
    key : mapping of str to str
        ``corpus`` and ``record_id``.
    r_s : ndarray of float64, or None
        R peaks, s; None where the record has no ECG.
    waves : sequence of Wave
    """
    beats = np.empty(0) if r_s is None else r_s
    for wave in waves:
        for channel, unit, lead in zip(wave.channels, wave.units, wave.leads, strict=True):
            found = find_pulses(lead)
            named = {**key, "modality": wave.modality, "channel": channel}
            pressure = _pressures(found, wave.modality, channel, unit)
            covered = _covered(beats, lead)
            lag_s, some = constant_lag(beats[covered], found["foot_s"])
            pulse = np.full(len(beats), -1, np.int64)
            pulse[covered] = some
            joined = np.flatnonzero(pulse >= 0)
            r_of = np.full(len(found["foot_s"]), np.nan)
            r_of[pulse[joined]] = beats[joined]
            arrival = found["foot_s"] - r_of
            columns = rows["pulses"]
            for number in range(len(r_of)):
                row = {
                    **named, "pulse": number, "foot_s": found["foot_s"][number],
                    "peak_s": found["peak_s"][number], "r_s": r_of[number],
                    "arrival_s": arrival[number], "systolic_mmhg": pressure[0][number],
                    "diastolic_mmhg": pressure[1][number],
                }  # fmt: skip
                _add(columns, row, PULSES)
            spread = np.subtract(*np.nanpercentile(arrival, [75, 25])) if len(joined) else np.nan
            middle = [_median(each) for each in pressure]
            _add(rows["pairs"], {
                **named, "n_beats": len(beats), "n_beats_covered": int(covered.sum()),
                "n_pulses": len(r_of), "n_joined": len(joined), "lag_s": lag_s, "lag_iqr_s": spread,
                "systolic_mmhg": middle[0], "diastolic_mmhg": middle[1],
                "reason": None if np.isfinite(lag_s) else _why_not(r_s, covered, r_of),
            }, PAIRS)  # fmt: skip


def _add(
    columns: dict[str, list[Any]], row: Mapping[str, Any], quantities: Sequence[Quantity]
) -> None:
    for quantity in quantities:
        columns.setdefault(quantity.name, []).append(row[quantity.name])


def _pressures(
    found: Mapping[str, Floats], modality: str, channel: str, unit: str
) -> tuple[Floats, Floats]:
    """Return systolic and diastolic pressures; NaN where they are none."""
    high, low = found["high"], found["low"]
    ok = (low >= _PLAUSIBLE[0]) & (high <= _PLAUSIBLE[1]) & (high - low >= _LEAST_PULSE)
    if modality != "abp" or channel not in ARTERIAL or unit.strip().lower() != "mmhg":
        ok = np.zeros(len(high), bool)
    return np.where(ok, high, np.nan), np.where(ok, low, np.nan)


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _covered(r_s: Floats, lead: Lead) -> NDArray[np.bool_]:
    """Return at which beats a channel has a sample."""
    at = np.rint(r_s * lead.rate_hz).astype(np.int64)
    return (at < lead.length) & ~inside(at, lead.gaps())


def _why_not(r_s: Floats | None, covered: NDArray[np.bool_], pulses: Floats) -> str:
    if r_s is None:
        return "the record has no ECG"
    if len(r_s) < _FEWEST:
        return f"fewer than {_FEWEST} R peaks were found"
    if covered.sum() < _FEWEST:
        return f"the channel has samples at fewer than {_FEWEST} R peaks"
    if len(pulses) < _FEWEST:
        return f"fewer than {_FEWEST} pulses were found"
    return "no lag holds for half of the beats"
