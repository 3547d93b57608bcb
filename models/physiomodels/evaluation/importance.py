"""Permutation importance: how much worse plain models answer without one column of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physiomodels.evaluation.inputs import Variant
from physiomodels.evaluation.names import metric_name
from physiomodels.evaluation.plain_arm import answers_table, fit_rows, inputs_by_row, models_of
from physiomodels.evaluation.plain_models import Predict
from physiomodels.evaluation.task import FoldTask, truth_of
from physiomodels.metrics.choice import LOWER, score, scorer
from physioprep.pictures import save_picture

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
#: Of the permuted tables that are answered at once.
_BLOCK_BYTES: Final = 16 << 20
#: Columns that are drawn, per model.
_SHOWN: Final = 20
_COLOURS: Final = {"features": "#c1762d", "boosted": "#4d7f46"}


def importance_file(fold: Path) -> Path:
    """Return where the importances of a fold are kept.

    Parameters
    ----------
    fold : Path
        From `physiomodels.evaluation.work.fold_file`.

    Returns
    -------
    Path
    """
    return fold.parent / "importance" / fold.name


def importance_of_fold(task: FoldTask) -> pd.DataFrame:
    """Permute each column of the features among the test rows of a fold.

    Models are those of the arm with all signals that have features, trained on all labels,
    without calibration. The columns that a record's answer is given from (mean, deviation, least
    and most of one feature) are permuted together.

    Parameters
    ----------
    task : FoldTask
        The fold.

    Returns
    -------
    pandas.DataFrame
        ``repeat``, ``fold``, ``modalities``, ``weights`` (the model), ``feature`` and ``drop``:
        how much worse the main metric is, mean over permutations; NaN where the test rows of
        this fold do not give it.
    """
    import pandas as pd

    names = tuple(name for name in task.config.modalities if name in task.features)
    plain = {name: task.features[name].to_numpy(float) for name in names}
    test = {name: values[task.tested] for name, values in plain.items()}
    whole, tests = inputs_by_row(task, names, Variant("none", plain, {"0": test}))
    features = [str(column) for name in names for column in task.features[name].columns]
    rows = []
    for model in models_of(task):
        predict = fit_rows(task, whole, task.split.train, model)

        drops = drops_of(
            predict, lambda answers: _figure(task, answers), tests["0"], len(features),
            task.config.permutations, (task.config.seed + task.repeat, task.fold),
        )  # fmt: skip
        if task.scoring.main in LOWER:
            drops = -drops
        rows += [
            {"modalities": "+".join(names), "weights": model, "feature": feature, "drop": drop}
            for feature, drop in zip(features, drops.tolist(), strict=True)
        ]
    return pd.DataFrame(rows).assign(repeat=task.repeat, fold=task.fold)


def _figure(task: FoldTask, answers: Floats) -> float:
    alone = replace(task.scoring, metrics=(task.scoring.main,))
    windows = task.windows.iloc[task.split.test]
    rows = truth_of(task, windows, answers_table(task, answers))
    found = scorer(rows, alone)(np.ones(len(rows), np.int64))  # one metric: `score` takes them all
    return (found or score(rows, alone))[alone.main]


def drops_of(
    predict: Predict,
    figure: Callable[[Floats], float],
    values: Floats,
    n_features: int,
    permutations: int,
    seed: Sequence[int],
) -> Floats:
    """Return how much a figure falls when one feature's columns are permuted.

    Parameters
    ----------
    predict : callable
        From features of rows to their answers, each row by itself: many permutations are answered
        at once.
    figure : callable
        From the answers of all rows to a number.
    values : ndarray of float64, shape (row, column)
        Column c belongs to feature c modulo `n_features`.
    n_features : int
        Number.
    permutations : int
        Of each feature, whose mean is taken.
    seed : sequence of int
        Of the permutations, which are the same for all features.

    Returns
    -------
    ndarray of float64, shape (feature,)
        0 for a feature that is the same in all rows.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(50, 2))
    >>> sums = lambda answers: float(answers @ values[:, 0])
    >>> drops = drops_of(lambda x: x[:, 0], sums, values, 2, 3, (0,))
    >>> bool(drops[0] > 10), bool(abs(drops[1]) < 1e-9)
    (True, True)
    """
    rng, n_rows = np.random.default_rng(seed), len(values)
    orders = [rng.permutation(n_rows) for _ in range(permutations)]
    plain = predict(values)
    before = figure(plain)
    asked = [
        (feature, order)
        for feature in range(n_features)
        if not _is_same(own := values[:, feature::n_features], [own[o] for o in orders])
        for order in orders
    ]
    found = np.zeros(n_features)
    size = max(1, _BLOCK_BYTES // max(1, values.nbytes))
    for block in (asked[i : i + size] for i in range(0, len(asked), size)):
        changed = np.tile(values, (len(block), 1))
        for place, (feature, order) in enumerate(block):
            rows = slice(place * n_rows, (place + 1) * n_rows)
            changed[rows, feature::n_features] = values[order, feature::n_features]
        for (feature, _), answers in zip(
            block, np.split(predict(changed), len(block)), strict=True
        ):
            if not np.array_equal(answers, plain):  # a tree asks few features
                found[feature] += (before - figure(answers)) / permutations
    return found


def _is_same(own: Floats, permuted: Sequence[Floats]) -> bool:
    return all(np.array_equal(held, own, equal_nan=True) for held in permuted)


def summary_of_folds(folds: pd.DataFrame, said: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return the importance of each feature over all folds, the largest first.

    Parameters
    ----------
    folds : pandas.DataFrame
        From `importance_of_fold`.
    said : mapping of str to (str, str)
        Unit and definition by feature, where they are known.

    Returns
    -------
    pandas.DataFrame
        ``modalities``, ``weights``, ``feature``, ``importance`` (mean drop over folds and
        repeats), ``sd_folds``, ``n_folds`` that have a figure, ``unit``, ``definition``.
    """
    keys = ["modalities", "weights", "feature"]
    groups = folds.groupby(keys, sort=False)["drop"]
    found = groups.agg(importance="mean", sd_folds="std", n_folds="count").reset_index()
    for place, name in enumerate(("unit", "definition")):
        found[name] = [said.get(feature, ("", ""))[place] for feature in found["feature"]]
    order = ["weights", "importance", "feature"]
    return found.sort_values(order, ascending=[True, False, True]).reset_index(drop=True)


