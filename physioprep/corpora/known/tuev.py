"""TUH EEG Events Corpus: one-second events in six classes, channel by channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.label_files import read_tuh

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
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty without a ``.rec``.

    Raises
    ------
    CorpusError
        A row is not channel, start, end, label.
    """
    beside = path.with_suffix(".rec")
    return read_tuh(beside) if beside.is_file() else {}
