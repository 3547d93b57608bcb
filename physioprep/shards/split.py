"""Splits by subject that stay the same when the corpus grows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def subject_fraction(corpus: str, subject: str, seed: int) -> float:
    """Return a subject's place in [0, 1): a hash, so that it does not depend on other subjects.

    Parameters
    ----------
    corpus, subject : str
    seed : int

    Returns
    -------
    float

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
        One per record.
    fractions : mapping of str to float
        Share of each split; sums to 1.
    seed : int
        Seeds the hash.

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


def stratify_subjects(
    corpus: Sequence[str],
    subject: Sequence[str],
    stratum: Sequence[tuple[str, ...]],
    fractions: Mapping[str, float],
    seed: int,
) -> NDArray[np.object_]:
    """Assign each record to a split so that every stratum is divided in the same proportions.

    Subjects stay whole. Those of a stratum (the set of all values that a subject's records
    have) follow each other in the order of their hashes, and each is put in the split that is
    furthest below its share: in every stratum and in all, a split is off by less than the
    number of splits. Unlike `split_subjects`, the assignment depends on the other subjects;
    it does not depend on the order of the records.

    Parameters
    ----------
    corpus, subject : sequence of str
        One per record.
    stratum : sequence of tuple of str
        One per record.
    fractions : mapping of str to float
        Share of each split; sums to 1.
    seed : int

    Returns
    -------
    ndarray of object (str), shape (record,)

    Examples
    --------
    >>> people = [f"{number}" for number in range(8)]
    >>> sick = [("yes",), ("no",)] * 4
    >>> split = stratify_subjects(["a"] * 8, people, sick, {"train": 0.5, "test": 0.5}, 0)
    >>> [sorted(split[first::2]) for first in (0, 1)]
    [['test', 'test', 'train', 'train'], ['test', 'test', 'train', 'train']]
    """
    values: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for where, person, value in zip(corpus, subject, stratum, strict=True):
        values.setdefault((where, person), set()).add(value)
    ordered = sorted(
        values, key=lambda who: (sorted(values[who]), subject_fraction(who[0], who[1], seed), who)
    )
    names, shares = list(fractions), np.array(list(fractions.values()))
    given = np.zeros(len(names))
    split_of = {}
    for number, who in enumerate(ordered, 1):
        chosen = int(np.argmax(np.round(shares * number - given, 9)))
        given[chosen] += 1
        split_of[who] = names[chosen]
    return np.array([split_of[who] for who in zip(corpus, subject, strict=True)], object)
