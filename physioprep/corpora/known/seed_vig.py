"""SEED-VIG: EEG of people who drive in a simulator, with their vigilance every 8 s."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.readers.mat_file import value_of
from physioprep.readers.parts import unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import Recording, annotation_columns

#: Order of the columns: temporal, then posterior.
CHANNELS: Final = (
    *("FT7", "FT8", "T7", "T8", "TP7", "TP8", "CP1", "CP2", "P1", "Pz", "P2", "PO3", "POz", "PO4"),
    *("O1", "Oz", "O2"),
)
#: One label of vigilance for so many seconds.
STEP_S: Final = 8.0
_FOLDER = "perclos_labels"
_NAME = re.compile(r"(?:.*/)?Raw_Data/((\d+)_(\d{8}\w*))\.mat")


def find(root: Path) -> list[Entry]:
    """List ``Raw_Data/N_DATE_TIME.mat``, with the file of the same name in ``perclos_labels``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject (the number before the date) and session.
    """
    paths = list(walk(root))
    present = set(paths)
    entries = []
    for path in paths:
        name = _NAME.fullmatch(path)
        if name is not None:
            beside = f"{path[: path.rindex('Raw_Data/')]}{_FOLDER}/{name[1]}.mat"
            sidecars = (beside,) if beside in present else ()
            entries.append(
                Entry(name[1], path, subject_id=name[2], session=name[3], sidecars=sidecars)
            )
    return entries


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return an annotation every 8 s, whose text is the share of time with closed eyes.

    Parameters
    ----------
    path : Path
        The recording; its labels are in ``perclos_labels`` beside its folder.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty without labels.

    Raises
    ------
    CorpusError
        The file of labels holds no ``perclos``.
    """
    from physioprep.readers import read_recording

    beside = path.parent.parent / _FOLDER / path.name
    if not beside.is_file():
        return {}
    labels = read_recording(beside, root=path.parent.parent)
    if labels.metadata.get("layout") != "seed-vig-perclos":
        raise CorpusError(f"{beside}: no labels of vigilance")
    values = [float(value) for value in labels.groups[0].digital[0]]
    onset = [number * STEP_S for number in range(len(values))]
    texts = [repr(value) for value in values]
    return annotation_columns(onset, [STEP_S] * len(values), texts, "perclos")


def _matches(content: Mapping[str, Any]) -> bool:
    eeg = content.get("EEG")
    return "perclos" in content or (isinstance(eeg, dict) and {"data", "sample_rate"} <= set(eeg))


def _read(container: Container) -> Recording:
    """Return the EEG; of a file of labels, these as a signal of one value every 8 s."""
    content, path = container.content, container.path
    if "perclos" in content:
        values = np.asarray(content["perclos"], np.float64).reshape(1, -1)
        group, layout = unscaled(["PERCLOS"], ["1"], 1 / STEP_S, values, path), "seed-vig-perclos"
    else:
        data = np.asarray(content["EEG"]["data"])
        if data.ndim != 2 or data.shape[1] != len(CHANNELS):
            raise UnreadableFileError(path, f"EEG {data.shape} is not (time, {len(CHANNELS)})")
        rate = float(value_of(content["EEG"]["sample_rate"]))
        group, layout = unscaled(CHANNELS, ["uV"] * len(CHANNELS), rate, data.T, path), "seed-vig"
    return Recording(path, container.format, (group,), (container.file,), None, {"layout": layout})


#: Structure of the files in ``Raw_Data`` and ``perclos_labels``; no parts.
STRUCTURE = Structure(_matches, _read)
