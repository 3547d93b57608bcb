"""One fold of an evaluation: encoders pretrained without its test windows, heads, predictions."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physiomodels.config import EvaluateConfig, PretrainConfig
from physiomodels.evaluation import baseline
from physiomodels.evaluation.label_efficiency import label_order, n_labels, same_steps
from physiomodels.evaluation.protocol import Fold
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.training.data import where_subjects
from physiomodels.training.finetune import build, fit, load_encoder, predict
from physiomodels.training.pretrain import pretrain
from physiomodels.training.run_card import run_card

if TYPE_CHECKING:
    import pandas as pd

_DONE = "complete"


@dataclass(frozen=True, eq=False)
class FoldTask:
    """One fold of one repeat, with all that another process needs.

    Parameters
    ----------
    shards, folder : str
        Labelled windows; where results go.
    config : EvaluateConfig
    classes : tuple of str
    repeat, fold : int
    windows : pandas.DataFrame
        All evaluated windows: ``window``, ``subject`` (or record), ``code`` ...
    split : Fold
        Rows of `windows`.
    encoders : dict of str to str
        By modality: the pretrained one.
    features : dict of str to pandas.DataFrame
        By modality: the baseline's, in the order of `windows`.
    """

    shards: str
    folder: str
    config: EvaluateConfig
    classes: tuple[str, ...]
    repeat: int
    fold: int
    windows: pd.DataFrame
    split: Fold
    encoders: dict[str, str]
    features: dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Pretraining:
    """One encoder to be pretrained, shared by all folds that leave out the same windows.

    Parameters
    ----------
    shards : str
        Windows to pretrain on.
    target : str
        Folder of the run, named after its hash.
    config : PretrainConfig
    where : str or None
        Query that leaves out the test windows.
    """

    shards: str
    target: str
    config: PretrainConfig
    where: str | None


def plan_pretraining(
    shards: str | Path, cache: Path, config: PretrainConfig, where: str | None
) -> Pretraining:
    """Name the run by the hash of its data, query and configuration."""
    run = run_card(shards, where, config)["run"]
    return Pretraining(str(shards), str(cache / f"{config.modality}-{run[:16]}"), config, where)


def run_pretraining(job: Pretraining) -> None:
    """Pretrain, unless it was done before; one thread, so that sums are the same anywhere."""
    target = Path(job.target)
    if (target / _DONE).is_file():
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pretrain(job.shards, target, job.config, where=job.where, resume=False, device="cpu")
    finally:
        torch.set_num_threads(threads)
    (target / _DONE).touch()


def outside(config: EvaluateConfig, test: pd.DataFrame) -> str | None:
    """Return a query for pretraining windows that tell nothing of the test windows.

    None under "within-subject": there the same people are on both sides anyway, and the unlabelled
    test windows are part of pretraining.
    """
    if config.protocol == "within-subject":
        return None
    if config.protocol == "record-grouped":
        return " and ".join(
            f"(corpus != {corpus!r} or record_id not in {sorted(set(rows['record_id']))!r})"
            for corpus, rows in test.groupby("corpus")
        )
    return where_subjects(set(test["subject"]), inside=False)


def card_of(folder: Path) -> dict[str, Any] | None:
    """Return the run card in a folder of `pretrain`, None where there is none."""
    for card in (folder / "best" / "card.json", folder / "card.json"):  # as weights are found
        if card.is_file():
            loaded: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
            return loaded
    return None


def run_fold(task: FoldTask) -> pd.DataFrame:
    """Fine-tune and predict one fold: one row a test window and arm."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums come out the same wherever the fold runs
    try:
        return _predict_fold(task)
    finally:
        torch.set_num_threads(threads)


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
    """Return each modality alone, then all together."""
    names = tuple(modalities)
    return [arm for n in sorted({1, len(names)}) for arm in combinations(names, n)]


def _predict_fold(task: FoldTask) -> pd.DataFrame:
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
        chosen = np.sort(order[: n_labels(share, len(train), len(task.classes))])
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
    rows: np.ndarray,
    share: float,
) -> pd.DataFrame:
    """Train on `rows`, with as many steps as all training windows would make; predict the test."""
    import pandas as pd

    config = task.config
    base = config.finetune
    epochs = same_steps(base.epochs, base.batch_size, len(task.split.train), len(rows))
    settings = replace(base, seed=config.seed + task.repeat, epochs=epochs)
    torch.manual_seed(settings.seed)
    model = build(copy.deepcopy(encoders), len(task.classes), settings)
    train, test = (_where(task.windows.iloc[some]) for some in (rows, task.split.test))
    history = fit(model, task.shards, settings, config.label, where=train, device="cpu")
    if share == 1.0:
        name = f"finetune_{'+'.join(arm)}_{weights}_{task.repeat}_{task.fold}.csv"
        pd.DataFrame(history).to_csv(Path(task.folder) / "loss" / name, index=False)
    return predict(model, task.shards, where=test, device="cpu").set_index("window")


def _regress(task: FoldTask, arm: tuple[str, ...], rows: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    inputs = np.concatenate([task.features[name].to_numpy(float) for name in arm], axis=1)
    train = task.windows.iloc[rows]
    probabilities = baseline.logistic(
        inputs[rows],
        train["code"].to_numpy(np.int64),
        train["subject"].to_numpy(object),
        inputs[task.split.test],
        len(task.classes),
    )
    names = [f"p_{code}" for code in range(len(task.classes))]
    windows = task.windows["window"].iloc[task.split.test]
    return pd.DataFrame(probabilities, index=windows, columns=names)


def _where(windows: pd.DataFrame) -> str:
    return f"window in {windows['window'].tolist()}"


def _rows(
    task: FoldTask, arm: tuple[str, ...], weights: str, share: float, answer: pd.DataFrame
) -> pd.DataFrame:
    """Put the names of the arm and of the windows beside the probabilities."""
    test = task.windows.iloc[task.split.test]
    rows = test[["window", "corpus", "record_id", "subject_id", "start_s", "subject", "code"]]
    rows = rows.reset_index(drop=True)
    rows.insert(0, "label_share", share)
    rows.insert(0, "weights", weights)
    rows.insert(0, "modalities", "+".join(arm))
    rows.insert(0, "fold", task.fold)
    rows.insert(0, "repeat", task.repeat)
    return rows.join(answer.loc[test["window"]].reset_index(drop=True))
