"""The people of an MFF, in ``subject.xml`` or ``subjects``, and what is handed on of them."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.readers.clinical_text import facts_of
from physioprep.readers.mff_events import load_part
from physioprep.readers.naming import Known, known_of
from physioprep.readers.person import person
from physioprep.readers.xml_tree import text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_FACTS: Final = {
    "device": "ampType",
    "software": "acquisitionVersion",
    "firmware": "ampFirmwareVersion",
    "mff_version": "mffVersion",
}
_ID: Final = frozenset({"patient id", "subject id", "localidentifier", "id"})
_BORN: Final = frozenset({"date of birth", "dob", "birth date", "birthdate", "birthday"})


def people_in(path: Path) -> list[dict[str, str]]:
    """Return the fields of each person.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    list of dict of str to str
        Names of fields in lower case.

    Raises
    ------
    UnreadableFileError
        A file is damaged.
    """
    files = [each for each in (path / "subject.xml",) if each.is_file()]
    files = files or sorted(each for each in (path / "subjects").glob("*.xml") if each.is_file())
    people: list[dict[str, str]] = []
    for file in files:
        fields = load_part(file).iter("field")
        people.append({text_of(f, "name").lower(): text_of(f, "data") for f in fields})
    return people


def known_by_name(people: list[dict[str, str]]) -> Known:
    """Return names and ids of people, as they are looked for in labels of channels.

    Parameters
    ----------
    people : list of dict of str to str

    Returns
    -------
    Known
        Other fields are left out: a history of "ECG" is no reason to hide that label.
    """
    fields = [field for each in people for field in each.items()]
    return known_of(
        [text for name, text in fields if "name" in name],
        ids=[text for name, text in fields if name in _ID],
    )


def facts(info: Element, people: list[dict[str, str]], start: datetime | None) -> dict[str, Any]:
    """Return what is said of the recorder and the person.

    Parameters
    ----------
    info : Element
        Root of ``info.xml``.
    people : list of dict of str to str
    start : datetime or None
        Of the recording.

    Returns
    -------
    dict of str to Any
    """
    said = people[0] if people else {}
    names = [text for name, text in said.items() if "name" in name]
    age = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*(?:y|years?)?", said.get("age", ""), re.ASCII)
    said_of = [text for each in people for text in each.values()]
    hidden = known_of(said_of, ids=(text for text in said_of if re.search(r"\d", text)))
    facts = facts_of({key: text_of(info, tag) for key, tag in _FACTS.items()}, hidden)
    about = person(
        identity=next((said[name] for name in _ID if said.get(name)), ""),
        names=" ".join(text for text in names if text),
        sex=said.get("gender") or said.get("sex", ""),
        age_years=float(age[1]) if age else None,
        birth_date=next((_day(said[name]) for name in _BORN if said.get(name)), None),
        recorded=start,
    )
    if len(people) > 1:  # a mean of several people is of none of them
        about = {"identifying": about["identifying"]}
    return facts | about


def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%m/%d/%Y", "%d.%m.%Y"):
        try:
            return datetime.strptime(text[:10], form).date()
        except ValueError:
            continue
    return None
