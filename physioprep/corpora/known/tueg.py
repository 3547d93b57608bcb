"""TUH EEG Corpus: clinical EEG of fifteen years; tuab, tuev and tusz are parts of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.label_files import read_tuh_beside, tuh_beside

#: aaaaaaaa_s001_t000.edf: subject, session, token.
NAME = re.compile(r"(?:.*/)?(([a-z]{8}|\d{8})_(s\d{3})_t\d{3})\.edf")
_MONTAGE = re.compile(r"/(0\d_tcp_\w+)/")


def find(root: Path) -> list[Entry]:
    """List ``<subject>/<session>/<montage>/<subject>_<session>_<token>.edf``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, session, ``montage`` and the label files beside the recording.
    """
    paths = list(walk(root))
    present = set(paths)
    found = [entry for path in paths if (entry := entry_of(path)) is not None]
    return [replace(each, sidecars=tuple(tuh_beside(root, each.path, present))) for each in found]


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


def entry_of(path: str) -> Entry | None:
    """Return the entry of an EDF file that is named as in all of the TUH corpora.

    Parameters
    ----------
    path : str
        Relative to the folder of the corpus.

    Returns
    -------
    Entry or None
        With subject, session and ``montage``; None for other names.

    Examples
    --------
    >>> entry_of("edf/000/aaaaaaaa/s001_2015/01_tcp_ar/aaaaaaaa_s001_t000.edf").subject_id
    'aaaaaaaa'
    """
    found = NAME.fullmatch(path)
    if found is None:
        return None
    record_id, subject, session = found.groups()
    montage = _MONTAGE.search(path)
    return Entry(
        record_id,
        path,
        subject_id=subject,
        session=session,
        labels={"montage": montage[1] if montage else None},
    )
