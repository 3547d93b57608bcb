"""Metrics of each arm with their spread, and the gain of one arm over another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.calibration import CALIBRATING, METHODS, OWN
from physiomodels.evaluation.plan import Plan
from physiomodels.evaluation.protocol import FROM_SPLIT
from physiomodels.evaluation.windows import balance, parts_of
from physiomodels.metrics.bootstrap import bootstrap, interval, seed_interval
from physiomodels.metrics.choice import LOWER, Scoring, score, score_classes, scorer

if TYPE_CHECKING:
    import pandas as pd

#: Which weights are compared with which.
PAIRS = (("pretrained", "random"), ("pretrained", "features"), ("pretrained", "boosted"))
_NONE: Final = np.empty(0)
_CALIBRATION: Final = ("calibration", "calibration_windows")


def summarise(
    predictions: pd.DataFrame, config: EvaluateConfig, scoring: Scoring, unit: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the metrics of each arm of an evaluation, and differences between arms.

    Parameters
    ----------
    predictions : pandas.DataFrame
        ``repeat``, ``fold``, ``modalities``, ``weights``, ``label_share``, ``window``, ``subject``
        and those of `physiomodels.metrics.choice`: every window (of a sequence: every epoch) once
        per arm and repeat. Where windows calibrate also ``calibration``, ``calibration_windows``.
    config : EvaluateConfig
        Bootstrap draws and seed.
    scoring : Scoring
        Kind of target and metrics.
    unit : {"subject", "record"}
        What is drawn for intervals.

    Returns
    -------
    arms : list of dict
        ``modalities``, ``weights``, ``label_share``, and ``metrics``: by name the ``mean`` over
        repeats of the mean over folds, ``sd_folds``, ``sd_repeats``, ``ci95_seeds`` (Student's
        interval of the mean over repeats; both None of a single one), ``pooled`` (the metric of all
        folds' predictions together, mean over repeats), and ``ci95_subjects`` of that by bootstrap
        (``ci95_records`` where records are drawn); and ``classes``: what
        `physiomodels.metrics.choice.score_classes` says of each, mean over repeats.
    gains : list of dict
        ``what`` ("pretraining", "fusion" or "calibration"), ``modalities``, ``label_share``, ``of``
        and ``over`` (weights; of fusion ``over_modalities``, of calibration
        ``over_calibration``), and ``metrics``: by name the same spreads of the difference, repeat
        by repeat and draw by draw, and its ``verdict``: "better", "worse", or "none" where the
        interval holds 0.
    """
    ci = f"ci95_{unit}s"
    keys = ["modalities", "label_share"]
    keys += [name for name in _CALIBRATION if name in predictions]
    spreads: dict[tuple[Any, ...], dict[str, _Spread]] = {}
    for group, held in predictions.groupby(keys, sort=False):
        spreads[group] = {
            str(weights): _Spread(rows, config, scoring)
            for weights, rows in held.groupby("weights", sort=False)
        }
    arms, gains = [], []
    for group, by_weights in spreads.items():
        named = _named(keys, group)
        for weights, spread in by_weights.items():
            arm = named | {"weights": weights, "metrics": spread.metrics(ci)}
            arms.append(arm | {"classes": spread.classes})
        for extra, of, over in _pairs(group, keys, spreads):
            metrics = of.gain(over, ci)
            gains.append(named | extra | {"metrics": metrics})
    return arms, gains


def _named(keys: Sequence[str], group: tuple[Any, ...]) -> dict[str, Any]:
    modalities, share, *calibration = group
    named = {"modalities": str(modalities).split("+"), "label_share": float(str(share))}
    return named | dict(zip(keys[2:], map(str, calibration), strict=True))


def _pairs(
    group: tuple[Any, ...],
    keys: Sequence[str],
    spreads: dict[tuple[Any, ...], dict[str, _Spread]],
) -> Iterator[tuple[dict[str, Any], _Spread, _Spread]]:
    """Yield what an arm is compared with: other weights, each signal alone, no calibration."""
    own = spreads[group]
    for of, over in PAIRS:
        if of in own and over in own:
            yield {"what": "pretraining", "of": of, "over": over}, own[of], own[over]
    modalities, share, *calibration = group
    alone = str(modalities).split("+")
    plain = (modalities, share, "none", "0")
    for weights, spread in own.items():
        same = {"of": weights, "over": weights}
        for name in alone if len(alone) > 1 else ():
            other = spreads[(name, share, *calibration)][weights]
            yield {"what": "fusion", **same, "over_modalities": [name]}, spread, other
        if calibration and group != plain and plain in spreads:
            other = spreads[plain][weights]
            yield {"what": "calibration", **same, "over_calibration": "none"}, spread, other


def describe(plan: Plan, simulated: bool) -> dict[str, Any]:
    """Return what was evaluated, and how: the head of ``results.json``.

    Parameters
    ----------
    plan : Plan
        The evaluation.
    simulated : bool
        As for `physiomodels.evaluate`.

    Returns
    -------
    dict
        JSON values.
    """
    from physioprep.drawing.signals import is_simulated

    windows, config, target = plan.windows, plan.config, plan.labels.target
    corpora = windows["corpus"].dropna().unique()
    known = windows["subject_id"].notna().all()
    subjects = (windows["corpus"].astype(str) + "/" + windows["subject_id"].astype(str)).nunique()
    split = config.protocol in FROM_SPLIT
    return {
        "schema": 2,
        "simulated": simulated or any(is_simulated(corpus) for corpus in corpora),
        "label": config.label,
        "target": {"kind": target.kind, "unit": target.unit, "n_epochs": target.n_epochs},
        "classes": plan.labels.classes,
        "class_balance": balance(plan.labels, windows),
        "metrics": plan.scoring.metrics,
        "protocol": config.protocol,
        "protocol_means": plan.protocol_means,
        "grouped_by": plan.unit,
        "split": parts_of(windows, plan.labels, plan.unit) if split else None,
        "selection": _selection(plan),
        "per": config.per,
        "calibration": _calibration(plan),
        "n_windows": len(plan.members),
        "n_subjects": int(subjects) if known else None,
        "n_records": len(windows.drop_duplicates(["corpus", "record_id"])),
        "n_folds": len(plan.folds) // config.repeats,
        "repeats": config.repeats,
        "positive": plan.labels.classes[plan.scoring.positive] if plan.labels.classes else None,
    }


