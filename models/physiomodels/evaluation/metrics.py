"""Metrics of predictions, and their confidence intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

#: All metrics, in the order of tables. For the last two, lower is better.
METRICS = ("auroc", "auprc", "f1", "balanced_accuracy", "kappa", "ece", "brier")


def scores(labels: Ints, probabilities: Floats, positive: int = 1) -> dict[str, float]:
    """Score predictions.

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
        10 bins of confidence, Guo et al., arXiv 1706.04599). NaN where only one class occurs.

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
    if np.sum(truly > 0) > 1:
        codes = list(range(n_classes)) if n_classes > 2 else [positive]
        held = [c for c in codes if 0 < truly[c] < n]
        ranked = [ranking(labels == c, probabilities[:, c]) for c in held]
        found["auroc"] = float(np.mean([auroc for auroc, _ in ranked]))
        found["auprc"] = float(np.mean([precision for _, precision in ranked]))
        found["f1"] = float(np.mean(2 * hits[codes] / np.maximum(truly + said, 1)[codes]))
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


def bootstrap(
    groups: Texts,
    labels: Ints,
    probabilities: Floats,
    draws: int,
    seed: int = 0,
    positive: int = 1,
) -> dict[str, Floats]:
    """Return every metric of `scores` for draws of whole groups with replacement.

    Windows of one person are not independent, so people are drawn, not windows. A metric is that of
    each repeat's predictions, all folds together, averaged over the repeats. Draws that lack a
    class are left out. The same seed, groups and labels give the same draws, so that two sets of
    predictions can be compared draw by draw.

    Parameters
    ----------
    groups : ndarray of str, shape (window,)
        Whose window it is: a subject, or a record where subjects are unknown.
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
    dict of str to ndarray of float64, shape (draw,)
        By the names of `METRICS`.
    """
    rng = np.random.default_rng(seed)
    names, owner = np.unique(groups.astype(str), return_inverse=True)
    rows_of = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    n_classes = len(np.unique(labels))
    found: list[list[float]] = []
    for _ in range(draws):
        drawn = rng.integers(0, len(names), len(names))
        rows = np.concatenate([rows_of[n] for n in drawn])
        y = labels[rows]
        if len(np.unique(y)) == n_classes:
            each = [list(scores(y, repeat[rows], positive).values()) for repeat in probabilities]
            found.append(np.mean(each, axis=0).tolist())
    figures = np.array(found, np.float64).reshape(-1, len(METRICS))
    return dict(zip(METRICS, figures.T, strict=True))


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the interval that holds the middle `level` of the values.

    Parameters
    ----------
    values : ndarray of float64, shape (draw,)
        Draws of a metric.
    level : float
        Share of the values, 0 to 1.

    Returns
    -------
    low, high : float
        (NaN, NaN) of no values.

    Examples
    --------
    >>> interval(np.arange(101.0), 0.5)
    (25.0, 75.0)
    """
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, (50 * (1 - level), 50 * (1 + level)))
    return float(low), float(high)


def seed_interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return Student's interval for the mean over seeds.

    It says how much random weights and folds change the mean, on the same people.

    Parameters
    ----------
    values : ndarray of float64, shape (seed,)
        A metric per seed.
    level : float
        Confidence, 0 to 1.

    Returns
    -------
    low, high : float
        (NaN, NaN) of fewer than two values.

    Examples
    --------
    >>> low, high = seed_interval(np.array([0.7, 0.8, 0.9]))
    >>> round(low, 3), round(high, 3)                           # 0.8 ± 4.303 · 0.1 / √3
    (0.552, 1.048)
    """
    from scipy.stats import t

    n = len(values)
    if n < 2 or not np.isfinite(values).all():
        return float("nan"), float("nan")
    reach = t.ppf(0.5 + level / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)
    return float(values.mean() - reach), float(values.mean() + reach)
