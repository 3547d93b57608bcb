"""MAHNOB-HCI: EEG, ECG, skin conductance and breath of people who watch film clips."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep import limits
from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.tables import number
from physioprep.documents import load_xml, read_bytes
from physioprep.recording import NOTE

_NAME = re.compile(r"((?:.*/)?(\d+))/(Part_(\d+)_(S|N)_Trial(\d+)_emotion)\.bdf")
_RATINGS = {
    "arousal": "feltArsl",
    "valence": "feltVlnc",
    "dominance": "feltCtrl",
    "predictability": "feltPred",
}


def find(root: Path) -> list[Entry]:
    """List ``Sessions/<id>/Part_*_emotion.bdf`` with the ratings of ``session.xml``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, session, ratings (1 to 9) and ``emotion``; the fault ``not-rated`` where the
        session has no rating. A ``session.xml`` that cannot be read is a flag.
    """
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is None:
            continue
        folder, session, _, participant = found.group(1, 2, 3, 4)
        sheet = f"{folder}/session.xml"
        flags: tuple[str, ...] = ()
        try:
            said, subject = _session(root / sheet)
        except ValueError as error:
            said, subject, flags = {}, None, (f"{NOTE}{sheet}: no ratings read ({error})",)
        labels: dict[str, str | float | None] = {
            name: number(said.get(key)) for name, key in _RATINGS.items()
        }
        labels["emotion"] = said.get("feltEmo")
        entries.append(
            Entry(
                session,
                path,
                subject_id=subject or str(int(participant)),
                session=session,
                labels=labels,
                sidecars=(sheet,) if said or flags else (),
                faults=() if flags or "feltArsl" in said else ("not-rated",),
                flags=flags,
            )
        )
    return entries


def _session(path: Path) -> tuple[dict[str, str], str | None]:
    """Return the attributes of a session and its subject; nothing where the file is absent.

    Raises
    ------
    ValueError
        It is no XML, or declares a document type.
    """
    if not path.is_file():
        return {}, None
    session = load_xml(read_bytes(path, ValueError, limits.MAX_YAML_BYTES), ValueError)
    subject = session.find("subject")
    return dict(session.attrib), subject.get("id") if subject is not None else None
