"""Figures of one training: on validation after each epoch, on test once at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physiomodels.metrics.bootstrap import bootstrap, interval
from physiomodels.metrics.choice import LOWER, Scoring, choose_metrics, score, score_classes, scorer
from physiomodels.metrics.multi_label import best_threshold
from physiomodels.training.data import subject_keys, window_table
from physiomodels.training.fit import Selection
from physiomodels.training.labels import Labels, read_labels, target_of
from physiomodels.training.predict import predict
from physiomodels.training.run_card import card_of
from physiomodels.training.truth import with_truth

if TYPE_CHECKING:
    import pandas as pd

    from physiomodels.model.fusion import FusionClassifier
    from physioprep.shards import Shards

#: Draws of people for an interval, as an evaluation has them by default.
_DRAWS: Final = 1000
_NONE: Final = np.empty(0)


def scoring_of(shards: Shards, labels: Labels) -> Scoring:
    """Return how a training is scored: by the metrics of its kind of target.

    Parameters
    ----------
    shards : Shards
        With the label.
    labels : Labels
        Target, with the classes of the training windows.

    Returns
    -------
    Scoring
        Of two classes the last one is the positive one.
    """
    held, target = next(iter(shards.modalities.values())), labels.target
    return Scoring(
        kind=target.kind,
        classes=labels.classes,
        positive=max(0, len(labels.classes) - 1),
        metrics=choose_metrics((), target.kind, labels.classes, sequence=target.is_sequence),
        length_s=held.n_samples / held.rate_hz / (target.n_epochs or 1),
    )


def selection_of(shards: Shards, labels: Labels, where: str | None) -> Selection | None:
    """Return how the best epoch is chosen: by the main metric on the validation windows.

    Parameters
    ----------
    shards : Shards
        With the label.
    labels : Labels
        Target, with the classes of the training windows.
    where : str or None
        Query on the window manifest: the validation windows.

    Returns
    -------
    Selection or None
        None where there is no validation window with a label that the training windows have.
    """
    windows = _labelled(shards, labels, where)
    if not len(windows):
        return None
    scoring = scoring_of(shards, labels)
    alone = replace(scoring, metrics=(scoring.main,))

    def figure(answers: pd.DataFrame) -> float:
        rows = with_truth(labels, windows, answers.set_index("window"), scoring.length_s)
        return score(rows, alone)[scoring.main]

    chosen = f"window in {windows['window'].tolist()}"
    return Selection(chosen, scoring.main, figure, scoring.main in LOWER)


def threshold_of(
    model: FusionClassifier, shards: Shards, labels: Labels, selection: Selection, device: str
) -> float | None:
    """Return from which probability on a class is answered, of several at once.

    Parameters
    ----------
    model : FusionClassifier
        The finished one.
    shards : Shards
        With the label.
    labels : Labels
        Target.
    selection : Selection
        The validation windows.
    device : str
        Where it runs.

    Returns
    -------
    float or None
        The threshold with the best F1 on validation (`physiomodels.metrics.multi_label.f_max`).
        None of other kinds, whose answer needs none, and where validation tells none.
    """
    if labels.target.kind != "classes":
        return None
    rows = _answered(model, shards, labels, selection.where, device)
    codes = range(len(labels.classes))
    truth = rows[[f"y_{code}" for code in codes]].to_numpy(np.uint8)
    return best_threshold(truth, rows[[f"p_{code}" for code in codes]].to_numpy(np.float64))


def validation_of(
    shards: Shards, history: list[dict[str, float]], selection: Selection
) -> dict[str, Any]:
    """Return what a training's history says of its validation.

    Parameters
    ----------
    shards : Shards
        With the label.
    history : list of dict
        From `physiomodels.training.fit.fit`.
    selection : Selection
        By what the epoch was chosen.

    Returns
    -------
    dict
        ``epoch`` (the first is 1), ``epochs``, ``metric``, ``value`` (None where validation has
        none), ``windows``.
    """
    best = next(row for row in history if row["best"])
    return {
        "epoch": int(best["epoch"]) + 1,
        "epochs": len(history),
        "metric": selection.metric,
        "value": _number(best[f"validation_{selection.metric}"]),
        "windows": int(shards.mask(selection.where).sum()),
    }


def scores_of_test(
    model: FusionClassifier,
    shards: Shards,
    labels: Labels,
    where: str,
    *,
    train: str | None,
    encoders: Mapping[str, Any],
    seed: int,
    device: str,
) -> dict[str, Any] | None:
    """Score the test windows once.

    Parameters
    ----------
    model : FusionClassifier
        The finished one.
    shards : Shards
        With the label.
    labels : Labels
        Target, with the classes of the training windows.
    where, train : str or None
        Queries on the window manifest: the test windows, and those that were trained on.
    encoders : mapping of str to object
        By modality: a folder, whose card says whom its pretraining met, or anything else.
    seed : int
        Of the draws.
    device : str
        Where it runs.

    Returns
    -------
    dict or None
        ``windows``, ``subjects`` (or ``records``, where a subject is unknown), ``metrics``: by
        name ``value`` and ``ci95_subjects`` (or ``ci95_records``), bootstrap of people, None of a
        single one; what
        `physiomodels.metrics.choice.score_classes` says of ``classes``; ``of_other_classes``,
        windows that are not scored since the training windows lack their class; ``also_trained``,
        who is in training, too; ``also_pretrained``, by modality how many the encoder met.
        None where no test window has a label.
    """
    windows = _labelled(shards, labels, where)
    if not len(windows):
        return None
    unit = _unit(windows)
    rows = _answered(model, shards, labels, where, device)
    scoring = scoring_of(shards, labels)
    found, who = score(rows, scoring), set(rows["subject"])
    draws = {}
    if len(who) > 1:  # of one person nothing says how others differ
        draws = bootstrap(rows["subject"].to_numpy(object), [scorer(rows, scoring)], _DRAWS, seed)
    trained = set(_whose(window_table(shards, train), unit))
    key = {"subject": "subjects", "record": "records_without_subject"}[unit]
    met = {
        name: len(who & set(card.get(key, ())))
        for name, source in encoders.items()
        if isinstance(source, str | Path) and (card := card_of(Path(source))) is not None
    }
    return {
        "windows": int(rows["window"].nunique()),
        f"{unit}s": len(who),
        "metrics": {
            name: {
                "value": _number(found[name]),
                f"ci95_{unit}s": [_number(end) for end in interval(draws.get(name, _NONE))],
            }
            for name in scoring.metrics
        },
        "classes": {
            name: {key: _number(value) for key, value in each.items()}
            for name, each in score_classes(rows, scoring).items()
        },
        "of_other_classes": _other_classes(shards, labels, where),
        "also_trained": sorted(who & trained),
        "also_pretrained": {name: count for name, count in met.items() if count},
    }


def _labelled(shards: Shards, labels: Labels, where: str | None) -> pd.DataFrame:
    """Return the windows of a part that have a label of the training windows' classes."""
    if where is None:
        return window_table(shards).iloc[:0]
    table = window_table(shards, where).sort_values("window")
    known = labels.known[table["window"].to_numpy(np.int64)]
    found: pd.DataFrame = table[known].reset_index(drop=True)
    found["subject"] = _whose(found, _unit(found))
    return found


