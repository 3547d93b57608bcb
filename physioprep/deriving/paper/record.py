"""The pictures of one record: pages of its leads, and where each sample stands."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.deriving.paper.augment import augment, generator
from physioprep.deriving.paper.draw import blank, draw_trace, pen_px, picture
from physioprep.deriving.paper.layout import Cell, Page, page_of
from physioprep.deriving.paper.spec import PictureSpec
from physioprep.drawing.page import MM_PER_INCH

Row = dict[str, Any]
_LONGEST: Final = 80
NO_LEAD: Final = "the record has no such lead"
NO_SAMPLE: Final = "its samples are missing"


def n_pages(spec: PictureSpec, length: int, rate_hz: float) -> int:
    """Return how many pages of a record are drawn.

    Parameters
    ----------
    spec : PictureSpec
    length : int
        Samples of the record.
    rate_hz : float

    Returns
    -------
    int
        The last page of all may be shorter than the others, but never empty.

    Examples
    --------
    >>> n_pages(PictureSpec(pages=0), 2500, 100.0), n_pages(PictureSpec(), 2500, 100.0)
    (3, 1)
    """
    whole = -(-length // round(spec.page_s * rate_hz))
    return min(whole, spec.pages) if spec.pages else whole


def draw_pages(
    spec: PictureSpec,
    key: Mapping[str, str],
    signal: NDArray[np.floating[Any]],
    leads: Sequence[str],
    channels: tuple[str, ...],
    rate_hz: float,
) -> Iterator[tuple[str, bytes, list[Row]]]:
    """Draw the pages of a record.

    Parameters
    ----------
    spec : PictureSpec
    key : mapping of str to str
        ``corpus`` and ``record_id``.
    signal : ndarray of float, shape (lead, sample)
        mV, NaN where missing; no longer than what is drawn.
    leads : sequence of str
        Leads of the record.
    channels : tuple of str
        Leads of the store.
    rate_hz : float

    Yields
    ------
    name : str
        Of the picture, with its extension.
    content : bytes
    rows : list of dict
        One a lead, with the columns of `PICTURES` but ``file``.
    """
    page = page_of(spec, channels)
    size = round(spec.page_s * rate_hz)
    for number in range(n_pages(spec, signal.shape[1], rate_hz)):
        ink = blank(spec, page)
        stretch = np.asarray(signal[:, number * size : (number + 1) * size], np.float64)
        drawn = [
            _draw_cell(ink, cell, stretch, list(leads), size, rate_hz, spec, page)
            for cell in page.cells
        ]
        base = f"{safe(key['corpus'])}_{safe(key['record_id'])}_{number:05d}"
        image = picture(ink, spec, page)
        angle, quality = 0.0, None
        if spec.augment:
            image, angle, quality = augment(image, spec, generator(spec, base))
        buffer = io.BytesIO()
        dpi = page.px_per_mm * MM_PER_INCH
        if quality is None:
            image.save(buffer, "PNG", dpi=(dpi, dpi), compress_level=1 if spec.augment else 6)
        else:
            image.save(buffer, "JPEG", dpi=(round(dpi),) * 2, quality=quality)
        name = f"{base}.{'png' if quality is None else 'jpg'}"
        common = {
            **key, "page": number, "name": name, "width_px": page.width, "height_px": page.height,
            "modality": "eeg" if spec.of == "eeg" else "ecg", "px_per_mm": page.px_per_mm,
            "rotation_deg": angle, "rate_hz": rate_hz,
        }  # fmt: skip
        for row in drawn:
            row["first_sample"] += number * size
        yield name, buffer.getvalue(), [common | row for row in drawn]


def _draw_cell(
    ink: NDArray[np.float32],
    cell: Cell,
    stretch: NDArray[np.float64],
    leads: list[str],
    size: int,
    rate_hz: float,
    spec: PictureSpec,
    page: Page,
) -> Row:
    """Draw a lead's share of a page, and return where it stands."""
    left, top, right, bottom = cell.box
    first, stop = (round(size * edge / cell.columns) for edge in (cell.column, cell.column + 1))
    per_sample = spec.mm_per_s / rate_hz * page.px_per_mm
    row: Row = {
        "lead": cell.lead, "row": cell.row, "column": cell.column, "left_px": left,
        "top_px": top, "right_px": right, "bottom_px": bottom, "first_sample": first,
        "n_samples": 0, "n_missing": 0, "n_outside": 0, "x_first_px": None, "px_per_sample": None,
        "y_zero_px": None, "px_per_mv": None, "reason": None,
    }  # fmt: skip
    if cell.lead not in leads:
        return row | {"reason": NO_LEAD}
    samples = stretch[leads.index(cell.lead), first:stop]
    known = np.isfinite(samples)
    if not known.any():
        reason = NO_SAMPLE if len(samples) else "the record ends before"
        return row | {"n_missing": len(samples), "reason": reason}
    per_mv = spec.rise_mm * page.px_per_mm
    zero = cell.zero_y + float(np.median(samples[known])) * per_mv
    # a column may begin between two samples: its first one stands right of the box's left
    start_mm = spec.page_s * spec.mm_per_s * cell.column / cell.columns
    x_first = left - start_mm * page.px_per_mm + first * per_sample
    y = np.asarray(zero - samples * per_mv, np.float64)
    x = np.asarray(x_first + np.arange(len(y)) * per_sample, np.float64)
    draw_trace(ink, x, y, pen_px(page))
    return row | {
        "n_samples": len(samples), "n_missing": int((~known).sum()),
        "n_outside": int(((y < top) | (y > bottom)).sum()), "x_first_px": x_first,
        "px_per_sample": per_sample, "y_zero_px": zero, "px_per_mv": per_mv,
    }  # fmt: skip


def safe(text: str) -> str:
    """Return a name for files, in tars and on any file system.

    Parameters
    ----------
    text : str
        A corpus or the id of a record.

    Returns
    -------
    str
        Letters, digits and ``-``. What is changed gets a hash of the text, so that different
        texts have different names.

    Examples
    --------
    >>> safe("JS00001"), safe("p10/../s.1")
    ('JS00001', 'p10-s-1-5b34cca6')
    """
    name = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:_LONGEST]
    if name == text:
        return name
    return f"{name}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"
