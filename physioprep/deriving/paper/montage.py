"""EEG as it is drawn: as stored, or in a montage that is computed of it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import PhysioprepError, RecipeError
from physioprep.harmonise.montage import REFERENCES, rereference, rereferenced_channels

STORED: Final = "stored"
MONTAGES: Final = (STORED, *REFERENCES)


def montage_channels(channels: tuple[str, ...], montage: str) -> tuple[str, ...]:
    """Return the rows of a montage.

    Parameters
    ----------
    channels : tuple of str
        Of the store.
    montage : str
        One of `MONTAGES`.

    Returns
    -------
    tuple of str

    Raises
    ------
    PhysioprepError
        The store lacks the electrodes that it needs.

    Examples
    --------
    >>> montage_channels(("Fp1", "F7", "T7"), "tcp")
    ('Fp1-F7', 'F7-T7')
    """
    if montage == STORED:
        return channels
    try:
        return rereferenced_channels(channels, montage)
    except RecipeError as error:
        raise PhysioprepError(f"montage {montage}: {error}") from None


def in_montage(
    signal: NDArray[np.floating[Any]], channels: list[str], montage: str
) -> tuple[NDArray[np.float32], list[str]]:
    """Return a recording in a montage.

    Parameters
    ----------
    signal : ndarray of float, shape (channel, sample)
        NaN where missing.
    channels : list of str
        Of the recording.
    montage : str
        One of `MONTAGES`.

    Returns
    -------
    signal : ndarray of float32, shape (row, sample)
    rows : list of str
        None where the recording lacks the electrodes that the montage needs.
    """
    values = np.asarray(signal, np.float32)
    if montage == STORED:
        return values, channels
    try:
        made, names = rereference(values, channels, montage)
    except RecipeError:
        return values[:0], []
    return made, list(names)
