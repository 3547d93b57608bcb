"""FACED: EEG of 123 people who watched 28 video clips of nine emotions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from physioprep.corpora.entry import Entry, walk
from physioprep.readers.pickles import ARRAY
from physioprep.readers.structures import Container, Structure
from physioprep.readers.trials import of_trials
from physioprep.recording import Recording

#: Order of the channels in ``Processed_data``.
CHANNELS: Final = (
    *("Fp1", "Fp2", "Fz", "F3", "F4", "F7", "F8", "FC1", "FC2", "FC5", "FC6", "Cz", "C3", "C4"),
    *("T7", "T8", "A1", "A2", "CP1", "CP2", "CP5", "CP6", "Pz", "P3", "P4", "P7", "P8", "PO3"),
    *("PO4", "Oz", "O1", "O2"),
)
#: The emotion that each of the 28 clips is meant to elicit.
EMOTIONS: Final = (
    *["anger"] * 3, *["disgust"] * 3, *["fear"] * 3, *["sadness"] * 3, *["neutral"] * 4,
    *["amusement"] * 3, *["inspiration"] * 3, *["joy"] * 3, *["tenderness"] * 3,
)  # fmt: skip
_RATE_HZ = 250.0
_NAME = re.compile(r"(?:.*/)?(sub\d{3})\.pkl")


def find(root: Path) -> list[Entry]:
    """List ``Processed_data/subNNN.pkl``, one recording of 28 clips a person.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject.
    """
    found = ((_NAME.fullmatch(path), path) for path in walk(root))
    return [Entry(name[1], path, subject_id=name[1]) for name, path in found if name]


def _matches(content: Mapping[str, Any]) -> bool:
    shape = getattr(content.get(ARRAY), "shape", ())
    return bool(shape[:2] == (len(EMOTIONS), len(CHANNELS)))


def _read(container: Container) -> Recording:
    """Return the last 30 s of each clip, with its emotion as the text."""
    path, data = container.path, np.asarray(container.content[ARRAY])
    group, notes = of_trials(CHANNELS, ["uV"] * len(CHANNELS), _RATE_HZ, data, EMOTIONS, path)
    metadata = {"layout": "faced"}
    return Recording(path, container.format, (group,), (container.file,), None, metadata, notes)


#: Structure of ``subNNN.pkl``, a bare array (clip, channel, time); no parts.
STRUCTURE = Structure(_matches, _read)
