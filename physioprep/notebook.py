"""What a notebook shows of an object: a small table of facts, and a small picture of a signal."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 360, 48
_STYLE: Final = "text-align:left;padding:1px 12px 1px 0;vertical-align:top"


def facts_html(title: str, facts: Mapping[str, Any], picture: str = "") -> str:
    """Return facts as an HTML table.

    Parameters
    ----------
    title : str
        What it is.
    facts : mapping of str to object
        Shown as text, in this order.
    picture : str
        SVG to show above, as `sparkline` gives it.

    Returns
    -------
    str
        HTML; all texts are escaped, since ids come from files.

    Examples
    --------
    >>> "&lt;b&gt;" in facts_html("Store", {"corpora": "<b>"})
    True
    """
    rows = "".join(
        f'<tr><th style="{_STYLE}">{escape(name)}</th>'
        f'<td style="{_STYLE}">{escape(str(value))}</td></tr>'
        for name, value in facts.items()
    )
    return f"<div><strong>{escape(title)}</strong>{picture}<table>{rows}</table></div>"


def facts_text(title: str, facts: Mapping[str, Any]) -> str:
    """Return facts as one short line.

    Parameters
    ----------
    title : str
        What it is.
    facts : mapping of str to object

    Returns
    -------
    str

    Examples
    --------
    >>> facts_text("Shards", {"windows": 12})
    '<Shards windows: 12>'
    """
    return f"<{title} {', '.join(f'{name}: {value}' for name, value in facts.items())}>"


def sparkline(values: NDArray[np.floating[Any]], label: str = "") -> str:
    """Return a small picture of a signal as SVG.

    Parameters
    ----------
    values : ndarray of float, shape (sample,)
        NaN leaves a gap. Least and greatest value of every pixel are drawn.
    label : str
        What it is, for readers who do not see it.

    Returns
    -------
    str
        SVG, or "" where all is missing.

    Examples
    --------
    >>> sparkline(np.sin(np.arange(1000) / 20))[:4]
    '<svg'
    >>> sparkline(np.full(3, np.nan))
    ''
    """
    known = values[np.isfinite(values)]
    if not known.size:
        return ""
    low, high = float(known.min()), float(known.max())
    scale = (_HEIGHT - 4) / (high - low or 1.0)
    points: list[list[str]] = [[]]
    for pixel, part in enumerate(np.array_split(values, min(_WIDTH, len(values)))):
        there = part[np.isfinite(part)]
        if not there.size:
            points.append([])
            continue
        for value in dict.fromkeys((float(there.min()), float(there.max()))):
            points[-1].append(f"{pixel},{_HEIGHT - 2 - (value - low) * scale:.1f}")
    lines = "".join(
        f'<polyline fill="none" stroke="currentColor" points="{" ".join(line)}"/>'
        for line in points
        if line
    )
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(label)}" '
        f'style="display:block">{lines}</svg>'
    )
