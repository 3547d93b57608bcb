"""Euclidean alignment of a person's EEG (He & Wu 2019, doi:10.1109/TBME.2019.2913914)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiomodels.training.data import open_stream

if TYPE_CHECKING:
    from physioprep.shards import Shards

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: What is aligned: several electrodes of one field.
SIGNAL: Final = "eeg"
#: Deviation that aligned signals are given, µV: encoders expect EEG, not numbers around 1.
SCALE_UV: Final = 20.0
#: Directions with a smaller share of the largest variance are left out, as a reference leaves one.
_RANK: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Products:
    """Products of the electrodes of some windows.

    Parameters
    ----------
    sums : ndarray of float64, shape (window, channel, channel)
        Mean over time of the product of each two channels; 0 where one is absent.
    both : ndarray of bool, shape (window, channel, channel)
        Where both are present.
    row_of : dict of int to int
        From a window's number to its row.
    """

    sums: Floats
    both: NDArray[np.bool_]
    row_of: dict[int, int]


def products_of(shards: Shards, windows: Ints) -> Products:
    """Read the products of the electrodes of windows.

    Parameters
    ----------
    shards : Shards
        With EEG.
    windows : ndarray of int64
        Their numbers.

    Returns
    -------
    Products
    """
    sums, both, numbers = [], [], []
    where = f"window in {windows.tolist()}"
    for batch in open_stream(shards, [SIGNAL], 64, where=where, shuffle=False):
        signal, present = _plain(batch)
        held = np.nan_to_num(signal * present[:, :, None])
        known = (np.isfinite(signal) & present[:, :, None]).astype(np.float64)
        count = known @ known.transpose(0, 2, 1)
        sums.append(held @ held.transpose(0, 2, 1) / np.maximum(count, 1))
        both.append(count > 0)
        numbers += batch["index"].tolist()
    row_of = {number: row for row, number in enumerate(numbers)}
    return Products(np.concatenate(sums), np.concatenate(both), row_of)


def mean_product(products: Products, windows: Ints) -> Floats:
    """Return the mean covariance of a person's windows.

    Parameters
    ----------
    products : Products
        Of these windows, and maybe others.
    windows : ndarray of int64
        Numbers of the person's calibration windows.

    Returns
    -------
    ndarray of float64, shape (channel, channel)
        Of two channels over the windows that have both; NaN where there is none.
    """
    rows = [products.row_of[number] for number in windows.tolist()]
    count = products.both[rows].sum(0)
    return np.where(count > 0, products.sums[rows].sum(0) / np.maximum(count, 1), np.nan)


def inverse_root(covariance: Floats) -> Floats:
    """Return the matrix by which signals of this covariance become uncorrelated, of deviation 1.

    Parameters
    ----------
    covariance : ndarray of float64, shape (channel, channel)
        Symmetric.

    Returns
    -------
    ndarray of float64, shape (channel, channel)
        Directions without variance are left out.

    Examples
    --------
    >>> inverse_root(np.diag([4.0, 25.0]))
    array([[0.5, 0. ],
           [0. , 0.2]])
    """
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _RANK * values.max(initial=0.0)
    scaled = vectors[:, kept] / np.sqrt(values[kept])
    return np.asarray(scaled @ vectors[:, kept].T, np.float64)


@dataclass(frozen=True, eq=False)
class Aligned:
    """Changes batches of a stream: the EEG of each window by its person's mean covariance.

    Parameters
    ----------
    means : dict of str to ndarray of float64, shape (channel, channel)
        By person, from `mean_product`.
    person_of : dict of int to str
        From a window's number to its person.
    """

    means: Mapping[str, Floats]
    person_of: Mapping[int, str]

    def __call__(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the batch with aligned EEG.

        Parameters
        ----------
        batch : mapping of str to Tensor
            Of a stream.

        Returns
        -------
        dict of str to Tensor
        """
        signal, present = batch[SIGNAL], batch[f"present_{SIGNAL}"].numpy().astype(bool)
        found = signal.clone()
        roots: dict[tuple[str, bytes], Tensor] = {}
        for n, number in enumerate(batch["index"].tolist()):
            person = self.person_of[number]
            key = person, present[n].tobytes()
            if key not in roots:
                roots[key] = self._root(person, present[n]).to(signal.dtype)
            known = torch.isfinite(signal[n])
            moved = roots[key] @ torch.where(known, signal[n], 0.0)
            found[n] = torch.where(known, moved, signal[n])
        return {**batch, SIGNAL: found}

    def _root(self, person: str, present: NDArray[np.bool_]) -> Tensor:
        mean = self.means[person]
        used = np.flatnonzero(present & np.isfinite(np.diag(mean)))
        root = np.zeros_like(mean)
        held = np.nan_to_num(mean[np.ix_(used, used)])
        root[np.ix_(used, used)] = SCALE_UV * inverse_root(held)
        return torch.from_numpy(root)


def _plain(batch: Mapping[str, Tensor]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return EEG (window, channel, time), epochs joined, and which channels are present."""
    signal = batch[SIGNAL]
    if signal.ndim == 4:
        signal = signal.transpose(1, 2).flatten(2)
    return signal.double().numpy(), batch[f"present_{SIGNAL}"].numpy().astype(bool)
