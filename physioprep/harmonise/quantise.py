"""Quantise float32 to int16 at a fixed step, and count saturation and rounding errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physioprep.samples import LARGEST_INT16, MISSING_INT16


@dataclass(frozen=True, eq=False)
class Quantised:
    """Counts and sums per channel of what was quantised; those of several blocks can be added.

    Parameters
    ----------
    n_valid : ndarray of int64, shape (channel,)
        Samples that are not missing.
    n_saturated : ndarray of int64, shape (channel,)
        Of these, the ones beyond ±32767 steps.
    total, squares : ndarray of float64, shape (channel,)
        Sum of the valid samples and of their squares, in steps.
    error_squares : ndarray of float64, shape (channel,)
        Sum of the squared rounding errors, in steps, of samples that did not saturate.
    """

    n_valid: NDArray[np.int64]
    n_saturated: NDArray[np.int64]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]
    error_squares: NDArray[np.float64]

    @classmethod
    def empty(cls, n_channels: int) -> Quantised:
        """Return the counts of no samples.

        Parameters
        ----------
        n_channels : int
            Length of the arrays.

        Returns
        -------
        Quantised
            All zeros.
        """
        whole, real = np.zeros(n_channels, np.int64), np.zeros(n_channels)
        return cls(whole, whole, real, real, real)

    def __add__(self, other: Quantised) -> Quantised:
        """Return the counts of two blocks together."""
        return Quantised(
            self.n_valid + other.n_valid,
            self.n_saturated + other.n_saturated,
            self.total + other.total,
            self.squares + other.squares,
            self.error_squares + other.error_squares,
        )

    def part(self, rows: slice) -> Quantised:
        """Return the counts of some of the channels.

        Parameters
        ----------
        rows : slice
            Of the arrays.

        Returns
        -------
        Quantised
        """
        return Quantised(
            self.n_valid[rows],
            self.n_saturated[rows],
            self.total[rows],
            self.squares[rows],
            self.error_squares[rows],
        )

    def pooled(self) -> tuple[float, float]:
        """Return mean and standard deviation of all channels pooled.

        Returns
        -------
        mean, std : float
            In steps; 0 where no sample is valid.
        """
        n = max(int(self.n_valid.sum()), 1)
        mean = float(self.total.sum()) / n
        return mean, float(np.sqrt(max(float(self.squares.sum()) / n - mean**2, 0.0)))

    def rms(self) -> NDArray[np.float64]:
        """Return the root mean square of each channel.

        Returns
        -------
        ndarray of float64, shape (channel,)
            In steps; 0 where no sample is valid.
        """
        return np.asarray(np.sqrt(self.squares / np.maximum(self.n_valid, 1)))

    def error_rms(self) -> NDArray[np.float32]:
        """Return the root mean square of the rounding errors of each channel.

        Returns
        -------
        ndarray of float32, shape (channel,)
            In steps; saturated samples are not counted.
        """
        count = np.maximum(self.n_valid - self.n_saturated, 1)
        return np.asarray(np.sqrt(self.error_squares / count), np.float32)


def quantise(
    x: NDArray[np.float32], dtype: str = "int16", n_records: int = 1
) -> tuple[NDArray[np.generic], Quantised]:
    """Round samples to whole steps.

    Parameters
    ----------
    x : ndarray of float32, shape (channel, sample)
        In steps. NaN marks missing samples.
    dtype : {"int16", "float32"}
        ``"float32"`` leaves the samples as they are and only counts.
    n_records : int
        Recordings that the channels are of, equally many each. Counts are those of each alone.

    Returns
    -------
    digital : ndarray of int16 or float32, shape (channel, sample)
        int16: -32768 where missing; values beyond ±32767 are clipped to that.
    counts : Quantised
        Of these samples.

    Examples
    --------
    >>> x = np.array([[1.4, np.nan, 40_000.0]], np.float32)
    >>> digital, counts = quantise(x)
    >>> digital, counts.n_saturated, counts.error_rms().round(2)
    (array([[     1, -32768,  32767]], dtype=int16), array([1]), array([0.4], dtype=float32))
    """
    channels, n = x.shape
    squares = _squares(x, n_records)
    missing = np.isnan(x) if np.isnan(squares).any() else None
    values = x
    n_valid = np.full(channels, n)
    if missing is not None:
        values = np.where(missing, np.float32(0), x)
        n_valid -= missing.sum(axis=1)
        squares = _squares(values, n_records)
    total = values.sum(axis=1).astype(np.float64)
    n_saturated = np.zeros(channels, np.int64)
    if dtype == "float32":
        counts = Quantised(n_valid, n_saturated, total, squares, 0 * squares)
        return np.ascontiguousarray(x), counts
    whole = np.rint(values)
    saturated = None
    # the sums of squares bound each sample, too, and cost nothing
    if squares.max(initial=0) > LARGEST_INT16**2 and _largest(whole) > LARGEST_INT16:
        saturated = np.abs(whole) > LARGEST_INT16
        n_saturated = saturated.sum(axis=1)
        digital = whole.clip(-LARGEST_INT16, LARGEST_INT16).astype(np.int16)
    else:
        digital = whole.astype(np.int16)
    errors = np.subtract(whole, values, out=whole)
    if saturated is not None:
        errors[saturated] = 0
    if missing is not None:
        digital[missing] = MISSING_INT16
    return digital, Quantised(n_valid, n_saturated, total, squares, _squares(errors, n_records))


def _largest(x: NDArray[np.float32]) -> float:
    return max(float(x.max(initial=0)), -float(x.min(initial=0)))


def _squares(x: NDArray[np.float32], n_records: int) -> NDArray[np.float64]:
    """Return the sum of squares per row. Not by BLAS: its sums depend on the number of threads."""
    if n_records > 1 and n_records == len(x):  # einsum adds up a row alone in another order
        sums = [np.einsum("ij,ij->i", x[i : i + 1], x[i : i + 1]) for i in range(n_records)]
        return np.concatenate(sums).astype(np.float64)
    return np.asarray(np.einsum("ij,ij->i", x, x), np.float64)
