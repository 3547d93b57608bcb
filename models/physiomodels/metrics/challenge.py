"""The score of the PhysioNet/CinC Challenge 2021, which gives partial credit.

Its classes and weights are facts: ``challenge2021.yaml``. That of 2020 had other weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.documents import load_yaml
from physioprep.errors import ModelError
from physioprep.suggest import did_you_mean

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

METRICS: Final = ("challenge2021",)
#: A class is answered where its probability is at least this.
ANSWERED: Final = 0.5
_NOT_STATED: Final = 255
_FACTS: Final = Path(__file__).with_name("challenge2021.yaml")


@dataclass(frozen=True, eq=False)
class ChallengeFacts:
    """The scored classes of the Challenge and their weights.

    Parameters
    ----------
    numbers : dict of str to int
        Scored class by SNOMED CT code and by abbreviation; equal ones have the same number.
    names : tuple of str
        By number.
    normal : int
        Number of sinus rhythm.
    weights : ndarray of float64, shape (true class, answered class)
        Credit.
    """

    numbers: dict[str, int]
    names: tuple[str, ...]
    normal: int
    weights: Floats


@cache
def challenge_facts() -> ChallengeFacts:
    """Read the facts of the Challenge.

    Returns
    -------
    ChallengeFacts

    Examples
    --------
    >>> facts = challenge_facts()
    >>> len(facts.names), facts.numbers["RBBB"] == facts.numbers["CRBBB"]
    (26, True)
    """
    text = _FACTS.read_text(encoding="utf-8")
    held: dict[str, Any] = load_yaml(text, lambda cause: ModelError(f"{_FACTS.name}: {cause}"))
    numbers = {
        key: number
        for number, one in enumerate(held["classes"])
        for key in (*one["codes"], *one["abbreviations"])
    }
    return ChallengeFacts(
        numbers=numbers,
        names=tuple(one["name"] for one in held["classes"]),
        normal=numbers[held["normal"]],
        weights=np.array(held["weights"], np.float64),
    )


def scored_classes(classes: Sequence[str]) -> Ints:
    """Return the number of the scored class that each class is.

    Parameters
    ----------
    classes : sequence of str
        SNOMED CT codes, or the Challenge's abbreviations; two that it holds equal have one number.

    Returns
    -------
    ndarray of int64, shape (class,)

    Raises
    ------
    ModelError
        If a class is not scored by the Challenge.

    Examples
    --------
    >>> scored_classes(["AF", "164889003", "AFL"]).tolist()
    [0, 0, 1]
    """
    known = challenge_facts().numbers
    unknown = [name for name in classes if name not in known]
    if unknown:
        raise ModelError(
            f"challenge2021: {len(unknown)} classes are not scored by the Challenge "
            f"({unknown[0]!r}{did_you_mean(unknown[0], known)}); it scores 26, by their SNOMED CT "
            "codes or abbreviations"
        )
    return np.array([known[name] for name in classes], np.int64)


def credits(truth: NDArray[np.uint8], probabilities: Floats, classes: Sequence[str]) -> Floats:
    """Return the credit of each recording.

    Parameters
    ----------
    truth : ndarray of uint8, shape (recording, class)
        1 present, 0 absent, 255 not stated: such recordings have no credit (NaN).
    probabilities : ndarray of float64, shape (recording, class)
        Each from 0 to 1; of equal classes one that is answered suffices.
    classes : sequence of str
        As for `scored_classes`; scored classes that are not among them are never present.

    Returns
    -------
    ndarray of float64, shape (recording, 3)
        Of the answer, of a right answer, and of "sinus rhythm".
    """
    facts, number = challenge_facts(), scored_classes(classes)
    member = np.zeros((len(classes), len(facts.names)), bool)
    member[np.arange(len(classes)), number] = True
    true, answered = (flags @ member for flags in (truth == 1, probabilities >= ANSWERED))
    normal = np.zeros_like(true)
    normal[:, facts.normal] = True
    found = np.stack([_credit(true, said, facts.weights) for said in (answered, true, normal)], 1)
    found[(truth == _NOT_STATED).any(1)] = np.nan
    return found


def score(credit: Floats, times: Ints | None = None) -> float:
    """Return the Challenge score: 1 for right answers, 0 for "sinus rhythm" of every recording.

    Parameters
    ----------
    credit : ndarray of float64, shape (recording, 3)
        From `credits`.
    times : ndarray of int64, shape (recording,), optional
        How often each recording counts; by default once.

    Returns
    -------
    float
        0 where the right answers are sinus rhythm alone, as in the Challenge's code; NaN without a
        recording.
    """
    known = np.isfinite(credit).all(1)
    weight = np.ones(len(credit)) if times is None else times
    if not weight[known].sum():
        return float("nan")
    observed, right, normal = (weight[known] @ credit[known]).tolist()
    return (observed - normal) / (right - normal) if right != normal else 0.0


def _credit(true: Flags, said: Flags, weights: Floats) -> Floats:
    """Return for each recording the weights of its pairs, by how many classes it has in all."""
    pairs = np.einsum("ij,jk,ik->i", true.astype(float), weights, said.astype(float), optimize=True)
    return np.asarray(pairs / np.maximum((true | said).sum(1), 1), np.float64)
