"""Read CardioSoft XML (``CardiologyXML``), the layout of the UK Biobank's ECGs.

A file of an ECG at rest has a strip and a median beat; one of an exercise test has a full
disclosure, phases and a trend. Strips and full disclosures are groups of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.cardiosoft_waveforms import Doubts, full_disclosure, leads_of, seconds_of
from physioprep.readers.clinical_text import facts_of, statements_of
from physioprep.readers.lead_labels import Labels
from physioprep.readers.naming import Known, known_of, names_nobody
from physioprep.readers.person import person
from physioprep.readers.xml_tree import NO_NUMBERS, load, number_of, root_name, text_of
from physioprep.recording import Recording, SignalGroup, annotation_columns
from physioprep.xml_pieces import Texts

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FORMAT: Final = "cardiosoft_xml"
_TEXTS: Final = Texts(dict.fromkeys(("WaveformData", "FullDisclosureData"), NO_NUMBERS))
#: RestingECGMeasurements: the unit that belongs to each name.
_MEASUREMENTS: Final = {
    **{"VentricularRate": ("heart_rate_bpm", "bpm"), "PQInterval": ("pr_ms", "ms")},
    **{"PDuration": ("p_ms", "ms"), "QRSDuration": ("qrs_ms", "ms"), "QTInterval": ("qt_ms", "ms")},
    **{"QTCInterval": ("qtc_ms", "ms"), "RRInterval": ("rr_ms", "ms")},
    **{"PPInterval": ("pp_ms", "ms"), "SokolovLVHIndex": ("sokolow_mv", "mv")},
    **{"PAxis": ("p_axis_deg", "degrees"), "RAxis": ("qrs_axis_deg", "degrees")},
    **{"TAxis": ("t_axis_deg", "degrees"), "QTDispersion": ("qt_dispersion_ms", "ms")},
    **{"QTDispersionBazett": ("qtc_dispersion_ms", "ms"), "QRSNum": ("qrs_count", "")},
    **{"POnset": ("p_onset_ms", "ms"), "POffset": ("p_offset_ms", "ms")},
    **{"QOnset": ("q_onset_ms", "ms"), "QOffset": ("q_offset_ms", "ms")},
    **{"TOffset": ("t_offset_ms", "ms")},
}
_EXERCISE: Final = {
    **{"MaxHeartRate": "max_heart_rate_bpm", "MaxPredictedHR": "max_predicted_heart_rate_bpm"},
    **{"MaxWorkload": "max_load", "MaxMets": "max_mets", "RestHR": "rest_heart_rate_bpm"},
}
_TREND: Final = {
    **{"HeartRate": "heart_rate_bpm", "Load": "load", "Grade": "grade", "Mets": "mets"},
    **{"VECount": "ve_count", "PaceCount": "pace_count"},
}
_AMPLITUDES: Final = frozenset({"ms", "uV", "uV/s"})
_TYPES: Final = frozenset({"RestECG", "ExerciseECG", "StressECG", "BicycleECG"})
_IDS: Final = ("PID", "VisitNumber", "OrderNumber", "SSN")
_LONGEST_MARKER: Final = 60
#: Onset and duration (s), and text.
_Row = tuple[float, float, str]


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is one of CardioSoft.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
    """
    return root_name(path, head) == "CardiologyXML"


def read(path: Path, *, verify: bool) -> Recording:
    """Read an ECG at rest or of an exercise test.

    Parameters
    ----------
    path : Path
    verify : bool
        Whether wrong counts are errors; else they are noted.

    Returns
    -------
    Recording
        A group for each strip, and one for the full disclosure.

    Raises
    ------
    UnreadableFileError
        It is no CardioSoft file, or damaged.
    """
    root = load(path, _TEXTS)
    if root.tag != "CardiologyXML":
        raise UnreadableFileError(path, "no CardiologyXML")
    doubts = Doubts(path, verify=verify)
    names = _known(root)
    labels = Labels(names)
    labels.hide(root.iter("WaveformData"), "lead")
    labels.hide(root.iter("LeadOrder"), separator=",")
    doubts.notes += labels.notes()
    strips = [
        (onset_s, element, leads_of(element, doubts, onset_s)) for onset_s, element in _strips(root)
    ]
    groups = [group for _, _, group in strips]
    for element in root.findall("FullDisclosure"):
        disclosed = full_disclosure(element, doubts)
        groups += [disclosed] if disclosed is not None else []
    if not groups:
        raise UnreadableFileError(path, "has neither a strip nor a full disclosure")
    medians = [
        _median(each, leads_of(each, doubts)) for each in root.iter("MedianSamples") if len(each)
    ]
    start, metadata = _described(root, names, doubts.notes)
    if medians:
        metadata["median_beats"] = medians
    rows = [row for onset_s, element, _ in strips for row in _beats(element, onset_s, names)]
    rows += [*_events(root, names), *_phases(root, names)]
    limits.check(path, len(rows), limits.MAX_ANNOTATIONS, "annotations")
    rows.sort(key=lambda row: row[0])
    columns = annotation_columns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows], _FORMAT
    )
    if doubts.notes:
        metadata["notes"] = doubts.notes
    return Recording(path, _FORMAT, tuple(groups), (path,), start, metadata, columns)


