"""TUH EEG Events Corpus: one-second events in six classes, channel by channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.tables import read_table
from physioprep.errors import CorpusError
from physioprep.recording import annotation_columns

#: Label number to event.
EVENTS = {1: "SPSW", 2: "GPED", 3: "PLED", 4: "EYEM", 5: "ARTF", 6: "BCKG"}
_TRAIN = re.compile(r"(?:.*/)?train/(\w+)/((\w+)_\d+)\.edf")
_EVAL = re.compile(r"(?:.*/)?eval/(\d+)/(\w+)\.edf")


def find(root: Path) -> list[Entry]:
    """List ``edf/train/<subject>/*.edf`` and ``edf/eval/<subject>/*.edf`` with their ``.rec``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject and split; ids of the evaluation set begin with ``eval-``, since its numbers
        are not those of the training set.
    """
    paths = list(walk(root))
    present = set(paths)
    entries = []
    for path in paths:
        train, evaluation = _TRAIN.fullmatch(path), _EVAL.fullmatch(path)
        if train is not None:
            split, subject, record_id = "train", train[1], train[2]
        elif evaluation is not None:
            # numbered afresh, so that a number is not a subject of the training set
            split, subject = "eval", f"eval-{evaluation[1]}"
            record_id = f"{evaluation[1]}/{evaluation[2]}"
        else:
            continue
        events = f"{path[:-4]}.rec"
        sidecars = (events,) if events in present else ()
        entries.append(Entry(record_id, path, subject_id=subject, split=split, sidecars=sidecars))
    return entries


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the events of the ``.rec`` beside a recording.

    ``channel`` counts the derivations of the TCP montage (0 to 21), not the file's signals.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`.

    Raises
    ------
    CorpusError
        A row is not channel, start, end, label.
    """
    beside = path.with_suffix(".rec")
    rows = read_table(beside, header=False, needs="0123")
    try:
        channel = [int(row["0"]) for row in rows]
        onset = [float(row["1"]) for row in rows]
        duration = [float(row["2"]) - float(row["1"]) for row in rows]
        events = [EVENTS[int(float(row["3"]))] for row in rows]
    except (KeyError, ValueError, OverflowError):
        raise CorpusError(f"{beside}: rows are not channel, start, end, label 1 to 6") from None
    return annotation_columns(onset, duration, events, "rec", channel)
