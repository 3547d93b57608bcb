"""EEG references and montages: linear combinations of the electrodes, sample by sample."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import RecipeError

#: What a recipe's `reference` can be.
REFERENCES: tuple[str, ...] = ("average", "linked-mastoids", "tcp")

#: The 22 pairs of the ACNS temporal-central parasagittal montage, in TUEV's channel order.
TCP_PAIRS: tuple[tuple[str, str], ...] = (
    ("Fp1", "F7"), ("F7", "T7"), ("T7", "P7"), ("P7", "O1"),
    ("Fp2", "F8"), ("F8", "T8"), ("T8", "P8"), ("P8", "O2"),
    ("A1", "T7"), ("T7", "C3"), ("C3", "Cz"), ("Cz", "C4"), ("C4", "T8"), ("T8", "A2"),
    ("Fp1", "F3"), ("F3", "C3"), ("C3", "P3"), ("P3", "O1"),
    ("Fp2", "F4"), ("F4", "C4"), ("C4", "P4"), ("P4", "O2"),
)  # fmt: skip


def rereference(
    x: NDArray[np.float32],
    channels: Sequence[str],
    reference: str,
    bad: Collection[str] = (),
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Re-reference EEG.

    Parameters
    ----------
    x : ndarray of float32, shape (channel, sample)
        NaN marks missing samples.
    channels : sequence of str
        Canonical names. Bipolar ones (``"A2-A1"``) are left out: they have no common reference.
    reference : {"average", "linked-mastoids", "tcp"}
        Subtract the mean of the electrodes that are valid at each sample, without those of
        `bad`; subtract the mean of M1 and M2 (or A1 and A2); or form the bipolar pairs of
        `TCP_PAIRS`, as many as the recording has electrodes for.
    bad : collection of str
        Electrodes that are marked as bad.

    Returns
    -------
    x : ndarray of float32, shape (channel', sample)
        In the unit of the input.
    channels : tuple of str
        The names of its rows, see `rereferenced_channels`.

    Raises
    ------
    RecipeError
        If the recording lacks the electrodes that the reference needs, or all but one are bad.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    >>> rereference(x, ("Fp1", "F7"), "average")[0]
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> rereference(x, ("Fp1", "F7"), "tcp")
    (array([[-2., -2.]], dtype=float32), ('Fp1-F7',))
    """
    names = rereferenced_channels(channels, reference)
    row = {name: x[i] for i, name in enumerate(channels)}
    if reference == "tcp":
        pairs = [name.split("-") for name in names]
        return np.stack([row[a] - row[b] for a, b in pairs]), names
    if reference == "linked-mastoids":
        left, right = _mastoids(channels)
        return np.stack([row[name] for name in names]) - (row[left] + row[right]) / 2, names
    kept = np.stack([row[name] for name in names])
    valid = ~np.isnan(kept)
    if bad:
        good = np.array([name not in bad for name in names])
        if good.sum() < 2:
            raise RecipeError("an average reference needs two electrodes that are not marked bad")
        valid &= good[:, None]
    count = np.maximum(valid.sum(axis=0, dtype=np.float32), np.float32(1))
    return kept - np.where(valid, kept, np.float32(0)).sum(axis=0) / count, names


def rereferenced_channels(channels: Sequence[str], reference: str) -> tuple[str, ...]:
    """Return the channels that `rereference` returns, without the samples.

    Parameters
    ----------
    channels : sequence of str
        Canonical names.
    reference : {"average", "linked-mastoids", "tcp"}
        As in `rereference`.

    Returns
    -------
    tuple of str
        Electrodes in their given order, without the mastoids for ``"linked-mastoids"``; for
        ``"tcp"`` the pairs that can be formed.

    Raises
    ------
    RecipeError
        If the reference is unknown or its electrodes are absent.

    Examples
    --------
    >>> rereferenced_channels(("Cz", "M1", "M2", "A2-A1"), "linked-mastoids")
    ('Cz',)
    """
    if reference not in REFERENCES:
        raise RecipeError(f"unknown reference {reference!r}: one of {', '.join(REFERENCES)}")
    if reference == "tcp":
        names = tuple(f"{a}-{b}" for a, b in TCP_PAIRS if a in channels and b in channels)
        if not names:
            raise RecipeError(f"no pair of the tcp montage among {', '.join(channels)}")
        return names
    unipolar = tuple(name for name in channels if "-" not in name)
    if reference == "linked-mastoids":
        mastoids = _mastoids(channels)
        return tuple(name for name in unipolar if name not in mastoids)
    if len(unipolar) < 2:
        raise RecipeError("an average reference needs two electrodes")
    return unipolar


def reference_electrodes(channels: Sequence[str], reference: str) -> tuple[str, ...]:
    """Return the electrodes that a reference takes out of the channels.

    Parameters
    ----------
    channels : sequence of str
        Canonical names.
    reference : str
        As in `rereference`; "" for none.

    Returns
    -------
    tuple of str
        Two for ``"linked-mastoids"``, else none.

    Raises
    ------
    RecipeError
        If the mastoids are absent.

    Examples
    --------
    >>> reference_electrodes(("Cz", "A1", "A2"), "linked-mastoids")
    ('A1', 'A2')
    """
    return _mastoids(channels) if reference == "linked-mastoids" else ()


def _mastoids(channels: Sequence[str]) -> tuple[str, str]:
    for left, right in (("M1", "M2"), ("A1", "A2")):
        if left in channels and right in channels:
            return left, right
    raise RecipeError("linked-mastoids needs M1 and M2, or A1 and A2")
