"""One fold of an evaluation: each arm is trained, and answers for the test windows."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from physiomodels.config import EvaluateConfig, PretrainConfig
from physiomodels.evaluation import baseline
from physiomodels.evaluation.label_efficiency import label_order, n_labels, same_steps
from physiomodels.evaluation.protocol import Fold
from physiomodels.metrics.choice import LOWER, Scoring, score
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.training.classifier import build, load_encoder
from physiomodels.training.fit import Selection, fit
from physiomodels.training.kinds import is_known
from physiomodels.training.labels import Labels
from physiomodels.training.predict import predict
from physioprep.atomic import write_text

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards


@dataclass(frozen=True, eq=False)
class FoldTask:
    """One fold of one repeat.

    Parameters
    ----------
    shards : Shards
        Labelled windows.
    losses : Path
        Folder for the losses of its trainings.
    config : EvaluateConfig
        Label, protocol, training.
    labels : Labels
        Target, and its values for all windows of the shards.
    scoring : Scoring
        Classes and metrics.
    repeat, fold : int
        Numbers.
    windows : pandas.DataFrame
        All evaluated windows: ``window``, ``subject`` (or record), ``code`` ...
    split : Fold
        Rows of `windows`.
    encoders : dict of str to str
        By modality: path of the pretrained one.
    features : dict of str to pandas.DataFrame
        By modality: the baseline's, in the order of `windows`; of a sequence a row per epoch.
    device : str
        Where models run.
    """

    shards: Shards
    losses: Path
    config: EvaluateConfig
    labels: Labels
    scoring: Scoring
    repeat: int
    fold: int
    windows: pd.DataFrame
    split: Fold
    encoders: dict[str, str]
    features: dict[str, pd.DataFrame]
    device: str


def _encoders(task: FoldTask) -> dict[str, dict[str, CrissCrossEncoder]]:
    """Return encoders by weights and modality; random ones have the pretrained ones' sizes."""
    found: dict[str, dict[str, CrissCrossEncoder]] = {name: {} for name in task.config.weights}
    for name in task.config.modalities:
        pretrained = load_encoder(task.encoders[name]) if name in task.encoders else None
        if pretrained is not None and "pretrained" in found:
            found["pretrained"][name] = pretrained
        if "random" in found:
            torch.manual_seed(task.config.seed + task.repeat)
            if pretrained is None:
                settings = task.config.pretrain.get(name, PretrainConfig())
                found["random"][name] = load_encoder(settings.encoder)
            else:
                found["random"][name] = CrissCrossEncoder(**pretrained.config)
    return found


def arms_of(modalities: Iterable[str]) -> list[tuple[str, ...]]:
    """Return each modality alone, then all together.

    Parameters
    ----------
    modalities : iterable of str
        Names.

    Returns
    -------
    list of tuple of str

    Examples
    --------
    >>> arms_of(["eeg", "ecg"])
    [('eeg',), ('ecg',), ('eeg', 'ecg')]
    """
    names = tuple(modalities)
    return [arm for n in sorted({1, len(names)}) for arm in combinations(names, n)]


def predict_fold(task: FoldTask) -> pd.DataFrame:
    """Train every arm of a fold, and predict its test windows.

    Parameters
    ----------
    task : FoldTask
        The fold.

    Returns
    -------
    pandas.DataFrame
        One row per test window (of a sequence: per epoch with a label) and arm: who and where, the
        truth, the answers; columns as `physiomodels.metrics.choice` says.
    """
    import pandas as pd

    config = task.config
    train = task.windows.iloc[task.split.train]
    order = label_order(
        train["subject"].to_numpy(object),
        train["code"].to_numpy(np.int64),
        config.seed + task.repeat,
    )
    encoders = _encoders(task)
    found = []
    for share in sorted({*config.label_shares, 1.0}):
        chosen = np.sort(order[: n_labels(share, len(train), task.labels.n_outputs)])
        rows = task.split.train[chosen]
        for arm in arms_of(config.modalities):
            for weights, by_name in encoders.items():
                answer = _tune(task, arm, weights, {k: by_name[k] for k in arm}, rows, share)
                found.append(_rows(task, arm, weights, share, answer))
            if all(name in task.features for name in arm):
                answer = _regress(task, arm, rows)
                found.append(_rows(task, arm, "features", share, answer))
    return pd.concat(found, ignore_index=True)


