"""Who is tested, by what figure, and how sure that figure is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ModelError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

PROTOCOLS = {
    "subject-grouped": "no subject is in training and test",
    "leave-one-subject-out": "each subject is tested by models that never met it",
    "within-subject": "windows of each subject are in training AND in test: says nothing of others",
}


@dataclass(frozen=True, eq=False)
class Fold:
    """One split: rows of the window table.

    Parameters
    ----------
    train, test : ndarray of int64
        Row numbers.
    """

    train: Ints
    test: Ints


def make_folds(subjects: Texts, labels: Ints, protocol: str, n_folds: int, seed: int) -> list[Fold]:
    """Split windows into folds.

    Parameters
    ----------
    subjects : ndarray of str, shape (window,)
        Whose window it is.
    labels : ndarray of int64, shape (window,)
        Folds get like shares of each.
    protocol : {"subject-grouped", "leave-one-subject-out", "within-subject"}
        "within-subject" is what most papers report: it lets a model recognise the person. It is
        here to be compared, under its own name.
    n_folds : int
        Not used by "leave-one-subject-out".
    seed : int
        Another seed, other folds.

    Raises
    ------
    ModelError
        Where there are fewer subjects (or windows) than folds, or the protocol is unknown.

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

    if protocol not in PROTOCOLS:
        raise ModelError(f"protocol {protocol!r}: one of {', '.join(PROTOCOLS)}")
    people = np.unique(subjects.astype(str))
    rows = np.arange(len(subjects))
    if protocol == "leave-one-subject-out":
        tests = [rows[subjects == person] for person in people]
    elif protocol == "within-subject":
        smallest = int(np.bincount(labels).min())
        if n_folds > smallest:
            raise ModelError(f"{n_folds} folds of {smallest} windows of the rarest class")
        splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        tests = [test for _, test in splitter.split(rows, labels)]
    else:
        if not 2 <= n_folds <= len(people):
            raise ModelError(f"{n_folds} folds of {len(people)} subjects")
        grouped = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
        tests = [test for _, test in grouped.split(rows, labels, subjects.astype(str))]
    return [Fold(np.setdiff1d(rows, test), np.sort(test)) for test in tests]


def scores(labels: Ints, probabilities: Floats, positive: int = 1) -> dict[str, float]:
    """Score predictions.

    Parameters
    ----------
    labels : ndarray of int64, shape (window,)
        Codes of the true classes.
    probabilities : ndarray of float64, shape (window, class)
        Rows sum to 1.
    positive : int
        Of two classes, the one to be found.

    Returns
    -------
    dict of str to float
        ``auroc``, ``auprc`` and ``f1`` (of the positive class; of several classes the mean over
        them, one against the rest), ``balanced_accuracy``, ``kappa`` (Cohen), ``brier``
        (mean squared error of the probabilities, 0 to 2), ``ece`` (expected calibration error in
        10 bins of confidence, Guo et al., arXiv 1706.04599). NaN where one class alone occurs.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    >>> {name: round(value, 2) for name, value in scores(np.array([0, 0, 1, 1]), p).items()}
    {'auroc': 0.75, 'auprc': 0.83, 'f1': 0.67, 'balanced_accuracy': 0.75, 'kappa': 0.5, ...}
    """
    from sklearn import metrics

    n_classes = probabilities.shape[1]
    answers = probabilities.argmax(1)
    found = dict.fromkeys(("auroc", "auprc", "f1", "balanced_accuracy", "kappa"), float("nan"))
    if len(np.unique(labels)) > 1:
        codes = tuple(range(n_classes)) if n_classes > 2 else (positive,)
        ranked = [c for c in codes if 0 < np.sum(labels == c) < len(labels)]
        found["auroc"] = float(np.mean([auroc(labels == c, probabilities[:, c]) for c in ranked]))
        precision = [
            metrics.average_precision_score(labels == c, probabilities[:, c]) for c in ranked
        ]
        found["auprc"] = float(np.mean(precision))
        found["f1"] = f1(labels, answers, codes)
        found["balanced_accuracy"] = balanced_accuracy(labels, answers)
        found["kappa"] = float(metrics.cohen_kappa_score(labels, answers))
    truth = np.eye(n_classes)[labels]
    found["brier"] = float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)))
    confidence, right = probabilities.max(1), answers == labels
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = [abs(np.sum(confidence[bins == b]) - np.sum(right[bins == b])) for b in range(10)]
    found["ece"] = float(np.sum(gaps) / len(labels))
    return found


