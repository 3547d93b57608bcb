"""ECG on paper: 25 mm/s and 10 mm/mV on the pink grid, leads in clinical order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.drawing.mark_line import draw_lead_marks, draw_marks
from physioprep.drawing.page import (
    GUTTER_MM,
    INK,
    MM_PER_S,
    WARNING,
    Mark,
    Panel,
    draw_seconds,
    seconds_to_mm,
    shade_missing,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Rows of the standard 12-lead print-out, four columns each.
CLINICAL_ROWS = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
)
STANDARD_MM_PER_MV = 10.0
#: Where a trace is larger than this on paper, the gain is halved, and the footer states it.
MAX_TRACE_MM = 60.0
PAPER, MINOR, MAJOR = "#fff8f6", "#f9d5cf", "#eb9f95"


@dataclass(frozen=True)
class _Strip:
    """A stretch of one lead in one row."""

    lead: int
    first: int
    stop: int


def clinical_rows(leads: Sequence[str], n_samples: int) -> list[list[_Strip]]:
    """Arrange leads as a clinical print-out does.

    Twelve leads fill three rows of four columns, a quarter of the time each, with all of II (the
    rhythm strip) below; further leads follow, one per row. Fewer leads get one row each, in the
    order given.

    Parameters
    ----------
    leads : sequence of str
        Canonical names.
    n_samples : int
        Length of the stretch.

    Returns
    -------
    list of list
        Rows from the top, each a list of strips (lead number, first sample, last sample + 1).
    """
    number = {lead: place for place, lead in enumerate(leads)}
    twelve = [lead for row in CLINICAL_ROWS for lead in row]
    if not all(lead in number for lead in twelve):
        return [[_Strip(place, 0, n_samples)] for place in range(len(leads))]
    edges = [round(quarter * n_samples / 4) for quarter in range(5)]
    rows = [
        [_Strip(number[lead], edges[column], edges[column + 1]) for column, lead in enumerate(row)]
        for row in CLINICAL_ROWS
    ]
    rows.append([_Strip(number["II"], 0, n_samples)])
    rows += [[_Strip(place, 0, n_samples)] for lead, place in number.items() if lead not in twelve]
    return rows


def choose_gain(signal_mv: NDArray[np.floating]) -> float:
    """Choose the gain: 10 mm/mV, halved (5, 2.5 ...) until the largest trace fits.

    Parameters
    ----------
    signal_mv : ndarray of float, shape (channel, sample)
        mV; NaN where missing.

    Returns
    -------
    float
        mm/mV.

    Examples
    --------
    >>> choose_gain(np.array([[0.0, 1.5, -0.5]])), choose_gain(np.array([[0.0, 9.0, -1.0]]))
    (10.0, 5.0)
    """
    there = signal_mv[np.isfinite(signal_mv).any(axis=1)]
    if not there.size:
        return STANDARD_MM_PER_MV
    low, high = np.nanpercentile(there, [0.2, 99.8], axis=1)
    span = float(np.max(high - low))
    gain = STANDARD_MM_PER_MV
    while span * gain > MAX_TRACE_MM:
        gain /= 2
    return gain


def ecg_panel(
    signal_mv: NDArray[np.floating],
    rate_hz: float,
    leads: Sequence[str],
    *,
    start_s: float = 0.0,
    marks: Sequence[Mark] = (),
    absent: Sequence[str] = (),
    mm_per_mv: float | None = None,
    mm_per_s: float = MM_PER_S,
) -> Panel:
    """Draw leads on ECG paper.

    Parameters
    ----------
    signal_mv : ndarray of float, shape (channel, sample)
        mV; NaN where samples are missing (shaded).
    rate_hz : float
        Sampling rate, Hz.
    leads : sequence of str
        Names, one per channel.
    start_s : float
        Time of the first sample from the recording's start.
    marks : sequence of Mark
        Beats and rhythms, written above the first row; those of a lead are behind its trace.
    absent : sequence of str
        Leads among `leads` that the source lacks: named, not drawn.
    mm_per_mv : float, optional
        Gain; default: `choose_gain` of the signal.
    mm_per_s : float
        Paper speed.

    Returns
    -------
    Panel
        The median of each trace lies on its baseline.
    """
    signal = np.asarray(signal_mv, np.float64)
    gain = choose_gain(signal) if mm_per_mv is None else mm_per_mv
    rows = clinical_rows(leads, signal.shape[1])
    traces = [[_centred(signal[s.lead, s.first : s.stop]) * gain for s in row] for row in rows]
    ups, downs = zip(*(_extent(row, gain) for row in traces), strict=True)
    # baselines lie on the thick lines of the paper, so that millivolts can be counted
    paper = float(5 * np.ceil((sum(ups) + sum(downs)) / 5 + len(rows)))
    baselines, below = [], paper
    for up, down in zip(ups, downs, strict=True):
        baseline = 5 * np.floor((below - up) / 5)
        baselines.append(float(baseline))
        below = baseline - down
    lift = 5 * np.floor(below / 5)  # space left at the bottom by the rounding
    baselines, paper = [b - lift for b in baselines], float(paper - lift)
    above = [mark for mark in marks if not mark.lead]
    marks_mm = 9.0 if above else 1.0
    seconds_mm = 6.0
    duration_s = signal.shape[1] / rate_hz

    def draw(axes: Axes) -> None:
        _draw_grid(axes, duration_s, seconds_mm, paper, mm_per_s)
        heights = zip(baselines, ups, downs, strict=True)
        for row, strips, (base, up, down) in zip(traces, rows, heights, strict=True):
            base += seconds_mm
            _draw_calibration(axes, base, gain, mm_per_s)
            for trace, strip in zip(row, strips, strict=True):
                lead, first_s = leads[strip.lead], strip.first / rate_hz
                _draw_strip(
                    axes, trace, strip, lead, rate_hz, base, mm_per_s,
                    name_mm=up - 2.5, missing_lead=lead in absent,
                )  # fmt: skip
                draw_lead_marks(
                    axes, [mark for mark in marks if mark.lead == lead], start_s + first_s,
                    trace.size / rate_hz, seconds_to_mm(first_s, 0.0, mm_per_s),
                    base - down, base + up - 5, mm_per_s,
                )  # fmt: skip
        top = seconds_mm + paper
        draw_marks(
            axes, above, start_s, duration_s, top + 1.6, bottom_mm=seconds_mm, mm_per_s=mm_per_s
        )
        draw_seconds(axes, start_s, duration_s, seconds_mm - 3.8, mm_per_s)

    return Panel(seconds_mm + paper + marks_mm, draw)


def describe_scale(mm_per_mv: float, mm_per_s: float = MM_PER_S) -> str:
    """Return the footer's text on the scale.

    Parameters
    ----------
    mm_per_mv, mm_per_s : float

    Returns
    -------
    str

    Examples
    --------
    >>> describe_scale(10.0)
    'ECG: 25 mm/s, 10 mm/mV; pulse 1 mV, 0.2 s'
    >>> describe_scale(5.0)
    'ECG: 25 mm/s, 5 mm/mV (NOT the standard 10); pulse 1 mV, 0.2 s'
    """
    note = "" if mm_per_mv == STANDARD_MM_PER_MV else " (NOT the standard 10)"
    speed = "" if mm_per_s == MM_PER_S else f" (NOT the standard {MM_PER_S:g})"
    return f"ECG: {mm_per_s:g} mm/s{speed}, {mm_per_mv:g} mm/mV{note}; pulse 1 mV, 0.2 s"


def _centred(trace: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = trace[np.isfinite(trace)]
    return trace - np.median(finite) if finite.size else trace


def _extent(row: Sequence[NDArray[np.float64]], gain: float) -> tuple[float, float]:
    """Return the space of a row above and below its baseline, mm, with pulse and name."""
    values = np.concatenate(row)
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, [0.1, 99.9]) if values.size else (0.0, 0.0)
    return max(float(high), min(gain, 10.0)) + 5.0, max(-float(low), 4.0) + 2.0


def _draw_grid(
    axes: Axes, duration_s: float, bottom: float, height: float, mm_per_s: float
) -> None:
    left, right = GUTTER_MM - 10, GUTTER_MM + duration_s * mm_per_s + 1e-6
    axes.fill_between([left, right], bottom, bottom + height, color=PAPER, lw=0, zorder=0)
    for step, colour, width in ((1, MINOR, 0.35), (5, MAJOR, 0.6)):
        # counted from the first second, so that at 25 mm/s thick lines are every 0.2 s of it
        xs = np.arange(GUTTER_MM - 10, right, step)
        ys = np.arange(bottom, bottom + height + 1e-6, step)
        axes.vlines(xs, bottom, bottom + height, color=colour, lw=width, zorder=0.5)
        axes.hlines(ys, left, right, color=colour, lw=width, zorder=0.5)


def _draw_calibration(axes: Axes, base: float, gain: float, mm_per_s: float) -> None:
    left, pulse = GUTTER_MM - 9, 0.2 * mm_per_s
    left = min(left, GUTTER_MM - 4 - pulse)
    xs = [left, left + 1, left + 1, left + 1 + pulse, left + 1 + pulse, left + 2 + pulse]
    ys = [base, base, base + gain, base + gain, base, base]
    axes.plot(xs, ys, color=INK, lw=0.8, zorder=3)


def _draw_strip(
    axes: Axes,
    trace: NDArray[np.float64],
    strip: _Strip,
    lead: str,
    rate_hz: float,
    base: float,
    mm_per_s: float,
    *,
    name_mm: float,
    missing_lead: bool,
) -> None:
    from matplotlib import patheffects

    start = strip.first / rate_hz
    left = seconds_to_mm(start, 0.0, mm_per_s)
    halo = [patheffects.withStroke(linewidth=2.0, foreground=PAPER)]
    label = f"{lead} absent" if missing_lead else lead
    axes.text(
        left + 0.8, base + name_mm, label, fontsize=8.5, weight="bold", va="center", zorder=4,
        color=WARNING if missing_lead else INK, path_effects=halo,
    )  # fmt: skip
    if strip.first:
        axes.plot([left, left], [base - 4, base + 4], color=INK, lw=0.9, zorder=3)
    if missing_lead:
        return
    x = left + np.arange(trace.size) / rate_hz * mm_per_s
    axes.plot(x, base + trace, color=INK, lw=0.75, zorder=3, solid_joinstyle="round")
    shade_missing(axes, ~np.isfinite(trace), rate_hz, start, left, base - 6, 14, mm_per_s)
