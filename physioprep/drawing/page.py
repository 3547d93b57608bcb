"""A page measured in millimetres: panels stacked under a heading, so that it prints to scale."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.plain_text import plain_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM_PER_INCH = 25.4
#: Standard paper speed; one for all panels of a page, so that ECG and EEG line up.
MM_PER_S = 25.0
#: Space left of the first second: calibration pulse, channel names.
GUTTER_MM = 16.0
#: Space right of the last second: scale bars.
RIGHT_MM = 14.0
MARGIN_MM = 6.0
HEADING_MM = 15.0
FOOTER_MM = 7.0
#: Mean width of a letter of the small texts.
LETTER_MM = 1.25
#: That of the footer, whose letters are of 7 points, with room for wide ones.
_FOOT_LETTER_MM: Final = 1.35
#: What parts the items of a footer.
DOT: Final = "   ·   "
INK = "#1a1a1a"
WARNING = "#b00020"


@dataclass(frozen=True)
class Mark:
    """An annotation above a strip: a beat, a rhythm change, a stage.

    Parameters
    ----------
    onset_s : float
        Time from the recording's start.
    text : str
        Text above the strip, as short as the source has it (``"N"``, ``"(AFIB"``).
    duration_s : float
        Length of the marked stretch; 0 for an instant.
    lead : str
        The lead that it is about; "" for all. Those of a lead are drawn behind its trace.
    """

    onset_s: float
    text: str
    duration_s: float = 0.0
    lead: str = ""


@dataclass(frozen=True)
class Panel:
    """A drawing over the whole width of the page.

    Parameters
    ----------
    height_mm : float
        Height on paper.
    draw : callable
        Takes axes in millimetres, origin at the lower left, and draws.
    """

    height_mm: float
    draw: Callable[[Axes], None]


def seconds_to_mm(time_s: float, start_s: float, mm_per_s: float = MM_PER_S) -> float:
    """Return the horizontal position of a time on a panel.

    Parameters
    ----------
    time_s, start_s : float
        The time, and that of the panel's left edge, both from the recording's start.
    mm_per_s : float
        Paper speed.

    Returns
    -------
    float
        mm.
    """
    return GUTTER_MM + (time_s - start_s) * mm_per_s


def spans(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the runs of True.

    Parameters
    ----------
    mask : ndarray of bool, shape (sample,)

    Returns
    -------
    list of (start, stop)
        First sample, and last sample + 1.

    Examples
    --------
    >>> spans(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def shade_missing(
    axes: Axes,
    missing: NDArray[np.bool_],
    rate_hz: float,
    start_s: float,
    left_mm: float,
    bottom_mm: float,
    height_mm: float,
    mm_per_s: float = MM_PER_S,
) -> None:
    """Shade every run of missing samples.

    Parameters
    ----------
    axes : Axes
        In mm.
    missing : ndarray of bool, shape (sample,)
    rate_hz : float
        Hz.
    start_s : float
        Time of the first sample.
    left_mm : float
        Position of the first sample.
    bottom_mm, height_mm : float
        Lower edge and height of the shade.
    mm_per_s : float
        Paper speed.
    """
    for first, last in spans(missing):
        left = left_mm + first / rate_hz * mm_per_s
        width = (last - first) / rate_hz * mm_per_s
        box = axes.axvspan(left, left + width, facecolor="#8888a8", alpha=0.35, zorder=1.5, lw=0)
        box.set_y(bottom_mm)
        box.set_height(height_mm)
        box.set_transform(axes.transData)
        if width > 12:
            axes.text(
                left + width / 2, bottom_mm + height_mm / 2, "missing",
                ha="center", va="center", fontsize=6.5, color="#44446a", style="italic",
            )  # fmt: skip


def draw_seconds(
    axes: Axes, start_s: float, duration_s: float, y_mm: float, mm_per_s: float = MM_PER_S
) -> None:
    """Write the seconds below a strip, counted from the recording's start.

    Parameters
    ----------
    axes : Axes
        In mm.
    start_s, duration_s : float
        The stretch shown.
    y_mm : float
        Lower edge of the scale.
    mm_per_s : float
        Paper speed.
    """
    first = int(np.ceil(start_s - 1e-9))
    for second in range(first, int(np.floor(start_s + duration_s + 1e-9)) + 1):
        x = seconds_to_mm(float(second), start_s, mm_per_s)
        axes.plot([x, x], [y_mm + 2.6, y_mm + 3.8], color=INK, lw=0.6, clip_on=False)
        label = f"{second} s" if second == first else str(second)
        axes.text(x, y_mm + 2.2, label, fontsize=6.5, ha="center", va="top", color=INK)


def compose(
    panels: Sequence[Panel],
    duration_s: float,
    *,
    title: str,
    subtitle: str = "",
    footer: str = "",
    simulated: bool = False,
    mm_per_s: float = MM_PER_S,
) -> Figure:
    """Stack panels under a heading, on a page that prints to scale.

    Parameters
    ----------
    panels : sequence of Panel
        From the top down.
    duration_s : float
        Length of a strip, s; the page is as wide as `mm_per_s` needs.
    title, subtitle, footer : str
        Record id and corpus; rates and times; scales.
    simulated : bool
        Write SIMULATED in red: the signals were not recorded from a person.
    mm_per_s : float
        Paper speed.

    Returns
    -------
    matplotlib.figure.Figure
        Prints true to scale at any resolution; `Figure.savefig` writes it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inner = GUTTER_MM + max(duration_s * mm_per_s, 100.0) + RIGHT_MM
    width = inner + 2 * MARGIN_MM
    height = HEADING_MM + sum(panel.height_mm for panel in panels) + FOOTER_MM + 2 * MARGIN_MM
    figure = Figure(figsize=(width / MM_PER_INCH, height / MM_PER_INCH), facecolor="white")
    FigureCanvasAgg(figure)

    def place(top_mm: float, height_mm: float) -> Axes:
        axes = figure.add_axes(
            (
                MARGIN_MM / width,
                1 - (top_mm + height_mm) / height,
                inner / width,
                height_mm / height,
            )
        )
        axes.set(xlim=(0, inner), ylim=(0, height_mm))
        axes.axis("off")
        return axes

    head = place(MARGIN_MM, HEADING_MM)
    head.text(0, 9.0, title, fontsize=13, weight="bold", color=INK, va="bottom")
    head.text(0, 7.2, subtitle, fontsize=8, color="#444444", va="top")
    if simulated:
        head.text(
            inner, 9.0, "SIMULATED", fontsize=13, weight="bold", color="white", va="bottom",
            ha="right", bbox={"facecolor": WARNING, "edgecolor": "none", "pad": 3},
        )  # fmt: skip
    top = MARGIN_MM + HEADING_MM
    for panel in panels:
        panel.draw(place(top, panel.height_mm))
        top += panel.height_mm
    foot = place(top, FOOTER_MM)
    lines = "\n".join(_lines(footer, int(inner / _FOOT_LETTER_MM)))
    foot.text(0, 2.5, lines, fontsize=7, color="#444444", va="center")
    return plain_figure(figure)


def _lines(footer: str, width: int) -> list[str]:
    """Break a footer between what its dots part; what is too long by itself, between words."""
    lines: list[str] = []
    for part in footer.split(DOT):
        if lines and len(lines[-1] + DOT + part) <= width:
            lines[-1] += DOT + part
        else:
            lines += textwrap.wrap(part, width)
    return lines
