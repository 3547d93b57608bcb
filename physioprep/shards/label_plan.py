"""Labels of records and windows: their codes, and what these mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.shards.spec import ShardSpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class LabelPlan:
    """A label of each record, or of each window.

    Parameters
    ----------
    name : str
        With its ``label_``.
    values : ndarray, shape (record,) or (candidate,)
        int64 codes with -1 for unknown, or float32 with NaN.
    categories : tuple of str or None
        What the codes mean; None where the label is a number.
    per_window : bool
        Whether `values` has one per candidate window; else one per record.
    stated : bool
        Whether the user listed the categories: they then stay, whether or not they occur.
    recode : ndarray of int64, shape (category of `values` + 1,), optional
        Code in `categories` of each code in `values`; the last is for -1, unknown.
    """

    name: str
    values: NDArray[Any]
    categories: tuple[str, ...] | None
    per_window: bool = False
    stated: bool = False
    recode: NDArray[np.int64] | None = None

    def of(self, record: NDArray[Any], candidate: NDArray[Any]) -> NDArray[Any]:
        """Return the labels of some candidates.

        Parameters
        ----------
        record, candidate : ndarray of int, shape (window,)
            Record and number of each candidate.

        Returns
        -------
        ndarray, shape (window,)
            With the dtype of `values`.
        """
        values: NDArray[Any] = self.values[candidate if self.per_window else record]
        return values if self.recode is None else self.recode[values]

    def occurring(self, record: NDArray[Any], candidate: NDArray[Any]) -> tuple[str, ...] | None:
        """Return the categories that some candidates have; all of them where the user listed them.

        Parameters
        ----------
        record, candidate : ndarray of int, shape (window,)
            Record and number of each candidate.

        Returns
        -------
        tuple of str or None
            In the order of `categories`.
        """
        if self.categories is None or self.stated:
            return self.categories
        held = np.unique(self.of(record, candidate))
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
        code = {name: number for number, name in enumerate(categories)}
        new = np.array([*(code.get(name, -1) for name in self.categories), -1], np.int64)
        return replace(self, categories=tuple(categories), recode=new)


def label_names(records: pd.DataFrame, spec: ShardSpec) -> list[str]:
    """Return the label columns of the records that a spec asks for.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all stores.
    spec : ShardSpec

    Returns
    -------
    list of str
        With their ``label_``; of a spec without `labels` all that hold one value per record.

    Raises
    ------
    ShardError
        If a column is missing.
    """
    held = [str(name) for name in records.columns if str(name).startswith("label_")]
    if spec.labels is None:
        return [name for name in held if _is_plain(records[name])]
    names = [name if name.startswith("label_") else f"label_{name}" for name in spec.labels]
    for name in names:
        if name not in held:
            raise ShardError(f"no store has a column {name}, only {', '.join(held) or 'no labels'}")
    return names


def _is_plain(column: pd.Series[Any]) -> bool:
    return not any(isinstance(value, list | tuple | np.ndarray) for value in column)


def record_label(records: pd.DataFrame, name: str) -> LabelPlan:
    """Return a label of the records as codes of its sorted categories, or as numbers.

    Parameters
    ----------
    records : pandas.DataFrame
        Records of all stores.
    name : str
        Column.

    Returns
    -------
    LabelPlan
    """
    import pandas as pd

    column = records[name]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return LabelPlan(name, column.to_numpy(np.float32, na_value=np.nan), None)
    texts = [None if pd.isna(value) else str(value) for value in column]
    categories = tuple(sorted({text for text in texts if text is not None}))
    code = {category: number for number, category in enumerate(categories)}
    codes = np.array([-1 if text is None else code[text] for text in texts], np.int64)
    return LabelPlan(name, codes, categories)
