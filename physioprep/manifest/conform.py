"""Bring a manifest that went through pandas, Arrow or other tools back to its own types.

`pandas.read_parquet` gives arrays for lists, floats for whole numbers and NaN for unknown texts;
a filtered frame keeps its old index, which `to_parquet` writes as a column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep.errors import ManifestError
from physioprep.manifest.cells import is_null
from physioprep.manifest.lacking import fill_counts
from physioprep.manifest.schema import COLUMNS, make_series, order_of

if TYPE_CHECKING:
    import pandas as pd

#: Columns that pandas makes of an index without a name.
_INDEX: Final = re.compile(r"__index_level_\d+__|Unnamed: \d+")
_DTYPES: Final = {"number": "float64", "integer": "Int64", "time": "datetime64[us]"}


def conform(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a manifest with the columns in their order and of their types.

    Parameters
    ----------
    frame : pandas.DataFrame
        A manifest, whose rows may have been chosen, ordered and written by other tools.

    Returns
    -------
    pandas.DataFrame
        The same rows, numbered from 0. What is right already is not copied.

    Raises
    ------
    ManifestError
        It is no table, a name occurs twice, or a value is not what its column holds.

    Examples
    --------
    >>> from physioprep.manifest import make_manifest
    >>> frame = make_manifest({"corpus": ["mine"] * 2, "record_id": ["r10", "r9"],
    ...                        "path": ["r10.edf", "r9.edf"]})
    >>> conform(frame[::-1])["record_id"].tolist()
    ['r10', 'r9']
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise ManifestError(f"a manifest is a file or a pandas.DataFrame, not {type(frame)!r}")
    names = data_columns(frame.columns)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ManifestError(f"manifest has column {twice} twice")
    if "n_samples" not in names and "modality" in names:
        frame = frame.assign(n_samples=None)  # of a manifest that somebody made: unknown
        names.append("n_samples")
    if not set(COLUMNS) <= set(names):
        return frame  # `validate` says what is missing
    labels = [name for name in names if name not in COLUMNS]
    out = {}
    for name in order_of(labels):
        kind = COLUMNS[name][0] if name in COLUMNS else "label"
        if kind == "label" and pd.api.types.is_numeric_dtype(frame[name]):
            kind = "number"  # also where all are unknown
        if _is_right(frame[name], kind):
            out[name] = frame[name].reset_index(drop=True)
        else:
            out[name] = conformed(name, kind, frame[name].tolist())
    right = pd.DataFrame(out, copy=False)
    fill_counts(right)
    right.attrs = frame.attrs  # the notes of a scan
    return right


def data_columns(names: Iterable[Any]) -> list[str]:
    """Return the names of columns that are no index of pandas.

    Parameters
    ----------
    names : iterable
        Of all columns.

    Returns
    -------
    list of str

    Examples
    --------
    >>> data_columns(["corpus", "__index_level_0__"])
    ['corpus']
    """
    return [name for name in map(str, names) if not _INDEX.fullmatch(name)]


def conformed(name: str, kind: str, values: Iterable[Any]) -> pd.Series[Any]:
    """Return a column of its type, made of values of whatever type.

    Parameters
    ----------
    name : str
        For the error.
    kind : str
        A type of `COLUMNS`, or ``"label"``.
    values : iterable
        For example arrays for lists, and 3.0 for 3.

    Returns
    -------
    pandas.Series

    Raises
    ------
    ManifestError
        A value is not of this kind.
    """
    try:
        return make_series(name, kind, [_value(value, kind) for value in values])
    except (ValueError, TypeError, OverflowError) as error:
        raise ManifestError(f"manifest column {name} is not {kind}: {error}") from None


def _is_right(series: pd.Series[Any], kind: str) -> bool:
    if kind in _DTYPES:
        return str(series.dtype) == _DTYPES[kind]
    if series.dtype != object:
        return False
    if kind.startswith("list"):
        return all(value is None or _is_plain(value) for value in series.tolist())
    types = {type(value) for value in series.tolist()} - {type(None)}
    if kind == "label" and types == {list}:
        return all(value is None or _is_plain(value) for value in series.tolist())
    return not types - {str}


def _is_plain(value: Any) -> bool:
    """Return whether a list's first element tells that it came from no array."""
    if type(value) is not list:
        return False
    return not value or not hasattr(value[0], "dtype")


def _value(value: Any, kind: str) -> Any:
    """Return a value of a cell as plain Python of its kind."""
    if is_null(value):
        return None
    if kind.startswith("list"):
        return [_value(each, kind[5:-1]) for each in _elements(value)]
    if kind == "label" and not isinstance(value, str) and np.ndim(value):
        return _value(value, "list[label]")
    if hasattr(value, "item") and kind != "time":
        value = value.item()  # numpy's number
    if kind == "text" and not isinstance(value, str):
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # as pandas holds whole numbers beside unknown ones
        return str(value)
    if kind == "integer" and int(value) != value:
        raise ValueError(f"{value!r}")
    return value


def _elements(value: Any) -> list[Any]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise ValueError(f"{value!r} is not a list")
    return list(value)
