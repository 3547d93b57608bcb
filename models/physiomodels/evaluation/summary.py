"""Metrics of each arm with their spread, and the gain of one arm over another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.metrics import METRICS, bootstrap, interval, scores, seed_interval
from physiomodels.evaluation.protocol import PROTOCOLS, grouped_by

if TYPE_CHECKING:
    import pandas as pd

#: Which weights are compared with which.
PAIRS = (("pretrained", "random"), ("pretrained", "features"))


def summarise(
    predictions: pd.DataFrame, config: EvaluateConfig, n_classes: int, positive: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the metrics of each arm of an evaluation, and differences between arms.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``repeat``, ``fold``, ``modalities``, ``weights``, ``label_share``, ``window``, ``subject``,
        ``code``, ``p_0`` ...: every window once per arm and repeat.
    config : EvaluateConfig
        Protocol, bootstrap draws and seed.
    n_classes, positive : int
        As for `physiomodels.evaluation.metrics.scores`.

    Returns
    -------
    arms : list of dict
        ``modalities``, ``weights``, ``label_share``, and ``metrics``: by name the ``mean`` over
        repeats of the mean over folds, ``sd_folds``, ``sd_repeats``, ``ci95_seeds`` (Student's
        interval of the mean over repeats; both None of a single one), ``pooled`` (the metric of all
        folds' predictions together, mean over repeats), and ``ci95_subjects`` of that by bootstrap
        (``ci95_records`` under a protocol that groups by record).
    gains : list of dict
        ``modalities``, ``label_share``, ``of`` and ``over`` (weights), and ``metrics``: by name the
        same spreads of the difference, repeat by repeat and draw by draw.
    """
    columns = [f"p_{code}" for code in range(n_classes)]
    ci = f"ci95_{grouped_by(config.protocol)}s"
    arms, gains = [], []
    keys = ["modalities", "label_share"]
    for (modalities, share), group in predictions.groupby(keys, sort=False):
        named = {"modalities": str(modalities).split("+"), "label_share": float(str(share))}
        spreads = {
            str(weights): _Spread(rows, columns, config, positive)
            for weights, rows in group.groupby("weights", sort=False)
        }
        for weights, spread in spreads.items():
            arms.append(named | {"weights": weights, "metrics": spread.metrics(ci)})
        for of, over in PAIRS:
            if of in spreads and over in spreads:
                metrics = spreads[of].gain(spreads[over], ci)
                gains.append(named | {"of": of, "over": over, "metrics": metrics})
    return arms, gains


def describe(
    windows: pd.DataFrame,
    classes: tuple[str, ...],
    positive: int,
    config: EvaluateConfig,
    simulated: bool,
) -> dict[str, Any]:
    """Return what was evaluated, and how: the head of ``results.json``.

    Parameters
    ----------
    windows : pandas.DataFrame
        All evaluated windows.
    classes : tuple of str
        What codes mean.
    positive : int
        Code of the positive class.
    config : EvaluateConfig
        Label, protocol, folds.
    simulated : bool
        As for `physiomodels.evaluate`.

    Returns
    -------
    dict
        JSON values.
    """
    from physioprep.viewing.record import is_simulated

    corpora = windows["corpus"].dropna().unique()
    known = windows["subject_id"].notna().all()
    subjects = (windows["corpus"].astype(str) + "/" + windows["subject_id"].astype(str)).nunique()
    counts = np.bincount(windows["code"], minlength=len(classes))
    return {
        "schema": 2,
        "simulated": simulated or any(is_simulated(corpus) for corpus in corpora),
        "label": config.label,
        "classes": classes,
        "class_balance": dict(zip(classes, counts.tolist(), strict=True)),
        "protocol": config.protocol,
        "protocol_means": PROTOCOLS[config.protocol],
        "grouped_by": grouped_by(config.protocol),
        "n_windows": len(windows),
        "n_subjects": int(subjects) if known else None,
        "n_records": len(windows.drop_duplicates(["corpus", "record_id"])),
        "n_folds": int(windows["subject"].nunique())
        if config.protocol == "leave-one-subject-out"
        else config.folds,
        "repeats": config.repeats,
        "positive": classes[positive],
    }


class _Spread:
    """The metrics of one arm: by fold, by repeat, pooled, and by draw of subjects."""

    def __init__(
        self, rows: pd.DataFrame, columns: Sequence[str], config: EvaluateConfig, positive: int
    ) -> None:
        import pandas as pd

        def score(held: pd.DataFrame) -> dict[str, float]:
            truth = held["code"].to_numpy(np.int64)
            return scores(truth, held[list(columns)].to_numpy(float), positive)

        folds = [
            {"repeat": repeat} | score(held)
            for (repeat, _), held in rows.groupby(["repeat", "fold"])
        ]
        self.folds = pd.DataFrame(folds)
        self.repeats = self.folds.groupby("repeat")[list(METRICS)].mean()
        ordered = rows.sort_values(["repeat", "window"])
        first = ordered[ordered["repeat"] == ordered["repeat"].iloc[0]]
        shape = (len(self.repeats), len(first), len(columns))
        pooled = [score(held) for _, held in ordered.groupby("repeat")]
        self.pooled = pd.DataFrame(pooled).mean()
        self.draws = bootstrap(
            first["subject"].to_numpy(object),
            first["code"].to_numpy(np.int64),
            ordered[list(columns)].to_numpy(float).reshape(shape),
            config.bootstrap,
            config.seed,
            positive,
        )

    def metrics(self, ci: str) -> dict[str, dict[str, Any]]:
        """Return what `summarise` says of an arm."""
        return {
            name: _spread(self.repeats[name].to_numpy(float))
            | {
                "sd_folds": _number(self.folds[name].std()),
                "pooled": _number(self.pooled[name]),
                ci: [_number(end) for end in interval(self.draws[name])],
            }
            for name in METRICS
        }

    def gain(self, other: _Spread, ci: str) -> dict[str, dict[str, Any]]:
        """Return what `summarise` says of the difference to another arm."""
        return {
            name: _spread((self.repeats[name] - other.repeats[name]).to_numpy(float))
            | {
                "pooled": _number(self.pooled[name] - other.pooled[name]),
                ci: [_number(end) for end in interval(self.draws[name] - other.draws[name])],
            }
            for name in METRICS
        }


def _spread(repeats: NDArray[np.float64]) -> dict[str, Any]:
    """Return mean, standard deviation and interval over the repeats that have a value."""
    known = repeats[np.isfinite(repeats)]
    return {
        "mean": _number(known.mean()) if len(known) else None,
        "sd_repeats": _number(known.std(ddof=1)) if len(known) > 1 else None,
        "ci95_seeds": [_number(end) for end in seed_interval(known)],
    }


def _number(value: float) -> float | None:
    """Return a number that JSON has: None for NaN."""
    return float(value) if np.isfinite(value) else None
