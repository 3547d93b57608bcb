"""Of a DICOM file, beside its samples: when it was recorded, by what, and of the person the least.

Elements that name people are read here and nowhere else; what leaves is an explicit list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from physioprep.readers import dicom_annotations as notes_in
from physioprep.readers.clinical_text import facts_of
from physioprep.readers.naming import Known, known_of
from physioprep.readers.person import person

#: Ids that stand where one was taken away.
_REMOVED: Final = re.compile(r"(?:removed|de-?identified|anonym\w*)", re.IGNORECASE)
_IDS: Final = ("PatientID", "OtherPatientIDs", "AccessionNumber", "AdmissionID")
_VENDORS: Final = (
    *("GE Healthcare", "GE Medical Systems", "Philips", "Mortara", "Schiller", "Nihon Kohden"),
    *("Welch Allyn", "Hillrom", "Baxter", "Siemens", "Mindray", "Fukuda Denshi", "Spacelabs"),
    *("Edan", "Bionet", "BTL", "Norav", "Cardioline", "Custo", "Natus", "Micromed", "Compumedics"),
    *("Suzuken", "Cardiac Science", "Burdick", "Quinton", "Marquette", "Hewlett-Packard", "Zoll"),
)


def facts(dataset: Any, words: Known) -> dict[str, Any]:
    """Return what is known of the device.

    Parameters
    ----------
    dataset : pydicom.Dataset
    words : Known
        Of the names in the file.

    Returns
    -------
    dict
        Known makers, and texts that look like a model or version.
    """
    maker = text_of(dataset, "Manufacturer").casefold()
    known = [name for name in _VENDORS if name.casefold() in maker]
    found: dict[str, Any] = {"manufacturer": known[0]} if known else {}
    software = dataset.get("SoftwareVersions") or ""
    listed = [software] if isinstance(software, str) else list(software)
    texts = {"device": text_of(dataset, "ManufacturerModelName")}
    texts["software"] = ", ".join(str(each).strip() for each in listed)
    return found | facts_of({key: text for key, text in texts.items() if text}, words)


def start_of(dataset: Any) -> tuple[Any, str, str]:
    """Return when the recording begins.

    Parameters
    ----------
    dataset : pydicom.Dataset

    Returns
    -------
    time : datetime or None
        As the clock showed it.
    zone : str
        ``"+0100"``, or empty.
    element : str
        Which says it.
    """
    zone = text_of(dataset, "TimezoneOffsetFromUTC")
    zone = zone if re.fullmatch(r"[+-]\d{4}", zone, re.ASCII) else ""
    for keywords in (("AcquisitionDateTime",), ("AcquisitionDate", "AcquisitionTime"),
                     ("ContentDate", "ContentTime"), ("StudyDate", "StudyTime")):  # fmt: skip
        texts = [text_of(dataset, each) for each in keywords]
        if all(texts):
            time, own_zone = notes_in.moment("".join(texts))
            if time is not None:
                return time, own_zone or zone, "".join(keywords[:1])
    return None, zone, ""


def text_of(dataset: Any, keyword: str) -> str:
    """Return an element as text.

    Parameters
    ----------
    dataset : pydicom.Dataset
    keyword : str

    Returns
    -------
    str
        Empty where it is absent or damaged.
    """
    try:
        value = dataset.get(keyword)
    except Exception:  # pydicom raises nearly anything
        return ""
    return "" if value is None else str(value).strip()


def names_in(dataset: Any) -> tuple[str, Known]:
    """Return the names in a file.

    Parameters
    ----------
    dataset : pydicom.Dataset

    Returns
    -------
    names : str
        Of the person.
    words : Known
        What it says of people and places.
    """
    own = " ".join(text_of(dataset, each) for each in ("PatientName", "OtherPatientNames"))
    named = [*_all_names(dataset, 0)]
    born = text_of(dataset, "PatientBirthDate")
    ids = [text for keyword in _IDS for text in re.split(r"[\[\]',]+", text_of(dataset, keyword))]
    known = known_of(
        [own, *(text for person_, text in named if person_)],
        ids=[*(each for each in ids if not _REMOVED.fullmatch(each)), born, *_other_ids(dataset)],
        born=[notes_in.moment(born)[0]],
        places=[text for person_, text in named if not person_],
    )
    return own.replace("^", " ").strip(), known


def _all_names(dataset: Any, depth: int) -> Iterator[tuple[bool, str]]:
    """Yield whether a text names people, or places, and the text."""
    from pydicom.datadict import dictionary_VR

    for tag in [] if depth > 8 else list(dataset.keys()):
        if tag.is_private or tag in (0x54000100, 0x0040B020):  # waveforms, annotations
            continue
        try:
            kind = dictionary_VR(tag)
            if kind == "PN" or tag in (0x00080080, 0x00081010):  # institution, station
                yield kind == "PN", str(dataset[tag].value)
            elif kind == "SQ":
                for item in dataset[tag].value:
                    yield from _all_names(item, depth + 1)
        except Exception:  # its bytes may be a name all the same
            raw = getattr(dataset.get_item(tag), "value", b"")
            short = isinstance(raw, bytes) and len(raw) < 1000
            yield True, raw.decode("latin-1") if short else ""


def _other_ids(dataset: Any) -> list[str]:
    try:
        return [text_of(item, "PatientID") for item in dataset.get("OtherPatientIDsSequence") or ()]
    except Exception:  # pydicom raises nearly anything
        return []


def person_in(dataset: Any, names: str, start: Any) -> dict[str, Any]:
    """Return what a recording may say of its person.

    Parameters
    ----------
    dataset : pydicom.Dataset
    names : str
        Of the person.
    start : datetime or None
        Of the recording.

    Returns
    -------
    dict
        See `physioprep.readers.person.person`.
    """
    identity = text_of(dataset, "PatientID")
    identity = "" if _REMOVED.fullmatch(identity) else identity
    names = "" if _REMOVED.fullmatch(names) else names
    born, _ = notes_in.moment(text_of(dataset, "PatientBirthDate"))
    stated = re.fullmatch(r"(\d{3})([DWMY])", text_of(dataset, "PatientAge"), re.ASCII)
    years = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
    age = int(stated[1]) / years[stated[2]] if stated else None
    return person(
        identity=identity,
        names=names,
        sex=text_of(dataset, "PatientSex"),
        age_years=age,
        birth_date=None if born is None else born.date(),
        recorded=start,
    )