def _answered(
    model: FusionClassifier, shards: Shards, labels: Labels, where: str, device: str
) -> pd.DataFrame:
    windows = _labelled(shards, labels, where)
    chosen = f"window in {windows['window'].tolist()}"
    answers = predict(model, shards, where=chosen, device=device).set_index("window")
    return with_truth(labels, windows, answers, scoring_of(shards, labels).length_s)


def _unit(table: pd.DataFrame) -> str:
    return "record" if table["subject_id"].isna().any() else "subject"


def _whose(table: pd.DataFrame, unit: str) -> list[str]:
    if unit == "record":
        return (table["corpus"].astype(str) + "/" + table["record_id"].astype(str)).tolist()
    return subject_keys(table[table["subject_id"].notna()]).tolist()


def _other_classes(shards: Shards, labels: Labels, where: str) -> int:
    """Count windows whose class no training window has."""
    if labels.target.kind != "class":
        return 0
    everything = target_of(shards, labels.target.name).categories
    every = read_labels(shards, labels.target.name, classes=everything)
    numbers = window_table(shards, where)["window"].to_numpy(np.int64)
    lost = (every.truth[numbers] >= 0) & (labels.truth[numbers] < 0)
    return int(lost.reshape(len(numbers), -1).any(1).sum())


def _number(value: float) -> float | None:
    """Return a number that JSON has: None for NaN."""
    if isinstance(value, int):
        return value
    return float(value) if np.isfinite(value) else None