def _tune(
    task: FoldTask,
    arm: tuple[str, ...],
    weights: str,
    encoders: dict[str, CrissCrossEncoder],
    rows: NDArray[np.int64],
    share: float,
) -> pd.DataFrame:
    """Train on `rows`, with as many steps as all training windows would make; predict the test."""
    import pandas as pd

    config, labels = task.config, task.labels
    base = config.finetune
    epochs = same_steps(base.epochs, base.batch_size, len(task.split.train), len(rows))
    settings = replace(base, seed=config.seed + task.repeat, epochs=epochs)
    torch.manual_seed(settings.seed)
    model = build(
        copy.deepcopy(encoders), labels.n_outputs, settings, kind=labels.target.kind,
        n_epochs=labels.target.n_epochs,
    )  # fmt: skip
    train, test = (_where(task.windows.iloc[some]) for some in (rows, task.split.test))
    history = fit(
        model, task.shards, settings, config.label, classes=labels.classes or None, where=train,
        selection=_selection(task), device=task.device,
    )  # fmt: skip
    if share == 1.0:
        name = f"finetune_{'+'.join(arm)}_{weights}_{task.repeat}_{task.fold}.csv"
        write_text(task.losses / name, pd.DataFrame(history).to_csv(index=False))
    return predict(model, task.shards, where=test, device=task.device).set_index("window")


def _selection(task: FoldTask) -> Selection | None:
    """Return how the best epoch is chosen: by the main metric of the validation windows."""
    if not len(task.split.validation):
        return None
    windows, scoring = task.windows.iloc[task.split.validation], task.scoring
    alone = replace(scoring, metrics=(scoring.main,))

    def figure(answers: pd.DataFrame) -> float:
        rows = _truth(task, windows, answers.set_index("window"))
        return score(rows, alone)[scoring.main]

    return Selection(_where(windows), scoring.main, figure, scoring.main in LOWER)


def _regress(task: FoldTask, arm: tuple[str, ...], rows: NDArray[np.int64]) -> pd.DataFrame:
    """Fit the baseline to the features of `rows`; of a sequence epoch by epoch."""
    import pandas as pd

    n = task.labels.target.n_epochs or 1
    inputs = np.concatenate([task.features[name].to_numpy(float) for name in arm], axis=1)
    train, test = ((some[:, None] * n + np.arange(n)).ravel() for some in (rows, task.split.test))
    windows = task.windows["window"].to_numpy(np.int64)
    truth = task.labels.truth[windows[rows]]
    truth = truth.reshape(len(train), *truth.shape[2:]) if n > 1 else truth
    people = np.repeat(task.windows["subject"].to_numpy(object)[rows], n)
    known = is_known(truth, task.labels.target.kind)
    answers = baseline.answer(
        task.labels.target.kind, inputs[train[known]], truth[known], people[known], inputs[test],
        task.labels.n_outputs,
    )  # fmt: skip
    names = ["predicted"]
    if task.labels.target.kind != "number":
        names = [f"p_{code}" for code in range(task.labels.n_outputs)]
    index = pd.Index(np.repeat(windows[task.split.test], n), name="window")
    found = pd.DataFrame(answers, index=index, columns=names)
    if task.labels.target.is_sequence:
        found.insert(0, "epoch", np.tile(np.arange(n), len(task.split.test)))
    return found


def _where(windows: pd.DataFrame) -> str:
    return f"window in {windows['window'].tolist()}"


def _rows(
    task: FoldTask, arm: tuple[str, ...], weights: str, share: float, answer: pd.DataFrame
) -> pd.DataFrame:
    """Put the names of the arm before the truth and the answers."""
    rows = _truth(task, task.windows.iloc[task.split.test], answer)
    rows.insert(0, "label_share", share)
    rows.insert(0, "weights", weights)
    rows.insert(0, "modalities", "+".join(arm))
    rows.insert(0, "fold", task.fold)
    rows.insert(0, "repeat", task.repeat)
    return rows


def _truth(task: FoldTask, windows: pd.DataFrame, answer: pd.DataFrame) -> pd.DataFrame:
    """Return windows, or their epochs that have a label, with the truth and the answers."""
    target, labels = task.labels.target, task.labels
    names = ["window", "corpus", "record_id", "subject_id", "start_s", "subject"]
    truth = labels.truth[windows["window"]]
    n = target.n_epochs or 1
    rows = windows[names].loc[windows.index.repeat(n)].reset_index(drop=True)
    if target.is_sequence:
        truth = truth.reshape(len(rows), *truth.shape[2:])
        rows["epoch"] = np.tile(np.arange(n), len(windows))
        rows["start_s"] += rows["epoch"] * task.scoring.length_s
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
