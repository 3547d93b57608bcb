"""What is answered: each window, or each record by all its windows together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from physiomodels.training.labels import Labels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: What one answer is given for.
PER: Final = ("window", "record")
#: Columns of the windows that belong to what is answered.
MEMBERS: Final = ("window", "row", "subject", "record_id", "start_s")


def rows_of(windows: pd.DataFrame, labels: Labels, per: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what is answered, and which windows belong to each of it.

    Parameters
    ----------
    windows : pandas.DataFrame
        From `physiomodels.evaluation.windows.choose_windows`.
    labels : Labels
        Target.
    per : {"window", "record"}
        A record is named by its first window, whose row of the table stands for it.

    Returns
    -------
    rows : pandas.DataFrame
        One row per answer.
    members : pandas.DataFrame
        One row per window, in their order in the shards: `MEMBERS`, of which ``row`` is the number
        in `rows`.

    Raises
    ------
    ModelError
        If records are asked for and the label has a value per epoch, or windows of one record have
        different ones.
    """
    if per == "window":
        members = windows.assign(row=np.arange(len(windows)))
        return windows, members[[*MEMBERS]].reset_index(drop=True)
    if labels.target.is_sequence:
        raise ModelError(f"{labels.target.name} has a value per epoch: no answer per record")
    order = windows.sort_values(["corpus", "record_id", "start_s"], kind="stable")
    number = order.groupby(["corpus", "record_id"], sort=False).ngroup().to_numpy(np.int64)
    first = np.unique(number, return_index=True)[1]
    truth = labels.truth[order["window"].to_numpy(np.int64)]
    same = truth == truth[first][number]
    odd = ~same.reshape(len(order), -1).all(1)
    if odd.any():
        record = order["record_id"].iloc[int(odd.argmax())]
        raise ModelError(f"record {record}: its windows have several values: no answer per record")
    members = order.assign(row=number).sort_values("window").reset_index(drop=True)
    return order.iloc[first].reset_index(drop=True), members[[*MEMBERS]]


def summary_of(values: Floats, rows: Ints, n_rows: int) -> Floats:
    """Return mean, deviation, least and most of the windows of each record.

    Parameters
    ----------
    values : ndarray of float64, shape (window, feature)
        NaN where missing; left out.
    rows : ndarray of int64, shape (window,)
        Number of each window's record.
    n_rows : int
        Records.

    Returns
    -------
    ndarray of float64, shape (record, 4 features)
        NaN where no window has the feature.

    Examples
    --------
    >>> summary_of(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1]), 2)
    array([[2., 1., 1., 3.],
           [5., 0., 5., 5.]])
    """
    import pandas as pd

    groups = pd.DataFrame(values).groupby(rows)
    parts = [groups.mean(), groups.std(ddof=0), groups.min(), groups.max()]
    return np.concatenate([one.reindex(range(n_rows)).to_numpy(float) for one in parts], axis=1)


def mean_of(values: Floats, rows: Ints, n_rows: int) -> Floats:
    """Return the mean over the windows of each record.

    Parameters
    ----------
    values, rows, n_rows
        As for `summary_of`.

    Returns
    -------
    ndarray of float64, shape (record, feature)
        NaN where no window has the feature.
    """
    import pandas as pd

    means = pd.DataFrame(values).groupby(rows).mean()
    return means.reindex(range(n_rows)).to_numpy(float)


def mean_answers(answers: pd.DataFrame, members: pd.DataFrame, numbers: Ints) -> pd.DataFrame:
    """Return the mean answer over the windows of each record.

    Parameters
    ----------
    answers : pandas.DataFrame
        By window, its index.
    members : pandas.DataFrame
        ``window`` and ``row``.
    numbers : ndarray of int64, shape (row,)
        First window of each record.

    Returns
    -------
    pandas.DataFrame
        Indexed by the records' first windows.
    """
    row_of: dict[Any, Any] = dict(zip(members["window"], numbers[members["row"]], strict=True))
    groups = answers.groupby(answers.index.map(row_of))
    return groups.mean().rename_axis("window")
