"""Draw ECG or EEG on its grid with a round pen, anti-aliased, into a picture of few colours."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.paper.spec import PictureSpec, colours_of
from physioprep.drawing.page import INK

if TYPE_CHECKING:
    from PIL.Image import Image

    from physioprep.deriving.paper.layout import Page

#: Shades of ink; shades between paper and thin lines, and as many to thick lines.
INKS: Final = 16
_SHADES: Final = 7
#: Widths on paper, mm: of the pen, of thin and of thick lines; at least so many pixels.
PEN_MM, _PEN_PX = 0.3, 1.2
_LINES_MM: Final = (0.12, 0.21)
#: Lines nearer than this would fill the paper, pixels.
_NEAREST_PX: Final = 2.5
#: Where the pen is computed within a pixel.
_SUB: Final = 4
_NAME_MM: Final = 3.2

Ink = NDArray[np.float32]


def pen_px(page: Page) -> float:
    """Return the width of the pen.

    Parameters
    ----------
    page : Page

    Returns
    -------
    float
        Pixels.
    """
    return max(PEN_MM * page.px_per_mm, _PEN_PX)


def draw_trace(ink: Ink, x: NDArray[np.float64], y: NDArray[np.float64], width: float) -> None:
    """Draw a curve, where it is known, with a round pen.

    Parameters
    ----------
    ink : ndarray of float32, shape (height, width)
        Share of each pixel that is covered, 0 to 1; changed.
    x, y : ndarray of float64, shape (point,)
        Pixels, `x` ascending; NaN in `y` breaks the curve.
    width : float
        Of the pen, pixels.
    """
    known = np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.r_[False, known, False]))
    for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        _draw_run(ink, x[first:stop], y[first:stop], width / 2)


def _draw_run(ink: Ink, x: NDArray[np.float64], y: NDArray[np.float64], radius: float) -> None:
    """Draw a curve that is known throughout: per part of a column it covers one stretch."""
    reach = int(np.ceil(radius * _SUB))
    first, last = int(np.floor(x[0] - radius)), int(np.ceil(x[-1] + radius))
    first, last = max(first, 0), min(last, ink.shape[1] - 1)
    if last < first:
        return
    # middles of the parts of all columns, and as many more at both ends as the pen reaches
    count = (last - first + 1) * _SUB
    step = 1 / _SUB
    at = first - 0.5 + (np.arange(-reach, count + reach) + 0.5) * step
    low, high = _range_within(x, y, at, step / 2)
    below, above = np.full(count, np.inf), np.full(count, -np.inf)
    for shift in range(-reach, reach + 1):
        rise = np.sqrt(max(radius**2 - (shift * step) ** 2, 0.0))
        part = slice(reach + shift, reach + shift + count)
        np.minimum(below, low[part] - rise, out=below)
        np.maximum(above, high[part] + rise, out=above)
    _cover(ink, first, below.reshape(-1, _SUB), above.reshape(-1, _SUB))


def _range_within(
    x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.float64], half: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest value of a curve around places; inf where it is not."""
    left, right = np.clip(at - half, x[0], x[-1]), np.clip(at + half, x[0], x[-1])
    ends = np.interp(left, x, y), np.interp(right, x, y)
    low, high = np.minimum(*ends), np.maximum(*ends)
    part = np.searchsorted(at - half, x, "right") - 1
    inside = (part >= 0) & (part < len(at))
    np.minimum.at(low, part[inside], y[inside])
    np.maximum.at(high, part[inside], y[inside])
    outside = (at + half < x[0]) | (at - half > x[-1])
    low[outside], high[outside] = np.inf, -np.inf
    return low, high


