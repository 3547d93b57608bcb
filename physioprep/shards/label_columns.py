"""Labels as columns of the windows' table: texts and not codes, lists where there are several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.shards.label_plan import LabelPlan
from physioprep.shards.target import NOT_STATED

if TYPE_CHECKING:
    import pyarrow as pa


def label_column(label: LabelPlan, record: NDArray[Any], candidate: NDArray[Any]) -> Any:
    """Return a label of some candidates as a column of a table.

    Parameters
    ----------
    label : LabelPlan
    record, candidate : ndarray of int, shape (window,)
        Record and number of each candidate.

    Returns
    -------
    ndarray or pandas extension array
        Numbers, or texts with null for unknown; for several classes a list of those present,
        null where nothing is stated; for windows of epochs a list with one of these an epoch.
    """
    import pandas as pd
    import pyarrow as pa

    values = label.of(record, candidate)
    texts: list[Any]
    if label.categories is None:
        if values.ndim == 1:
            return values
        kind, texts = pa.from_numpy_dtype(values.dtype), values.tolist()
    elif label.kind == "classes":
        kind, texts = pa.list_(pa.string()), _present(values, label.categories)
    else:
        # -1, unknown, is the last.
        named = np.array([*label.categories, None], object)[values]
        if values.ndim == 1:
            return pd.array(named, dtype="string")
        kind, texts = pa.string(), named.tolist()
    is_sequence = values.ndim > (2 if label.kind == "classes" else 1)
    return pd.arrays.ArrowExtensionArray(_array(texts, pa.list_(kind) if is_sequence else kind))


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Return an Arrow array of a given type: that of empty lists alone would be another."""
    import pyarrow as pa

    return pa.array(values, type=kind)


def _present(values: NDArray[np.uint8], categories: tuple[str, ...]) -> list[Any]:
    if values.ndim > 2:
        return [_present(each, categories) for each in values]
    names = np.array(categories, object)
    stated = (values != NOT_STATED).all(axis=1).tolist()
    return [
        names[row == 1].tolist() if known else None
        for row, known in zip(values, stated, strict=True)
    ]
