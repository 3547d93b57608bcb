"""Metrics of a number."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: All metrics of a number; the first leads tables.
METRICS: Final = ("pearson", "r2", "rmse", "mae")


def reported(truth: Floats, predicted: Floats) -> dict[str, float]:
    """Score predictions by scikit-learn and SciPy.

    Parameters
    ----------
    truth, predicted : ndarray of float64, shape (window,)
        In the target's unit.

    Returns
    -------
    dict of str to float
        ``pearson`` (NaN where either is constant), ``r2`` (NaN where the truth is constant),
        ``rmse`` and ``mae`` (in the unit).

    Examples
    --------
    >>> found = reported(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))
    >>> {name: round(value, 3) for name, value in found.items()}
    {'pearson': 0.982, 'r2': 0.5, 'rmse': 0.577, 'mae': 0.333}
    """
    from scipy.stats import pearsonr
    from sklearn import metrics

    r = r2 = float("nan")
    if len(truth) > 1 and np.ptp(truth) > 0:
        r2 = float(metrics.r2_score(truth, predicted))
        if np.ptp(predicted) > 0:
            r = float(pearsonr(truth, predicted).statistic)
    return {
        "pearson": r,
        "r2": r2,
        "rmse": float(metrics.root_mean_squared_error(truth, predicted)),
        "mae": float(metrics.mean_absolute_error(truth, predicted)),
    }


class Fast:
    """The metrics of `reported` for drawn rows.

    Parameters
    ----------
    truth, predicted
        As for `reported`.
    """

    def __init__(self, truth: Floats, predicted: Floats) -> None:
        self._truth, self._predicted = truth, predicted

    def __call__(self, times: Ints) -> dict[str, float]:
        """Return the metrics of a draw."""
        n = float(times.sum())
        y, p = self._truth, self._predicted
        error = p - y
        y, p = y - times @ y / n, p - times @ p / n
        own, other, joint = times @ y**2, times @ p**2, times @ (y * p)
        squares = float(times @ error**2)
        tiny = 1e-12  # rounding of a constant's deviations
        known = own > tiny * n
        return {
            "pearson": float(joint / np.sqrt(own * other))
            if known and other > tiny * n
            else float("nan"),
            "r2": 1 - squares / float(own) if known else float("nan"),
            "rmse": float(np.sqrt(squares / n)),
            "mae": float(times @ np.abs(error)) / n,
        }
