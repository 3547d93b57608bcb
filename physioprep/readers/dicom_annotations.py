"""Annotations of DICOM waveforms: marks with a time, measurements, statements.

An item without a place is about the whole recording: a number is a measurement, a text a statement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from physioprep.readers.naming import Known, names_nobody
from physioprep.recording import ANNOTATION_COLUMNS

#: What vendors call the usual measurements, and their names here.
_USUAL: Final = (
    (r"(?:global )?rr interval.*", "rr"),
    (r"(?:global )?pp interval.*", "pp"),
    (r"(?:global )?(?:pr|pq) (?:interval|duration).*", "pr"),
    (r"(?:global )?qrs (?:interval|duration)", "qrs"),
    (r"(?:global )?qt (?:interval|duration)", "qt"),
    (r"(?:global )?(?:qtc|corrected qt)(?: interval| duration)?", "qtc"),
    (r"(?:global )?p duration", "p"),
    (r"(?:(?:mean |average )?(?:ventricular|heart)(?: heart)? rate|hr)", "heart_rate"),
    (r"(?:atrial(?: heart)? rate)", "atrial_rate"),
    (r"(?:frontal |mean )?(p|qrs|t)[ -](?:wave )?(?:frontal )?axis", r"\1_axis"),
)
_UNITS: Final = {
    **{"{H.B.}/min": "bpm", "{beats}/min": "bpm", "{beat}/min": "bpm", "/min": "bpm", "bpm": "bpm"},
    **{"%": "percent", "1": "", "ms": "ms", "uV": "uv", "mV": "mv", "deg": "deg", "s": "s"},
}
_UNIT: Final = re.compile(r"[A-Za-z0-9/.{}\[\]%^*-]{1,16}", re.ASCII)
_RANGES: Final = ("SEGMENT", "MULTISEGMENT")


@dataclass
class Found:
    """What the items of a WaveformAnnotationSequence say.

    Parameters
    ----------
    rows : list of dict
        One per mark with a time; keys as in `ANNOTATION_COLUMNS`.
    marks : dict of int to list of dict
        Marks in median beats, by the number of the multiplex group.
    measurements : dict
    statements : list of dict
        With ``"code"`` and ``"text"``.
    n_hidden, n_unknown : int
        Items that name people, and items that say nothing that is understood.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    marks: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    measurements: dict[str, Any] = field(default_factory=dict)
    statements: list[dict[str, str]] = field(default_factory=list)
    n_hidden: int = 0
    n_unknown: int = 0


@dataclass(frozen=True)
class Place:
    """Where a multiplex group of the file is in the recording.

    Parameters
    ----------
    onset_s, rate_hz : float
    names : tuple of str
    first_channel : int
        Number in the recording of its first channel; -1 for median beats.
    """

    onset_s: float
    rate_hz: float
    names: tuple[str, ...]
    first_channel: int


def read_annotations(
    items: Sequence[Any], places: Sequence[Place], words: Known, start: Any
) -> Found:
    """Sort the annotations of a file.

    Parameters
    ----------
    items : sequence of pydicom.Dataset
    places : sequence of Place
        One per multiplex group of the file.
    words : Known
        What the file says of people: texts with any of it are left out.
    start : datetime or None
        Of the recording.

    Returns
    -------
    Found
    """
    found = Found()
    for item in items:
        _sort(item, places, words, start, found)
    return found


def _sort(item: Any, places: Sequence[Place], words: Any, start: Any, found: Found) -> None:
    code, concept = _coded(item, "ConceptNameCodeSequence")
    value_code, value = _coded(item, "ConceptCodeSequence")
    text = _text(item, "UnformattedTextValue")
    unit = _coded(item, "MeasurementUnitsCodeSequence")[0]
    texts = (" ".join((concept, value, text)), code, value_code, unit)
    if not all(names_nobody(each, words) for each in texts):
        found.n_hidden += 1
        return
    numbers = item.get("NumericValue")
    referenced = [int(each) for each in _listed(item.get("ReferencedWaveformChannels"))]
    pairs = list(zip(referenced[::2], referenced[1::2], strict=False))
    group = pairs[0][0] - 1 if pairs else 0
    place = places[group] if 0 <= group < len(places) else None
    channel = pairs[0][1] if len(pairs) == 1 else 0
    times, samples = _times(item, place, start)
    said = ": ".join(each for each in (concept, value, text) if each)
    if times and place is not None and (said or numbers is not None):
        if numbers is not None:
            plain_unit = unit if unit != "1" and _UNIT.fullmatch(unit) else ""
            plain = ", ".join(f"{float(each):g}" for each in _listed(numbers))
            said = f"{said} = {plain} {plain_unit}".strip(" =")
        _mark(item, said, value_code or code, place, group, channel, times, samples, found)
    elif numbers is not None and concept:
        lead = place.names[channel - 1] if place and 0 < channel <= len(place.names) else ""
        values = [float(each) for each in _listed(numbers)]
        key = _free(measurement_key(concept, unit, lead), found.measurements)
        found.measurements[key] = values[0] if len(values) == 1 else values
    elif value or text:
        said = text or (f"{concept}: {value}" if concept else value)
        found.statements.append({"code": value_code or code, "text": said})
    else:
        found.n_unknown += 1


