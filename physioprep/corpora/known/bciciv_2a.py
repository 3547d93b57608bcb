"""BCI Competition IV 2a: four imagined movements of nine people on two days."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from physioprep.corpora.entry import Entry, walk
from physioprep.errors import UnreadableFileError
from physioprep.readers.mat_file import value_of
from physioprep.readers.parts import numbered, pick, unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import Recording, annotation_columns

#: Order of the columns.
CHANNELS: Final = (
    *("Fz", "FC3", "FC1", "FCz", "FC2", "FC4", "C5", "C3", "C1", "Cz", "C2", "C4", "C6", "CP3"),
    *("CP1", "CPz", "CP2", "CP4", "P1", "Pz", "P2", "POz", "EOG1", "EOG2", "EOG3"),
)
MOVEMENTS: Final = {1: "left hand", 2: "right hand", 3: "feet", 4: "tongue"}
N_RUNS = 6
#: A trial begins with the cross on the screen and ends 6 s later; the cue comes after 2 s.
TRIAL_S = 6.0
_NAME = re.compile(r"(?:.*/)?((A0\d)([TE]))\.mat")


def find(root: Path) -> list[Entry]:
    """List ``A0NT.mat#rN`` and ``A0NE.mat#rN``: the six runs of each day that have trials.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject and session, ``T`` (first day) or ``E`` (second day).
    """
    entries = []
    for path in walk(root):
        name = _NAME.fullmatch(path)
        if name is None:
            continue
        for run in range(1, N_RUNS + 1):
            where = f"{path}#r{run}"
            entries.append(
                Entry(f"{name[1]}/r{run}", where, subject_id=name[2], session=f"{name[3]}/r{run}")
            )
    return entries


def _runs(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the structures of all runs, those of eye movements (without trials) included."""
    data = content.get("data")
    items = data if isinstance(data, list) else [data]
    return [item for item in items if isinstance(item, dict) and {"X", "trial", "y"} <= set(item)]


def _matches(content: Mapping[str, Any]) -> bool:
    return bool(_runs(content))


def _read(container: Container) -> Recording:
    """Return one run with its trials."""
    path = container.path
    (number,) = numbered(container.part, r"r(\d+)", path)
    with_trials = [run for run in _runs(container.content) if np.size(run["y"])]
    run = pick(with_trials, number, "run", path)
    rate = float(value_of(run.get("fs", 250.0)))
    group = unscaled(CHANNELS, ["uV"] * len(CHANNELS), rate, np.asarray(run["X"]).T, path)
    samples, classes = np.asarray(run["trial"]).ravel(), np.asarray(run["y"]).ravel()
    if len(samples) != len(classes) or not set(classes.tolist()) <= set(MOVEMENTS):
        raise UnreadableFileError(path, f"{len(samples)} trials, classes {set(classes.tolist())}")
    onset = (samples.astype(np.float64) - 1) / rate  # MATLAB counts from 1
    texts = [MOVEMENTS[int(label)] for label in classes]
    notes = annotation_columns(onset, np.full(len(onset), TRIAL_S), texts, "trial")
    metadata = {"layout": "bciciv-2a"}
    return Recording(path, container.format, (group,), (container.file,), None, metadata, notes)


#: Structure of ``A0NT.mat`` as BNCI Horizon 2020 has it; parts ``#r1`` .. ``#r6``.
STRUCTURE = Structure(_matches, _read)
