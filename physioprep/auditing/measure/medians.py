"""Medians and other quantiles of many rows, with no more sorting than they need."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Rows this short are sorted as fast as they are partitioned, or faster.
SHORT_ROW = 64


def quantile(x: NDArray[np.floating], share: float) -> NDArray[np.floating]:
    """Return a quantile along the last axis, without interpolation.

    Parameters
    ----------
    x : ndarray of float, shape (..., sample)
    share : float
        From 0 to 1.

    Returns
    -------
    ndarray of float, shape (...)

    Examples
    --------
    >>> float(quantile(np.arange(101.0), 0.98))
    98.0
    """
    place = int(share * (x.shape[-1] - 1))
    return np.asarray(np.partition(x, place, axis=-1)[..., place])


def middle_of(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the median along the last axis of finite values: `numpy.median` looks for NaN, too.

    Parameters
    ----------
    x : ndarray of float, shape (..., sample)
        Finite, and not empty.

    Returns
    -------
    ndarray of float, shape (...)
        In the dtype of `x`.

    Examples
    --------
    >>> middle_of(np.array([[3.0, 1.0, 2.0, 10.0]]))
    array([2.5])
    """
    n = x.shape[-1]
    low, high = (n - 1) // 2, n // 2
    if n <= SHORT_ROW:
        ordered = np.sort(x, axis=-1)
    else:
        ordered = np.partition(x, (low, high) if low < high else low, axis=-1)
    return np.asarray((ordered[..., low] + ordered[..., high]) / 2)


def largest_quantile(
    x: NDArray[np.float64], share: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the row of each record with the largest quantile, and that.

    A quantile is as large as a value where enough samples are. So rows are partitioned only where
    they may be the one.

    Parameters
    ----------
    x : ndarray of float64, shape (record, row, sample)
        Not negative.
    share : float
        From 0 to 1.

    Returns
    -------
    row, value : ndarray, shape (record,)
        The first of equal ones.

    Examples
    --------
    >>> largest_quantile(np.array([[[1.0, 2.0, 3.0], [0.0, 5.0, 0.0], [2.0, 2.0, 2.0]]]), 0.5)
    (array([0]), array([2.]))
    """
    n = x.shape[2]
    every, loudest = np.arange(len(x)), np.argmax(np.vecdot(x, x), axis=1)
    least = quantile(x[every, loudest], share)
    maybe = np.count_nonzero(x >= least[:, None, None], axis=2) >= n - int(share * (n - 1))
    found = np.full(maybe.shape, -np.inf)
    found[maybe] = quantile(x[maybe], share)
    best = np.argmax(found, axis=1)
    return best, found[every, best]
