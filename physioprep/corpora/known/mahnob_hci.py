"""MAHNOB-HCI: EEG, ECG, skin conductance and breath of people who watch film clips."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.tables import number
from physioprep.errors import CorpusError

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
        session has no rating.

    Raises
    ------
    CorpusError
        A ``session.xml`` is no XML.
    """
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is None:
            continue
        folder, session, _, participant = found.group(1, 2, 3, 4)
        said, subject = _session(root / folder / "session.xml")
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
                sidecars=(f"{folder}/session.xml",) if said else (),
                faults=() if "feltArsl" in said else ("not-rated",),
            )
        )
    return entries


def _session(path: Path) -> tuple[dict[str, str], str | None]:
    """Return the attributes of a session and its subject; nothing where the file is absent."""
    if not path.is_file():
        return {}, None
    try:
        session = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise CorpusError(f"{path}: not XML: {error}") from None
    subject = session.find("subject")
    return dict(session.attrib), subject.get("id") if subject is not None else None
