"""The beats of one record of a store: rows of the derived tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.delineation import FEWEST_BEATS, POINTS, Method, delineate
from physioprep.deriving.measurements import (
    BEFORE_S,
    amplitudes,
    median_beat,
    of_lead,
    of_record,
)
from physioprep.deriving.pieces import Lead, ReadAll, Recorded, reading_once
from physioprep.deriving.quantities import AMPLITUDES
from physioprep.shards.peaks import LEADS as R_LEADS
from physioprep.shards.peaks import search_r_peaks

Columns = dict[str, list[Any]]


@dataclass(eq=False)
class Rows:
    """Rows of the tables, by column.

    Parameters
    ----------
    beats, leads, records, median_beats : dict of str to list
        One list a column, as `physioprep.deriving.quantities` names them.
    """

    beats: Columns = field(default_factory=dict)
    leads: Columns = field(default_factory=dict)
    records: Columns = field(default_factory=dict)
    median_beats: Columns = field(default_factory=dict)


def add_record(rows: Rows, recorded: Recorded, method: str | Method = "prominence") -> None:
    """Delineate and measure a record, and add what was found to the tables.

    Parameters
    ----------
    rows : Rows
        To which rows are added.
    recorded : Recorded
        In mV; the record is read in pieces, and never held as a whole.
    method : str or callable
        As for `physioprep.deriving.delineation.delineate`.

    Notes
    -----
    R peaks are those of one lead, the first of `physioprep.shards.peaks.LEADS` that has some, so
    that a beat has the same number in all leads.

    Examples
    --------
    >>> rows = Rows()
    >>> from physioprep.deriving.pieces import in_memory
    >>> key = {"corpus": "a", "record_id": "b"}
    >>> add_record(rows, in_memory(key, np.zeros((1, 999)), ("II",), 250.0))
    >>> rows.records["n_beats"], rows.records["reason"]
    ([0], ['no R peak was found'])
    """
    key, rate_hz, read = recorded.key, recorded.rate_hz, reading_once(recorded.read)
    held = [
        Lead(recorded.length, rate_hz, _reader(read, place))
        for place in range(len(recorded.channels))
    ]
    r_peaks, place = find_r_peaks(held, recorded.channels)
    gaps = None if place is None else held[place].gaps()
    by_lead = {}
    for lead, samples in zip(recorded.channels, held, strict=True):
        points = delineate(samples, rate_hz, r_peaks, method)
        found = _amplitudes(samples, r_peaks, points)
        median, quality, n_whole = median_beat(samples, r_peaks, found["baseline_mv"])
        by_lead[lead] = of_lead(rate_hz, points, found, quality)
        own = {**key, "lead": lead}
        _add_beats(rows.beats, own, rate_hz, r_peaks, {**found, "quality": quality}, points)
        _reasons(rows.beats, samples, r_peaks, points)
        _add(rows.leads, {**own, **by_lead[lead]})
        r_sample = round(BEFORE_S * rate_hz)
        _add(
            rows.median_beats,
            {**own, "rate_hz": rate_hz, "r_sample": r_sample, "n_beats": n_whole,
             "median_mv": median.astype(np.float32).tolist() if n_whole else []},
        )  # fmt: skip
    measured = of_record(rate_hz, r_peaks, recorded.length, by_lead, gaps)
    reason = _reason_of_record(len(r_peaks), int(measured["n_rr_left_out"]))
    _add(rows.records, {**key, **measured, "reason": reason})


def _reader(read: ReadAll, place: int) -> Callable[[int, int], NDArray[np.floating[Any]]]:
    return lambda low, high: read(low, high)[place]


def _amplitudes(
    lead: Lead, r_peaks: NDArray[np.int64], points: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    found = {quantity.name: np.full(len(r_peaks), np.nan) for quantity in AMPLITUDES}
    for own, low, values in lead.around(r_peaks):
        near = {name: places[own] - low for name, places in points.items()}
        for name, some in amplitudes(values, lead.rate_hz, r_peaks[own] - low, near).items():
            found[name][own] = some
    return found


def find_beats(held: Sequence[Lead], leads: Sequence[str]) -> NDArray[np.int64]:
    """Return the R peaks of a record, from the first lead of a fixed order that has some.

    Parameters
    ----------
    held : sequence of Lead
        In mV.
    leads : sequence of str
        Their names.

    Returns
    -------
    ndarray of int64, shape (beat,)
        Samples, ascending.
    """
    return find_r_peaks(held, leads)[0]


def find_r_peaks(
    held: Sequence[Lead], leads: Sequence[str]
) -> tuple[NDArray[np.int64], int | None]:
    """Return the R peaks of a record, and which lead they were found in.

    Parameters
    ----------
    held : sequence of Lead
        In mV.
    leads : sequence of str
        Their names.

    Returns
    -------
    r_peaks : ndarray of int64, shape (beat,)
        Samples, ascending.
    place : int or None
        Of the lead; None where no lead has R peaks.
    """
    names = {lead: place for place, lead in reversed(list(enumerate(leads)))}
    order = [names[lead] for lead in R_LEADS if lead in names]
    order += [place for place in range(len(leads)) if place not in order]
    for place in order:
        lead = held[place]
        peaks = search_r_peaks(lead.read, lead.length, lead.rate_hz)
        if len(peaks):
            return peaks, place
    return np.empty(0, np.int64), None


def _add(columns: Columns, row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


def _add_beats(
    columns: Columns,
    key: Mapping[str, str],
    rate_hz: float,
    r_peaks: NDArray[np.int64],
    found: Mapping[str, NDArray[np.float64]],
    points: Mapping[str, NDArray[np.float64]],
) -> None:
    count = len(r_peaks)
    new: dict[str, list[Any]] = {name: [value] * count for name, value in key.items()}
    new["beat"] = list(range(count))
    new["r_s"] = (r_peaks / rate_hz).tolist()
    new["r_sample"] = r_peaks.tolist()
    new |= {f"{name}_s": (points[name] / rate_hz).tolist() for name in POINTS}
    new |= {name: values.tolist() for name, values in found.items()}
    for name, values in new.items():
        columns.setdefault(name, []).extend(values)


def _reasons(
    columns: Columns,
    lead: Lead,
    r_peaks: NDArray[np.int64],
    points: Mapping[str, NDArray[np.float64]],
) -> None:
    """Say of each beat without any point why it has none."""
    found = np.stack([points[name] for name in POINTS])
    known = np.atleast_1d(np.isfinite(found).any(axis=0))
    reach = round(0.3 * lead.rate_hz)
    out: list[str | None] = []
    for own, low, signal in lead.around(r_peaks):
        places = zip((r_peaks[own] - low).tolist(), known[own].tolist(), strict=True)
        out += [_reason(signal, at, some, reach, len(r_peaks)) for at, some in places]
    columns.setdefault("reason", []).extend(out)


def _reason(
    signal: NDArray[np.float64], at: int, some: bool, reach: int, n_beats: int
) -> str | None:
    around = signal[max(0, at - reach) : at + reach]
    if some:
        return None
    if not np.isfinite(around).all():
        return "samples are missing"
    if n_beats < FEWEST_BEATS:
        return f"fewer than {FEWEST_BEATS} beats in the record"
    if not np.ptp(around):
        return "the lead is flat"
    return "the method found no wave"


def _reason_of_record(n_beats: int, n_left_out: int) -> str | None:
    if n_beats == 0:
        return "no R peak was found"
    if n_beats < FEWEST_BEATS:
        return f"fewer than {FEWEST_BEATS} beats"
    if n_left_out == n_beats - 1:
        return "samples are missing in every RR interval"
    return None
