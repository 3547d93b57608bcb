"""TUH EEG Seizure Corpus, version 2: seizures by channel and by term."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk, with_labels
from physioprep.corpora.known.tueg import entry_of
from physioprep.corpora.tables import lines_of
from physioprep.errors import CorpusError
from physioprep.recording import Header, annotation_columns

_SPLIT = re.compile(r"(?:.*/)?(train|dev|eval)/")
_SEIZURE = "seiz"
_COLUMNS = ("channel", "start_time", "stop_time", "label")


def find(root: Path) -> list[Entry]:
    """List ``edf/{train,dev,eval}/**/*.edf`` with ``.csv`` and ``.csv_bi`` beside them.

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
            beside = (f"{path[:-4]}.csv", f"{path[:-4]}.csv_bi")
            sidecars = tuple(name for name in beside if name in present)
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
    beside = header.path.with_suffix(".csv_bi")
    if not beside.is_file():
        return with_labels(entry, {"seizure": None})
    return with_labels(entry, {"seizure": float(any(r[3] == _SEIZURE for r in _events(beside)))})


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the events of the ``.csv_bi``: seizure or background over the whole montage.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty without the file.

    Raises
    ------
    CorpusError
        The file is not a CSV with the columns channel, start_time, stop_time, label.
    """
    beside = path.with_suffix(".csv_bi")
    rows = _events(beside) if beside.is_file() else []
    duration = [end - start for _, start, end, _ in rows]
    said = [label for *_, label in rows]
    return annotation_columns([start for _, start, *_ in rows], duration, said, "csv_bi")


def _events(path: Path) -> list[tuple[str, float, float, str]]:
    """Return (channel, start s, end s, label) of each row below the ``#`` comments."""
    rows = lines_of(path, keep=lambda line: line.strip() and line[0] != "#")
    try:
        names = next(rows, [])
        channel, start, stop, label = (names.index(name) for name in _COLUMNS)
        events = [(row[channel], float(row[start]), float(row[stop]), row[label]) for row in rows]
        if not np.isfinite([event[1:3] for event in events]).all():
            raise ValueError
        return events
    except (IndexError, ValueError):
        raise CorpusError(
            f"{path}: not a CSV with the columns channel, start_time, stop_time, label"
        ) from None
