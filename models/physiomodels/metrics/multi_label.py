"""Metrics of several classes at once; what a window does not state of a class is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

#: All metrics of several classes at once; the first leads tables.
METRICS: Final = ("auroc", "auprc", "f_max")
#: Of a class that a window does not state.
NOT_STATED: Final = 255
#: Of F-max, as in Strodthoff et al. (arXiv 2004.13701).
THRESHOLDS: Final = np.arange(101) / 100


def reported(truth: Bytes, probabilities: Floats) -> dict[str, float]:
    """Score predictions by scikit-learn.

    Parameters
    ----------
    truth : ndarray of uint8, shape (window, class)
        1 present, 0 absent, 255 not stated.
    probabilities : ndarray of float64, shape (window, class)
        Each from 0 to 1.

    Returns
    -------
    dict of str to float
        ``auroc`` and ``auprc`` (average precision): means over the classes that occur both
        present and absent; ``f_max`` (sample-centric, see `f_max`).

    Examples
    --------
    >>> truth = np.array([[1, 0], [0, 255], [1, 1]], np.uint8)
    >>> found = reported(truth, np.array([[0.9, 0.2], [0.3, 0.9], [0.8, 0.7]]))
    >>> {name: round(value, 3) for name, value in found.items()}
    {'auroc': 1.0, 'auprc': 1.0, 'f_max': 1.0}
    """
    each = per_class(truth, probabilities, [str(k) for k in range(truth.shape[1])]).values()
    return {
        "auroc": _mean([one["auroc"] for one in each]),
        "auprc": _mean([one["auprc"] for one in each]),
        "f_max": f_max(*sample_tables(truth, probabilities)),
    }


def per_class(
    truth: Bytes, probabilities: Floats, classes: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Score each class by scikit-learn, on the windows that state it.

    Parameters
    ----------
    truth, probabilities
        As for `reported`.
    classes : sequence of str
        Names.

    Returns
    -------
    dict of str to dict
        By class: ``auroc``, ``auprc`` (NaN where it is never or always present), ``n_present``,
        ``n_stated``.
    """
    from sklearn import metrics

    found = {}
    for number, name in enumerate(classes):
        stated = truth[:, number] != NOT_STATED
        present, score = truth[stated, number] == 1, probabilities[stated, number]
        area = precision = float("nan")
        if 0 < present.sum() < len(present):
            area = float(metrics.roc_auc_score(present, score))
            precision = float(metrics.average_precision_score(present, score))
        counts = {"n_present": int(present.sum()), "n_stated": len(present)}
        found[name] = {"auroc": area, "auprc": precision, **counts}
    return found


def sample_tables(truth: Bytes, probabilities: Floats) -> tuple[Floats, Floats]:
    """Return precision and recall of each window at each threshold.

    Parameters
    ----------
    truth, probabilities
        As for `reported`.

    Returns
    -------
    precision, recall : ndarray of float64, shape (window, threshold)
        Among the classes that the window states. NaN where no class is answered; where none is
        present.
    """
    stated, present = truth != NOT_STATED, truth == 1
    precision, recall = (np.empty((len(truth), len(THRESHOLDS))) for _ in range(2))
    n_present = present.sum(1).astype(np.float64)
    n_present[n_present == 0] = np.nan
    for number, threshold in enumerate(THRESHOLDS):
        said = (probabilities >= threshold) & stated
        hits, n_said = (said & present).sum(1), said.sum(1).astype(np.float64)
        n_said[n_said == 0] = np.nan
        precision[:, number], recall[:, number] = hits / n_said, hits / n_present
    return precision, recall


def f_max(precision: Floats, recall: Floats, times: Ints | None = None) -> float:
    """Return the largest F1 over thresholds of mean precision and mean recall over windows.

    It is the sample-centric measure of Radivojac et al. (Nature Methods 10, 2013), at thresholds
    0, 0.01 ... 1 as Strodthoff et al. take it for PTB-XL: precision is averaged over windows with
    an answer, recall over windows with a class present.

    Parameters
    ----------
    precision, recall : ndarray of float64, shape (window, threshold)
        From `sample_tables`.
    times : ndarray of int64, shape (window,), optional
        How often each window counts; by default once.

    Returns
    -------
    float
        NaN where no window has a class present.
    """
    f1 = _f1(precision, recall, times)
    return float(np.nanmax(f1)) if np.isfinite(f1).any() else float("nan")


def best_threshold(truth: Bytes, probabilities: Floats) -> float | None:
    """Return the threshold that `f_max` takes: from it on a class is answered.

    Parameters
    ----------
    truth, probabilities
        As for `reported`.

    Returns
    -------
    float or None
        0, 0.01 ... 1; the smallest of equals. None where no window has a class present.

    Examples
    --------
    >>> truth = np.array([[1, 0], [0, 1]], np.uint8)
    >>> best_threshold(truth, np.array([[0.9, 0.2], [0.3, 0.8]]))
    0.31
    """
    f1 = _f1(*sample_tables(truth, probabilities), None)
    return float(THRESHOLDS[np.nanargmax(f1)]) if np.isfinite(f1).any() else None


def _f1(precision: Floats, recall: Floats, times: Ints | None) -> Floats:
    """Return the F1 of mean precision and mean recall at each threshold."""
    weight = np.ones(len(precision)) if times is None else times.astype(np.float64)
    with np.errstate(invalid="ignore"):  # 0 / 0: no window has one
        p, r = (
            (weight @ np.nan_to_num(table)) / (weight @ np.isfinite(table))
            for table in (precision, recall)
        )
        f1 = 2 * p * r / (p + r)
    f1[(p == 0) & (r == 0)] = 0.0
    return np.asarray(f1, np.float64)


class Fast:
    """The metrics of `reported` for drawn rows: each class is sorted once.

    Parameters
    ----------
    truth, probabilities
        As for `reported`.
    """

    def __init__(self, truth: Bytes, probabilities: Floats) -> None:
        self._tables = sample_tables(truth, probabilities)
        self._classes = []
        for number in range(truth.shape[1]):
            rows = np.flatnonzero(truth[:, number] != NOT_STATED)
            score = probabilities[rows, number]
            order = np.argsort(-score, kind="stable")
            ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # of ties
            if len(rows):
                self._classes.append((rows[order], ends, truth[rows[order], number] == 1))

    def __call__(self, times: Ints) -> dict[str, float]:
        """Return the metrics of a draw; a class that it has on one side only is left out."""
        ranked = [_ranking(times[rows], ends, present) for rows, ends, present in self._classes]
        return {
            "auroc": _mean([area for area, _ in ranked]),
            "auprc": _mean([precision for _, precision in ranked]),
            "f_max": f_max(*self._tables, times),
        }


def _ranking(times: Ints, ends: Ints, present: NDArray[np.bool_]) -> tuple[float, float]:
    """Return ROC area and average precision of rows in falling order of their scores."""
    true = np.cumsum(times * present)[ends].astype(np.float64)
    false = np.cumsum(times)[ends] - true
    if not true[-1] or not false[-1]:
        return float("nan"), float("nan")
    area = np.sum(np.diff(false, prepend=0) * (true + np.append(0, true[:-1])) / 2)
    precision = true / np.maximum(true + false, 1)
    step = np.diff(true, prepend=0)
    return float(area / (true[-1] * false[-1])), float(np.sum(step * precision) / true[-1])


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
