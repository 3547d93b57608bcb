"""Where everything stands on the paper: millimetres become pixels."""

from __future__ import annotations

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
    """

    width: int
    height: int
    px_per_mm: float
    origin: tuple[float, float]
    cells: tuple[Cell, ...]
    pulse_x: float
    pulse_s: float = _PULSE_S


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
    low, high = _ROW_MM
    row_mm = min(max(5 * (_ROWS_MM / len(rows) // 5), low, spec.mm_per_mv + 5), high)
    trace_mm = spec.page_s * spec.mm_per_s
    # multiples of the 5 mm of thick lines, so that seconds and baselines lie on these
    gutter_mm = 5.0 * -(-(_PULSE_S * spec.mm_per_s + 2) // 5) if spec.pulse else 0.0
    left_mm = _MARGIN_MM + gutter_mm
    width_mm = left_mm + trace_mm + _MARGIN_MM
    height_mm = row_mm * len(rows) + _TOP_MM + _MARGIN_MM + (_TEXT_MM if spec.text else 0.0)
    if spec.size is None:
        scale = spec.dpi / MM_PER_INCH
        width, height = round(width_mm * scale), round(height_mm * scale)
    else:
        width, height = spec.size
        scale = min(width / width_mm, height / height_mm)
    x0, y0 = (width - width_mm * scale) / 2 - 0.5, (height - height_mm * scale) / 2 - 0.5
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
        width, height, scale, (x0, y0), tuple(cells), x0 + (left_mm - gutter_mm + 1) * scale
    )
