"""Splits by subject that stay the same when the corpus grows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def subject_fraction(corpus: str, subject: str, seed: int) -> float:
    """Return a subject's place in [0, 1): a hash, so that it never depends on who else is there.

    Examples
    --------
    >>> round(subject_fraction("mitdb", "208", 0), 4)
    0.4207
    """
    digest = hashlib.sha256(f"physioprep.split\0{seed}\0{corpus}\0{subject}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_subjects(
    corpus: Sequence[str],
    subject: Sequence[str],
    fractions: Mapping[str, float],
    seed: int,
) -> NDArray[np.object_]:
    """Assign each record to a split, all records of a subject to the same one.

    Parameters
    ----------
    corpus, subject : sequence of str
        One a record.
    fractions : mapping of str to float
        Share of each split; sums to 1.
    seed : int
        Another seed, another split.

    Returns
    -------
    ndarray of object (str), shape (record,)

    Examples
    --------
    >>> split_subjects(["a", "a"], ["1", "1"], {"train": 0.5, "test": 0.5}, 0).tolist()
    ['train', 'train']
    """
    names = list(fractions)
    edges = np.cumsum(list(fractions.values()))[:-1]
    place = [subject_fraction(c, s, seed) for c, s in zip(corpus, subject, strict=True)]
    number = np.searchsorted(edges, place, side="right")
    return np.array(names, object)[number]
