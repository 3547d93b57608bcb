"""Calibration on a person's own windows, without their labels, nor anybody else's windows."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = NDArray[np.object_]

#: What is done with each person's embeddings or features.
METHODS: Final = {
    "centre": "the person's own mean is taken from embeddings and features",
    "standardise": "the person's own mean is taken from embeddings and features, and they are "
    "divided by the person's own deviation",
    "align": "the person's EEG is multiplied by the inverse root of its own mean covariance "
    "(Euclidean alignment, He & Wu 2019); other signals' embeddings and features are standardised",
}
#: Which windows calibrate.
OWN: Final = "windows of all conditions, those that are tested among them, without labels"
CALIBRATING: Final = "windows that are not tested (a baseline), without labels"
NONE: Final = "none"
ALL: Final = "all"
#: Windows below which a deviation says too little to divide by it: they are only centred.
FEWEST: Final = 4
#: A deviation below this share of the mean's size counts as none: rounding.
_ROUNDING: Final = 1e-9


def drawn(windows: pd.DataFrame, n: int | None, seed: int) -> dict[str, Ints]:
    """Draw each person's windows to calibrate on, whatever their labels.

    A draw of fewer windows is part of a draw of more. It depends on the person's own windows alone.

    Parameters
    ----------
    windows : pandas.DataFrame
        ``window``, ``subject``, ``record_id``, ``start_s``.
    n : int or None
        Windows of each person; of somebody who has fewer, all. None: all.
    seed : int
        Of the draw.

    Returns
    -------
    dict of str to ndarray of int64
        By person, numbers of windows.
    """
    found = {}
    for person, own in windows.groupby("subject", sort=True):
        numbers = own.sort_values(["record_id", "start_s"])["window"].to_numpy(np.int64)
        rng = np.random.default_rng([seed, zlib.crc32(str(person).encode())])
        found[str(person)] = numbers[rng.permutation(len(numbers))][:n]
    return found


def calibrate(values: Floats, people: Texts, own: Mapping[str, Floats], method: str) -> Floats:
    """Centre or standardise each person's values by that person's calibration windows.

    Parameters
    ----------
    values : ndarray of float64, shape (row, feature)
        NaN where missing.
    people : ndarray of str, shape (row,)
        Whose row it is.
    own : mapping of str to ndarray of float64, shape (row, feature)
        By person: the values of the calibration windows.
    method : {"centre", "standardise"}
        Of fewer than `FEWEST` windows the deviation is left alone; so is one of 0.

    Returns
    -------
    ndarray of float64, shape (row, feature)
        NaN where a person's calibration windows lack a feature.

    Examples
    --------
    >>> values = np.array([[1.0], [3.0], [10.0]])
    >>> people = np.array(["a", "a", "b"], dtype=object)
    >>> own = {"a": np.array([[0.0], [4.0], [0.0], [4.0]]), "b": np.array([[9.0]])}
    >>> calibrate(values, people, own, "standardise").ravel()
    array([-0.5,  0.5,  1. ])
    """
    found = np.full_like(values, np.nan)
    for person in np.unique(people.astype(str)):
        rows = people.astype(str) == person
        centre, spread = moments(own[person])
        found[rows] = values[rows] - centre
        if method == "standardise":
            found[rows] /= spread
    return found


def moments(own: Floats) -> tuple[Floats, Floats]:
    """Return the mean and the deviation of a person's calibration windows.

    Parameters
    ----------
    own : ndarray of float64, shape (window, feature)
        NaN where missing; left out.

    Returns
    -------
    centre : ndarray of float64, shape (feature,)
        NaN where no window has the feature.
    spread : ndarray of float64, shape (feature,)
        1 where it is 0, or of fewer than `FEWEST` windows.
    """
    known = np.isfinite(own)
    n = known.sum(0)
    held = np.where(known, own, 0.0)
    centre = np.where(n > 0, held.sum(0) / np.maximum(n, 1), np.nan)
    square = np.where(known, (held - centre) ** 2, 0.0).sum(0) / np.maximum(n, 1)
    spread = np.sqrt(square)
    flat = (n < FEWEST) | ~(spread > _ROUNDING * np.maximum(np.abs(centre), 1e-300))
    return centre, np.where(flat, 1.0, spread)


def needs(methods: tuple[str, ...], source: str) -> str:
    """Say what a calibrated result needs of whoever is tested.

    Parameters
    ----------
    methods : tuple of str
        Of `METHODS`.
    source : str
        Which windows calibrate.

    Returns
    -------
    str
    """
    each = "; ".join(f"{name}: {METHODS[name]}" for name in methods)
    return (
        "no subject is in training and test, and test persons give no label; but it needs windows "
        f"of the very person who is tested: {source}. {each}"
    )
