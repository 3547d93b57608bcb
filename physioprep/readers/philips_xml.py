"""Read Philips XML 1.03 to 1.04.02 (SierraECG, PhilipsECG), as PageWriters and TraceMaster write.

Samples are 16 bits, XLI or plain. Representative beats have a rate and a resolution of their own.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.clinical_text import facts_of
from physioprep.readers.lead_labels import Labels
from physioprep.readers.naming import Known, known_of, names_nobody
from physioprep.readers.person import person
from physioprep.readers.philips_waveforms import beats_of, pulse_of, rhythm_of
from physioprep.readers.xml_tree import NO_BASE64, load, number_of, root_name, text_of
from physioprep.recording import Recording
from physioprep.xml_pieces import Texts

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FORMAT: Final = "philips_xml"
_TEXTS: Final = Texts(
    dict.fromkeys(("parsedwaveforms", "waveform", "repbeat"), NO_BASE64), at_rest=True
)
_VERSIONS: Final = ("1.03", "1.04", "1.04.01", "1.04.02")
#: Of an interpretation; 1.03 calls them means.
_MEASUREMENTS: Final = {
    **{"heartrate": "heart_rate_bpm", "atrialrate": "atrial_rate_bpm", "rrint": "rr_ms"},
    **{"pdur": "p_ms", "print": "pr_ms", "meanprint": "pr_ms", "meanprseg": "pr_segment_ms"},
    **{"qrsdur": "qrs_ms", "meanqrsdur": "qrs_ms", "qtint": "qt_ms", "meanqtint": "qt_ms"},
    **{"meanqtc": "qtc_ms", "qtcb": "qtc_bazett_ms", "qtcf": "qtc_fridericia_ms"},
    **{"meanventrate": "ventricular_rate_bpm", "qtintdispersion": "qt_dispersion_ms"},
    **{"lowventrate": "lowest_rate_bpm", "highventrate": "highest_rate_bpm"},
    **{"numberofcomplexes": "qrs_count"},
    **{
        f"{wave}{plane}axis": f"{wave}{'' if plane == 'front' else '_horizontal'}_axis_deg"
        for wave in ("p", "i40", "qrs", "t40", "st", "t")
        for plane in ("front", "horiz")
    },
}
#: Of each lead: amplitudes in µV, durations in ms.
_OF_LEADS: Final = (
    *("pamp", "pdur", "parea", "ppamp", "ppdur", "ppppdur", "pparea", "pppparea", "qamp", "qdur"),
    *("ramp", "rdur", "samp", "sdur", "rpamp", "rpdur", "spamp", "spdur", "vat", "qrsppk"),
    *("qrsdur", "qrsarea", "ston", "stmid", "st80", "stend", "stdur", "stslope", "tamp", "tdur"),
    *("tarea", "tpamp", "tptpdur", "tpdur", "tparea", "tptparea", "print", "prseg", "qtint"),
)
_NAMES: Final = re.compile(
    r"(?:last|first|middle|patient)name|physician|clinician|operator|technician|editor|signature"
    r"|overread|requester|reader"
)
_IDS: Final = re.compile(r"patientid|mrn|ssn|socialsecurity|visit|encounter|account", re.IGNORECASE)
_BORN: Final = ("age/dateofbirth", "dateofbirth")
_UNSIGNED: Final = ("unconfirmed diagnosis", "preliminary", "unconfirmed")
_CODE: Final = re.compile(r"[A-Za-z0-9_+*/-]{1,16}", re.ASCII)
_FILTERS: Final = {
    "highpass_hz": ("hipass", "dataacquisition/signalcharacteristics/hipass"),
    "lowpass_hz": ("lowpass", "dataacquisition/signalcharacteristics/lowpass"),
    "notch_hz": ("notchfilterfreqs", "dataacquisition/signalcharacteristics/notchfilterfreqs"),
}


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is Philips XML.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
    """
    return root_name(path, head) == "restingecgdata"


def read(path: Path, *, verify: bool) -> Recording:
    """Read an ECG.

    Parameters
    ----------
    path : Path
    verify : bool
        Whether fewer samples than the file states are an error; else they are noted.

    Returns
    -------
    Recording
        One group, in µV. The calibration pulse at its end is an annotation.

    Raises
    ------
    UnreadableFileError
        It is no Philips XML, or damaged.
    """
    root = load(path, _TEXTS, limit=limits.MAX_ECG_XML_BYTES)
    if root.tag != "restingecgdata":
        raise UnreadableFileError(path, "no restingecgdata")
    notes: list[str] = []
    version = text_of(root, "documentinfo/documentversion")
    if version not in _VERSIONS:
        notes.append("a version of the format that is none of " + ", ".join(_VERSIONS))
    names = _names(root)
    labels = Labels(names)
    labels.hide(root.iter("parsedwaveforms"), "leadlabels", " ")
    labels.hide(root.iter(), "leadname")
    notes += labels.notes()
    group = rhythm_of(path, root, notes, verify=verify)
    pulse = pulse_of(group, notes)
    start = _start(root, notes)
    metadata = _person(root, start) | _measured(root) | _interpreted(root, names)
    beats = beats_of(path, root, group, notes)
    metadata |= {"median_beats": beats} if beats else {}
    metadata |= _facts(root, names)
    if version in _VERSIONS:
        metadata["format_version"] = version
    if notes:
        metadata["notes"] = notes
    return Recording(path, _FORMAT, (group,), (path,), start, metadata, pulse)


