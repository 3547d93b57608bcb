"""BIDS: any dataset laid out by the Brain Imaging Data Structure, with EEG, iEEG or EMG."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.tables import age, read_table, sex, text
from physioprep.recording import Header

_NAME = re.compile(
    r"(?:.*/)?(?P<stem>(?P<sub>sub-[A-Za-z0-9]+)(?:_(?P<ses>ses-[A-Za-z0-9]+))?"
    r"(?P<more>(?:_[a-z]+-[A-Za-z0-9]+)*)_(?:eeg|ieeg|emg))\.(?:edf|bdf|vhdr|set|nwb|gdf)"
)
#: Channel types of the specification to modalities.
TYPES = {
    **dict.fromkeys(("EEG", "ECOG", "SEEG", "DBS"), "eeg"),
    **dict.fromkeys(("EOG", "HEOG", "VEOG"), "eog"),
    **{"ECG": "ecg", "EMG": "emg", "GSR": "gsr", "RESP": "resp", "TEMP": "temp", "PPG": "ppg"},
}


def find(root: Path) -> list[Entry]:
    """List the recordings under ``sub-*`` with their row of participants.tsv.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, session, age, sex and ``task``; derivatives and source data are left out.
    """
    rows = read_table(root / "participants.tsv", delimiter="\t")
    people = {row["participant_id"]: row for row in rows if "participant_id" in row}
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is None or path.startswith(("derivatives/", "sourcedata/")):
            continue
        person = people.get(found["sub"], {})
        task = re.search(r"_task-([A-Za-z0-9]+)", found["more"])
        entries.append(
            Entry(
                found["stem"],
                path,
                subject_id=found["sub"],
                session=found["ses"],
                age=age(person.get("age")),
                sex=sex(person.get("sex")),
                labels={"task": text(task[1]) if task else None},
            )
        )
    return entries


def modality(channel: str, unit: str, header: Header) -> str | None:
    """Return the modality of a channel by the type that channels.tsv gives it.

    Parameters
    ----------
    channel : str
        Name in the file.
    unit : str
        Not used: the type decides.
    header : Header
        Of the recording; channels.tsv is beside its file.

    Returns
    -------
    str or None
        None where the table or the channel is missing.
    """
    stem = str(header.path)[: str(header.path).rindex("_")]
    kind = _types(Path(f"{stem}_channels.tsv")).get(channel)
    return None if kind is None else TYPES.get(kind, "other")


@lru_cache(maxsize=64)
def _types(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    rows = read_table(path, delimiter="\t")
    return {row["name"]: row["type"].upper() for row in rows if "name" in row and "type" in row}
