"""The limb leads that follow from I and II (Einthoven 1912, Goldberger 1942)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Lead -> its coefficients of leads I and II.
LIMB_LEADS: dict[str, tuple[float, float]] = {
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}


def derivable_leads(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the limb leads that are absent and follow from I and II.

    Parameters
    ----------
    channels : sequence of str
        Canonical names of the leads that the recording has.

    Returns
    -------
    tuple of str
        In the order of `LIMB_LEADS`; empty where I or II is absent.

    Examples
    --------
    >>> derivable_leads(("I", "II", "III", "V1"))
    ('aVR', 'aVL', 'aVF')
    >>> derivable_leads(("II", "V5"))
    ()
    """
    if "I" not in channels or "II" not in channels:
        return ()
    return tuple(lead for lead in LIMB_LEADS if lead not in channels)


def derive_leads(
    x: NDArray[np.float32], channels: Sequence[str]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Append the limb leads that are absent and follow from I and II.

    Parameters
    ----------
    x : ndarray of float32, shape (channel, sample)
        In one unit for all leads; NaN where missing.
    channels : sequence of str
        Canonical names.

    Returns
    -------
    x : ndarray of float32, shape (channel + derived, sample)
        NaN in a derived lead where I or II is missing.
    channels : tuple of str
        The names of its rows.

    Examples
    --------
    >>> x, names = derive_leads(np.array([[1.0], [3.0]], np.float32), ("I", "II"))
    >>> dict(zip(names, x[:, 0].tolist()))
    {'I': 1.0, 'II': 3.0, 'III': 2.0, 'aVR': -2.0, 'aVL': -0.5, 'aVF': 2.5}
    """
    derived = derivable_leads(channels)
    if not derived:
        return x, tuple(channels)
    one, two = x[list(channels).index("I")], x[list(channels).index("II")]
    rows = [
        np.float32(a) * one + np.float32(b) * two for a, b in (LIMB_LEADS[lead] for lead in derived)
    ]
    return np.concatenate([x, np.stack(rows)]), (*channels, *derived)
