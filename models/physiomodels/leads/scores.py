"""How near reconstructed leads are: correlation, error, and whether limb leads fit each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Limb leads as sums of I and II: Einthoven's law, and Goldberger's augmented leads.
DERIVED: Final[Mapping[str, Mapping[str, float]]] = {
    "III": {"II": 1.0, "I": -1.0},
    "aVR": {"I": -0.5, "II": -0.5},
    "aVL": {"I": 1.0, "II": -0.5},
    "aVF": {"II": 1.0, "I": -0.5},
}


def pearson(truth: Floats, found: Floats) -> Floats:
    """Return the correlation over time.

    Parameters
    ----------
    truth, found : ndarray of float64, shape (..., time)

    Returns
    -------
    ndarray of float64, shape (...)
        NaN where one of the two is flat.
    """
    a = truth - truth.mean(-1, keepdims=True)
    b = found - found.mean(-1, keepdims=True)
    power = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    flat = (np.ptp(truth, axis=-1) < 1e-9) | (np.ptp(found, axis=-1) < 1e-9)
    shared = (a * b).sum(-1)
    out: Floats = np.where(flat, np.nan, shared / np.where(flat, 1.0, power))
    return out


def rmse(truth: Floats, found: Floats) -> Floats:
    """Return the root mean square of the error over time.

    Parameters
    ----------
    truth, found : ndarray of float64, shape (..., time)

    Returns
    -------
    ndarray of float64, shape (...)
        In their unit.
    """
    out: Floats = np.sqrt(((truth - found) ** 2).mean(-1))
    return out


def inconsistency(signal: Floats, leads: Sequence[str]) -> dict[str, Floats]:
    """Return how far limb leads are from the sums that they are by definition.

    Parameters
    ----------
    signal : ndarray of float64, shape (window, lead, time)
        Given leads as they were given, the others as they were reconstructed.
    leads : sequence of str
        Names.

    Returns
    -------
    dict of str to ndarray of float64, shape (window,)
        Root mean square over time of lead less sum, by lead; those that are all there.

    Examples
    --------
    >>> signal = np.array([[[1.0], [3.0], [2.5]]])
    >>> float(inconsistency(signal, ["I", "II", "III"])["III"][0])
    0.5
    """
    place = {name: number for number, name in enumerate(leads)}
    found = {}
    for name, parts in DERIVED.items():
        if {name, *parts} <= set(place):
            total = sum(weight * signal[:, place[part]] for part, weight in parts.items())
            found[name] = rmse(signal[:, place[name]], np.asarray(total, np.float64))
    return found
