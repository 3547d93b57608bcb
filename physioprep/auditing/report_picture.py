"""The small picture that a notebook shows above an audit: a signal that a finding is about."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import numpy as np

from physioprep.auditing.signals import Signal, Source, read_source
from physioprep.errors import PhysioprepError
from physioprep.notebook import sparkline

_SHOWN_S: Final = 10.0


def report_picture(report: Any) -> str:
    """Return the first seconds of the signal that the worst finding is about.

    Parameters
    ----------
    report : AuditReport

    Returns
    -------
    str
        SVG and what it shows; "" where no finding names a signal that can be read on this machine.
    """
    # the worst come first; those about a signal before those about tables and files
    for finding in sorted(report.findings, key=lambda one: "modality" not in one.evidence):
        record = next((one for one in finding.records if one in report.examples), None)
        if record is None:
            continue
        signal = _first_piece(report.examples[record], finding.evidence.get("modality"))
        leads = [*finding.evidence.get("leads", ()), *finding.evidence.get("channels", ())]
        picture = "" if signal is None else _picture(signal, leads, f"{record}, {finding.check}")
        if picture:
            return picture
    return ""


def _first_piece(source: Source, modality: str | None) -> Signal | None:
    try:
        pieces = read_source(source)
        return next((one for one in pieces if modality in (None, one.modality)), None)
    except (PhysioprepError, OSError):  # damaged, or gone since the audit
        return None


def _picture(signal: Signal, leads: Sequence[str], label: str) -> str:
    values = signal.values[:, : max(1, round(_SHOWN_S * signal.rate_hz))]
    there = np.flatnonzero(np.isfinite(values).any(axis=1)).tolist()
    named = [place for place in there if signal.channels[place] in leads]
    for place in (named or there)[:1]:
        words = f"{label}: {signal.channels[place]}, first {_SHOWN_S:g} s"
        return f"{sparkline(values[place], words)}<div>{escape(words)}</div>"
    return ""
