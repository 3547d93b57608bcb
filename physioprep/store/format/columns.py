"""Convert manifest columns to 1-D Zarr arrays and back; each type has its own null value.

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
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.manifest import COLUMNS
from physioprep.manifest.cells import is_null, label_kind
from physioprep.manifest.schema import make_series

if TYPE_CHECKING:
    import pandas as pd

#: Attribute of an array under ``records/`` that names its manifest type.
KIND: Final = "manifest_type"
#: Different lists of a column that are remembered while it is decoded.
_KNOWN_LISTS: Final = 1024
_NULL_INTEGER: Final = -1
_NULL_TIME: Final = int(np.iinfo(np.int64).min)


def column_kind(name: str, series: pd.Series[Any]) -> str:
    """Return the manifest type of a column.

    Parameters
    ----------
    name : str
        Name of the column.
    series : pandas.Series
        Its values; they decide the type of a column that the manifest schema does not list.

    Returns
    -------
    str
        ``"text"``, ``"number"``, ``"list[text]"``, ...
    """
    return COLUMNS[name][0] if name in COLUMNS else label_kind(name, series)


def stored_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a manifest that a store keeps.

    Parameters
    ----------
    frame : pandas.DataFrame
        Manifest.

    Returns
    -------
    list of str
        All but ``root``: the folder of the raw files differs from machine to machine.
    """
    return [str(name) for name in frame.columns if name != "root"]


def encode_column(kind: str, series: pd.Series[Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Convert a manifest column to the array that Zarr stores, with its attributes.

    Parameters
    ----------
    kind : str
        Manifest type, from `column_kind`.
    series : pandas.Series
        Values of the column, one per record.

    Returns
    -------
    values : ndarray, shape (record,)
        float64, int64, or object (texts).
    attributes : dict
        Manifest type and, for integers and times, the null value; JSON values.

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
        return series.to_numpy("datetime64[us]").astype(
            np.int64
        ), attributes  # NaT becomes the null
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
        if value is before:  # equal rows often share the list, see `read_manifest`
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
    """Encode a flat list; for plain values this is 8 times faster than the encoder."""
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
    """Convert a stored array back to the manifest column.

    Parameters
    ----------
    name : str
        Name of the column.
    values : ndarray, shape (record,)
        As read from Zarr.
    kind : str
        Manifest type: the `KIND` attribute of the array.

    Returns
    -------
    pandas.Series
        As in the manifest, with its dtype and nulls.

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
        plain = _lists(plain)
    return make_series(name, kind, plain)


def _lists(texts: Sequence[str | None]) -> list[Any]:
    """Parse each list once: a corpus has few of channels and units. Each row has its own copy."""
    known: dict[str, list[Any]] = {}
    found: list[Any] = []
    for text in texts:
        if text is None:
            found.append(None)
        elif text in known:
            found.append([*known[text]])
        else:
            value = json.loads(text)
            nested = not isinstance(value, list) or any(isinstance(v, list | dict) for v in value)
            if not nested and len(known) < _KNOWN_LISTS:
                known[text] = [*value]
            found.append(value)
    return found


def hash_values(digest: hashlib._Hash, values: NDArray[Any]) -> None:
    """Add encoded values to a hash.

    Unambiguous only if the caller also hashes the number of values.

    Parameters
    ----------
    digest : hash object
        Of `hashlib`; updated in place.
    values : ndarray, shape (record,)
        From `encode_column`.
    """
    if values.dtype == object:
        texts = [text.encode() for text in values.tolist()]
        digest.update(np.fromiter(map(len, texts), "<i8", len(texts)).tobytes())
        digest.update(b"".join(texts))
    else:
        digest.update(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes())
