"""Draw the example of a finding for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np

from physioprep.auditing.findings import Finding
from physioprep.auditing.signals import Signal, Source, read_source
from physioprep.drawing.signals import Signals, draw_signals, is_simulated
from physioprep.errors import PhysioprepError
from physioprep.plain_text import plain_figure

#: Checks whose findings are visible in a picture.
DRAWN = frozenset(
    (
        "amplitude", "bad-channel", "clipping", "coarse-resolution", "duplicate-signal",
        "eeg-bridge", "eeg-duplicate-channel", "flat-lead", "gap", "heart-rate",
        "lead-inconsistent", "lead-inverted", "lead-swap", "mains", "missing-samples",
        "near-duplicate", "noisy", "offset", "sampling-rate", "sentinel",
    )
)  # fmt: skip
SHOWN_S = 10.0
_DPI = 75


def draw_example(sources: Mapping[str, Source], finding: Finding) -> bytes | None:
    """Draw the first seconds of a recording that a finding names.

    Parameters
    ----------
    sources : mapping of str to Source
        By record, as findings name it: ``examples`` of an `AuditReport`.
    finding : Finding

    Returns
    -------
    bytes or None
        PNG; None where a picture of this check shows nothing, or the recording is not in
        `sources` or cannot be read (another finding states that).
    """
    record = next((record for record in finding.records if record in sources), None)
    if record is None or finding.check not in DRAWN:
        return None
    try:
        return draw(list(read_source(sources[record])), finding, record)
    except (PhysioprepError, OSError):
        return None


def draw(signals: Sequence[Signal], finding: Finding, title: str) -> bytes | None:
    """Draw the first seconds of a recording as PNG.

    Parameters
    ----------
    signals : sequence of Signal
        Its modalities.
    finding : Finding
        Decides which modality is shown.
    title : str

    Returns
    -------
    bytes or None
        None where the check has nothing to show or the modality is absent.
    """
    wanted = finding.evidence.get("modality", "ecg")
    shown = [one for one in signals if one.modality == wanted and one.start_s == 0]
    if finding.check not in DRAWN or not shown:
        return None
    stretches = [
        Signals(
            one.modality,
            one.values[places][:, : round(SHOWN_S * one.rate_hz)],
            one.rate_hz,
            tuple(one.channels[place] for place in places),
            unit,
        )
        for one in shown
        for unit in dict.fromkeys(one.units)
        for places in [np.flatnonzero([unit == other for other in one.units])]
    ]
    figure = draw_signals(
        stretches, title=title, subtitle=finding.detail, simulated=is_simulated(shown[0].key[0])
    )
    out = BytesIO()
    plain_figure(figure).savefig(out, dpi=_DPI, format="png")
    return out.getvalue()
