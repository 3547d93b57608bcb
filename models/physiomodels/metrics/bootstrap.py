"""Confidence intervals: draws of whole groups, and Student's interval over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Texts = NDArray[np.object_]

#: Scores predictions in which each row counts as often as it was drawn; None: it has no value.
Scorer = Callable[[Ints], dict[str, float] | None]


def bootstrap(
    groups: Texts, scorers: Sequence[Scorer], draws: int, seed: int = 0
) -> dict[str, Floats]:
    """Return metrics for draws of whole groups with replacement.

    Windows of one person are not independent, so people are drawn, not windows. A metric is that of
    each repeat's predictions, all folds together, averaged over the repeats. Draws without a value
    are left out. The same seed and groups give the same draws, so that two sets of predictions can
    be compared draw by draw.

    Parameters
    ----------
    groups : ndarray of str, shape (row,)
        Whose row it is: a subject, or a record where subjects are unknown.
    scorers : sequence of callable
        One per repeat: takes how often each row was drawn, returns metrics by name, or None where
        the draw has no value.
    draws : int
        Bootstrap samples.
    seed : int
        Of the draws.

    Returns
    -------
    dict of str to ndarray of float64, shape (draw,)
        By metric; empty where no draw has a value.
    """
    rng = np.random.default_rng(seed)
    names, owner = np.unique(groups.astype(str), return_inverse=True)
    found: dict[str, list[float]] = {}
    for _ in range(draws):
        drawn = rng.integers(0, len(names), len(names))
        times = np.bincount(drawn, minlength=len(names))[owner]
        each = [scored for scored in (scorer(times) for scorer in scorers) if scored is not None]
        if len(each) == len(scorers):
            for name in each[0]:
                found.setdefault(name, []).append(float(np.mean([one[name] for one in each])))
    return {name: np.array(values, np.float64) for name, values in found.items()}


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the interval that holds the middle `level` of the values.

    Parameters
    ----------
    values : ndarray of float64, shape (draw,)
        Draws of a metric; those without a value are left out.
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
    values = values[np.isfinite(values)]
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
