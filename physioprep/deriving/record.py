"""The beats of one record of a store: rows of the derived tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.amplitudes import QrsEnds, amplitudes, common_qrs
from physioprep.deriving.delineation import FEWEST_BEATS, POINTS, Method, delineate
from physioprep.deriving.measurements import (
    BEFORE_S,
    median_beat,
    middle,
    of_lead,
    of_record,
    without_values,
)
from physioprep.deriving.pieces import Lead, Recorded, leads_of
from physioprep.deriving.qrs_end import (
    REASON,
    duration_ms,
    goes_on,
    without_durations,
    without_ends,
)
from physioprep.deriving.quantities import AMPLITUDES
from physioprep.deriving.r_peaks import choose_beats, is_alike, is_small, not_alike

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
    R peaks are those of one lead (`physioprep.deriving.r_peaks.choose_beats`), so that a beat has
    the same number in all leads. Where beats are not alike, all that is measured is null.

    Examples
    --------
    >>> rows = Rows()
    >>> from physioprep.deriving.pieces import in_memory
    >>> key = {"corpus": "a", "record_id": "b"}
    >>> add_record(rows, in_memory(key, np.zeros((1, 999)), ("II",), 250.0))
    >>> rows.records["n_beats"], rows.records["reason"]
    ([0], ['no R peak was found'])
    """
    key, rate_hz = recorded.key, recorded.rate_hz
    held = leads_of(recorded)
    chosen = choose_beats(held, recorded.channels)
    r_peaks, place = chosen.r_peaks, chosen.place
    gaps = None if place is None else held[place].gaps()
    unfit = chosen.reason if len(r_peaks) >= FEWEST_BEATS else None
    every = [_points(samples, r_peaks, method, unfit) for samples in held]
    ends, beyond = None, np.zeros(len(r_peaks), np.bool_)
    if held and not unfit:
        ends, beyond = _ends(held, every, r_peaks)
        every = [without_ends(points, beyond) for points in every]
    by_lead: dict[str, dict[str, float | int]] = {}
    alike: list[dict[str, NDArray[np.float64]]] = []
    for lead, samples, points in zip(recorded.channels, held, every, strict=True):
        found = _amplitudes(samples, r_peaks, ends, points)
        level = np.zeros(len(r_peaks)) if unfit else found["baseline_mv"]
        median, quality, n_whole = median_beat(samples, r_peaks, level)
        n_whole = 0 if unfit else n_whole
        own = {**key, "lead": lead}
        _add_beats(rows.beats, own, rate_hz, r_peaks, {**found, "quality": quality}, points)
        _reasons(rows.beats, samples, r_peaks, points, unfit, beyond)
        reason = unfit or not_alike(middle(quality), n_whole)
        alike += [] if reason else [points]
        if reason and not unfit and is_small(samples, r_peaks):
            reason = None
        summary = of_lead(rate_hz, points, found, quality)
        by_lead[lead], unsure = without_durations(summary, beyond)
        if reason:
            by_lead[lead] = without_values(summary)
        _add(rows.leads, {**own, **by_lead[lead], "reason": reason or unsure})
        r_sample = round(BEFORE_S * rate_hz)
        _add(
            rows.median_beats,
            {**own, "rate_hz": rate_hz, "r_sample": r_sample, "n_beats": n_whole,
             "median_mv": median.astype(np.float32).tolist() if n_whole else []},
        )  # fmt: skip
    qrs_ms = duration_ms(alike, rate_hz, beyond)
    measured = of_record(rate_hz, r_peaks, recorded.length, by_lead, qrs_ms, gaps)
    reason = chosen.reason or _reason_of_record(rows, by_lead, measured)
    measured = without_values(measured) if unfit else measured
    _add(rows.records, {**key, **measured, "reason": reason})


def _ends(
    held: Sequence[Lead], every: Sequence[Mapping[str, Any]], r_peaks: NDArray[np.int64]
) -> tuple[QrsEnds, NDArray[np.bool_]]:
    """Return the common ends of QRS, and of which beats QRS goes on; noisy leads do not tell."""
    ends = common_qrs(every, r_peaks, held[0].rate_hz)
    fit = [lead for lead in held if is_alike(lead, r_peaks)]
    beyond = goes_on(fit, r_peaks, ends) & ends.known
    return replace(ends, known=ends.known & ~beyond), beyond


def _points(
    lead: Lead, r_peaks: NDArray[np.int64], method: str | Method, unfit: str | None
) -> dict[str, NDArray[np.float64]]:
    if unfit:
        return {name: np.full(len(r_peaks), np.nan) for name in POINTS}
    return delineate(lead, lead.rate_hz, r_peaks, method)


def _reason_of_record(
    rows: Rows, leads: Mapping[str, Any], measured: Mapping[str, float | int]
) -> str | None:
    """Say what the record just added lacks: its RR intervals, or leads that count for nothing."""
    if measured["n_rr_left_out"] == measured["n_beats"] - 1:
        return "samples are missing in every RR interval"
    last = zip(leads, rows.leads["reason"][-len(leads) :] if leads else [], strict=True)
    held = list(last)
    named = [lead for lead, reason in held if reason and reason != REASON]
    said = [f"beats are not alike in {', '.join(named)}"] if named else []
    said += [REASON] if any(reason == REASON for _, reason in held) else []
    return "; ".join(said) or None


def _amplitudes(
    lead: Lead,
    r_peaks: NDArray[np.int64],
    ends: QrsEnds | None,
    points: Mapping[str, NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    found = {quantity.name: np.full(len(r_peaks), np.nan) for quantity in AMPLITUDES}
    if ends is None:
        return found
    for own, low, values in lead.around(r_peaks):
        near = {name: places[own] - low for name, places in points.items()}
        for name, some in amplitudes(values, lead.rate_hz, ends.less(low, own), near).items():
            found[name][own] = some
    return found


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
    unfit: str | None,
    beyond: NDArray[np.bool_],
) -> None:
    """Say of each beat without any point, or without its end of QRS and ST, why it has none."""
    if unfit:
        columns.setdefault("reason", []).extend([unfit] * len(r_peaks))
        return
    found = np.stack([points[name] for name in POINTS])
    known = np.atleast_1d(np.isfinite(found).any(axis=0))
    reach = round(0.3 * lead.rate_hz)
    out: list[str | None] = []
    for own, low, signal in lead.around(r_peaks):
        places = zip(
            (r_peaks[own] - low).tolist(), known[own].tolist(), beyond[own].tolist(), strict=True
        )
        out += [
            REASON if steep and some else _reason(signal, at, some, reach, len(r_peaks))
            for at, some, steep in places
        ]
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
