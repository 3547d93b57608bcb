"""Read HL7 annotated ECGs (aECG, ``AnnotatedECG``): rhythms, representative beats, annotations.

A sample is ``origin + scale * digit`` in any unit. Every sequence set is a group of its own, with
the time of its own axis; representative beats and their annotations are metadata.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.clinical_text import facts_of
from physioprep.readers.hl7_annotations import Mark, marks_of
from physioprep.readers.hl7_series import (
    Series,
    code_of,
    effective_start,
    lead_name,
    moment_of,
    series_of,
    zone_of,
)
from physioprep.readers.naming import Known, known_of
from physioprep.readers.person import person
from physioprep.readers.xml_tree import NO_NUMBERS, load, number_of, root_name, text_of
from physioprep.recording import Recording, SignalGroup, annotation_columns
from physioprep.xml_pieces import Texts

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FORMAT: Final = "hl7_aecg"
_TEXTS: Final = Texts({"digits": NO_NUMBERS})
#: Units of a rate, of a duration and of an angle: what one is in 1/min, ms and degrees.
_BPM: Final = dict.fromkeys(("bpm", "/min", "{beats}/min", "{H.B.}/min"), 1.0)
_MS: Final = {"ms": 1.0, "s": 1000.0, "us": 0.001}
_DEG: Final = {"deg": 1.0}
_MEASUREMENTS: Final[dict[str, tuple[str, dict[str, float]]]] = {
    "MDC_ECG_HEART_RATE": ("heart_rate_bpm", _BPM),
    "MDC_ECG_TIME_PD_PR": ("pr_ms", _MS),
    "MDC_ECG_TIME_PD_P": ("p_ms", _MS),
    "MDC_ECG_TIME_PD_QRS": ("qrs_ms", _MS),
    "MDC_ECG_TIME_PD_QT": ("qt_ms", _MS),
    "MDC_ECG_TIME_PD_QTc": ("qtc_ms", _MS),
    "MDC_ECG_TIME_PD_QTC": ("qtc_ms", _MS),
    "MDC_ECG_TIME_PD_QTcB": ("qtc_bazett_ms", _MS),
    "MDC_ECG_TIME_PD_QTcF": ("qtc_fridericia_ms", _MS),
    "MDC_ECG_TIME_PD_RR": ("rr_ms", _MS),
    "MDC_ECG_TIME_PD_PP": ("pp_ms", _MS),
    "MDC_ECG_ANGLE_P_FRONT": ("p_axis_deg", _DEG),
    "MDC_ECG_ANGLE_QRS_FRONT": ("qrs_axis_deg", _DEG),
    "MDC_ECG_ANGLE_T_FRONT": ("t_axis_deg", _DEG),
    "MINDRAY_ECG_P_AXIS": ("p_axis_deg", _DEG),
    "MINDRAY_ECG_QRS_AXIS": ("qrs_axis_deg", _DEG),
    "MINDRAY_ECG_T_AXIS": ("t_axis_deg", _DEG),
}
_FILTERS: Final = {
    "MDC_ECG_CTL_VBL_ATTR_FILTER_LOW_PASS": "low_pass_hz",
    "MDC_ECG_CTL_VBL_ATTR_FILTER_HIGH_PASS": "high_pass_hz",
    "MDC_ECG_CTL_VBL_ATTR_FILTER_NOTCH": "notch_hz",
}
_AGE: Final = "21612-7"  # LOINC: reported age
_YEARS: Final = {"a": 1.0, "mo": 1 / 12, "wk": 7 / 365.2425, "d": 1 / 365.2425}


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is an annotated ECG.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
    """
    return root_name(path, head) == "AnnotatedECG"


