"""ISRUC-Sleep: whole nights, scored in epochs of 30 s by two people."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.corpora.entry import Entry, walk
from physioprep.errors import CorpusError
from physioprep.readers.regular import read_text
from physioprep.recording import annotation_columns

#: Code of an epoch to its stage.
STAGES: Final = {"0": "W", "1": "N1", "2": "N2", "3": "N3", "5": "REM"}
EPOCH_S: Final = 30.0
_NAME = re.compile(r"((?:.*/)?)(\d{1,3})/(?:\2)\.(?:rec|edf)")


def find(root: Path) -> list[Entry]:
    """List ``N/N.rec`` (or ``N/N.edf``) with the stages of both scorers, ``N_1.txt``, ``N_2.txt``.

    Parameters
    ----------
    root : Path
        Folder of one subgroup: its numbers are those of the nights.

    Returns
    -------
    list of Entry
        With subject, the number of the night in the first subgroup, three digits.
    """
    paths = list(walk(root))
    present = set(paths)
    entries = []
    for path in paths:
        name = _NAME.fullmatch(path)
        if name is not None:
            beside = [f"{name[1]}{name[2]}/{name[2]}_{scorer}.txt" for scorer in (1, 2)]
            sidecars = tuple(file for file in beside if file in present)
            night = f"{int(name[2]):03}"
            entries.append(Entry(night, path, subject_id=night, sidecars=sidecars))
    return entries


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the stages of both scorers, an annotation an epoch, source ``scorer1``, ``scorer2``.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty without stages.

    Raises
    ------
    CorpusError
        A line is none of the codes.
    """
    tables = []
    for scorer in (1, 2):
        beside = path.with_name(f"{path.stem}_{scorer}.txt")
        if beside.is_file():
            lines = read_text(beside, limits.MAX_TEXT_BYTES, "replace").split()
            unknown = sorted({line for line in lines if line not in STAGES})
            if unknown:
                raise CorpusError(f"{beside}: {unknown[0][:40]!r} is no code of a stage")
            texts = [STAGES[line] for line in lines]
            onset = [number * EPOCH_S for number in range(len(texts))]
            scored = annotation_columns(onset, [EPOCH_S] * len(texts), texts, f"scorer{scorer}")
            tables.append(scored)
    if not tables:
        return {}
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
