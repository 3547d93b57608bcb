"""The score of the PhysioNet/CinC Challenge 2017: F1 of three rhythms, of one-lead recordings.

Noise is a fourth class: who answers it wrongly loses on the others, but its own F1 does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ModelError

Ints = NDArray[np.int64]

METRICS: Final = ("challenge2017",)
_SCORED: Final = (("normal", "n"), ("af", "a"), ("other", "o"))


def scored_codes(classes: Sequence[str]) -> Ints:
    """Return the codes of the classes that count.

    Parameters
    ----------
    classes : sequence of str
        By code: "normal", "af", "other" and the like, or the Challenge's letters.

    Returns
    -------
    ndarray of int64, shape (3,)

    Raises
    ------
    ModelError
        If one of the three is missing.

    Examples
    --------
    >>> scored_codes(["af", "noise", "normal", "other"]).tolist()
    [2, 0, 3]
    """
    names = [name.lower() for name in classes]
    found = [[names.index(name) for name in either if name in names] for either in _SCORED]
    if not all(found):
        raise ModelError(
            f"challenge2017 is the mean F1 of normal, af and other; the classes are {list(classes)}"
        )
    return np.array([codes[0] for codes in found], np.int64)


def score(truth: Ints, answered: Ints, scored: Ints, times: Ints | None = None) -> float:
    """Return the mean F1 of the classes that count.

    Parameters
    ----------
    truth, answered : ndarray of int64, shape (recording,)
        Codes.
    scored : ndarray of int64
        From `scored_codes`.
    times : ndarray of int64, shape (recording,), optional
        How often each recording counts; by default once.

    Returns
    -------
    float
        0 to 1; NaN where one of the classes neither occurs nor is answered.

    References
    ----------
    Clifford et al., "AF Classification from a Short Single Lead ECG Recording: the
    PhysioNet/Computing in Cardiology Challenge 2017", https://doi.org/10.22489/CinC.2017.065-469

    Examples
    --------
    >>> truth, answered = np.array([0, 1, 2, 3, 3]), np.array([0, 1, 2, 0, 3])
    >>> round(score(truth, answered, scored_codes(["af", "noise", "normal", "other"])), 3)
    0.778
    """
    weight = np.ones(len(truth), np.int64) if times is None else times
    n_codes = 1 + max(int(truth.max(initial=0)), int(answered.max(initial=0)), int(scored.max()))
    truly, said, hits = (
        np.bincount(codes, weights, n_codes)[scored]
        for codes, weights in (
            (truth, weight), (answered, weight), (truth, weight * (truth == answered))
        )
    )  # fmt: skip
    either = truly + said
    return float(np.mean(2 * hits / either)) if either.all() else float("nan")
