"""Labels of records and windows: their codes, and what these mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.shards.target import NOT_STATED


@dataclass(frozen=True, eq=False)
class LabelPlan:
    """A label of each record, of each window, or of each epoch of a window.

    Parameters
    ----------
    name : str
        With its ``label_``.
    values : ndarray, shape (record,) or (candidate,), or with further axes
        int64 codes with -1 for unknown, float32 or float64 (see `narrowed`) with NaN, or uint8
        with 255; then an axis for the epochs of a window, where each has its own label, and one
        for several classes.
    categories : tuple of str or None
        What the codes mean; None where the label is a number.
    per_window : bool
        Whether `values` has one per candidate window; else one per record.
    stated : bool
        Whether the user listed the categories: they then stay, whether or not they occur.
    recode : ndarray of int64, optional
        Of a class: code in `categories` of each code in `values`; the last is for -1, unknown.
        Of several classes: number in `values` of each of `categories`.
    kind : {"class", "classes", "number"}
        See `Target`.
    unit : str or None
        Of a number.
    """

    name: str
    values: NDArray[Any]
    categories: tuple[str, ...] | None
    per_window: bool = False
    stated: bool = False
    recode: NDArray[np.int64] | None = None
    kind: str = "class"
    unit: str | None = None

    @property
    def width(self) -> tuple[int, ...]:
        """Length of the axes after that of the windows.

        Returns
        -------
        tuple of int
        """
        if self.kind == "classes" and self.categories is not None:
            return (*self.values.shape[1:-1], len(self.categories))
        return self.values.shape[1:]

    def of(self, record: NDArray[Any], candidate: NDArray[Any]) -> NDArray[Any]:
        """Return the labels of some candidates.

        Parameters
        ----------
        record, candidate : ndarray of int, shape (window,)
            Record and number of each candidate.

        Returns
        -------
        ndarray, shape (window,) and `width`
            With the dtype of `values`.
        """
        values: NDArray[Any] = self.values[candidate if self.per_window else record]
        if self.recode is None:
            return values
        return values[..., self.recode] if self.kind == "classes" else self.recode[values]

    def is_known(self) -> NDArray[np.bool_]:
        """Return where the label is known.

        Returns
        -------
        ndarray of bool
            Of the shape of `values`, without an axis of classes.
        """
        if self.kind == "classes":
            known: NDArray[np.bool_] = (self.values != NOT_STATED).all(axis=-1)
            return known
        return ~np.isnan(self.values) if self.kind == "number" else self.values >= 0

    def occurring(self, record: NDArray[Any], candidate: NDArray[Any]) -> tuple[str, ...] | None:
        """Return the categories that some candidates have; all of them where the user listed them.

        Parameters
        ----------
        record, candidate : ndarray of int, shape (window,)
            Record and number of each candidate.

        Returns
        -------
        tuple of str or None
            In the order of `categories`. Of several classes all, where none occurs.
        """
        if self.categories is None or self.stated:
            return self.categories
        values = self.of(record, candidate)
        if self.kind == "classes":
            flat = values.reshape(-1, len(self.categories))
            there = (flat == 1).any(axis=0)
            held = np.flatnonzero(there | ~there.any())  # an array needs at least one column
        else:
            held = np.unique(values)
        return tuple(self.categories[code] for code in held[held >= 0])

    def with_categories(self, categories: Sequence[str] | None) -> LabelPlan:
        """Return the label with other codes; values of other categories become unknown.

        Parameters
        ----------
        categories : sequence of str or None
            Some of its categories, by their new codes. None where the label is a number.

        Returns
        -------
        LabelPlan
        """
        if self.categories is None or categories is None or self.categories == tuple(categories):
            return self
        if self.kind == "classes":
            new = np.array([self.categories.index(name) for name in categories], np.int64)
        else:
            code = {name: number for number, name in enumerate(categories)}
            new = np.array([*(code.get(name, -1) for name in self.categories), -1], np.int64)
        return replace(self, categories=tuple(categories), recode=new)


def narrowed(values: NDArray[np.float64]) -> NDArray[Any]:
    """Return numbers as float32, or as they are where a whole number, a code, would lose digits.

    Parameters
    ----------
    values : ndarray of float64
        NaN where unknown.

    Returns
    -------
    ndarray of float32 or float64

    Examples
    --------
    >>> narrowed(np.array([0.1, 3])).dtype, narrowed(np.array([426783007.0])).dtype
    (dtype('float32'), dtype('float64'))
    """
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    is_whole = np.isfinite(values) & (values == np.round(values))
    return values if (single[is_whole] != values[is_whole]).any() else single
