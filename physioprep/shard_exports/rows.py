"""What is known of a window beside its samples, as plain values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from physioprep.shard_exports.windows import Windows
from physioprep.shards.opened import Shards


def rows_of(shards: Shards, windows: Windows) -> list[dict[str, Any]]:
    """Return the rows of the window table, with targets and texts.

    Parameters
    ----------
    shards : Shards
    windows : Windows
        Of them.

    Returns
    -------
    list of dict
        Per window: the columns of `Shards.windows`; ``target``, a code, number or list by label,
        as in a batch of a stream (-1, null and 255: unknown); ``text`` by label, if there are
        texts.
    """
    table = shards.windows.iloc[windows.numbers]
    columns = {str(name): [plain(each) for each in table[name].tolist()] for name in table}
    texts = {name: shards.texts(name) for name in shards.text_labels}
    rows = []
    for row, record in enumerate(windows.labels["record"].tolist()):
        known: dict[str, Any] = {name: values[row] for name, values in columns.items()}
        known["target"] = {name: plain(windows.labels[name][row]) for name in shards.labels}
        if texts:
            known["text"] = {name: held[record] for name, held in texts.items()}
        rows.append(known)
    return rows


def plain(value: Any) -> Any:
    """Return a value as JSON has it; what is not known becomes None.

    Parameters
    ----------
    value : object
        A number or text of Python, NumPy or pandas, or an array.

    Returns
    -------
    object

    Examples
    --------
    >>> plain(np.array([1.0, np.nan])), plain(np.int64(3)), plain(math.nan)
    ([1.0, None], 3, None)
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(each) for each in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    text = str(value)
    return None if text in ("<NA>", "NaT") else text
