"""Manifest columns as Zarr arrays and back: one 1-D array a column, nulls kept apart.

=============  ======================  ====================================================
manifest type  array                   null
=============  ======================  ====================================================
text           string                  ``""`` (no manifest text is empty)
number         float64                 NaN
integer        int64                   -1, named by ``_FillValue``
time           int64, CF time          smallest int64, named by ``_FillValue``
list           string of JSON          ``""`` (an empty list is ``[]``)
=============  ======================  ====================================================
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.manifest import COLUMNS
from physioprep.manifest.schema import is_null, label_kind, make_series

if TYPE_CHECKING:
    import pandas as pd

#: Attribute of an array under ``records/`` that names its manifest type.
KIND: Final = "manifest_type"
_NULL_INTEGER: Final = -1
_NULL_TIME: Final = int(np.iinfo(np.int64).min)


def column_kind(name: str, series: pd.Series[Any]) -> str:
    """Return the manifest type of a column: ``text``, ``number``, ``list[text]``, ..."""
    return COLUMNS[name][0] if name in COLUMNS else label_kind(name, series)


def stored_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that a store keeps: all but ``root``, which is this machine's affair."""
    return [str(name) for name in frame.columns if name != "root"]


def encode_column(kind: str, series: pd.Series[Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Turn a manifest column into an array that Zarr stores, with its attributes.

    Parameters
    ----------
    kind : str
        Manifest type.
    series : pandas.Series

    Returns
    -------
    values : ndarray, shape (record,)
        float64, int64, or object (texts).
    attributes : dict

    Examples
    --------
    >>> import pandas as pd
    >>> encode_column("list[number]", pd.Series([[360.0], None]))
    (array(['[360.0]', ''], dtype=object), {'manifest_type': 'list[number]'})
    """
    attributes: dict[str, Any] = {KIND: kind}
    if kind == "number":
        return series.to_numpy(np.float64, na_value=np.nan), attributes
    if kind == "integer":
        attributes["_FillValue"] = _NULL_INTEGER
        return series.to_numpy(np.int64, na_value=_NULL_INTEGER), attributes
    if kind == "time":
        attributes |= {
            "units": "microseconds since 1970-01-01",
            "calendar": "proleptic_gregorian",
            "_FillValue": _NULL_TIME,
        }
        return series.to_numpy("datetime64[us]").astype(np.int64), attributes  # NaT is the null
    if kind.startswith("list"):
        texts = _json_texts(series)
    else:
        texts = ["" if is_null(value) else str(value) for value in series.tolist()]
    values = np.empty(len(texts), object)
    values[:] = texts
    return values, attributes


def _json_texts(series: pd.Series[Any]) -> list[str]:
    # Channel lists and the like repeat from record to record: keep one copy of each.
    kept: dict[str, str] = {}
    nested: dict[Any, str] = {}
    texts = []
    before, text = None, ""
    for value in series.tolist():
        if value is before:  # rows that are alike often share the list, see `read_manifest`
            texts.append(text)
            continue
        before = value
        if value is None:
            text = ""
        elif value and isinstance(value[0], list):
            key = tuple(map(tuple, value))
            text = nested.get(key) or nested.setdefault(key, _ENCODER.encode(value))
        else:
            text = _flat_json(value)
            text = kept.setdefault(text, text)
        texts.append(text)
    return texts


def _flat_json(values: list[Any]) -> str:
    """Encode a flat list, without the encoder where every value is plain: it is 8 times faster."""
    if not values:
        return "[]"
    kinds = set(map(type, values))
    if kinds == {str}:
        joined = '","'.join(values)
        plain = joined.isprintable() and "\\" not in joined
        if plain and joined.count('"') == 2 * (len(values) - 1):
            return f'["{joined}"]'
    elif kinds == {int} or (kinds == {float} and all(map(math.isfinite, values))):
        return f"[{','.join(map(repr, values))}]"
    return _ENCODER.encode(values)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_null(value):
        return None
    raise TypeError(f"a manifest list holds a {type(value).__name__}")


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)


def decode_column(name: str, values: NDArray[Any], kind: str) -> pd.Series[Any]:
    """Turn a stored array back into the manifest column.

    Parameters
    ----------
    name : str
    values : ndarray, shape (record,)
        As read from Zarr.
    kind : str
        Its `KIND` attribute.

    Returns
    -------
    pandas.Series

    Examples
    --------
    >>> decode_column("age", np.array([61.0, np.nan]), "number").tolist()
    [61.0, nan]
    """
    if kind == "number":
        return make_series(name, kind, values.tolist())
    if kind == "integer":
        plain = [None if v == _NULL_INTEGER else v for v in values.tolist()]
        return make_series(name, kind, plain)
    if kind == "time":
        return make_series(name, kind, list(values.astype(np.int64).view("datetime64[us]")))
    plain = [None if text == "" else text for text in map(str, values.tolist())]
    if kind.startswith("list"):
        plain = [None if text is None else json.loads(text) for text in plain]
    return make_series(name, kind, plain)


def hash_values(digest: hashlib._Hash, values: NDArray[Any]) -> None:
    """Feed encoded values to a hash, unambiguously where their number is known.

    Parameters
    ----------
    digest : hash object
    values : ndarray, shape (record,)
        From `encode_column`.
    """
    if values.dtype == object:
        texts = [text.encode() for text in values.tolist()]
        digest.update(np.fromiter(map(len, texts), "<i8", len(texts)).tobytes())
        digest.update(b"".join(texts))
    else:
        digest.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes())
