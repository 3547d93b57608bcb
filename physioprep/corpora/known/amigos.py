"""AMIGOS: EEG, ECG and skin conductance of 40 people watching 20 videos."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, number, text, walk, with_labels
from physioprep.recording import Header

N_VIDEOS = 20
_NAME = re.compile(r"(?:.*/)?Data_Preprocessed_(P\d\d)\.mat")
_RATINGS = ("arousal", "valence", "dominance", "liking", "familiarity")


def find(root: Path) -> list[Entry]:
    """List ``Data_Preprocessed_PNN.mat#vNN``: the cells of a subject, some of them empty."""
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is None:
            continue
        for video in range(1, N_VIDEOS + 1):
            part = f"v{video:02}"
            entries.append(
                Entry(f"{found[1]}/{part}", f"{path}#{part}", subject_id=found[1], session=part)
            )
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Take the subject's ratings and the video's name."""
    said = {key.lower(): str(value) for key, value in header.metadata.items()}
    labels: dict[str, str | float | None] = {name: number(said.get(name)) for name in _RATINGS}
    return with_labels(entry, labels | {"video": text(said.get("video"))})
