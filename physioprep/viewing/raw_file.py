"""Draw a raw file of any format, without a store."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.drawing.choose import as_looked_at, of_annotators
from physioprep.drawing.look import Look
from physioprep.drawing.marks import known_number, marks_of
from physioprep.drawing.signals import MAX_PAGE_S, Signals, draw_signals, leads_of
from physioprep.errors import PhysioprepError
from physioprep.harmonise.in_context import modality_in, native_name
from physioprep.harmonise.timeline import read_timeline, timeline_length
from physioprep.readers import read_recording
from physioprep.recording import Recording, SignalGroup
from physioprep.samples import convert_by_gain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Modalities that are drawn if there are any; without them, all are.
_OF_INTEREST = ("ecg", "eeg", "eog", "emg", "ppg", "abp", "pcg", "resp", "gsr")


def draw_file(
    path: str | Path,
    *,
    start_s: float = 0.0,
    duration_s: float = 10.0,
    modality: str | None = None,
    look: Look | None = None,
) -> Figure:
    """Draw a stretch of a raw file, as it is: nothing is filtered or resampled.

    Parameters
    ----------
    path : path-like
        A file that `read_recording` reads, or ``file#part``.
    start_s, duration_s : float
        Stretch to draw, s; it ends with the recording. At most 300 s.
    modality : str, optional
        Draw this one only. By default all but ``"other"`` and the like, if there are any.
    look : Look, optional
        Channels, scales, paper speed, montage, annotators.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    PhysioprepError
        The file cannot be read, has nothing there or nothing of the modality.
    """
    if not 0 <= start_s < math.inf or not 0 < duration_s <= MAX_PAGE_S:
        raise PhysioprepError(f"draw from 0 s on, and between 0 and {MAX_PAGE_S:g} s")
    recording = read_recording(path)
    found = [
        one
        for group in recording.groups
        for one in _cut(group, start_s, duration_s, recording.format)
    ]
    kinds = {one.modality for one in found}
    wanted = {modality} if modality else kinds & set(_OF_INTEREST) or kinds
    signals = [one for one in found if one.modality in wanted]
    if not signals:
        held = ", ".join(sorted(kinds)) or "nothing"
        what = f"no modality {modality!r} (it holds: {held})" if kinds else "nothing"
        raise PhysioprepError(f"{path}: {what} at {start_s:g} s")
    look, name = look or Look(), Path(path).name
    leads = leads_of(signals)
    signals = as_looked_at(signals, look, name)
    drawn_s = max(one.values.shape[1] / one.rate_hz for one in signals)
    notes = of_annotators(recording.annotations, look, name)
    return draw_signals(
        signals,
        start_s=start_s,
        marks=marks_of(notes, start_s, drawn_s, leads),
        title=name,
        subtitle=_subtitle(recording, signals),
        look=look,
    )


def _cut(group: SignalGroup, start_s: float, duration_s: float, format: str) -> list[Signals]:
    """Return a stretch of a group: one `Signals` per modality and unit."""
    rate = group.sampling_rate
    first = round(start_s * rate)
    last = min(round((start_s + duration_s) * rate), timeline_length(group))
    if first >= last:
        return []
    rows: dict[tuple[str, str], list[int]] = {}
    for row, (name, unit) in enumerate(zip(group.channels, group.units, strict=True)):
        rows.setdefault((modality_in(format)(name, unit), unit), []).append(row)
    return [
        Signals(
            kind,
            _physical(group, places, first, last),
            rate,
            tuple(native_name(group.channels[place], kind) for place in places),
            unit,
        )
        for (kind, unit), places in rows.items()
    ]


def _physical(
    group: SignalGroup, rows: list[int], first: int, last: int
) -> NDArray[np.floating[Any]]:
    stored, within = read_timeline(group, rows, first, last)
    values = np.empty(stored.shape, np.float32)
    convert_by_gain(stored, group.gain[rows], group.baseline[rows], group.invalid[rows], values)
    if within is not None:
        values[:, ~within] = np.nan
    return values


def _subtitle(recording: Recording, signals: list[Signals]) -> str:
    age, sex = known_number(recording.metadata.get("age")), recording.metadata.get("sex")
    rates = dict.fromkeys(f"{one.modality.upper()} {one.rate_hz:g} Hz" for one in signals)
    parts = [
        {"F": "female", "M": "male"}.get(str(sex), ""),
        f"{age:g} years" if age is not None else "",
        " and ".join(rates),
        f"raw {recording.format}",
    ]
    return "  ·  ".join(part for part in parts if part)
