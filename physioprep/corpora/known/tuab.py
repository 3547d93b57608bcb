"""TUH Abnormal EEG Corpus: normal and abnormal EEG, in two folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk, with_labels
from physioprep.corpora.known.tueg import entry_of
from physioprep.corpora.label_files import read_tuh_beside, tuh_beside

_FOLDERS = re.compile(r"(?:.*/)?(train|eval)/(normal|abnormal)/")


def find(root: Path) -> list[Entry]:
    """List ``edf/{train,eval}/{normal,abnormal}/01_tcp_ar/*.edf``; the folder is the label.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, session, ``montage``, ``pathology`` (``normal`` or ``abnormal``) and split.
    """
    paths = list(walk(root))
    present = set(paths)
    entries = []
    for path in paths:
        entry, folders = entry_of(path), _FOLDERS.match(path)
        if entry is not None and folders is not None:
            entry = replace(entry, sidecars=tuple(tuh_beside(root, path, present)))
            entries.append(with_labels(entry, {"pathology": folders[2]}, split=folders[1]))
    return entries


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the labels beside a recording: the corpus has none, but users' copies may.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        See `physioprep.corpora.label_files.read_tuh_beside`.
    """
    return read_tuh_beside(path)
