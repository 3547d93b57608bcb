"""Read GE MUSE XML (``RestingECG``): an ECG as the MUSE system exports it.

The file stores eight leads of twelve as a rule: III, aVR, aVL and aVF are sums of others, and are
not made up here. Samples are verified by the CRC-32 and the counts that the file states.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.clinical_text import facts_of, statements_of
from physioprep.readers.lead_labels import Labels
from physioprep.readers.muse_matrix import read_matrix
from physioprep.readers.muse_waveforms import Waveform, groups_of, waveforms_of
from physioprep.readers.naming import Known, known_of
from physioprep.readers.person import person
from physioprep.readers.xml_tree import NO_BASE64, load, number_of, root_name, text_of
from physioprep.recording import BAD_CHANNEL, Recording, annotation_columns
from physioprep.xml_pieces import Texts

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FORMAT: Final = "muse_xml"
_TEXTS: Final = Texts({"WaveFormData": NO_BASE64}, at_rest=True)
#: RestingECGMeasurements; onsets and offsets count samples of the median beat.
_MEASUREMENTS: Final = {
    **{"VentricularRate": "heart_rate_bpm", "AtrialRate": "atrial_rate_bpm"},
    **{"PRInterval": "pr_ms", "PDuration": "p_ms", "QRSDuration": "qrs_ms"},
    **{"QTInterval": "qt_ms", "QTCorrected": "qtc_ms", "AvgRRInterval": "rr_ms"},
    **{"QTcFrederica": "qtc_fridericia_ms", "QTcFridericia": "qtc_fridericia_ms"},
    **{"QTcFramingham": "qtc_framingham_ms", "QRSCount": "qrs_count"},
    **{"PAxis": "p_axis_deg", "RAxis": "qrs_axis_deg", "TAxis": "t_axis_deg"},
    **{"POnset": "p_onset_sample", "POffset": "p_offset_sample", "QOnset": "q_onset_sample"},
    **{"QOffset": "q_offset_sample", "TOnset": "t_onset_sample", "TOffset": "t_offset_sample"},
    **{"ECGSampleBase": "sample_base_hz", "ECGSampleExponent": "sample_exponent"},
}
_FACTS: Final = {
    "muse_version": "MuseInfo/MuseVersion",
    "device": "TestDemographics/AcquisitionDevice",
    "acquisition_software": "TestDemographics/AcquisitionSoftwareVersion",
    "analysis_software": "TestDemographics/AnalysisSoftwareVersion",
}
_FLAGS: Final = frozenset({"ENDSLINE", "USERINSERT", "USERDELETE", "USERMODIFY"})
#: Parts of the years in which ages are stated.
_AGES: Final = {"YEARS": 1, "MONTHS": 12, "WEEKS": 52.1775, "DAYS": 365.2425, "HOURS": 8765.82}
_NAMES: Final = re.compile(
    r"Name|Physician|Technician|Clinician|Doctor|Reader|Overread|Editor", re.IGNORECASE
)
_IDS: Final = re.compile(
    r"PatientID|SecondaryID|MRN|SSN|AdmissionID|(?:Visit|Account|Requisition|Order|Accession)Number"
)
#: Names of places and roles within those.
_NO_PEOPLE: Final = re.compile(r"Site|Location|Unit|Group|Room")
_DATES: Final = (
    re.compile(r"(?P<month>\d\d?)[-/](?P<day>\d\d?)[-/](?P<year>\d{4})", re.ASCII),
    re.compile(r"(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)", re.ASCII),
)


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is one of MUSE.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
    """
    return root_name(path, head) == "RestingECG"


