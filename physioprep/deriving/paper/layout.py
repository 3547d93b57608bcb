"""Where everything stands on the paper: millimetres become pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from physioprep.deriving.paper.spec import PictureSpec
from physioprep.drawing.page import MM_PER_INCH

#: Space left of the first second for the pulse, which is 0.2 s wide with 1 mm on either side.
_PULSE_S: Final = 0.2
#: Height of a row, mm: a share of this page, within limits.
_ROWS_MM: Final = 160.0
_ROW_MM: Final = (15.0, 40.0)
_TEXT_MM: Final = 5.0
_MARGIN_MM: Final = 5.0
_TOP_MM: Final = 10.0
#: Of EEG: height of a row, a share of this; width of the names left of the traces.
_EEG_ROWS_MM: Final = 180.0
_EEG_ROW_MM: Final = (6.0, 20.0)
_EEG_NAMES_MM: Final = 18.0


@dataclass(frozen=True)
class Cell:
    """The place of one lead.

    Parameters
    ----------
    lead : str
    row, column : int
        From 0.
    columns : int
        Number of columns in the row, which follow each other in time.
    box : (float, float, float, float)
        Left, top, right and bottom, in pixels of the picture.
    zero_y : float
        Where the median of the stretch stands, pixels from the top.
    """

    lead: str
    row: int
    column: int
    columns: int
    box: tuple[float, float, float, float]
    zero_y: float


@dataclass(frozen=True)
class Page:
    """A page, measured in pixels.

    Parameters
    ----------
    width, height : int
    px_per_mm : float
    origin : (float, float)
        Of the page, whose thick lines start there: left and top.
    cells : tuple of Cell
    pulse_x : float
        Left of the calibration pulses.
    pulse_s : float
        Width of a pulse.
    lines_mm : tuple of (float, float or None)
        Distance of thin and of thick lines, across and down; None: no lines down the page.
    lines_box : (float, float, float, float), optional
        Lines are in this box alone, and begin at its left and top. None: on the whole page.
    labels : tuple of (str, float, float)
        Names that stand elsewhere than in their boxes: text, left and top.
    strokes : tuple of (tuple of float, tuple of float)
        What stands for the pulses: x and y.
    text : str
        To be printed below.
    """

    width: int
    height: int
    px_per_mm: float
    origin: tuple[float, float]
    cells: tuple[Cell, ...]
    pulse_x: float
    pulse_s: float = _PULSE_S
    lines_mm: tuple[tuple[float, float | None], ...] = ((1.0, 1.0), (5.0, 5.0))
    lines_box: tuple[float, float, float, float] | None = None
    labels: tuple[tuple[str, float, float], ...] = ()
    strokes: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()
    text: str = ""


@lru_cache(maxsize=4)
def page_of(spec: PictureSpec, channels: tuple[str, ...]) -> Page:
    """Return the page for a store's leads: pixel centres are whole numbers.

    Parameters
    ----------
    spec : PictureSpec
    channels : tuple of str
        The leads of the store.

    Returns
    -------
    Page

    Raises
    ------
    PhysioprepError
        The store has none of the leads of the layout.
    """
    rows = spec.rows_of(channels)
    if spec.of == "eeg":
        return _eeg_page(spec, [row[0] for row in rows])
    low, high = _ROW_MM
    row_mm = min(max(5 * (_ROWS_MM / len(rows) // 5), low, spec.mm_per_mv + 5), high)
    trace_mm = spec.page_s * spec.mm_per_s
    # multiples of the 5 mm of thick lines, so that seconds and baselines lie on these
    gutter_mm = 5.0 * -(-(_PULSE_S * spec.mm_per_s + 2) // 5) if spec.pulse else 0.0
    left_mm = _MARGIN_MM + gutter_mm
    width_mm = left_mm + trace_mm + _MARGIN_MM
    height_mm = row_mm * len(rows) + _TOP_MM + _MARGIN_MM + (_TEXT_MM if spec.text else 0.0)
    width, height, scale, x0, y0 = _sheet(spec, width_mm, height_mm)
    cells = []
    for number, leads in enumerate(rows):
        top = y0 + (_TOP_MM + row_mm * number) * scale
        zero = top + 5 * -(-row_mm // 10) * scale  # on a thick line, at or below the middle
        for column, lead in enumerate(leads):
            left, right = (
                x0 + (left_mm + trace_mm * edge / len(leads)) * scale
                for edge in (column, column + 1)
            )
            box = left, top, right, top + row_mm * scale
            cells.append(Cell(lead, number, column, len(leads), box, zero))
    return Page(
        width, height, scale, (x0, y0), tuple(cells), x0 + (left_mm - gutter_mm + 1) * scale,
        text=f"{spec.mm_per_s:g} mm/s   {spec.mm_per_mv:g} mm/mV",
    )  # fmt: skip


def _sheet(
    spec: PictureSpec, width_mm: float, height_mm: float
) -> tuple[int, int, float, float, float]:
    """Return width and height in pixels, pixels of a millimetre, and where the page begins."""
    if spec.size is None:
        scale = spec.dpi / MM_PER_INCH
        width, height = round(width_mm * scale), round(height_mm * scale)
    else:
        width, height = spec.size
        scale = min(width / width_mm, height / height_mm)
    x0, y0 = (width - width_mm * scale) / 2 - 0.5, (height - height_mm * scale) / 2 - 0.5
    return width, height, scale, x0, y0


def _eeg_page(spec: PictureSpec, rows: list[str]) -> Page:
    """Return a page of EEG: a row a channel, lines at seconds and fifths, a bar below."""
    low, high = _EEG_ROW_MM
    row_mm = min(max(_EEG_ROWS_MM / len(rows), low), high)
    trace_mm, bar_uv = spec.page_s * spec.mm_per_s, _round_bar(spec.uv_per_mm * row_mm)
    bar_mm = bar_uv / spec.uv_per_mm
    left_mm = _MARGIN_MM + (_EEG_NAMES_MM if spec.names else 0.0)
    below_mm = max(bar_mm + 2.0, _TEXT_MM) if spec.pulse or spec.text else 0.0
    height_mm = 2 * _MARGIN_MM + row_mm * len(rows) + below_mm
    width, height, scale, x0, y0 = _sheet(spec, left_mm + trace_mm + _MARGIN_MM, height_mm)
    left, right = x0 + left_mm * scale, x0 + (left_mm + trace_mm) * scale
    cells, labels = [], []
    for number, name in enumerate(rows):
        top, bottom = (y0 + (_MARGIN_MM + row_mm * edge) * scale for edge in (number, number + 1))
        cells.append(Cell(name, number, 0, 1, (left, top, right, bottom), (top + bottom) / 2))
        # the middle of the letters is on the baseline of the row
        labels.append((name, x0 + _MARGIN_MM * scale, (top + bottom) / 2 - 2.0 * scale))
    end = cells[-1].box[3]
    bar_x, bar_top = right - (spec.mm_per_s + 1) * scale, end + 2 * scale
    bar = (
        (bar_x, bar_x, bar_x + spec.mm_per_s * scale),
        (bar_top, bar_top + bar_mm * scale, bar_top + bar_mm * scale),
    )
    if spec.pulse:
        # Pillow's own font has no µ
        labels.append((f"1 s, {bar_uv:g} uV", bar_x + 2 * scale, bar_top))
    return Page(
        width, height, scale, (x0, y0), tuple(cells), bar_x,
        lines_mm=((spec.mm_per_s / 5, None), (spec.mm_per_s, None)),
        lines_box=(left, cells[0].box[1], right, end), labels=tuple(labels), strokes=(bar,),
        text=f"{spec.mm_per_s:g} mm/s   {spec.uv_per_mm:g} uV/mm   negative up",
    )  # fmt: skip


def _round_bar(row_uv: float) -> float:
    """Return a round number of µV, at most a row high."""
    power = 10.0 ** math.floor(math.log10(row_uv))
    return next(each * power for each in (5.0, 2.0, 1.0) if each * power <= row_uv * 1.0001)
