"""Draw a stretch of a record of a store, all its modalities on one page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import CorpusError, PhysioprepError
from physioprep.harmonise.channels import ECG_LEADS
from physioprep.harmonise.units import UnknownUnitError, factor
from physioprep.pictures import picture_at, save_picture
from physioprep.viewing.ecg import choose_gain, describe_scale, ecg_panel
from physioprep.viewing.eeg import (
    choose_sensitivity,
    describe_sensitivity,
    eeg_panel,
    row_height_mm,
    strips_panel,
)
from physioprep.viewing.marks import known_number, marks_of
from physioprep.viewing.page import Mark, Panel, compose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physioprep.store import Store

#: Longest strip on paper; longer stretches continue in further strips below.
STRIP_S = 10.0
#: Longest stretch on one page.
MAX_PAGE_S = 300.0


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
        EEG reference that the store's recipe applied; "" for that of the recording.
    """

    modality: str
    values: NDArray[np.floating[Any]]
    rate_hz: float
    channels: tuple[str, ...]
    units: str
    absent: tuple[str, ...] = ()
    reference: str = ""


def plot_record(
    store: Store,
    record_id: str,
    out: str | Path,
    *,
    start_s: float = 0.0,
    duration_s: float = 10.0,
    modality: str | None = None,
    dpi: float = 160.0,
) -> Path:
    """Draw a record in the layout of clinical practice, true to scale, and write the picture.

    ECG is drawn at 25 mm/s and 10 mm/mV (12 leads in clinical rows), EEG as a montage with a scale
    bar, other signals as strips, all on one time axis. Missing samples are shaded, absent leads
    named, annotations written above. A stretch over 10 s continues in further strips.

    Parameters
    ----------
    store : Store
        From `open_store`.
    record_id : str
        One of ``store.records["record_id"]``, or ``corpus/id``.
    out : path-like
        ``.png``, ``.pdf`` or ``.svg``; an older picture of physioprep is replaced. In a folder
        that is there: ``RECORD.png``, in sub-folders as the id has them.
    start_s, duration_s : float
        Stretch to draw, s; cut at the end of the record.
    modality : str, optional
        Draw this modality only.
    dpi : float
        Dots per inch, for ``.png``.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    PhysioprepError
        If the record or the modality does not exist, the stretch is outside the record or longer
        than 300 s, or `out` has another file extension, lies in the store, or is a file that
        physioprep did not make.
    """
    picture = picture_at(Path(out), record_id)
    figure = draw_record(
        store, record_id, start_s=start_s, duration_s=duration_s, modality=modality
    )
    return save_picture(figure, picture, dpi=dpi, inputs=[store.path])


def draw_record(
    store: Store,
    record_id: str,
    *,
    start_s: float = 0.0,
    duration_s: float = 10.0,
    modality: str | None = None,
) -> Figure:
    """Draw like `plot_record`, and return the figure.

    Parameters
    ----------
    store, record_id, start_s, duration_s, modality
        As for `plot_record`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    PhysioprepError
        As `plot_record`.
    """
    wanted = [modality] if modality else list(store.modalities)
    if missing := [name for name in wanted if name not in store.modalities]:
        held = ", ".join(store.modalities)
        raise PhysioprepError(f"{store.path}: no modality {missing[0]!r} (it holds: {held})")
    if not 0 <= start_s < math.inf:
        raise PhysioprepError(f"start_s={start_s:g} is not a time after the record's start")
    if not 0 < duration_s <= MAX_PAGE_S:
        raise PhysioprepError(f"duration_s={duration_s:g}: draw between 0 and {MAX_PAGE_S:g} s")
    number = store.index(record_id)
    row = dict(store.records.iloc[number])
    signals = [one for name in wanted for one in _cut(store, number, name, start_s, duration_s)]
    if not signals:
        length = known_number(row.get("duration_s"))
        raise PhysioprepError(
            f"record {record_id}: nothing at {start_s:g} s (it lasts {length or 0:g} s)"
        )
    drawn_s = max(one.values.shape[1] / one.rate_hz for one in signals)
    return draw_signals(
        signals,
        start_s=start_s,
        marks=marks_of(store.annotations(record_id), start_s, drawn_s),
        title=f"{row['corpus']}  {row['record_id']}",
        subtitle=_subtitle(row, store.attrs, signals, start_s, drawn_s),
        simulated=is_simulated(row.get("corpus")),
    )