def _cover(ink: Ink, first: int, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    """Add the share of each pixel between two heights, the mean over the parts of a column."""
    finite = low <= high
    if not finite.any():
        return
    top = max(int(np.floor(low[finite].min())), 0)
    bottom = min(int(np.ceil(high[finite].max())), ink.shape[0] - 1)
    if bottom < top:
        return
    # the area above a pixel's edge grows by one a pixel: differences of edges are the shares
    edges = np.arange(top, bottom + 2, dtype=np.float32)[:, None, None] - np.float32(0.5)
    low32 = np.where(finite, low, 0).astype(np.float32)
    high32 = np.where(finite, high, 0).astype(np.float32)
    filled = np.minimum(np.maximum(edges, low32), high32).mean(axis=2)
    target = ink[top : bottom + 1, first : first + len(low)]
    np.maximum(target, np.diff(filled, axis=0), out=target)


@lru_cache(maxsize=2)
def background(spec: PictureSpec, page: Page) -> NDArray[np.uint8]:
    """Return the grid: 0 is paper, 1 to 6 shades of thin lines, 7 to 12 of thick ones.

    Parameters
    ----------
    spec : PictureSpec
    page : Page

    Returns
    -------
    ndarray of uint8, shape (height, width)
    """
    grid = np.zeros((page.height, page.width), np.uint8)
    box = page.lines_box
    x0, y0 = page.origin if box is None else box[:2]
    for kind, (steps_mm, width_mm) in enumerate(zip(page.lines_mm, _LINES_MM, strict=True)):
        across_px, down_px = (None if mm is None else mm * page.px_per_mm for mm in steps_mm)
        assert across_px is not None
        if across_px < _NEAREST_PX or spec.grid == "none":
            continue
        width = max(width_mm * page.px_per_mm, 1.0)
        cover = np.zeros(grid.shape) + _lines(page.width, x0, across_px, width)
        if down_px is not None:
            cover = np.maximum(cover, _lines(page.height, y0, down_px, width)[:, None])
        if box is not None:
            cover *= _within(page.width, box[0], box[2], width)
            cover *= _within(page.height, box[1], box[3], width)[:, None]
        shade = np.round(cover * (_SHADES - 1)).astype(np.uint8)
        np.copyto(grid, shade + np.uint8(kind * (_SHADES - 1)), where=shade > 0)
    return grid


def _within(size: int, first: float, last: float, width: float) -> NDArray[np.float64]:
    """Return 1 for pixels between two places, and the lines there, else 0."""
    at = np.arange(size)
    return ((at >= first - width / 2 - 0.5) & (at <= last + width / 2 + 0.5)).astype(np.float64)


def _lines(size: int, start: float, step: float, width: float) -> NDArray[np.float64]:
    """Return the share of each pixel that lines cover which repeat from `start` on, both ways."""
    at = (np.arange(size + 1) - 0.5 - start + width / 2) / step
    area = np.floor(at) * width + np.minimum((at - np.floor(at)) * step, width)
    return np.asarray(np.clip(np.diff(area), 0, 1))


@lru_cache(maxsize=2)
def _palette(grid: str) -> bytes:
    """Return the colours: for each shade of the grid all shades of ink."""
    paper, thin, thick = (_rgb(colour) for colour in colours_of(grid))
    shares = np.arange(1, _SHADES)[:, None] / (_SHADES - 1)
    shades = np.concatenate([paper[None], *(paper + shares * (c - paper) for c in (thin, thick))])
    inked = np.arange(INKS)[None, :, None] / (INKS - 1)
    colours = shades[:, None] + inked * (_rgb(INK) - shades[:, None])
    return bytes(np.round(colours).astype(np.uint8))


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.float64)


def picture(ink: Ink, spec: PictureSpec, page: Page) -> Image:
    """Lay ink over the grid.

    Parameters
    ----------
    ink : ndarray of float32, shape (height, width)
        0 to 1.
    spec : PictureSpec
    page : Page

    Returns
    -------
    PIL.Image.Image
        With a palette.
    """
    from PIL import Image

    index = background(spec, page) * np.uint8(INKS)
    index += (ink * np.float32(INKS - 1) + np.float32(0.5)).astype(np.uint8)
    image = Image.fromarray(index)
    image.putpalette(_palette(spec.grid))
    return image


def blank(spec: PictureSpec, page: Page) -> Ink:
    """Return the ink that is the same in all pictures: names of leads, pulses, text.

    Parameters
    ----------
    spec : PictureSpec
    page : Page

    Returns
    -------
    ndarray of float32, shape (height, width)
    """
    return _blank(spec, page).copy()


@lru_cache(maxsize=2)
def _blank(spec: PictureSpec, page: Page) -> Ink:
    ink = np.zeros((page.height, page.width), np.float32)
    if spec.names:
        for name, left, top in page.labels:
            _write(ink, name, left, top, page)
    if spec.pulse:
        for across, down in page.strokes:
            draw_trace(ink, np.array(across), np.array(down), pen_px(page))
    for cell in () if page.labels else page.cells:
        if spec.pulse and not cell.column:
            _draw_pulse(ink, spec, page, cell.zero_y)
        if spec.names:
            left, top, *_ = cell.box
            _write(ink, cell.lead, left + page.px_per_mm, top + page.px_per_mm, page)
    if spec.text:
        x, y = page.origin[0] + 5 * page.px_per_mm, page.cells[-1].box[3] + 2 * page.px_per_mm
        _write(ink, page.text, x, y, page)
    return ink


def _draw_pulse(ink: Ink, spec: PictureSpec, page: Page, zero_y: float) -> None:
    scale = page.px_per_mm
    end = 1 + page.pulse_s * spec.mm_per_s
    up = zero_y - spec.mm_per_mv * scale
    x = page.pulse_x + np.array([-1, 0, 0, end - 1, end - 1, end]) * scale
    draw_trace(ink, x, np.array([zero_y, zero_y, up, up, zero_y, zero_y]), pen_px(page))


def _write(ink: Ink, text: str, left: float, top: float, page: Page) -> None:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (page.width, page.height))
    font = ImageFont.load_default(max(_NAME_MM * page.px_per_mm, 6.0))
    ImageDraw.Draw(image).text((round(left), round(top)), text, fill=255, font=font)
    np.maximum(ink, np.asarray(image, np.float32) / 255, out=ink)
