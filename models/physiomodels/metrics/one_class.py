"""Metrics of one class among several: by scikit-learn, and a fast path for the bootstrap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: All metrics of one class, the one that leads tables first.
METRICS = (
    *("auroc", "auprc", "f1", "balanced_accuracy", "kappa", "ece", "brier"),
    *("accuracy", "macro_f1", "weighted_f1"),
)


def reported(labels: Ints, probabilities: Floats, positive: int = 1) -> dict[str, float]:
    """Score predictions by scikit-learn.

    Parameters
    ----------
    labels, probabilities, positive
        As for `scores`.

    Returns
    -------
    dict of str to float
        As `scores` gives; ``ece`` and ``brier`` are from there.
    """
    from sklearn import metrics

    answers, found = probabilities.argmax(1), scores(labels, probabilities, positive)
    n_classes = probabilities.shape[1]
    present = np.unique(labels)
    found["accuracy"] = float(metrics.accuracy_score(labels, answers))
    for average in ("macro", "weighted"):
        score = metrics.f1_score(labels, answers, average=average, zero_division=0)
        found[f"{average}_f1"] = float(score)
    if len(present) < 2:
        return found
    codes = list(range(n_classes)) if n_classes > 2 else [positive]
    pairs = [(labels == c, probabilities[:, c]) for c in codes if c in present]
    found["auroc"] = float(np.mean([metrics.roc_auc_score(*pair) for pair in pairs]))
    found["auprc"] = float(np.mean([metrics.average_precision_score(*pair) for pair in pairs]))
    averages = {"average": "macro", "zero_division": 0}
    found["f1"] = found["macro_f1"]
    if n_classes == 2:
        found["f1"] = float(metrics.f1_score(labels, answers, labels=[positive], **averages))
    recall = metrics.recall_score(labels, answers, labels=present, **averages)
    found["balanced_accuracy"] = float(recall)  # of the classes that occur, without a warning
    found["kappa"] = float(metrics.cohen_kappa_score(labels, answers))
    return found


class Fast:
    """`scores` of drawn rows.

    Parameters
    ----------
    labels, probabilities, positive
        As for `scores`.
    """

    def __init__(self, labels: Ints, probabilities: Floats, positive: int = 1) -> None:
        self._labels, self._probabilities, self._positive = labels, probabilities, positive
        self._rows, self._n_classes = np.arange(len(labels)), len(np.unique(labels))

    def __call__(self, times: Ints) -> dict[str, float] | None:
        """Return the metrics of a draw; None where it lacks a class."""
        rows = np.repeat(self._rows, times)
        labels = self._labels[rows]
        if len(np.unique(labels)) < self._n_classes:
            return None
        return scores(labels, self._probabilities[rows], self._positive)


def scores(labels: Ints, probabilities: Floats, positive: int = 1) -> dict[str, float]:
    """Score predictions, fast.

    Parameters
    ----------
    labels : ndarray of int64, shape (window,)
        Codes of the true classes.
    probabilities : ndarray of float64, shape (window, class)
        Rows sum to 1.
    positive : int
        Code of the positive class, where there are two.

    Returns
    -------
    dict of str to float
        ``auroc``, ``auprc`` and ``f1`` (of the positive class; of several classes the mean over
        them, one against the rest), ``balanced_accuracy``, ``kappa`` (Cohen), ``brier``
        (mean squared error of the probabilities, 0 to 2), ``ece`` (expected calibration error in
        10 bins of confidence, Guo et al., arXiv 1706.04599), ``accuracy``, ``macro_f1`` and
        ``weighted_f1`` (over the classes that occur or are answered, as scikit-learn does). The
        first five are NaN where only one class occurs.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    >>> {name: round(value, 2) for name, value in scores(np.array([0, 0, 1, 1]), p).items()}
    {'auroc': 0.75, 'auprc': 0.83, 'f1': 0.67, 'balanced_accuracy': 0.75, 'kappa': 0.5, ...}
    """
    n, n_classes = probabilities.shape
    answers = probabilities.argmax(1)
    found = dict.fromkeys(METRICS, float("nan"))
    table = np.bincount(labels * n_classes + answers, minlength=n_classes**2)
    table = table.reshape(n_classes, n_classes)  # (truth, answer)
    truly, said, hits = table.sum(1), table.sum(0), np.diag(table)
    f1 = 2 * hits / np.maximum(truly + said, 1)
    found["accuracy"] = float(hits.sum() / n)
    found["macro_f1"] = float(f1[truly + said > 0].mean())
    found["weighted_f1"] = float(np.sum(f1 * truly) / n)
    if np.sum(truly > 0) > 1:
        codes = list(range(n_classes)) if n_classes > 2 else [positive]
        held = [c for c in codes if 0 < truly[c] < n]
        ranked = [ranking(labels == c, probabilities[:, c]) for c in held]
        found["auroc"] = float(np.mean([auroc for auroc, _ in ranked]))
        found["auprc"] = float(np.mean([precision for _, precision in ranked]))
        found["f1"] = float(f1[positive] if n_classes == 2 else f1[truly + said > 0].mean())
        found["balanced_accuracy"] = float(np.mean((hits / np.maximum(truly, 1))[truly > 0]))
        by_chance = float(np.sum(truly * said)) / n**2
        found["kappa"] = (float(hits.sum()) / n - by_chance) / (1 - by_chance)
    truth = np.eye(n_classes)[labels]
    found["brier"] = float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)))
    confidence, right = probabilities.max(1), answers == labels
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = np.bincount(bins, confidence, 10) - np.bincount(bins, right, 10)
    found["ece"] = float(np.sum(np.abs(gaps)) / n)
    return found


def ranking(positive: NDArray[np.bool_], score: Floats) -> tuple[float, float]:
    """Return area under the ROC curve and average precision, from one sort.

    The first is Mann-Whitney's U with ties counted half; the second the precision at each
    threshold, weighted by the recall it adds.

    Parameters
    ----------
    positive : ndarray of bool, shape (window,)
        True class.
    score : ndarray of float64, shape (window,)
        Predicted probability of it.

    Returns
    -------
    area, precision : float
        0 to 1.

    Examples
    --------
    >>> area, precision = ranking(np.array([True, False, True]), np.array([0.9, 0.5, 0.4]))
    >>> area, round(precision, 3)
    (0.5, 0.833)
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # of each run of ties
    true = np.cumsum(positive[order])[ends].astype(np.float64)
    false = ends + 1 - true
    area = np.sum(np.diff(false, prepend=0) * (true + np.append(0, true[:-1])) / 2)
    precision = np.sum(np.diff(true, prepend=0) * true / (ends + 1))
    return float(area / (true[-1] * false[-1])), float(precision / true[-1])
