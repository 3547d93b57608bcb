"""SHU-MI: imagined movements of the left and right hand, 25 people on five days."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from physioprep.corpora.entry import Entry, walk
from physioprep.errors import UnreadableFileError
from physioprep.readers.structures import Container, Structure
from physioprep.readers.trials import of_trials
from physioprep.recording import Recording

#: Order of the channels, as the authors' EDF files name them.
CHANNELS: Final = (
    *("Fp1", "Fp2", "Fz", "F3", "F4", "F7", "F8", "FC1", "FC2", "FC5", "FC6", "Cz", "C3", "C4"),
    *("T3", "T4", "A1", "A2", "CP1", "CP2", "CP5", "CP6", "Pz", "P3", "P4", "T5", "T6", "PO3"),
    *("PO4", "Oz", "O1", "O2"),
)
_RATE_HZ = 250.0
_HANDS = {1: "left hand", 2: "right hand"}
_NAME = re.compile(r"(?:.*/)?((sub-\d+)_(ses-\d+))_task_motorimagery_eeg\.mat")


def find(root: Path) -> list[Entry]:
    """List ``sub-NNN_ses-NN_task_motorimagery_eeg.mat``, a recording of about 100 trials each.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject and session.
    """
    found = ((_NAME.fullmatch(path), path) for path in walk(root))
    return [Entry(n[1], path, subject_id=n[2], session=n[3]) for n, path in found if n]


def _matches(content: Mapping[str, Any]) -> bool:
    shape: tuple[int, ...] = getattr(content.get("data"), "shape", ())
    return "labels" in content and len(shape) == 3 and shape[1] == len(CHANNELS)


def _read(container: Container) -> Recording:
    """Return the trials of 4 s, with the hand as the text of each."""
    path = container.path
    data = np.asarray(container.content["data"])
    labels = np.asarray(container.content["labels"]).ravel()
    try:
        hands = [_HANDS[int(label)] for label in labels]
    except KeyError as error:
        raise UnreadableFileError(path, f"label {error} is neither 1 nor 2") from None
    group, notes = of_trials(CHANNELS, ["uV"] * len(CHANNELS), _RATE_HZ, data, hands, path)
    metadata = {"layout": "shu-mi"}
    return Recording(path, container.format, (group,), (container.file,), None, metadata, notes)


#: Structure of the ``.mat`` files; one recording per file, no parts.
STRUCTURE = Structure(_matches, _read)
