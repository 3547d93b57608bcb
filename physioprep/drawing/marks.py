"""Annotations as marks on a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from physioprep.drawing.page import Mark

if TYPE_CHECKING:
    import pandas as pd


def known_number(value: object) -> float | None:
    """Return a value as a number.

    Parameters
    ----------
    value : object

    Returns
    -------
    float or None
        None for what is no number, and for NaN.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number


def marks_of(
    annotations: pd.DataFrame, start_s: float, duration_s: float, leads: Sequence[str] = ()
) -> list[Mark]:
    """Return the annotations that lie in a stretch.

    Parameters
    ----------
    annotations : pandas.DataFrame
        Columns ``onset`` and ``duration`` (s), ``code``, ``text``.
    start_s, duration_s : float
        The stretch, from the recording's start.
    leads : sequence of str
        Names of leads. Where annotators are called like leads (LUDB's ``"avf"``), theirs are
        marks of the lead, and ``(`` and ``)``, which its stretches have as ends, are left out.

    Returns
    -------
    list of Mark
        With 24 characters at most.
    """
    own = {lead.lower(): lead for lead in leads}
    nobody = [""] * len(annotations)
    sources = annotations["source"].tolist() if "source" in annotations else nobody
    marks = []
    for onset, duration, code, text, source in zip(
        *(annotations[name].tolist() for name in ("onset", "duration", "code", "text")),
        sources,
        strict=True,
    ):
        length = known_number(duration) or 0.0
        if onset + length < start_s or onset > start_s + duration_s:
            continue
        label = " ".join(str(text or code or "").split()) or "•"
        lead = own.get(str(source).lower(), "")
        if lead and label in ("(", ")"):
            continue
        marks.append(Mark(float(onset), label[:24], length, lead))
    return marks