def _mark(
    item: Any, said: str, code: str, place: Place, group: int, channel: int,
    times: list[float], samples: list[int], found: Found,
) -> None:  # fmt: skip
    kind = _text(item, "TemporalRangeType")
    step = 2 if kind in _RANGES and len(times) % 2 == 0 else 1
    said = f"{said} {kind.lower()}" if kind in ("BEGIN", "END") else said
    for at in range(0, len(times), step):
        if place.first_channel < 0:
            mark = {"text": said, "code": code, "onset": times[at], "channel": channel - 1}
            found.marks.setdefault(group, []).append(mark)
            continue
        duration = times[at + 1] - times[at] if step == 2 else np.nan
        row = {"onset": times[at], "duration": duration, "text": said, "source": "dicom"}
        within = 0 < channel <= len(place.names)
        row |= {"code": code, "sample": samples[at], "subtype": 0, "num": 0}
        found.rows.append(row | {"channel": place.first_channel + channel - 1 if within else -1})


def _times(item: Any, place: Place | None, start: Any) -> tuple[list[float], list[int]]:
    """Return the times (s) that an item refers to, and the samples, counted from 0."""
    if place is None:
        return [], []
    positions = [int(each) for each in _listed(item.get("ReferencedSamplePositions"))]
    if positions:  # the standard counts them from 1
        times = [place.onset_s + (each - 1) / place.rate_hz for each in positions]
        return times, [each - 1 for each in positions]
    offsets = [float(each) for each in _listed(item.get("ReferencedTimeOffsets"))]
    if offsets:
        return [place.onset_s + each for each in offsets], [-1] * len(offsets)
    stamps = [moment(str(each))[0] for each in _listed(item.get("ReferencedDateTime"))]
    if stamps and start is not None and None not in stamps:
        return [(each - start).total_seconds() for each in stamps if each], [-1] * len(stamps)
    return [], []


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the columns of a table of annotations.

    Parameters
    ----------
    rows : sequence of dict

    Returns
    -------
    dict of str to ndarray
        In order of onset.
    """
    ordered = sorted(rows, key=lambda row: float(row["onset"]))
    return {
        name: np.array([row[name] for row in ordered], dtype)
        for name, dtype in ANNOTATION_COLUMNS.items()
    }


def measurement_key(concept: str, unit: str, lead: str = "") -> str:
    """Return the name of a measurement.

    Parameters
    ----------
    concept : str
        Meaning of its code.
    unit : str
        Code of its unit (UCUM).
    lead : str
        Of a measurement of one lead.

    Returns
    -------
    str

    Examples
    --------
    >>> measurement_key("QRS Duration", "ms"), measurement_key("R amplitude", "uV", "V1")
    ('qrs_ms', 'r_amplitude_uv_v1')
    """
    plain = " ".join(concept.lower().split())
    for pattern, name in _USUAL:
        match = re.fullmatch(pattern, plain)
        if match:
            plain = match.expand(name)
            break
    ending = _UNITS.get(unit, unit.lower() if _UNIT.fullmatch(unit) else "")
    parts = (re.sub(r"[^a-z0-9]+", "_", each.lower()).strip("_") for each in (plain, ending, lead))
    return "_".join(each for each in parts if each)


def moment(text: str) -> tuple[Any, str]:
    """Return a DICOM date and time as the clock showed it, and its zone.

    Parameters
    ----------
    text : str
        ``YYYYMMDDHHMMSS.FFFFFF&ZZXX``; at least the day.

    Returns
    -------
    time : datetime or None
        None if it is no time.
    zone : str
        ``"+0100"``, or empty.

    Examples
    --------
    >>> moment("20230104085844.5+0100")
    (datetime.datetime(2023, 1, 4, 8, 58, 44, 500000), '+0100')
    """
    from datetime import datetime

    match = re.fullmatch(r"(\d{8})(\d{0,6})(\.\d{1,6})?([+-]\d{4})?", text.strip(), re.ASCII)
    if match is None or len(match[2]) % 2:
        return None, ""
    try:
        whole = datetime.strptime(match[1] + match[2].ljust(6, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None, ""
    micro = int((match[3] or ".0")[1:].ljust(6, "0"))
    return whole.replace(microsecond=micro), match[4] or ""


def _free(key: str, taken: dict[str, Any]) -> str:
    n, name = 1, key
    while name in taken:
        n += 1
        name = f"{key}_{n}"
    return name


def _coded(item: Any, keyword: str) -> tuple[str, str]:
    """Return code and meaning of the first item of a sequence."""
    sequence: Any = item.get(keyword)
    if not sequence:
        return "", ""
    code = _text(sequence[0], "CodeValue") or _text(sequence[0], "LongCodeValue")
    return code, _text(sequence[0], "CodeMeaning")


def _text(item: Any, keyword: str) -> str:
    value = item.get(keyword)
    return "" if value is None else " ".join(str(value).split())


def _listed(value: Any) -> list[Any]:
    """Return the values of an element of which there may be one, several or none."""
    if value is None or value == "":
        return []
    if isinstance(value, str | bytes | int | float):
        return [value]
    return list(value) if hasattr(value, "__iter__") else [value]
