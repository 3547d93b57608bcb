"""DEAP: EEG and peripheral signals (no ECG) of 32 people watching 40 music videos."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.corpora.entry import Entry, walk, with_labels
from physioprep.corpora.tables import number
from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import numbered, pick, unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import Header, Recording

N_TRIALS = 40
_EEG = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1"),
    *("Oz", "Pz", "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2"),
    *("P4", "P8", "PO4", "O2"),
)
_OTHERS = ("hEOG", "vEOG", "zEMG", "tEMG", "GSR", "Respiration", "Plethysmograph", "Temperature")
_CHANNELS = (*_EEG, *_OTHERS)
_UNITS = (*["uV"] * 36, "ohm", "", "", "")
_RATE_HZ, _BASELINE_S = 128.0, 3.0
_NAME = re.compile(r"(?:.*/)?(s(\d\d))\.(?:dat|mat)")
_LAST_OF_TWENTE = 22
_RATINGS = ("valence", "arousal", "dominance", "liking")


def find(root: Path) -> list[Entry]:
    """List ``sNN.dat#vNN``: the trials of a subject, in the order of the videos.

    ``sNN.mat`` holds the same trials; it is used for subjects without a ``.dat``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        40 per subject; the label ``site`` is where the subject was recorded.
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
    """Add the ratings of the trial.

    Parameters
    ----------
    entry : Entry
    header : Header

    Returns
    -------
    Entry
        With the labels valence, arousal, dominance and liking, 1 to 9.
    """
    stated = {key.lower(): str(value) for key, value in header.metadata.items()}
    return with_labels(entry, {name: number(stated.get(name)) for name in _RATINGS})


def _matches(content: Mapping[str, Any]) -> bool:
    return {"data", "labels"} <= set(content)


def _read(container: Container) -> Recording:
    """Return one trial of ``data`` (trial, channel, sample), its baseline of 3 s included."""
    path = container.path
    (trial,) = numbered(container.part, r"v(\d+)", path)
    data = np.asarray(container.content["data"])
    labels = np.asarray(container.content["labels"])  # (trial, rating)
    if data.ndim != 3 or data.shape[1] != len(_CHANNELS) or labels.shape != (len(data), 4):
        cause = f"data {data.shape} and labels {labels.shape} are not DEAP's"
        raise UnreadableFileError(path, cause)
    group = unscaled(_CHANNELS, _UNITS, _RATE_HZ, pick(data, trial, "trial", path), path)
    ratings = zip(_RATINGS, labels[int(trial) - 1].astype(np.float64).tolist(), strict=True)
    metadata = {"layout": "deap", "baseline_s": _BASELINE_S, **dict(ratings)}
    return Recording(path, container.format, (group,), (container.file,), None, metadata)


#: Structure of ``sNN.dat`` and ``sNN.mat``; parts ``#v01`` .. ``#v40``.
STRUCTURE = Structure(_matches, _read)
