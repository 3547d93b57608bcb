"""What a cell of a manifest holds: nothing, a text; and what kind a column of labels is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from physioprep.errors import ManifestError

if TYPE_CHECKING:
    import pandas as pd


def is_null(value: object) -> bool:
    """Return whether `value` is None, NaN, NaT or pandas' NA.

    Parameters
    ----------
    value : object
        Of a cell.

    Returns
    -------
    bool
    """
    if value is None or isinstance(value, str | list):
        return value is None
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def is_text(value: object) -> bool:
    """Return whether `value` is a text that may be a label: not empty.

    Parameters
    ----------
    value : object
        Of a list.

    Returns
    -------
    bool
    """
    return isinstance(value, str) and value != ""


def label_kind(name: str, series: pd.Series[Any]) -> str:
    """Return the type of a label column.

    Parameters
    ----------
    name : str
        Column, for the error.
    series : pandas.Series
        Its values.

    Returns
    -------
    {'text', 'number', 'list[text]'}
        A list holds a record's several statements: None is "not stated", an empty list "none".

    Raises
    ------
    ManifestError
        Texts, numbers and lists are mixed, or there is anything else.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series):
        return "number"
    present = [value for value in series.tolist() if not is_null(value)]
    if all(isinstance(value, str) for value in present):
        return "text"
    if all(isinstance(value, int | float) for value in present):
        return "number"
    if all(isinstance(value, list) and all(map(is_text, value)) for value in present):
        return "list[text]"
    raise ManifestError(
        f"label column {name} mixes types; texts, numbers or lists of texts, not several"
    )
