"""A record's manifest row as attributes that every file format of xarray can hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from physioprep.manifest.cells import is_null

#: Whole numbers beyond it do not fit in an attribute of netCDF 3.
_MAX_INT32: Final = 2**31 - 1


def record_attributes(row: Mapping[Any, Any]) -> dict[str, str | int | float]:
    """Return the known values of a row as texts and numbers.

    Parameters
    ----------
    row : mapping
        Of `Store.records`, by column.

    Returns
    -------
    dict
        Unknown values are left out, as no format has a null; times are ISO 8601, lists are
        JSON text. ``/`` of a name, which netCDF forbids, is ``_``.

    Examples
    --------
    >>> record_attributes({"record_id": "208", "age": float("nan"), "flags": ["x"], "sex": None})
    {'record_id': '208', 'flags': '["x"]'}
    """
    return {
        str(name).replace("/", "_"): attribute(value)
        for name, value in row.items()
        if not is_null(value)
    }


def attribute(value: Any) -> str | int | float:
    """Return a value as a text or a number.

    Parameters
    ----------
    value : object
        Not null.

    Returns
    -------
    str or int or float

    Examples
    --------
    >>> attribute(["mV", "uV"]), attribute(datetime(1999, 12, 31, 23, 59)), attribute(2**31)
    ('["mV", "uV"]', '1999-12-31T23:59:00', 2147483648.0)
    """
    if isinstance(value, list | tuple):
        return json.dumps(value, ensure_ascii=False, default=_plain)
    if isinstance(value, datetime):  # pandas' Timestamp is one
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int):
        return int(value) if abs(value) <= _MAX_INT32 else float(value)
    return value if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