def _names(root: Element) -> Known:
    """Return what the fields of a file say of people."""
    texts: list[str] = []
    data = root.find("patient/generalpatientdata")
    born = [text_of(data, where) for where in _BORN]
    ids = (
        [text_of(each) for each in data.iter() if _IDS.search(each.tag)] if data is not None else []
    )
    for each in root.iter():
        if _NAMES.search(each.tag.lower()):
            texts += [
                text for part in each.iter() for text in (text_of(part), *part.attrib.values())
            ]
    return known_of(
        (text for text in texts if text.lower() not in (*_UNSIGNED, "true", "false")),
        ids=[*ids, *born],
        born=map(_date, born),
    )


def _person(root: Element, start: datetime | None) -> dict[str, Any]:
    data = root.find("patient/generalpatientdata")
    number = next(
        filter(None, (text_of(data, tag) for tag in ("patientid", "MRN", "uniquepatientid"))), ""
    )
    name = [
        text_of(data, where) or text_of(data, f"name/{where}")
        for where in ("lastname", "firstname", "middlename")
    ]
    ages = {unit: number_of(text_of(data, f"age/{unit}")) for unit in _AGES}
    years = next((age / _AGES[unit] for unit, age in ages.items() if age is not None), None)
    return person(
        identity=number,
        names=" ".join(filter(None, name)),
        sex=text_of(data, "sex"),
        age_years=years,
        birth_date=next(filter(None, (_date(text_of(data, where)) for where in _BORN)), None),
        recorded=start,
    )


#: Parts of a year.
_AGES: Final = {"years": 1, "months": 12, "weeks": 52.1775, "days": 365.2425, "hours": 8765.82}


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _start(root: Element, notes: list[str]) -> datetime | None:
    acquired = root.find("dataacquisition")
    texts = [acquired.get(name, "").strip() if acquired is not None else "" for name in _WHEN]
    if not any(texts):
        return None
    try:
        return datetime.fromisoformat("T".join(texts)).replace(tzinfo=None)
    except ValueError:
        notes.append("date and time of the acquisition are none: start unknown")
        return None


_WHEN: Final = ("date", "time")


def _interpretations(root: Element) -> list[Element]:
    return root.findall("interpretations/interpretation") or root.findall("interpretation")


def _measured(root: Element) -> dict[str, Any]:
    """Return measurements: of the interpretation, else of the analysis before it."""
    places = [
        *(each.find(tag) for each in _interpretations(root)[:1] for tag in _OF_INTERPRETATION),
        *(root.find(where) for where in _OF_ANALYSIS),
    ]
    found: dict[str, Any] = {}
    for place in places:
        for tag, name in _MEASUREMENTS.items():
            number = number_of(text_of(place, tag)) if place is not None else None
            if number is not None:
                found.setdefault(name, number)
        if "qtc_bazett_ms" in found:
            found.setdefault("qtc_ms", found["qtc_bazett_ms"])
    leads: dict[str, dict[str, Any]] = {}
    for each in root.iter("leadmeasurement"):
        numbers = {tag: number_of(text_of(each, tag)) for tag in _OF_LEADS}
        leads[each.get("leadname", "")[:16]] = {
            tag: number for tag, number in numbers.items() if number is not None
        }
    said: dict[str, Any] = {"measurements": found} if found else {}
    return said | ({"lead_measurements": leads} if leads else {})


_OF_INTERPRETATION: Final = ("interpretationmeasurements", "globalmeasurements")
_OF_ANALYSIS: Final = (
    "measurements/globalmeasurements",
    "internalmeasurements/crossleadmeasurements",
    "measurements/crossleadmeasurements",
)


def _interpreted(root: Element, names: Known) -> dict[str, Any]:
    """Return the statements of each interpretation; those of the first are the file's."""
    said: dict[str, Any] = {}
    n_left_out = 0
    for number, each in enumerate(_interpretations(root)):
        found = []
        for statement in each.iterfind("statement"):
            left, right = (text_of(statement, f"{side}statement") for side in ("left", "right"))
            code = text_of(statement, "statementcode")
            if not names_nobody(f"{left} {right}", names):
                n_left_out += 1
            elif left or right or code:
                code = code if _CODE.fullmatch(code) and names_nobody(code, names) else ""
                found.append({"code": code, "text": left, "reason": right})
        key = "statements" if number == 0 else "further_statements"
        if found:
            said[key] = [*said.get(key, ()), *found]
        severity = each.find("severity")
        if number == 0 and severity is not None and severity.get("code", "") in _SEVERITIES:
            said["severity"] = severity.get("code")
    return said | ({"statements_left_out": n_left_out} if n_left_out else {})


_SEVERITIES: Final = ("NM", "ON", "BL", "BO", "AB", "DE", "NS")


def _facts(root: Element, names: Known) -> dict[str, Any]:
    parsed = root.find("waveforms/parsedwaveforms")
    found: dict[str, Any] = {}
    for name, (attribute, where) in _FILTERS.items():
        stated = parsed.get(attribute, "") if parsed is not None else ""
        number = number_of(stated or text_of(root, where))
        if number:
            found[name] = number
    texts = {
        "device": text_of(root, "dataacquisition/machine"),
        "lead_set": text_of(root, "dataacquisition/signalcharacteristics/acquisitiontype"),
    }
    interpretation = next(iter(_interpretations(root)), None)
    if interpretation is not None:
        texts["criteria_version"] = interpretation.get("criteriaversion", "").strip()
    return found | facts_of(texts, names)
