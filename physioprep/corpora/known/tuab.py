"""TUH Abnormal EEG Corpus: normal and abnormal EEG, in two folders."""

from __future__ import annotations

import re
from pathlib import Path

from physioprep.corpora.entry import Entry, walk, with_labels
from physioprep.corpora.known.tueg import entry_of

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
    entries = []
    for path in walk(root):
        entry, folders = entry_of(path), _FOLDERS.match(path)
        if entry is not None and folders is not None:
            entries.append(with_labels(entry, {"pathology": folders[2]}, split=folders[1]))
    return entries