def draw_signals(
    signals: Sequence[Signals],
    *,
    start_s: float = 0.0,
    marks: Sequence[Mark] = (),
    title: str = "",
    subtitle: str = "",
    simulated: bool = False,
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
    order = {"eeg": 0, "eog": 1, "ecg": 2}
    ordered = sorted(signals, key=lambda one: (order.get(one.modality, 3), one.modality))
    duration_s = max(one.values.shape[1] / one.rate_hz for one in ordered)
    scales: dict[str, float] = {}
    footers: list[str] = []
    for one in ordered:  # one scale per page, so that strips are comparable
        if one.modality == "ecg" and _is_voltage(one.units):
            scales["ecg"] = choose_gain(_in_mv(one))
            footers.append(describe_scale(scales["ecg"]))
        elif one.modality in ("eeg", "eog") and _is_voltage(one.units):
            in_uv = _in_mv(one) * 1e3
            scales[one.modality] = choose_sensitivity(in_uv, row_height_mm(len(one.channels)))
            if one.modality == "eeg":
                footers.append(describe_sensitivity(scales["eeg"], one.reference))
    panels: list[Panel] = []
    for strip in range(max(1, math.ceil(duration_s / STRIP_S - 1e-9))):
        from_s, shown = strip * STRIP_S, marks
        for one in ordered:
            panel = _panel(one, from_s, start_s, shown, scales)
            if panel is not None:
                panels.append(panel)
                shown = ()  # once per strip, above its first panel
    return compose(
        panels,
        min(duration_s, STRIP_S),
        title=title,
        subtitle=subtitle,
        footer="   ·   ".join([*footers, "traces stand on their median"]),
        simulated=simulated,
    )


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
    one: Signals, from_s: float, start_s: float, marks: Sequence[Mark], scales: Mapping[str, float]
) -> Panel | None:
    first, last = round(from_s * one.rate_hz), round((from_s + STRIP_S) * one.rate_hz)
    values = one.values[:, first:last]
    if values.shape[1] < 2:
        return None
    cut = Signals(one.modality, values, one.rate_hz, one.channels, one.units, one.absent)
    begin = start_s + from_s
    if one.modality == "ecg" and "ecg" in scales:
        return ecg_panel(
            _in_mv(cut), one.rate_hz, one.channels, start_s=begin, marks=marks,
            absent=one.absent, mm_per_mv=scales["ecg"],
        )  # fmt: skip
    if one.modality in scales:
        return eeg_panel(
            _in_mv(cut) * 1e3, one.rate_hz, one.channels, start_s=begin, marks=marks,
            absent=one.absent, uv_per_mm=scales[one.modality],
        )  # fmt: skip
    return strips_panel(values, one.rate_hz, one.channels, one.units, start_s=begin)


def _in_mv(one: Signals) -> NDArray[np.float64]:
    return np.asarray(one.values, np.float64) * factor(one.units, "mV")


def _is_voltage(unit: str) -> bool:
    try:
        factor(unit, "mV")
    except UnknownUnitError:
        return False
    return True


def _clock(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _subtitle(
    row: Mapping[str, Any],
    attrs: Mapping[str, Any],
    signals: Sequence[Signals],
    start_s: float,
    drawn_s: float,
) -> str:
    age, sex, total = (
        known_number(row.get("age")),
        row.get("sex"),
        known_number(row.get("duration_s")),
    )
    recipe = attrs.get("recipe")
    name = recipe.get("name") if isinstance(recipe, Mapping) else recipe
    rates = " and ".join(f"{one.modality.upper()} {one.rate_hz:g} Hz" for one in signals)
    span = f"{_clock(start_s)}-{_clock(start_s + drawn_s)}"
    parts = [
        {"F": "female", "M": "male"}.get(str(sex), ""),
        f"{age:g} years" if age is not None else "",
        rates,
        f"recipe {name}" if name else "",
        span + (f" of {_clock(total)}" if total is not None else ""),
    ]
    return "  ·  ".join(part for part in parts if part)


def _cut(
    store: Store, number: int, modality: str, start_s: float, duration_s: float
) -> list[Signals]:
    """Read a stretch of a modality: one `Signals` per physical unit."""
    rate = store.rate_hz(modality)
    length = int(store.table(modality, "length")[number])
    first, last = round(start_s * rate), round((start_s + duration_s) * rate)
    if first >= length:
        return []
    values = store.read(number, modality, first, last)
    present = store.table(modality, "present")[number]
    names, units = store.channels(modality), store.units(modality)
    kind = str(store.group[modality].attrs["modality"])  # the group "ecg_250hz" holds ECG
    recipe = store.attrs["recipe"]
    reference = str(recipe.get("modalities", {}).get(kind, {}).get("reference", ""))
    # A store has a row for every channel of its corpora. Of the twelve leads, absent ones are
    # named in the print-out; other absent channels are left out.
    twelve = [place for place, name in enumerate(names) if name in ECG_LEADS]
    gaps = set(twelve) if kind == "ecg" and present[twelve].sum() >= 8 else set()
    shown = [place for place in range(len(names)) if present[place] or place in gaps]
    out = []
    for unit in dict.fromkeys(units[place] for place in shown):
        places = [place for place in shown if units[place] == unit]
        out.append(
            Signals(
                kind,
                values[places],
                rate,
                tuple(names[place] for place in places),
                unit,
                tuple(names[place] for place in places if not present[place]),
                reference,
            )
        )
    return out