def auroc(positive: NDArray[np.bool_], score: Floats) -> float:
    """Return the area under the ROC curve: Mann-Whitney's U, ties counted half."""
    from scipy.stats import rankdata

    n, m = int(np.sum(positive)), int(np.sum(~positive))
    return float((np.sum(rankdata(score)[positive]) - n * (n + 1) / 2) / (n * m))


def f1(labels: Ints, answers: Ints, codes: tuple[int, ...]) -> float:
    """Return the mean over `codes` of F1."""
    hits = [2 * np.sum((labels == c) & (answers == c)) for c in codes]
    asked = [np.sum(labels == c) + np.sum(answers == c) for c in codes]
    return float(np.mean([hit / max(1, total) for hit, total in zip(hits, asked, strict=True)]))


def balanced_accuracy(labels: Ints, answers: Ints) -> float:
    """Return the mean over classes of the share found."""
    return float(np.mean([np.mean(answers[labels == c] == c) for c in np.unique(labels)]))


def bootstrap(
    subjects: Texts,
    labels: Ints,
    probabilities: Floats,
    draws: int,
    seed: int = 0,
    positive: int = 1,
) -> dict[str, tuple[float, float]]:
    """Return confidence intervals over subjects.

    Whole subjects are drawn with replacement, for windows of one person are not independent. A
    figure is that of each repeat's predictions, all folds together, averaged over the repeats.

    Parameters
    ----------
    subjects : ndarray of str, shape (window,)
        Whose window it is.
    labels : ndarray of int64, shape (window,)
        Codes.
    probabilities : ndarray of float64, shape (repeat, window, class)
        Out-of-fold predictions.
    draws : int
        Bootstrap samples.
    seed : int
        Of the draws.
    positive : int
        As for `scores`.

    Returns
    -------
    dict
        (low, high), the middle 95 % of the draws, of ``auroc``, ``f1``, ``balanced_accuracy``.
    """
    rng = np.random.default_rng(seed)
    names, owner = np.unique(subjects.astype(str), return_inverse=True)
    rows_of = [np.flatnonzero(owner == n) for n in range(len(names))]
    n_classes = probabilities.shape[2]
    codes = tuple(range(n_classes)) if n_classes > 2 else (positive,)
    figures: dict[str, Callable[[Ints, Floats], float]] = {
        "auroc": lambda y, p: float(np.mean([auroc(y == c, p[:, c]) for c in codes])),
        "f1": lambda y, p: f1(y, p.argmax(1), codes),
        "balanced_accuracy": lambda y, p: balanced_accuracy(y, p.argmax(1)),
    }
    found: dict[str, list[float]] = {name: [] for name in figures}
    for _ in range(draws):
        drawn = rng.integers(0, len(names), len(names))
        rows = np.concatenate([rows_of[n] for n in drawn])
        y = labels[rows]
        if len(np.unique(y)) < n_classes:
            continue
        for name, figure in figures.items():
            found[name].append(
                float(np.mean([figure(y, repeat[rows]) for repeat in probabilities]))
            )
    intervals = {}
    for name, values in found.items():
        low, high = np.percentile(values, (2.5, 97.5)) if values else (np.nan, np.nan)
        intervals[name] = (float(low), float(high))
    return intervals
