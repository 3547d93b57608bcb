"""Pandas queries on tables, with wrong ones reported in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError

if TYPE_CHECKING:
    import pandas as pd


def query_mask(frame: pd.DataFrame, where: str, what: str) -> NDArray[np.bool_]:
    """Return which rows of a table a pandas query keeps.

    Parameters
    ----------
    frame : pandas.DataFrame
    where : str
        The query, as for `pandas.DataFrame.query`.
    what : str
        Name of the rows, for messages: ``"records"``.

    Returns
    -------
    ndarray of bool, shape (row,)

    Raises
    ------
    ShardError
        If the query is wrong, or names a column that the table does not have.
    """
    numbered = frame.reset_index(drop=True)
    try:
        kept = numbered.query(where, engine="python").index
    except Exception as error:  # pandas raises nearly anything on a bad query
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        names = ", ".join(map(str, frame.columns))
        raise ShardError(f"query {where!r} on the {what}: {cause} (columns: {names})") from None
    mask = np.zeros(len(frame), bool)
    mask[kept] = True
    return mask
