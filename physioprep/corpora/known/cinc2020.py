"""PhysioNet/CinC Challenge 2020: 43,101 12-lead ECGs of six databases, SNOMED CT diagnoses."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, LabelValue, wfdb_paths, with_labels
from physioprep.corpora.noted import unknown_label
from physioprep.corpora.tables import age, comments, sex
from physioprep.recording import NOTE, Header

#: Prefix of record names to database.
DATABASES = {
    "A": "cpsc2018",
    "Q": "cpsc2018-extra",
    "I": "incart",
    "S": "ptb",
    "HR": "ptb-xl",
    "E": "georgia",
}
#: Words of the first release, and the SNOMED CT codes that replaced them.
WORDS = {
    "Normal": "426783006",
    "AF": "164889003",
    "I-AVB": "270492004",
    "LBBB": "164909002",
    "RBBB": "59118001",
    "PAC": "284470004",
    "PVC": "164884008",
    "STD": "429622005",
    "STE": "164931005",
}
_RECORD = re.compile(r"([A-Z]+)(\d{4,5})")
_CORRECTED_LATER = ("incart", "ptb", "ptb-xl")  # counts/mV were wrong in the first release
_UNKNOWN = ("unknown", "unknows")  # the second is how some headers write it
_GEORGIA_GAIN = 4880.0  # counts/mV in the first release; the counts are µV


def find(root: Path) -> list[Entry]:
    """List the records of the six databases.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        Without subjects: the Challenge publishes none.
    """
    return [entry for entry in wfdb_paths(root) if database(entry.record_id) in DATABASES.values()]


def database(record_id: str) -> str | None:
    """Return the database of a record, by its name.

    Parameters
    ----------
    record_id : str
        For example ``E00009``.

    Returns
    -------
    str or None
        None for other names.

    Examples
    --------
    >>> database("E00009"), database("JS00001"), database("JS20000"), database("x1")
    ('georgia', 'chapman-shaoxing', 'ningbo', None)
    """
    found = _RECORD.fullmatch(record_id)
    if found is None:
        return None
    if found[1] == "JS":  # two hospitals' sets, numbered through
        return "chapman-shaoxing" if int(found[2]) <= 10646 else "ningbo"
    return DATABASES.get(found[1])


def describe(entry: Entry, header: Header) -> Entry:
    """Add age, sex and diagnoses from the header's comments, and the known faults.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``dx`` (SNOMED CT codes), ``database``, those of `notes_of`, age, sex, and faults.
    """
    said = comments(header.metadata)
    stated = said["dx"].split(",") if said.get("dx") else []
    words = [word.strip() for word in stated if word.strip() not in ("", "Unknown")]
    codes = [WORDS.get(word, word) for word in words]
    faults = [*entry.faults]
    if any(word in WORDS for word in words):
        faults.append("dx-as-words")
    if len(set(codes)) < len(codes) or any(not word.strip() for word in stated):
        faults.append("dx-repeats")
    if str(header.metadata.get("record_name", "")).endswith(".mat"):
        faults.append("malformed-header")
    gains = {gain for group in header.groups for gain in group.gain.tolist()}
    if _GEORGIA_GAIN in gains:
        faults.append("gain-4880")
    if database(entry.record_id) in _CORRECTED_LATER and gains != {1000.0}:
        faults.append("gain-corrected-later")
    odd = dict.fromkeys(code for code in codes if not code.isdigit())
    flags = [*entry.flags, *(unknown_label(code, "Dx") for code in odd)]
    if not codes:
        flags.append(f"{NOTE}no diagnosis is stated (Dx)")
    labels: dict[str, LabelValue] = {
        "dx": sorted(set(codes), key=int) if _all_codes(codes) else None,
        "database": database(entry.record_id),
        **notes_of(header),
    }
    return with_labels(
        entry,
        labels,
        age=age(said.get("age")),
        sex=sex(said.get("sex")),
        faults=tuple(faults),
        flags=tuple(flags),
    )


def notes_of(header: Header) -> dict[str, LabelValue]:
    """Return the comments of a Challenge's header as text, and three of them by themselves.

    Parameters
    ----------
    header : Header
        Of the recording.

    Returns
    -------
    dict of str to (str or None)
        ``report``: all comments in order, joined by ``; ``; ``rx``, ``hx``, ``sx``: what is
        prescribed, the history and the symptoms, None where unknown.
    """
    said = comments(header.metadata)
    lines = [text for line in header.metadata.get("comments", ()) if (text := line.strip())]
    labels: dict[str, LabelValue] = {"report": "; ".join(lines) or None}
    for name in ("rx", "hx", "sx"):
        words = said.get(name, "")
        labels[name] = words if words and words.lower() not in _UNKNOWN else None
    return labels


def _all_codes(codes: list[str]) -> bool:
    return bool(codes) and all(code.isdigit() for code in codes)