def draw_importance(
    table: pd.DataFrame, out: Path, metric: str, results: Mapping[str, Any]
) -> None:
    """Draw the features that matter most, one panel per model.

    Parameters
    ----------
    table : pandas.DataFrame
        From `summary_of_folds`.
    out : Path
        Picture file.
    metric : str
        The main metric.
    results : mapping
        ``label``, ``protocol`` and ``simulated``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    models = table["weights"].unique().tolist()
    height = 0.22 * min(_SHOWN, table["feature"].nunique()) + 1.2
    figure = Figure(figsize=(5.2 * len(models), height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(models), squeeze=False)[0]
    for panel, model in zip(panels, models, strict=True):
        held = table[table["weights"] == model].head(_SHOWN).iloc[::-1]
        panel.barh(
            held["feature"], held["importance"], xerr=held["sd_folds"].fillna(0),
            color=_COLOURS.get(model, "0.5"), error_kw={"lw": 0.8, "ecolor": "0.3"},
        )  # fmt: skip
        panel.axvline(0, color="0.3", lw=0.8)
        panel.set_title(model, fontsize="medium")
        panel.tick_params(axis="y", labelsize="small")
        panel.set_xlabel(f"{metric_name(metric)} lost when permuted (± SD over folds)")
        panel.spines[["top", "right"]].set_visible(False)
    mark = "SIMULATED. " if results.get("simulated") else ""
    figure.suptitle(
        f"{mark}{results['label']}, {results['protocol']}: features by importance",
        fontsize="medium", color="#b00020" if mark else "black",
    )  # fmt: skip
    save_picture(figure, out)
