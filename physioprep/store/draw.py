"""Draw a stretch of a record of a store, all its modalities on one page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep.drawing.choose import as_looked_at, of_annotators
from physioprep.drawing.look import Look
from physioprep.drawing.marks import known_number, marks_of
from physioprep.drawing.signals import (
    MAX_PAGE_S,
    Signals,
    draw_signals,
    is_simulated,
    leads_of,
)
from physioprep.errors import PhysioprepError
from physioprep.harmonise.channels import ECG_LEADS
from physioprep.pictures import picture_at, save_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from physioprep.store.records import StoredRecords


def plot_record(
    store: StoredRecords,
    record_id: str,
    out: str | Path,
    *,
    start_s: float = 0.0,
    duration_s: float = 10.0,
    modality: str | None = None,
    look: Look | None = None,
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
    look : Look, optional
        Channels, scales, paper speed, montage, annotators.
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
        store, record_id, start_s=start_s, duration_s=duration_s, modality=modality, look=look
    )
    return save_picture(figure, picture, dpi=dpi, inputs=[store.path])


def draw_record(
    store: StoredRecords,
    record_id: str,
    *,
    start_s: float = 0.0,
    duration_s: float = 10.0,
    modality: str | None = None,
    look: Look | None = None,
) -> Figure:
    """Draw like `plot_record`, and return the figure.

    Parameters
    ----------
    store, record_id, start_s, duration_s, modality, look
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
    look, where = look or Look(), f"record {record_id}"
    leads = leads_of(signals)
    signals = as_looked_at(signals, look, where)
    drawn_s = max(one.values.shape[1] / one.rate_hz for one in signals)
    notes = of_annotators(store.annotations(record_id), look, where)
    return draw_signals(
        signals,
        start_s=start_s,
        marks=marks_of(notes, start_s, drawn_s, leads),
        title=f"{row['corpus']}  {row['record_id']}",
        subtitle=_subtitle(row, store.attrs, signals, start_s, drawn_s),
        simulated=is_simulated(row.get("corpus")),
        look=look,
    )


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
    store: StoredRecords, number: int, modality: str, start_s: float, duration_s: float
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
    applied = recipe.get("modalities", {}).get(kind, {})
    reference = str(applied.get("reference", ""))
    lowpass_hz = known_number((applied.get("band_hz") or (None, None))[1]) or math.inf
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
                lowpass_hz=lowpass_hz,
            )
        )
    return out
