"""Recordings that lie in a corpus twice: each would count twice, and leak between folds."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any, Final

from physioprep.corpora.noted import NOTED
from physioprep.plain_text import first_names

_NAME: Final = "has the name of another recording in other files"


def twice_notes(columns: Mapping[str, list[Any]]) -> list[str]:
    """Return a note of the recordings that lie there more than once.

    The sign is equal SHA-256 of all files; without hashes an equal file name, size, subject and
    session in another folder; else the flag ``same-record-id``, where files differ.

    Parameters
    ----------
    columns : mapping of str to list
        Of a manifest.

    Returns
    -------
    list of str
        One note for each sign.

    Examples
    --------
    >>> columns = {"path": ["a/1.edf", "b/1.edf"], "file_sha256": [["f0"], ["f0"]],
    ...            "bytes": [9, 9], "error": [None, None], "flags": [[], []]}
    >>> twice_notes(columns)
    ['noted: lies there twice: 1 recording: a/1.edf = b/1.edf']
    """
    found: dict[Hashable, list[str]] = {}
    for row, path in enumerate(columns["path"]):
        # a part of a file is another recording than the next part
        key = _key(columns, row, path) if "#" not in path else None
        if key is not None:
            found.setdefault(key, []).append(path)
    several = [" = ".join(paths) for paths in found.values() if len(paths) > 1]
    equal = {path for paths in found.values() if len(paths) > 1 for path in paths}
    names = Counter(map(posixpath.basename, columns["path"]))  # b.rec is not b.edf
    named = [
        path
        for path, flags in zip(columns["path"], columns["flags"], strict=True)
        if "same-record-id" in flags and path not in equal and names[posixpath.basename(path)] > 1
    ]
    return [
        f"{NOTED}{text}: {len(held)} recording{'s' * (len(held) > 1)}: {first_names(held)}"
        for text, held in (("lies there twice", several), (_NAME, named))
        if held
    ]


def _key(columns: Mapping[str, list[Any]], row: int, path: str) -> Hashable:
    """Return what equal recordings have in common; None where it cannot be told."""
    if columns["error"][row] is not None or not columns["bytes"][row]:
        return None
    if "file_sha256" in columns:
        hashes = columns["file_sha256"][row]
        return None if None in hashes else tuple(sorted(hashes))
    who = (columns["subject_id"][row], columns["session"][row])
    if who[0] is None:  # rest.edf of each folder may be of another person
        return None
    return (posixpath.basename(path), columns["bytes"][row], *who)
