"""Answers of a model beside the truth, as metrics take them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiomodels.training.kinds import is_known
from physiomodels.training.labels import Labels

if TYPE_CHECKING:
    import pandas as pd

#: Columns of a window that stay beside its answer.
PLACE = ("window", "corpus", "record_id", "subject_id", "start_s", "subject")


def with_truth(
    labels: Labels, windows: pd.DataFrame, answer: pd.DataFrame, length_s: float
) -> pd.DataFrame:
    """Return windows, or their epochs, that have a label, with the truth and the answers.

    Parameters
    ----------
    labels : Labels
        Target, and its values for all windows of the shards.
    windows : pandas.DataFrame
        `PLACE` of those to be scored; ``subject`` is whose they are, or which record.
    answer : pandas.DataFrame
        Indexed by window: what `physiomodels.training.predict.predict` gives.
    length_s : float
        Of a window, or of an epoch of it, s.

    Returns
    -------
    pandas.DataFrame
        Columns as `physiomodels.metrics.choice` says; of a sequence a row per epoch.
    """
    target = labels.target
    truth = labels.truth[windows["window"]]
    n = target.n_epochs or 1
    rows = windows[[*PLACE]].loc[windows.index.repeat(n)].reset_index(drop=True)
    if target.is_sequence:
        truth = truth.reshape(len(rows), *truth.shape[2:])
        rows["epoch"] = np.tile(np.arange(n), len(windows))
        rows["start_s"] += rows["epoch"] * length_s
        answer = answer.drop(columns="epoch")
    for name, column in _truth_columns(truth, target.kind).items():
        rows[name] = column
    answers = answer.loc[windows["window"]].reset_index(drop=True)
    rows = rows.join(answers)
    return rows[is_known(truth, target.kind)].reset_index(drop=True)


def _truth_columns(truth: NDArray[Any], kind: str) -> dict[str, NDArray[Any]]:
    if kind == "class":
        return {"code": truth}
    if kind == "number":
        return {"value": truth}
    return {f"y_{code}": column for code, column in enumerate(truth.T)}
