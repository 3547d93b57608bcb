"""TUH EEG Seizure Corpus: seizures by channel and by term, in the files of versions 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk, with_labels
from physioprep.corpora.known.tueg import entry_of
from physioprep.corpora.label_files import read_tuh
from physioprep.readers.label_rows import joined
from physioprep.readers.tuh_labels import PARSERS
from physioprep.recording import Header

_SPLIT = re.compile(r"(?:.*/)?(train|dev|eval)/")
_SEIZURE = "seiz"
_OVER_ALL = (".csv_bi", ".tse_bi")  # seizure or background, of version 2 and of those before


def find(root: Path) -> list[Entry]:
    """List ``edf/{train,dev,eval}/**/*.edf`` with the files of labels beside them.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, session, ``montage`` and split.
    """
    paths = list(walk(root))
    present = set(paths)
    entries = []
    for path in paths:
        entry, split = entry_of(path), _SPLIT.match(path)
        if entry is not None and split is not None:
            beside = [f"{path[:-4]}{ending}" for ending in PARSERS]
            sidecars = tuple(sorted(name for name in beside if name in present))
            entries.append(replace(entry, split=split[1], sidecars=sidecars))
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add whether the recording holds a seizure, where it has been annotated.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``seizure``: 1, 0, or null without annotations.
    """
    for ending in _OVER_ALL:
        beside = header.path.with_suffix(ending)
        if beside.is_file():
            said = read_tuh(beside)["text"].tolist()
            return with_labels(entry, {"seizure": float(_SEIZURE in said)})
    return with_labels(entry, {"seizure": None})


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the labels beside a recording.

    ``csv_bi`` and ``tse_bi`` are seizure or background over all channels, and count where no
    annotator is chosen. ``csv``, ``tse`` and ``lbl`` have the type of the seizure; ``csv`` and
    ``lbl`` by derivation of the montage, whose name is the ``code`` (and, of ``lbl``, whose number
    there the ``channel``).

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; their source is the ending of the
        file. Empty without any.

    Raises
    ------
    CorpusError
        A file is damaged.
    """
    beside = [path.with_suffix(ending) for ending in PARSERS]
    return joined([read_tuh(file) for file in beside if file.is_file()])
