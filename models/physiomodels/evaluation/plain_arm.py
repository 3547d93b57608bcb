"""The arms of plain features in one fold: band power and heart rate under simple models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiomodels.evaluation.baseline import features as features_of
from physiomodels.evaluation.inputs import Source, Variant, spread
from physiomodels.evaluation.plain_models import MODELS, Predict, fitted
from physiomodels.evaluation.rows import summary_of
from physiomodels.evaluation.task import FoldTask
from physiomodels.training.encode import Change
from physiomodels.training.kinds import is_known

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def models_of(task: FoldTask) -> tuple[str, ...]:
    """Return which plain models a fold compares.

    Parameters
    ----------
    task : FoldTask
        The fold.

    Returns
    -------
    tuple of str
        Names of arms.
    """
    return MODELS if task.config.boosted else MODELS[:1]


def feature_source(
    shards: Shards, windows: pd.DataFrame, tables: Mapping[str, pd.DataFrame], n_epochs: int | None
) -> Source:
    """Return windows with their plain features.

    Parameters
    ----------
    shards : Shards
        That hold them.
    windows : pandas.DataFrame
        ``window``, ``subject``, ``record_id``, ``start_s``.
    tables : mapping of str to pandas.DataFrame
        By modality: features, indexed by window.
    n_epochs : int or None
        Rows of a window.

    Returns
    -------
    Source
    """

    def values_of(name: str, numbers: Ints, change: Change | None) -> Floats:
        table = tables[name]
        if change is not None:
            table = features_of(shards, name, f"window in {numbers.tolist()}", n_epochs, change)
        return table.loc[numbers].to_numpy(float)

    return Source(shards, windows, values_of)


def regress(
    task: FoldTask,
    arm: tuple[str, ...],
    rows: Ints,
    variant: Variant,
    model: str,
    per_record: Callable[[Floats, Ints, int], Floats] = summary_of,
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Fit a plain model to the features, or embeddings, of `rows`; of a sequence epoch by epoch.

    Parameters
    ----------
    task : FoldTask
        The fold.
    arm : tuple of str
        Signals.
    rows : ndarray of int64
        Rows of the windows to train on.
    variant : Variant
        Features or embeddings, calibrated or not.
    model : {"features", "boosted"}
        What is fitted.
    per_record : callable
        Where records are answered: from values of windows to those of records.

    Yields
    ------
    count : str
        Number of windows that calibrated the test.
    answers : pandas.DataFrame
        For the test windows.
    """
    whole, tests = inputs_by_row(task, arm, variant, per_record)
    answers = fit_rows(task, whole, rows, model)(np.concatenate(list(tests.values())))
    for count, found in zip(tests, np.split(answers, len(tests)), strict=True):
        yield count, answers_table(task, found)


def fit_rows(task: FoldTask, whole: Floats, rows: Ints, model: str) -> Predict:
    """Fit a plain model to some rows of all of a fold.

    Parameters
    ----------
    task : FoldTask
        The fold.
    whole : ndarray of float64, shape (row, feature)
        From `inputs_by_row`.
    rows : ndarray of int64
        Rows of the windows to train on.
    model : {"features", "boosted"}
        What is fitted.

    Returns
    -------
    callable
        From features to answers.
    """
    n, target = task.n_epochs, task.labels.target
    windows = task.windows["window"].to_numpy(np.int64)
    truth = task.labels.truth[windows[rows]]
    train = spread(rows, n)
    truth = truth.reshape(len(train), *truth.shape[2:]) if n > 1 else truth
    people = np.repeat(task.windows["subject"].to_numpy(object)[rows], n)
    known = is_known(truth, target.kind)
    return fitted(
        target.kind, whole[train[known]], truth[known], people[known], task.labels.n_outputs, model
    )


def inputs_by_row(
    task: FoldTask,
    arm: tuple[str, ...],
    variant: Variant,
    per_record: Callable[[Floats, Ints, int], Floats] = summary_of,
) -> tuple[Floats, dict[str, Floats]]:
    """Return features of all rows, and of the test rows by the windows that calibrated them.

    Parameters
    ----------
    task : FoldTask
        The fold.
    arm : tuple of str
        Signals.
    variant : Variant
        Features of windows.
    per_record : callable
        Where records are answered: from values of windows to those of records.

    Returns
    -------
    whole : ndarray of float64, shape (row, feature)
        Of records: what `per_record` makes of them.
    tests : dict of str to ndarray of float64
        By the number of windows that calibrated.
    """
    whole = np.concatenate([variant.whole[name] for name in arm], axis=1)
    tests = {
        count: np.concatenate([values[name] for name in arm], axis=1)
        for count, values in variant.test.items()
    }
    if task.config.per == "window":
        return whole, tests
    of = task.members["row"].to_numpy(np.int64)
    own = np.searchsorted(task.split.test, of[task.tested])
    return per_record(whole, of, len(task.windows)), {
        count: per_record(values, own, len(task.split.test)) for count, values in tests.items()
    }


def answers_table(task: FoldTask, answers: Floats) -> pd.DataFrame:
    """Return answers for the test rows as a table.

    Parameters
    ----------
    task : FoldTask
        The fold.
    answers : ndarray of float64, shape (row, output)
        Of a plain model.

    Returns
    -------
    pandas.DataFrame
        Indexed by window.
    """
    import pandas as pd

    names = ["predicted"]
    if task.labels.target.kind != "number":
        names = [f"p_{code}" for code in range(task.labels.n_outputs)]
    windows = task.windows["window"].to_numpy(np.int64)[task.split.test]
    index = pd.Index(np.repeat(windows, task.n_epochs), name="window")
    found = pd.DataFrame(answers, index=index, columns=names)
    if task.labels.target.is_sequence:
        found.insert(0, "epoch", np.tile(np.arange(task.n_epochs), len(task.split.test)))
    return found
