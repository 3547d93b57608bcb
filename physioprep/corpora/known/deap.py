"""DEAP: EEG and peripheral signals (no ECG) of 32 people watching 40 music videos."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, number, walk, with_labels
from physioprep.recording import Header

N_TRIALS = 40
_NAME = re.compile(r"(?:.*/)?(s(\d\d))\.(?:dat|mat)")
_LAST_OF_TWENTE = 22
_RATINGS = ("valence", "arousal", "dominance", "liking")


def find(root: Path) -> list[Entry]:
    """List ``sNN.dat#vNN``: the trials of a subject, in the order of the videos.

    The MATLAB twin ``sNN.mat`` holds the same; it counts for subjects without a ``.dat``.
    """
    files: dict[str, tuple[str, re.Match[str]]] = {}
    for path in sorted(walk(root), key=lambda path: path.endswith(".mat")):
        found = _NAME.fullmatch(path)
        if found is not None:
            files.setdefault(found[1], (path, found))
    entries = []
    for path, found in files.values():
        site = "twente" if int(found[2]) <= _LAST_OF_TWENTE else "geneva"
        for trial in range(1, N_TRIALS + 1):
            part = f"v{trial:02}"
            entries.append(
                Entry(
                    f"{found[1]}/{part}",
                    f"{path}#{part}",
                    subject_id=found[1],
                    session=part,
                    labels={"site": site},
                )
            )
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Take the ratings of the trial."""
    said = {key.lower(): str(value) for key, value in header.metadata.items()}
    return with_labels(entry, {name: number(said.get(name)) for name in _RATINGS})