def read(path: Path, *, verify: bool) -> Recording:
    """Read an ECG.

    Parameters
    ----------
    path : Path
    verify : bool
        Whether wrong counts and checksums are errors; else they are noted.

    Returns
    -------
    Recording
        A group for each rhythm waveform.

    Raises
    ------
    ChecksumError
        Samples do not match the CRC-32 of the file.
    UnreadableFileError
        It is no MUSE file, or damaged.
    """
    # restecg.dtd, which nobody has beside the file
    root = load(path, _TEXTS, external_dtd=True, limit=limits.MAX_ECG_XML_BYTES)
    if root.tag != "RestingECG":
        raise UnreadableFileError(path, "no RestingECG")
    notes: list[str] = []
    labels = Labels(_known(root))
    labels.hide(root.iter("LeadID"))
    notes += labels.notes()
    waveforms = waveforms_of(path, root, notes, verify=verify)
    groups = [
        group
        for waveform in waveforms
        if waveform.kind != "median"
        for group in groups_of(path, waveform, notes)
    ]
    if not groups:
        raise UnreadableFileError(path, "has no rhythm waveform")
    start, metadata = _described(root, notes)
    metadata |= _of_waveforms(path, waveforms, notes)
    beats = _beats(path, root, notes)
    if notes:
        metadata["notes"] = notes
    return Recording(
        path=path,
        format=_FORMAT,
        groups=tuple(groups),
        files=(path,),
        start_time=start,
        metadata=metadata,
        annotation_columns=beats,
    )


def _of_waveforms(path: Path, waveforms: list[Waveform], notes: list[str]) -> dict[str, Any]:
    """Return metadata of the waveforms: median beats, filters, what the device says of leads."""
    said: dict[str, Any] = {}
    medians = []
    for waveform in waveforms:
        if waveform.kind != "median":
            continue
        medians += [
            {
                "channels": list(group.channels),
                "units": list(group.units),
                "sampling_rate": group.sampling_rate,
                "gain": group.gain.tolist(),
                "digital": group.digital,
            }
            for group in groups_of(path, waveform, notes)
        ]
    if medians:
        said["median_beats"] = medians
    rhythms = [waveform for waveform in waveforms if waveform.kind != "median"]
    said |= rhythms[0].filters
    if any(waveform.filters != rhythms[0].filters for waveform in rhythms):
        notes.append("waveforms have several filters: those of the first are stated")
    leads = [lead for waveform in rhythms for lead in waveform.leads]
    off = [lead.name for lead in leads if lead.off]
    if off:
        said["flags"] = [f"{BAD_CHANNEL}{name}" for name in off]
    noise = [f"{lead.name}:{what}" for lead in leads for what in lead.noise]
    if noise:
        said["lead_noise"] = noise
    return said


def _described(root: Element, notes: list[str]) -> tuple[datetime | None, dict[str, Any]]:
    """Return start time and metadata: the person, measurements, statements, facts."""
    start = _start(root, notes)
    patient = root.find("PatientDemographics")
    names = _known(root)
    age = number_of(text_of(patient, "PatientAge"))
    per_year = _AGES.get(text_of(patient, "AgeUnits").upper() or "YEARS")
    metadata = person(
        identity=text_of(patient, "PatientID"),
        names=" ".join(
            filter(None, (text_of(patient, f"Patient{each}Name") for each in ("Last", "First")))
        ),
        sex=text_of(patient, "Gender"),
        age_years=age / per_year if age is not None and per_year else None,
        birth_date=_date(text_of(patient, "DateofBirth")),
        recorded=start,
    )
    for key, tag in (
        ("measurements", "RestingECGMeasurements"),
        ("original_measurements", "OriginalRestingECGMeasurements"),
    ):
        found = _measured(root.find(tag), notes)
        if key == "measurements":
            found |= _more_measured(root)
        if found:
            metadata[key] = found
    metadata |= _of_leads(root)
    for key, tag in (("statements", "Diagnosis"), ("original_statements", "OriginalDiagnosis")):
        found_statements, n_left_out = statements_of(_lines(root.find(tag)), names)
        if found_statements:
            metadata[key] = found_statements
        if n_left_out:
            metadata[f"{key}_left_out"] = n_left_out
    facts = {name: text_of(root, where) for name, where in _FACTS.items()}
    return start, metadata | facts_of(facts, names)


def _known(root: Element) -> Known:
    """Return what the fields of a file say of people."""
    fields = [
        each
        for part in ("PatientDemographics", "TestDemographics", "Order", "OrderInfo")
        for each in root.iterfind(f"{part}//*")
    ]
    born = [text_of(each) for each in fields if each.tag == "DateofBirth"]
    return known_of(
        (
            each.text or ""
            for each in fields
            if _NAMES.search(each.tag) and not _NO_PEOPLE.search(each.tag)
        ),
        ids=[*(text_of(each) for each in fields if _IDS.search(each.tag)), *born],
        born=map(_date, born),
    )