def _calibration(plan: Plan) -> dict[str, Any] | None:
    """Say what a calibrated result needs."""
    if plan.config.protocol != "calibrated":
        return None
    own = plan.members if plan.calibrating is None else plan.calibrating
    counts = own.groupby("subject").size()
    return {
        "needs": OWN if plan.calibrating is None else CALIBRATING,
        "labels_of_test_persons": "none",
        "methods": {name: METHODS[name] for name in plan.config.calibration.methods},
        "windows_per_person": [int(counts.min()), int(counts.max())],
        "curve": [*map(str, plan.config.calibration.windows), "all"],
    }


def _selection(plan: Plan) -> str:
    """Say which epoch of a training is tested."""
    if any(len(fold.validation) for fold in plan.folds.values()):
        return f"the epoch with the best {plan.scoring.main} on validation"
    return "the last epoch"


class _Spread:
    """The metrics of one arm: by fold, by repeat, pooled, and by draw of subjects."""

    def __init__(self, rows: pd.DataFrame, config: EvaluateConfig, scoring: Scoring) -> None:
        import pandas as pd

        folds = [
            {"repeat": repeat} | score(held, scoring)
            for (repeat, _), held in rows.groupby(["repeat", "fold"])
        ]
        self.names = scoring.metrics
        self.folds = pd.DataFrame(folds)
        self.repeats = self.folds.groupby("repeat")[list(self.names)].mean()
        order = ["repeat", "window", *(["epoch"] if "epoch" in rows else [])]
        repeats = [held for _, held in rows.sort_values(order).groupby("repeat")]
        self.pooled = pd.DataFrame([score(held, scoring) for held in repeats]).mean()
        self.classes = _mean_of([score_classes(held, scoring) for held in repeats])
        self.draws = bootstrap(
            repeats[0]["subject"].to_numpy(object),
            [scorer(held, scoring) for held in repeats],
            config.bootstrap,
            config.seed,
        )

    def metrics(self, ci: str) -> dict[str, dict[str, Any]]:
        """Return what `summarise` says of an arm."""
        return {
            name: _spread(self.repeats[name].to_numpy(float))
            | {
                "sd_folds": _number(self.folds[name].std()),
                "pooled": _number(self.pooled[name]),
                ci: [_number(end) for end in interval(self.draws.get(name, _NONE))],
            }
            for name in self.names
        }

    def gain(self, other: _Spread, ci: str) -> dict[str, dict[str, Any]]:
        """Return what `summarise` says of the difference to another arm."""
        draws = {
            name: self.draws.get(name, _NONE) - other.draws.get(name, _NONE) for name in self.names
        }
        found = {}
        for name in self.names:
            ends = interval(draws[name])
            found[name] = _spread((self.repeats[name] - other.repeats[name]).to_numpy(float))
            found[name] |= {
                "pooled": _number(self.pooled[name] - other.pooled[name]),
                ci: [_number(end) for end in ends],
                "verdict": verdict_of(ends, lower=name in LOWER),
            }
        return found


def verdict_of(ends: tuple[float, float], *, lower: bool = False) -> str:
    """Say in one word what the interval of a difference says.

    Parameters
    ----------
    ends : (float, float)
        Of the interval.
    lower : bool
        Whether less is better.

    Returns
    -------
    {"better", "worse", "none", "unknown"}
        "none" where the interval holds 0, "unknown" where there is none.

    Examples
    --------
    >>> verdict_of((0.01, 0.2)), verdict_of((-0.1, 0.2)), verdict_of((0.1, 0.2), lower=True)
    ('better', 'none', 'worse')
    """
    low, high = ends
    if not np.isfinite(low + high):
        return "unknown"
    if low <= 0 <= high:
        return "none"
    return "better" if (low > 0) != lower else "worse"


def _spread(repeats: NDArray[np.float64]) -> dict[str, Any]:
    """Return mean, standard deviation and interval over the repeats that have a value."""
    known = repeats[np.isfinite(repeats)]
    return {
        "mean": _number(known.mean()) if len(known) else None,
        "sd_repeats": _number(known.std(ddof=1)) if len(known) > 1 else None,
        "ci95_seeds": [_number(end) for end in seed_interval(known)],
    }


def _mean_of(repeats: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float | None]]:
    """Return the mean over repeats of what is said of each class."""
    return {
        name: {
            key: value if key.startswith("n_") else _mean([one[name][key] for one in repeats])
            for key, value in repeats[0][name].items()
        }
        for name in repeats[0]
    }


def _mean(values: Sequence[float]) -> float | None:
    return _number(float(np.mean(values)))


def _number(value: float) -> float | None:
    """Return a number that JSON has: None for NaN."""
    return float(value) if np.isfinite(value) else None