def _known(root: Element) -> Known:
    """Return what the fields of a file say of people."""
    born = _moment(root.find("PatientInfo/BirthDateTime"))
    return known_of(
        (each.text or "" for each in root.iter() if each.tag in ("FamilyName", "GivenName")),
        ids=[each.text or "" for each in root.iter() if each.tag in _IDS],
        born=[born],
    )


def _strips(root: Element) -> Iterator[tuple[float, Element]]:
    """Yield the strips and their times; those of an exercise test lie in elements of their own."""
    for parent in (root, *root.iter("Strip")):
        for strip in parent.findall("StripData"):
            if strip.find("WaveformData") is not None:
                yield (
                    seconds_of(parent.find("Time")) or seconds_of(strip.find("Time")) or 0.0,
                    strip,
                )


def _median(element: Element, group: SignalGroup) -> dict[str, Any]:
    said: dict[str, Any] = {
        "channels": list(group.channels),
        "units": list(group.units),
        "sampling_rate": group.sampling_rate,
        "gain": group.gain.tolist(),
        "digital": group.digital,
    }
    for name, tag in (("first_valid", "FirstValid"), ("last_valid", "LastValid")):
        number = number_of(text_of(element, tag))
        if isinstance(number, int):
            said[name] = number
    return said


def _described(
    root: Element, names: Known, notes: list[str]
) -> tuple[datetime | None, dict[str, Any]]:
    """Return start time and metadata: the person, measurements, statements, facts."""
    start = _moment(root.find("ObservationDateTime"))
    if start is None and root.find("ObservationDateTime/Year") is not None:
        notes.append("ObservationDateTime is no date and time: start unknown")
    patient = root.find("PatientInfo")
    age = number_of(text_of(patient, "Age"))
    unit = patient.find("Age") if patient is not None else None
    in_years = unit is not None and (unit.get("units") or "YEARS").upper() == "YEARS"
    born = _moment(patient.find("BirthDateTime") if patient is not None else None)
    family, given = (text_of(patient, f"Name/{each}Name") for each in ("Family", "Given"))
    metadata = person(
        identity=text_of(patient, "PID"),
        names=" ".join(filter(None, (family, given))),
        sex=text_of(patient, "Gender"),
        age_years=age if in_years else None,
        birth_date=date(born.year, born.month, born.day) if born is not None else None,
        recorded=start,
    )
    measured = _measured(root, notes)
    if measured:
        metadata["measurements"] = measured
    by_lead = _by_lead(root)
    if by_lead:
        metadata["lead_measurements"] = by_lead
    trend = [*_trend(root)]
    if trend:
        metadata["trend"] = trend
    for key, where in (
        ("statements", "Interpretation/Diagnosis/DiagnosisText"),
        ("conclusions", "Interpretation/Conclusion/ConclusionText"),
    ):
        texts = [text_of(each) for each in root.iterfind(where)]
        lines = [[{"code": "", "text": text}] for text in texts if re.search(r"\w", text)]
        kept, n_left_out = statements_of(lines, names)
        if kept:
            metadata[key] = kept
        if n_left_out:
            metadata[f"{key}_left_out"] = n_left_out
    return start, metadata | _facts(root, names)


def _facts(root: Element, names: Known) -> dict[str, Any]:
    device = root.find("ClinicalInfo/DeviceInfo")
    said: dict[str, Any] = facts_of(
        {
            "software": text_of(device, "SoftwareVer"),
            "analysis_software": text_of(device, "AnalysisVer"),
            "device": text_of(device, "Desc"),
        },
        names,
    )
    if text_of(device, "Desc") == "CardioSoft":
        said["device"] = "CardioSoft"
    if text_of(root, "ObservationType") in _TYPES:
        said["observation_type"] = text_of(root, "ObservationType")
    pacemaker = text_of(root, "PatientInfo/PaceMaker").lower()
    if pacemaker in ("yes", "no"):
        said["pacemaker"] = pacemaker
    for name, tag in (("low_pass_hz", "LowPass"), ("high_pass_hz", "HighPass")):
        number = number_of(text_of(root, f"FilterSetting/{tag}"))
        if number is not None:
            said[name] = float(number)
    notches = [
        hz for hz in (50, 60) if text_of(root, f"FilterSetting/Filter{hz}Hz").lower() == "yes"
    ]
    if notches:
        said["notch_hz"] = float(notches[0])
    return said