def _measured(element: Element | None, notes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for tag, name in _MEASUREMENTS.items():
        text = text_of(element, tag)
        number = number_of(text)
        if number is not None:
            found[name] = number
        elif text:
            notes.append(f"the measurement {tag} is no number: left out")
    return found


def _of_leads(root: Element) -> dict[str, Any]:
    """Return what was measured lead by lead."""
    text = next((text_of(each) for each in root.iter("MeasurementMatrix") if text_of(each)), "")
    if not text:
        return {}
    found = read_matrix(text)
    return {"lead_measurements": found} if found else {"not_read": ["MeasurementMatrix"]}


def _more_measured(root: Element) -> dict[str, Any]:
    places = {
        "global_rr_ms": "QRSTimesTypes/GlobalRR",
        "pharma_rr_ms": "PharmaData/PharmaRRinterval",
        "pharma_pp_ms": "PharmaData/PharmaPPinterval",
    }
    found = {name: number_of(text_of(root, where)) for name, where in places.items()}
    return {name: number for name, number in found.items() if number is not None}


def _lines(element: Element | None) -> list[list[dict[str, Any]]]:
    """Return the statements of an interpretation, line by line: a flag ends each."""
    lines: list[list[dict[str, Any]]] = [[]]
    for each in element.iterfind("DiagnosisStatement") if element is not None else ():
        flags = [text_of(flag) for flag in each.iterfind("StmtFlag") if text_of(flag)]
        flags = [flag for flag in flags if flag in _FLAGS]
        text = text_of(each, "StmtText")
        if text:
            code = text_of(each, "StmtNumber") or text_of(each, "StmtCode")
            code = code if re.fullmatch(r"\d{1,6}", code, re.ASCII) else ""
            lines[-1].append({"code": code, "text": text, "flags": flags})
        if "ENDSLINE" in flags and lines[-1]:
            lines.append([])
    return [line for line in lines if line]


def _date(text: str) -> date | None:
    """Return a day as MUSE writes it, with the month first, or as ISO 8601 does."""
    for pattern in _DATES:
        found = pattern.fullmatch(text)
        if found:
            try:
                return date(**{name: int(number) for name, number in found.groupdict().items()})
            except ValueError:
                return None
    return None


def _start(root: Element, notes: list[str]) -> datetime | None:
    day = text_of(root, "TestDemographics/AcquisitionDate")
    clock = text_of(root, "TestDemographics/AcquisitionTime")
    if not day and not clock:
        return None
    found = re.fullmatch(r"(\d\d?):(\d\d)(?::(\d\d))?", clock, re.ASCII)
    on = _date(day)
    if on is not None and found:
        try:
            hour, minute, second = (int(each or 0) for each in found.groups())
            return datetime(on.year, on.month, on.day, hour, minute, second)
        except ValueError:
            pass
    notes.append("AcquisitionDate and AcquisitionTime are no date and time: start unknown")
    return None


def _beats(path: Path, root: Element, notes: list[str]) -> dict[str, Any]:
    """Return the beats and pacemaker spikes of the file as annotations."""
    rows: list[tuple[float, str, str, int, int]] = []
    beats: Iterable[Element] = root.iterfind("QRSTimesTypes/QRS")
    spikes = (
        each for each in root.iter() if "pace" in each.tag.lower() and each.find("Time") is not None
    )
    for what, elements in (("QRS", beats), ("pace", spikes)):
        for each in elements:
            at_ms = number_of(text_of(each, "Time"))
            kind = number_of(text_of(each, "Type"))
            number = number_of(text_of(each, "Number"))
            if at_ms is None or not np.isfinite(at_ms):
                notes.append(f"a {what} without a time: left out")
                continue
            code = str(kind) if isinstance(kind, int) else ""
            rows.append((at_ms / 1000, what, code, _small(kind), _small(number)))
    limits.check(path, len(rows), limits.MAX_ANNOTATIONS, "annotations")
    rows.sort(key=lambda row: row[0])
    columns = annotation_columns(
        [row[0] for row in rows], [np.nan] * len(rows), [row[1] for row in rows], _FORMAT
    )
    columns["code"] = np.array([row[2] for row in rows], object)
    columns["subtype"] = np.array([row[3] for row in rows], np.int64)
    columns["num"] = np.array([row[4] for row in rows], np.int64)
    return columns


def _small(number: float | int | None) -> int:
    return number if isinstance(number, int) and abs(number) < 2**31 else 0
