"""Linear regression of leads on others, sample by sample, and the mean of each lead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from physioprep.errors import ModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Sums over training samples, of which any regression between leads is computed.

    Parameters
    ----------
    products : ndarray of float64, shape (1 + lead, 1 + lead)
        Summed products of a constant 1 and the leads.
    """

    products: Floats

    @property
    def mean(self) -> Floats:
        """The mean of each lead.

        Returns
        -------
        ndarray of float64, shape (lead,)
        """
        return np.asarray(self.products[0, 1:] / self.products[0, 0], np.float64)

    def weights(self, given: Sequence[int]) -> Floats:
        """Return the least-squares weights of all leads on some.

        Parameters
        ----------
        given : sequence of int
            Places of the leads that are known.

        Returns
        -------
        ndarray of float64, shape (1 + given, lead)
            First the constant.
        """
        rows = [0, *(1 + place for place in given)]
        left, right = self.products[np.ix_(rows, rows)], self.products[rows, 1:]
        return np.asarray(np.linalg.lstsq(left, right, rcond=None)[0], np.float64)

    def predict(self, signal: Floats, given: Sequence[int]) -> Floats:
        """Return all leads from some of them.

        Parameters
        ----------
        signal : ndarray of float64, shape (window, lead, time)
            Only the leads `given` are looked at.
        given : sequence of int
            Their places.

        Returns
        -------
        ndarray of float64, shape (window, lead, time)
        """
        weights = self.weights(given)
        known = signal[:, list(given)]
        out: Floats = np.einsum("gl,wgt->wlt", weights[1:], known) + weights[0][:, None]
        return out


def moments_of(windows: Iterable[tuple[Tensor, Tensor]], of: str) -> Moments:
    """Add up the products of the leads over training windows.

    Parameters
    ----------
    windows : iterable of (Tensor, Tensor)
        From `physiomodels.leads.windows.complete`.
    of : str
        Where they are and which leads they have, for the error.

    Returns
    -------
    Moments

    Raises
    ------
    ModelError
        There is no window.
    """
    total: Floats | None = None
    for signal, _ in windows:
        values = signal.double().transpose(0, 1).flatten(1).numpy()
        one = np.concatenate([np.ones((1, values.shape[1])), values])
        total = one @ one.T if total is None else total + one @ one.T
    if total is None:
        raise ModelError(f"{of}: no training window has all of these leads")
    return Moments(total)
