"""Protocols: what training and test windows may have in common, each under its own name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.calibration import CALIBRATING, OWN, needs
from physioprep.errors import ModelError
from physioprep.shards.split_choice import form_of, parse_choice

Ints = NDArray[np.int64]
Texts = NDArray[np.object_]

PROTOCOLS = {
    "subject-grouped": "no subject is in training and test",
    "leave-one-subject-out": "each subject is tested by models that never met it",
    "calibrated": "no subject is in training and test; windows of the person who is tested "
    "calibrate, without labels",
    "within-subject": "windows of each subject are in training AND in test: says nothing of others",
    "record-grouped": "no record is in training and test; where a subject has several records, or "
    "subjects are unknown, the same person may be on both sides",
    "fixed": "the split of the shards: trained on train, the best epoch chosen on validation where "
    "there is one, tested once on test; each repeat has its own seeds, the same windows",
    "chronological": "early windows of each subject in train, late ones in test: says nothing of "
    "others; trained, chosen and tested once as the shards' split says",
}
#: Protocols that follow the shards' column ``split``; their parts, by what each is for.
FROM_SPLIT = ("fixed", "chronological")
PARTS = ("train", "validation", "test")
#: Protocols under which the same people are trained on and tested on purpose.
SHARED = ("within-subject", "chronological")


def grouped_by(protocol: str) -> str:
    """Return what a protocol keeps on one side of a fold, and draws for confidence intervals.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.

    Returns
    -------
    {"subject", "record"}

    Raises
    ------
    ModelError
        If the protocol is unknown.
    """
    if protocol not in PROTOCOLS:
        raise ModelError(f"protocol {protocol!r}: one of {', '.join(PROTOCOLS)}")
    return "record" if protocol == "record-grouped" else "subject"


def meaning(config: EvaluateConfig, attrs: Mapping[str, Any], *, elsewhere: bool = False) -> str:
    """Return what a protocol means on some shards.

    Parameters
    ----------
    config : EvaluateConfig
        Its protocol.
    attrs : mapping
        Attributes of the shards.
    elsewhere : bool
        Whether other windows calibrate than those that are evaluated.

    Returns
    -------
    str

    Examples
    --------
    >>> config = EvaluateConfig(protocol="fixed")
    >>> meaning(config, {"spec": {"split": [["train", 0.5], ["test", 0.5]]}})[:62]
    'the split of the shards (shares of the subjects): trained on t'
    """
    protocol = config.protocol
    if protocol == "calibrated":
        return needs(config.calibration.methods, CALIBRATING if elsewhere else OWN)
    if protocol != "fixed":
        return PROTOCOLS[protocol]
    choice = (attrs.get("spec") or {}).get("split")
    whose = {
        "none": "as the manifests of the recordings have it",
        "name": f"the published split {choice}",
        "rules": "rules of one's own",
        "chronological": "early and late windows",
        "fractions": "shares of the subjects",
    }[form_of(parse_choice(choice))]
    head, colon, rest = PROTOCOLS[protocol].partition(":")
    return f"{head} ({whose}){colon}{rest}"


def fixed_fold(parts: Texts) -> Fold:
    """Return the one fold of a split.

    Parameters
    ----------
    parts : ndarray of str, shape (window,)
        "train", "validation" or "test".

    Returns
    -------
    Fold

    Examples
    --------
    >>> fixed_fold(np.array(["train", "test", "validation", "train"], dtype=object))
    Fold(train=array([0, 3]), test=array([1]), validation=array([2]))
    """
    train, validation, test = (np.flatnonzero(parts == part) for part in PARTS)
    return Fold(train, test, validation)


@dataclass(frozen=True, eq=False)
class Fold:
    """One split: rows of the window table.

    Parameters
    ----------
    train, test : ndarray of int64
        Row numbers.
    validation : ndarray of int64
        Rows that choose the best epoch; none where the protocol has none.
    """

    train: Ints
    test: Ints
    validation: Ints = field(default_factory=lambda: np.empty(0, np.int64))


def make_folds(subjects: Texts, labels: Ints, protocol: str, n_folds: int, seed: int) -> list[Fold]:
    """Split windows into folds.

    Parameters
    ----------
    subjects : ndarray of str, shape (window,)
        Whose window it is; of "record-grouped", its record.
    labels : ndarray of int64, shape (window,)
        Codes; each is spread evenly over the folds.
    protocol : str
        "subject-grouped", "calibrated" (the same folds), "leave-one-subject-out",
        "within-subject" or "record-grouped".
        "within-subject" is what most papers report: windows drawn at random, which lets a model
        recognise the person and the recording. It is here for comparison, under its own name.
        "record-grouped" is for corpora that do not identify subjects.
    n_folds : int
        Not used by "leave-one-subject-out".
    seed : int
        Seed of the folds.

    Returns
    -------
    list of Fold
        One per fold; each window is tested once.

    Raises
    ------
    ModelError
        If there are fewer subjects (or windows) than folds, or the protocol is unknown.

    Examples
    --------
    >>> subjects = np.repeat(np.array(["a", "b", "c", "d"], dtype=object), 4)
    >>> labels = np.tile([0, 1], 8)
    >>> for fold in make_folds(subjects, labels, "subject-grouped", 2, seed=0):
    ...     print(set(subjects[fold.train]) & set(subjects[fold.test]), len(fold.test))
    set() 8
    set() 8
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    group = grouped_by(protocol)
    people = np.unique(subjects.astype(str))
    rows, most = np.arange(len(subjects)), int(np.bincount(labels).max())
    if protocol == "leave-one-subject-out":
        tests = [rows[subjects == person] for person in people]
    elif protocol == "within-subject":
        _check_folds(n_folds, most, "windows of the largest class")
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        tests = _tests(splitter, rows, labels, None)
    else:
        _check_folds(n_folds, len(people), f"{group}s")
        _check_folds(n_folds, most, "windows of the largest class")
        grouped = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        tests = _tests(grouped, rows, labels, subjects.astype(str))
    return [Fold(np.setdiff1d(rows, test), np.sort(test)) for test in tests]


def _check_folds(n_folds: int, most: int, of: str) -> None:
    if n_folds < 2:
        raise ModelError(f"folds {n_folds}: at least 2 are needed")
    if n_folds > most:
        raise ModelError(f"too many folds ({n_folds}) for {most} {of}")


def _tests(splitter: Any, rows: Ints, labels: Ints, groups: Any) -> list[Ints]:
    """Return the test rows of each fold; a class with fewer windows than folds is accepted."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [test for _, test in splitter.split(rows, labels, groups)]
