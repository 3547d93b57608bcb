"""Which file of an export a window goes to: files of a size, and of one split."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Of windows that have no split.
NO_SPLIT = "windows"


@dataclass(frozen=True, eq=False)
class Pieces:
    """The files of an export.

    Parameters
    ----------
    names : tuple of str
        Without ending: ``"train-00000-of-00002"``.
    sizes : tuple of int
        Windows of each.
    file_of : ndarray of int64, shape (window,)
        Number of a window's file; -1: it is not exported.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    file_of: NDArray[np.int64]


def pieces_of(splits: NDArray[np.object_], chosen: NDArray[np.bool_], per_file: int) -> Pieces:
    """Share windows out to files.

    Parameters
    ----------
    splits : ndarray of object, shape (window,)
        None: no split.
    chosen : ndarray of bool, shape (window,)
    per_file : int
        Most windows of a file.

    Returns
    -------
    Pieces

    Examples
    --------
    >>> splits = np.array(["train", "val", "train", None], object)
    >>> pieces_of(splits, np.ones(4, bool), 1).names
    ('train-00000-of-00002', 'train-00001-of-00002', 'validation-00000-of-00001',
     'windows-00000-of-00001')
    """
    words = np.array([*(_word(split) for split in splits), None], object)[:-1]
    names: list[str] = []
    sizes: list[int] = []
    file_of = np.full(len(splits), -1, np.int64)
    for word in sorted(set(words[chosen].tolist())):
        here = np.flatnonzero(chosen & (words == word))
        files = -(-len(here) // per_file)
        file_of[here] = len(names) + np.arange(len(here)) // per_file
        for number in range(files):
            names.append(f"{word}-{number:05d}-of-{files:05d}")
            sizes.append(min(per_file, len(here) - number * per_file))
    return Pieces(tuple(names), tuple(sizes), file_of)


def _word(split: str | None) -> str:
    """Return a split as Hugging Face and file systems take it."""
    if split is None:
        return NO_SPLIT
    word = re.sub(r"[^A-Za-z0-9_]+", "_", split)[:64]
    return {"val": "validation", "valid": "validation", "dev": "validation"}.get(word, word)
