"""From predictions to figures with their spread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physiomodels.config import EvaluateConfig
from physiomodels.protocol import bootstrap, scores

if TYPE_CHECKING:
    import pandas as pd


def summarise(
    predictions: pd.DataFrame, config: EvaluateConfig, n_classes: int, positive: int
) -> list[dict[str, Any]]:
    """Return the figures of each arm of an evaluation.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``repeat``, ``fold``, ``modalities``, ``weights``, ``window``, ``subject``, ``code``,
        ``p_0`` ...: every window once an arm and repeat.
    config : EvaluateConfig
        Repeats, bootstrap draws and seed.
    n_classes, positive : int
        As for `physiomodels.protocol.scores`.

    Returns
    -------
    list of dict
        ``modalities``, ``weights``, and ``metrics``: by name the ``mean`` over repeats of the mean
        over folds, ``sd_folds``, ``sd_repeats`` (None of a single one), ``ci95_subjects``.
    """
    import pandas as pd

    columns = [f"p_{code}" for code in range(n_classes)]
    arms = []
    for (modalities, weights), rows in predictions.groupby(["modalities", "weights"], sort=False):
        by_fold = []
        for (repeat, fold), held in rows.groupby(["repeat", "fold"]):
            truth = held["code"].to_numpy(np.int64)
            figures = scores(truth, held[columns].to_numpy(float), positive)
            by_fold.append({"repeat": repeat, "fold": fold} | figures)
        folds = pd.DataFrame(by_fold)
        ordered = rows.sort_values(["repeat", "window"])
        first = ordered[ordered["repeat"] == 0]
        probabilities = ordered[columns].to_numpy(float).reshape(config.repeats, len(first), -1)
        intervals = bootstrap(
            first["subject"].to_numpy(object),
            first["code"].to_numpy(np.int64),
            probabilities,
            config.bootstrap,
            config.seed,
            positive,
        )
        metrics = {}
        for name in folds.columns.drop(["repeat", "fold"]):
            repeats = folds.groupby("repeat")[name].mean()
            metrics[name] = {
                "mean": _number(repeats.mean()),
                "sd_folds": _number(folds[name].std()),
                "sd_repeats": _number(repeats.std()),
                "ci95_subjects": [_number(end) for end in intervals[name]]
                if name in intervals
                else None,
            }
        arms.append(
            {"modalities": str(modalities).split("+"), "weights": weights, "metrics": metrics}
        )
    return arms


def _number(value: float) -> float | None:
    """Return a number that JSON has: None for NaN."""
    return float(value) if np.isfinite(value) else None