def read(path: Path, *, verify: bool) -> Recording:
    """Read an annotated ECG.

    Parameters
    ----------
    path : Path
    verify : bool
        No effect: the format has no checksums and no counts.

    Returns
    -------
    Recording
        A group for each sequence set that is no representative beat.

    Raises
    ------
    UnreadableFileError
        It is no annotated ECG, or damaged.
    """
    root = load(path, _TEXTS)
    if root.tag != "AnnotatedECG":
        raise UnreadableFileError(path, "no AnnotatedECG")
    notes: list[str] = []
    found = [*series_of(path, root, notes)]
    rhythms = [series for series in found if not series.beat]
    if not rhythms:
        raise UnreadableFileError(path, "has no series of samples but representative beats")
    start, groups = _placed(path, root, rhythms)
    names = _known(root)
    metadata = _described(root, start)
    marks: list[Mark] = []
    for element in dict.fromkeys(series.element for series in rhythms):
        marks += marks_of(element, _clock(element, start), names)
    limits.check(path, len(marks), limits.MAX_ANNOTATIONS, "annotations")
    beats = [_beat(series, names) for series in found if series.beat]
    if beats:
        metadata["median_beats"] = beats
    measured = _measured(marks)
    if measured:
        metadata["measurements"] = measured
    statements = [{"code": "", "text": mark.statement} for mark in marks if mark.statement]
    if statements:
        metadata["statements"] = statements
    metadata |= _facts(rhythms[0].element, names)
    metadata["lead_codes"] = _lead_codes(root)
    stated = ("head", "low", "high", "center")
    zones = {zone_of(each.get("value")) for each in root.iter() if each.tag in stated} - {""}
    if len(zones) == 1:
        metadata["utc_offset"] = min(zones)
    elif zones:
        notes.append("times are stated in several zones: all are taken for one")
    if notes:
        metadata["notes"] = notes
    columns = _columns(marks, groups)
    return Recording(path, _FORMAT, tuple(groups), (path,), start, metadata, columns)


def _known(root: Element) -> Known:
    """Return what the fields of a file say of people."""
    people = [each for each in root.iter() if each.tag.endswith("Person")]
    names = [" ".join(name.itertext()) for each in people for name in each.iter("name")]
    ids = [each.get("extension") or "" for each in root.iterfind(".//trialSubject/id")]
    ids += [text_of(each) for person_ in people for each in person_.iter("PatientID")]
    births = [each.get("value") or "" for each in root.iter("birthTime")]
    born = [moment_of(each) for each in births]
    return known_of(names, ids=[*ids, *(each[:8] for each in births)], born=born)


def _placed(
    path: Path, root: Element, rhythms: Sequence[Series]
) -> tuple[datetime | None, list[SignalGroup]]:
    """Return when the first sample was taken, and the groups with their onsets from then on."""
    first_s = [series.group.segments[0][1] for series in rhythms]
    known = [series.origin for series in rhythms if series.origin is not None]
    start = min(known, default=None)
    groups = []
    for series, onset_s in zip(rhythms, first_s, strict=True):
        if start is not None and series.origin is not None:
            onset_s += (series.origin - start).total_seconds()
        if not 0 <= onset_s <= 1e9:
            raise UnreadableFileError(path, "a sequence set begins before the recording")
        groups.append(replace(series.group, segments=((0, onset_s),)))
    return (start if start is not None else effective_start(root)), groups


def _clock(element: Element, start: datetime | None) -> Callable[[datetime | float], float | None]:
    """Return what turns the times in a series into seconds from the recording's start."""
    begins = effective_start(element)
    begins_s = (begins - start).total_seconds() if begins is not None and start is not None else 0.0

    def after(where: datetime | float) -> float | None:
        if isinstance(where, datetime):
            return (where - start).total_seconds() if start is not None else None
        return begins_s + where

    return after


def _beat(series: Series, names: Known) -> dict[str, Any]:
    """Return a representative beat, with its annotations in the time of its own axis."""
    group = series.group
    begins = effective_start(series.element)
    first_s = group.segments[0][1]

    def after(where: datetime | float) -> float | None:
        if isinstance(where, datetime):
            return (where - begins).total_seconds() if begins is not None else None
        return where - first_s

    marks = marks_of(series.element, after, names)
    return {
        "channels": list(group.channels),
        "units": list(group.units),
        "sampling_rate": group.sampling_rate,
        "gain": group.gain.tolist(),
        "baseline": group.baseline.tolist(),
        "digital": group.digital,
        "annotations": [
            {
                "onset_s": mark.onset_s,
                "duration_s": mark.duration_s,
                "code": mark.code,
                "text": mark.text,
            }
            for mark in marks
        ],
    }