def _measured(root: Element, notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    resting = root.find("RestingECGMeasurements")
    for tag, (name, unit) in _MEASUREMENTS.items():
        element = resting.find(tag) if resting is not None else None
        number = number_of(text_of(element))
        if element is None or not text_of(element):
            continue
        if number is None or (element.get("units") or unit).lower() != unit:
            notes.append(f"the measurement {tag} is no number, or in another unit: left out")
            continue
        found[name] = number
    for tag, name in _EXERCISE.items():
        for where in ("ExerciseMeasurements", "RestingStats"):
            number = number_of(text_of(root, f"{where}/{tag}"))
            if number is not None:
                found[name] = number
    return found


def _by_lead(root: Element) -> dict[str, Any]:
    """Return the table of measurements, a list with a number a lead each."""
    table = root.find("RestingECGMeasurements/MeasurementTable")
    leads = [name.strip() for name in text_of(table, "LeadOrder").split(",")]
    if table is None or not leads[0]:
        return {}
    said: dict[str, Any] = {"leads": leads}
    for each in table:
        unit, values = each.get("units") or "", text_of(each).split(",")
        if unit in _AMPLITUDES and len(values) == len(leads):
            said[f"{each.tag}_{unit}"] = [number_of(value) for value in values]
    return said


def _trend(root: Element) -> Iterator[dict[str, Any]]:
    for entry in root.iterfind("TrendData/TrendEntry"):
        at_s = seconds_of(entry.find("EntryTime"))
        numbers = {name: number_of(text_of(entry, tag)) for tag, name in _TREND.items()}
        if at_s is not None:
            yield {"time_s": at_s} | {k: v for k, v in numbers.items() if v is not None}


def _moment(element: Element | None) -> datetime | None:
    if element is None:
        return None
    texts = [text_of(element, each) for each in ("Year", "Month", "Day")]
    clock = [text_of(element, each) or "0" for each in ("Hour", "Minute", "Second")]
    numbers = [number_of(text) for text in (*texts, *clock)]
    if not all(isinstance(number, int) for number in numbers):
        return None
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _marker(text: str, names: Known) -> bool:
    return 0 < len(text) <= _LONGEST_MARKER and names_nobody(text, names)


def _beats(strip: Element, onset_s: float, names: Known) -> Iterator[_Row]:
    """Yield the beats of a strip: a time and a class alternate."""
    for results in strip.iterfind("ArrhythmiaResults"):
        at_ms: float | None = None
        for each in results:
            if each.tag == "Time" and (each.get("units") or "ms") == "ms":
                at_ms = number_of(text_of(each))
            elif each.tag == "BeatClass" and at_ms is not None and _marker(text_of(each), names):
                yield onset_s + at_ms / 1000, np.nan, text_of(each)
                at_ms = None


def _events(root: Element, names: Known) -> Iterator[_Row]:
    """Yield the events of full disclosures: a text and a time alternate."""
    for events in root.iterfind("FullDisclosure/EventList"):
        text = ""
        for each in events:
            if each.tag == "Event":
                text = text_of(each)
            elif each.tag == "Time":
                at_s = seconds_of(each)
                if at_s is not None and _marker(text, names):
                    yield at_s, np.nan, text
                text = ""


def _phases(root: Element, names: Known) -> Iterator[_Row]:
    """Yield the phases of an exercise test, one after the other, and the stages of its trend."""
    onset_s = 0.0
    for phase in root.iterfind("Protocol/Phase"):
        lasts_s = seconds_of(phase.find("PhaseDuration")) or seconds_of(phase.find("Duration"))
        text = text_of(phase, "PhaseName")
        if lasts_s is None:
            return  # the next would be at a wrong time
        if _marker(text, names):
            yield onset_s, lasts_s, f"phase {text}"
        onset_s += lasts_s
    entries = [
        (seconds_of(entry.find("EntryTime")), text_of(entry, "StageName"))
        for entry in root.iterfind("TrendData/TrendEntry")
    ]
    before = ""
    for at_s, stage in entries:
        if at_s is not None and stage != before and _marker(stage, names):
            yield at_s, np.nan, f"stage {stage}"
        before = stage
