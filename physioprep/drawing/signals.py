"""Draw simultaneous stretches of several modalities on one page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.drawing.ecg import choose_gain, describe_scale, ecg_panel
from physioprep.drawing.eeg import (
    choose_sensitivity,
    describe_sensitivity,
    eeg_panel,
    row_height_mm,
    strips_panel,
)
from physioprep.drawing.look import Look
from physioprep.drawing.page import DOT, Mark, Panel, compose
from physioprep.errors import CorpusError
from physioprep.harmonise.units import UnknownUnitError, factor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Longest stretch on one page.
MAX_PAGE_S = 300.0
#: A low-pass of ECG up to here lowers QRS and rings beside it: QRS has power up to about here.
RINGING_HZ = 45.0


@dataclass(frozen=True)
class Signals:
    """A stretch of one modality.

    Parameters
    ----------
    modality : str
        ``"ecg"``, ``"eeg"``, ...
    values : ndarray of float32, shape (channel, sample)
        In `units`; NaN where missing.
    rate_hz : float
        Sampling rate, Hz.
    channels : tuple of str
        Names.
    units : str
        ``"mV"``, ``"µV"``, ...
    absent : tuple of str
        Channels the source lacks.
    reference : str
        EEG reference that was applied; "" for that of the recording.
    made_by : str
        Who applied it.
    lowpass_hz : float
        Edge of a low-pass that the store's recipe applied; infinite for none.
    """

    modality: str
    values: NDArray[np.floating[Any]]
    rate_hz: float
    channels: tuple[str, ...]
    units: str
    absent: tuple[str, ...] = ()
    reference: str = ""
    made_by: str = "the recipe"
    lowpass_hz: float = math.inf


def draw_signals(
    signals: Sequence[Signals],
    *,
    start_s: float = 0.0,
    marks: Sequence[Mark] = (),
    title: str = "",
    subtitle: str = "",
    simulated: bool = False,
    look: Look | None = None,
) -> Figure:
    """Draw simultaneous stretches of several modalities on one page.

    Parameters
    ----------
    signals : sequence of Signals
        All starting at `start_s`.
    start_s : float
        Time of their first sample from the recording's start.
    marks : sequence of Mark
        Annotations; times from the recording's start.
    title, subtitle : str
        Heading.
    simulated : bool
        Write SIMULATED in red.
    look : Look, optional
        Its scales and speed; channels and montage are those of `signals` already.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import numpy as np
    >>> ecg = Signals("ecg", np.zeros((1, 1000), np.float32), 100.0, ("I",), "mV")
    >>> figure = draw_signals([ecg], title="nobody")
    >>> width_mm = figure.get_size_inches()[0] * 25.4
    >>> round(float(width_mm))
    292
    """
    look = look or Look()
    order = {"eeg": 0, "eog": 1, "ecg": 2}
    ordered = sorted(signals, key=lambda one: (order.get(one.modality, 3), one.modality))
    duration_s = max(one.values.shape[1] / one.rate_hz for one in ordered)
    scales, footers = _scales(ordered, look)
    panels: list[Panel] = []
    for strip in range(max(1, math.ceil(duration_s / look.strip_s - 1e-9))):
        from_s, shown = strip * look.strip_s, marks
        for one in ordered:
            panel = _panel(one, from_s, start_s, shown, scales, look)
            if panel is not None:
                panels.append(panel)
                # once per strip, above its first panel; those of a lead, where the lead is
                shown = [mark for mark in shown if mark.lead]
    return compose(
        panels,
        min(duration_s, look.strip_s),
        title=title,
        subtitle=subtitle,
        footer=DOT.join([*footers, "traces stand on their median"]),
        simulated=simulated,
        mm_per_s=look.mm_per_s,
    )


def _scales(signals: Sequence[Signals], look: Look) -> tuple[dict[str, float], list[str]]:
    """Return one scale per modality, so that strips are comparable, and what the footer says."""
    scales: dict[str, float] = {}
    footers: list[str] = []
    for one in signals:
        if one.modality == "ecg" and _is_voltage(one.units):
            scales["ecg"] = look.mm_per_mv or choose_gain(_in_mv(one))
            footers.append(describe_scale(scales["ecg"], look.mm_per_s))
            if one.lowpass_hz <= RINGING_HZ:
                footers.append(
                    f"low-pass {one.lowpass_hz:g} Hz: small waves beside a steep QRS may be "
                    "ringing of the filter, and QRS is lower"
                )
        elif one.modality in ("eeg", "eog") and _is_voltage(one.units):
            row_mm = row_height_mm(len(one.channels))
            chosen = choose_sensitivity(_in_mv(one) * 1e3, row_mm)
            scales[one.modality] = (one.modality == "eeg" and look.uv_per_mm) or chosen
            if one.modality == "eeg":
                footers.append(
                    describe_sensitivity(scales["eeg"], one.reference, look.mm_per_s, one.made_by)
                )
    return scales, footers


def leads_of(signals: Sequence[Signals]) -> tuple[str, ...]:
    """Return the names of all ECG leads.

    Parameters
    ----------
    signals : sequence of Signals

    Returns
    -------
    tuple of str
    """
    return tuple(name for one in signals if one.modality == "ecg" for name in one.channels)


def is_simulated(corpus: object) -> bool:
    """Return whether the recordings of a corpus were made by a simulator.

    Parameters
    ----------
    corpus : object
        Its name; anything else is not simulated.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_simulated("demo-ecg"), is_simulated("mitdb"), is_simulated(None)
    (True, False, False)
    """
    from physioprep.facts import load_facts

    if not isinstance(corpus, str):
        return False
    if corpus.startswith("demo-"):
        return True
    try:
        return load_facts(corpus).simulated
    except CorpusError:
        return False


def _panel(
    one: Signals,
    from_s: float,
    start_s: float,
    marks: Sequence[Mark],
    scales: Mapping[str, float],
    look: Look,
) -> Panel | None:
    first, last = round(from_s * one.rate_hz), round((from_s + look.strip_s) * one.rate_hz)
    values = one.values[:, first:last]
    if values.shape[1] < 2:
        return None
    cut = replace(one, values=values)
    begin, speed = start_s + from_s, look.mm_per_s
    if one.modality == "ecg" and "ecg" in scales:
        return ecg_panel(
            _in_mv(cut), one.rate_hz, one.channels, start_s=begin, marks=marks,
            absent=one.absent, mm_per_mv=scales["ecg"], mm_per_s=speed,
        )  # fmt: skip
    if one.modality in scales:
        return eeg_panel(
            _in_mv(cut) * 1e3, one.rate_hz, one.channels, start_s=begin, marks=marks,
            absent=one.absent, uv_per_mm=scales[one.modality], mm_per_s=speed,
        )  # fmt: skip
    return strips_panel(values, one.rate_hz, one.channels, one.units, start_s=begin, mm_per_s=speed)


def _in_mv(one: Signals) -> NDArray[np.float64]:
    return np.asarray(one.values, np.float64) * factor(one.units, "mV")


def _is_voltage(unit: str) -> bool:
    try:
        factor(unit, "mV")
    except UnknownUnitError:
        return False
    return True