def _columns(marks: Sequence[Mark], groups: Sequence[SignalGroup]) -> dict[str, Any]:
    """Return the table of annotations; what states no time is about the whole recording."""
    ends_s = max(group.segments[0][1] + group.n_samples / group.sampling_rate for group in groups)
    channels: dict[str, int] = {}
    for number, name in enumerate(name for group in groups for name in group.channels):
        channels.setdefault(name, number)
    rows = [
        (0.0, ends_s, mark) if math.isnan(mark.onset_s) else (mark.onset_s, mark.duration_s, mark)
        for mark in marks
    ]
    rows.sort(key=lambda row: row[0])
    columns = annotation_columns(
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2].text for row in rows],
        _FORMAT,
        [channels.get(row[2].leads[0], -1) if len(row[2].leads) == 1 else -1 for row in rows],
    )
    columns["code"] = np.array([row[2].code for row in rows], object)
    return columns


def _measured(marks: Sequence[Mark]) -> dict[str, Any]:
    """Return the measurements of the whole ECG: about no lead, and in no beat."""
    found: dict[str, Any] = {}
    for mark in marks:
        name, scales = _MEASUREMENTS.get(mark.code, ("", {}))
        if mark.number is None or mark.leads or mark.within or mark.unit not in scales:
            continue
        scale = scales[mark.unit]
        found.setdefault(name, mark.number if scale == 1 else mark.number * scale)
    return found


def _described(root: Element, start: datetime | None) -> dict[str, Any]:
    """Return what may be said of the person."""
    subject = next(root.iter("trialSubject"), None)
    human = next(root.iter("subjectDemographicPerson"), None)
    number = subject.find("id") if subject is not None else None
    identity = number.get("extension") or "" if number is not None else ""
    name = human.find("name") if human is not None else None
    gender = human.find("administrativeGenderCode") if human is not None else None
    birth = human.find("birthTime") if human is not None else None
    born = moment_of(birth.get("value")) if birth is not None else None
    age = number_of(text_of(human, "Age"))
    for observation in root.iter("relatedObservation"):
        value = observation.find("value")
        code = observation.find("code")
        if value is not None and code is not None and code.get("code") == _AGE:
            stated = number_of(value.get("value") or "")
            per_unit = _YEARS.get(value.get("unit") or "a")
            age = stated * per_unit if stated is not None and per_unit else age
    return person(
        identity=identity or text_of(human, "PatientID"),
        names=" ".join(" ".join(name.itertext()).split()) if name is not None else "",
        sex=(gender.get("code") or "") if gender is not None else "",
        age_years=age,
        birth_date=date(born.year, born.month, born.day) if born is not None else None,
        recorded=start,
    )


def _facts(series: Element, names: Known) -> dict[str, Any]:
    """Return the device and the filters of a series."""
    device = series.find("author/seriesAuthor/manufacturedSeriesDevice")
    said: dict[str, Any] = facts_of(
        {
            "device": text_of(device, "manufacturerModelName"),
            "software": text_of(device, "softwareName"),
        },
        names,
    )
    for variable in series.iterfind("controlVariable/controlVariable"):
        name = _FILTERS.get(code_of(variable.find("code")))
        for value in variable.iterfind("component/controlVariable/value"):
            number = number_of(value.get("value") or "")
            if name is not None and number is not None and value.get("unit") == "Hz":
                said.setdefault(name, float(number))
    return said


def _lead_codes(root: Element) -> dict[str, str]:
    """Return the code in the file of each lead."""
    codes = {code_of(each.find("code")) for each in root.iter("sequence")}
    return {lead_name(code): code for code in sorted(codes) if code.startswith("MDC_")}
