"""EEG as a montage: a row per channel, a scale bar, seconds; and strips of other signals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.drawing.mark_line import draw_marks
from physioprep.drawing.page import (
    GUTTER_MM,
    INK,
    MM_PER_S,
    WARNING,
    Mark,
    Panel,
    draw_seconds,
    shade_missing,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Sensitivities that an EEG machine offers, µV/mm.
SENSITIVITIES = (0.5, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000)
_REFERENCE_TEXTS = {
    "average": "average reference",
    "linked-mastoids": "referenced to linked mastoids",
    "tcp": "bipolar, TCP montage",
}
#: Left hemisphere (odd), right (even), midline (z).
LEFT, RIGHT, MIDLINE = "#1f4e8c", "#a3282a", "#1a1a1a"


def choose_sensitivity(signal_uv: NDArray[np.floating], row_mm: float) -> float:
    """Choose the sensitivity of an EEG machine at which a typical channel about fills its row.

    Parameters
    ----------
    signal_uv : ndarray of float, shape (channel, sample)
        µV; NaN where missing.
    row_mm : float
        Distance between channels on paper.

    Returns
    -------
    float
        µV/mm, one of `SENSITIVITIES`.

    Examples
    --------
    >>> t = np.linspace(0, 1, 200)
    >>> choose_sensitivity(np.sin(2 * np.pi * 10 * t)[None] * 50, row_mm=10)
    10.0
    """
    finite = np.isfinite(signal_uv).any(axis=1)
    if not finite.any():
        return 7.0
    low, high = np.nanpercentile(signal_uv[finite], [2, 98], axis=1)
    wanted = float(np.median(high - low)) / row_mm
    return float(next((s for s in SENSITIVITIES if s >= wanted * 0.95), SENSITIVITIES[-1]))


def channel_colour(name: str) -> str:
    """Return the colour of a channel's side: blue left, red right, black midline and others.

    Parameters
    ----------
    name : str
        Electrode or derivation.

    Returns
    -------
    str
        Hexadecimal RGB.

    Examples
    --------
    >>> channel_colour("Fp1") == channel_colour("Fp1-F7") == LEFT
    True
    >>> channel_colour("A2-A1") == channel_colour("Cz") == MIDLINE
    True
    """
    sides = {int(number) % 2 for number in re.findall(r"(?<=[A-Za-z])\d+(?=h?(?:-|$))", name)}
    if len(sides) != 1:  # no number, or a derivation across the midline
        return MIDLINE
    return LEFT if sides == {1} else RIGHT


def eeg_panel(
    signal_uv: NDArray[np.floating],
    rate_hz: float,
    channels: Sequence[str],
    *,
    start_s: float = 0.0,
    marks: Sequence[Mark] = (),
    absent: Sequence[str] = (),
    uv_per_mm: float | None = None,
    mm_per_s: float = MM_PER_S,
) -> Panel:
    """Draw EEG channels one under the other, negative up as EEG is read.

    Parameters
    ----------
    signal_uv : ndarray of float, shape (channel, sample)
        µV; NaN where samples are missing (shaded).
    rate_hz : float
        Sampling rate, Hz.
    channels : sequence of str
        Electrode or derivation names.
    start_s : float
        Time of the first sample from the recording's start.
    marks : sequence of Mark
        Events, written above the first channel.
    absent : sequence of str
        Channels among `channels` that the source lacks.
    uv_per_mm : float, optional
        Sensitivity; default: `choose_sensitivity` of the signal.
    mm_per_s : float
        Paper speed.

    Returns
    -------
    Panel
        The median of each trace lies on its baseline.
    """
    signal = np.asarray(signal_uv, np.float64)
    row_mm = row_height_mm(len(channels))
    scale = choose_sensitivity(signal, row_mm) if uv_per_mm is None else uv_per_mm
    duration_s = signal.shape[1] / rate_hz
    seconds_mm, edge_mm = 6.0, row_mm * 0.7
    paper = (len(channels) - 1) * row_mm + 2 * edge_mm
    top = seconds_mm + paper

    def draw(axes: Axes) -> None:
        _draw_time_lines(axes, duration_s, start_s, seconds_mm, paper, mm_per_s)
        left = GUTTER_MM
        for place, name in enumerate(channels):
            base = top - edge_mm - place * row_mm
            colour = channel_colour(name)
            gone = name in absent
            axes.text(
                GUTTER_MM - 1.5, base, f"{name}\nabsent" if gone else name, ha="right",
                va="center", fontsize=7.5,
                color=WARNING if gone else colour, weight="bold", linespacing=0.9,
            )  # fmt: skip
            if gone:
                continue
            finite = np.isfinite(signal[place])
            middle = np.median(signal[place, finite]) if finite.any() else 0.0
            # a channel of very large amplitude may cross its neighbours, but not the whole page
            trace = np.clip((middle - signal[place]) / scale, -3 * row_mm, 3 * row_mm)
            x = left + np.arange(trace.size) / rate_hz * mm_per_s
            axes.plot(x, base + trace, color=colour, lw=0.55, zorder=3)
            low = base - row_mm / 2
            shade_missing(axes, ~finite, rate_hz, start_s, left, low, row_mm, mm_per_s)
        _draw_scale_bar(axes, left + duration_s * mm_per_s + 6, top - edge_mm, row_mm, scale)
        draw_marks(
            axes, marks, start_s, duration_s, top + 1.6, bottom_mm=seconds_mm, mm_per_s=mm_per_s
        )
        draw_seconds(axes, start_s, duration_s, seconds_mm - 3.8, mm_per_s)

    return Panel(top + (9.0 if marks else 1.0), draw)


def row_height_mm(n_channels: int) -> float:
    """Return the distance between channels: narrower for many, so that 64 still fit a screen.

    Parameters
    ----------
    n_channels : int

    Returns
    -------
    float
        mm.
    """
    return 11.0 if n_channels <= 24 else 7.5 if n_channels <= 40 else 5.5


def describe_sensitivity(
    uv_per_mm: float, reference: str = "", mm_per_s: float = MM_PER_S, made_by: str = "the recipe"
) -> str:
    """Return the footer's text on the scale and the reference.

    Parameters
    ----------
    uv_per_mm : float
    reference : str
        That was applied, one of `harmonise.montage.REFERENCES`; "" for none.
    mm_per_s : float
        Paper speed.
    made_by : str
        Who applied it.

    Returns
    -------
    str

    Examples
    --------
    >>> describe_sensitivity(7)
    'EEG: 25 mm/s, 7 µV/mm, negative up, as recorded (no re-referencing here)'
    >>> describe_sensitivity(7, "average")
    'EEG: 25 mm/s, 7 µV/mm, negative up, average reference (by the recipe)'
    """
    applied = _REFERENCE_TEXTS.get(reference, f"reference {reference}")
    said = f"{applied} (by {made_by})" if reference else "as recorded (no re-referencing here)"
    return f"EEG: {mm_per_s:g} mm/s, {uv_per_mm:g} µV/mm, negative up, {said}"


def strips_panel(
    signal: NDArray[np.floating],
    rate_hz: float,
    channels: Sequence[str],
    unit: str,
    *,
    start_s: float = 0.0,
    mm_per_s: float = MM_PER_S,
) -> Panel:
    """Draw other signals (respiration, pulse, skin conductance), each on its own scale.

    Parameters
    ----------
    signal : ndarray of float, shape (channel, sample)
        In `unit`; NaN where missing.
    rate_hz : float
        Sampling rate, Hz.
    channels : sequence of str
        Names, one per channel.
    unit : str
        Physical unit, written beside each scale.
    start_s : float
        Time of the first sample from the recording's start.
    mm_per_s : float
        Paper speed.

    Returns
    -------
    Panel
        The lowest and highest value of each strip are written at its right.
    """
    values = np.asarray(signal, np.float64)
    row_mm, seconds_mm = 14.0, 6.0
    paper = row_mm * len(channels)
    duration_s = values.shape[1] / rate_hz

    def draw(axes: Axes) -> None:
        _draw_time_lines(axes, duration_s, start_s, seconds_mm, paper, mm_per_s)
        left = GUTTER_MM
        right = left + duration_s * mm_per_s
        for place, name in enumerate(channels):
            floor = seconds_mm + paper - (place + 1) * row_mm + 2
            axes.text(
                GUTTER_MM - 1.5, floor + 5, name, ha="right", va="center", fontsize=7,
                weight="bold", color=INK, wrap=True,
            )  # fmt: skip
            finite = np.isfinite(values[place])
            shade_missing(axes, ~finite, rate_hz, start_s, left, floor, row_mm - 4, mm_per_s)
            if not finite.any():
                continue
            low, high = np.nanmin(values[place]), np.nanmax(values[place])
            trace = (values[place] - low) / max(high - low, 1e-12) * (row_mm - 4)
            x = left + np.arange(trace.size) / rate_hz * mm_per_s
            axes.plot(x, floor + trace, color=INK, lw=0.6, zorder=3)
            for y, value in ((floor, low), (floor + row_mm - 4, high)):
                axes.text(
                    right + 1, y, f"{value:.3g} {unit}", fontsize=5.5, va="center", color=INK,
                )  # fmt: skip
        draw_seconds(axes, start_s, duration_s, seconds_mm - 3.8, mm_per_s)

    return Panel(seconds_mm + paper + 1.0, draw)


def _draw_time_lines(
    axes: Axes, duration_s: float, start_s: float, bottom: float, height: float, mm_per_s: float
) -> None:
    """Draw a line per second of the recording, and a faint one every 0.2 s."""
    for step, colour, width in ((0.2, "#ececec", 0.4), (1.0, "#bdbdbd", 0.7)):
        first = np.ceil(start_s / step - 1e-6) * step
        times = np.arange(first, start_s + duration_s + 1e-6, step)
        xs = GUTTER_MM + (times - start_s) * mm_per_s
        axes.vlines(xs, bottom, bottom + height, color=colour, lw=width, zorder=0.5)


def _draw_scale_bar(axes: Axes, x: float, top: float, row_mm: float, scale: float) -> None:
    """Draw a vertical bar of a round number of microvolts, about as high as a row."""
    steps = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)
    value = max((s for s in steps if s / scale <= 1.4 * row_mm), default=steps[0])
    length = value / scale
    axes.plot([x, x], [top - length, top], color=INK, lw=1.6, solid_capstyle="butt")
    for y in (top - length, top):
        axes.plot([x - 0.8, x + 0.8], [y, y], color=INK, lw=1.0)
    axes.text(x, top - length - 1, f"{value:g} µV", fontsize=7, color=INK, va="top", ha="center")
