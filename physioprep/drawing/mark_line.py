"""Annotations on a panel: beats and stretches above it, and those of a lead behind its trace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from physioprep.drawing.page import LETTER_MM, MM_PER_S, WARNING, Mark, seconds_to_mm

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of stretches, one for each text; apart for people who do not tell red from green, too.
_STRETCHES = ("#3a6ea5", "#c8641e", "#2a8a72", "#8a4fa8", "#8a7a1e", "#a83a6a")
#: Colours behind a trace: P and T waves, and QRS.
_WAVES = {"P": "#3a6ea5", "QRS": "#8a4fa8", "T": "#2a8a72"}
_OTHER_WAVE = "#777777"
#: Stretches as long on paper are blocks with borders; borders of waves would cover the traces.
_BLOCK_MM = 15.0


def texts_of(marks: Sequence[Mark], start_s: float, mm_per_s: float = MM_PER_S) -> list[str]:
    """Return what is written for each mark: one that would be over another is counted there.

    Parameters
    ----------
    marks : sequence of Mark
        Those shown.
    start_s : float
        Time of the left edge, s.
    mm_per_s : float
        Paper speed.

    Returns
    -------
    list of str
        Empty where nothing is written.

    Examples
    --------
    >>> texts_of([Mark(0.0, "QRS 88 ms"), Mark(0.0, "QT 400 ms"), Mark(4.0, "end")], 0.0)
    ['QRS 88 ms (+1)', '', 'end']
    """
    texts = [mark.text for mark in marks]
    order = sorted(range(len(marks)), key=lambda at: max(marks[at].onset_s, start_s))
    first, end_mm, n = -1, -math.inf, 0
    for at in order:
        mark = marks[at]
        if len(mark.text) <= 1:
            continue  # of a beat, below the line of the others
        x = seconds_to_mm(max(mark.onset_s, start_s), start_s, mm_per_s)
        if x < end_mm:
            n += 1
            texts[at], texts[first] = "", f"{marks[first].text} (+{n})"
        else:
            first, n = at, 0
            end_mm = x + LETTER_MM * (len(mark.text) + 1)
    return texts


def draw_marks(
    axes: Axes,
    marks: Sequence[Mark],
    start_s: float,
    duration_s: float,
    y_mm: float,
    *,
    bottom_mm: float | None = None,
    mm_per_s: float = MM_PER_S,
) -> None:
    """Write annotations: normal beats grey, all else coloured, stretches as blocks or bars.

    Parameters
    ----------
    axes : Axes
        In mm.
    marks : sequence of Mark
        Those of a lead are left to `draw_lead_marks`.
    start_s, duration_s : float
        The stretch shown; other marks are left out.
    y_mm : float
        Lower edge of the line of text.
    bottom_mm : float, optional
        The borders of blocks are drawn down to here; by default not at all.
    mm_per_s : float
        Paper speed.
    """
    stop_s = start_s + duration_s
    shown = [mark for mark in marks if not mark.lead and _is_shown(mark, start_s, stop_s)]
    texts = texts_of(shown, start_s, mm_per_s)
    kinds = sorted({mark.text for mark in shown if mark.duration_s > 0})
    colours = {text: _STRETCHES[at % len(_STRETCHES)] for at, text in enumerate(kinds)}
    for mark, text in zip(shown, texts, strict=True):
        x = seconds_to_mm(max(mark.onset_s, start_s), start_s, mm_per_s)
        colour = colours[mark.text] if mark.duration_s > 0 else "#1f4e8c"
        if mark.duration_s > 0:
            end_s = mark.onset_s + mark.duration_s
            end = seconds_to_mm(min(end_s, stop_s), start_s, mm_per_s)
            if mark.duration_s * mm_per_s < _BLOCK_MM:
                axes.plot([x, end], [y_mm + 2.6] * 2, color=colour, lw=1.4, solid_capstyle="butt")
            else:
                axes.fill_between([x, end], y_mm + 2.4, y_mm + 6.0, color=colour, alpha=0.18, lw=0)
                low = y_mm if bottom_mm is None else bottom_mm
                for at, time_s in ((x, mark.onset_s), (end, end_s)):
                    if start_s <= time_s <= stop_s:  # none where the page cuts the stretch
                        axes.plot([at, at], [low, y_mm + 6.0], color=colour, lw=0.8, zorder=2)
        beat = len(mark.text) <= 1 and not mark.duration_s
        if beat:
            colour = "#777777" if mark.text == "N" else WARNING
        line = y_mm if beat else y_mm + 3.0  # rhythms are written above beats, not over them
        axes.text(
            x + (0.0 if beat else 0.6), line, text, fontsize=7 if beat else 6.5, va="bottom",
            color=colour, ha="center" if beat else "left", clip_on=True,
        )  # fmt: skip


def draw_lead_marks(
    axes: Axes,
    marks: Sequence[Mark],
    start_s: float,
    duration_s: float,
    left_mm: float,
    bottom_mm: float,
    top_mm: float,
    mm_per_s: float = MM_PER_S,
) -> None:
    """Draw the waves that were marked in a lead: coloured stretches behind its trace.

    Parameters
    ----------
    axes : Axes
        In mm.
    marks : sequence of Mark
        Of this lead.
    start_s, duration_s : float
        What is shown of the lead, from the recording's start.
    left_mm : float
        Where `start_s` is.
    bottom_mm, top_mm : float
        Space of the lead.
    mm_per_s : float
        Paper speed.
    """
    stop_s = start_s + duration_s
    for mark in marks:
        if not _is_shown(mark, start_s, stop_s):
            continue
        first = left_mm + (max(mark.onset_s, start_s) - start_s) * mm_per_s
        last = left_mm + (min(mark.onset_s + mark.duration_s, stop_s) - start_s) * mm_per_s
        colour = _WAVES.get(mark.text, _OTHER_WAVE)
        if mark.duration_s <= 0:
            axes.plot([first, first], [top_mm - 2, top_mm], color=colour, lw=0.6, zorder=2)
            continue
        axes.fill_between([first, last], bottom_mm, top_mm, color=colour, alpha=0.2, lw=0, zorder=1)
        axes.text(
            (first + last) / 2, bottom_mm + 0.2, mark.text, fontsize=5, ha="center", va="bottom",
            color=colour, clip_on=True, zorder=4,
        )  # fmt: skip


def _is_shown(mark: Mark, start_s: float, stop_s: float) -> bool:
    return mark.onset_s < stop_s and mark.onset_s + mark.duration_s >= start_s
