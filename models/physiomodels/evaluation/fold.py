"""The tasks of an evaluation: encoders pretrained without test windows, features, folds.

A task is a number; what it works on is in the working folder (`physiomodels.evaluation.work`).
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physiomodels.config import EvaluateConfig, PretrainConfig
from physiomodels.evaluation import baseline
from physiomodels.evaluation.job import read_job
from physiomodels.evaluation.label_efficiency import label_order, n_labels, same_steps
from physiomodels.evaluation.protocol import Fold
from physiomodels.evaluation.work import fold_file, is_kept, keep_table
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.weights import damage_of
from physiomodels.training.checkpoint import CHECKPOINT, damage_of_checkpoint
from physiomodels.training.classifier import build, load_encoder
from physiomodels.training.finetune import fit, predict
from physiomodels.training.pretrain import pretrain
from physioprep.atomic import make_folders, remove, write_bytes, write_text

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

log = logging.getLogger(__name__)

_DONE = "complete"
#: The random state of torch belongs to the process: its tasks take turns.
_TURN = threading.Lock()


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
    classes : tuple of str
        What codes mean.
    repeat, fold : int
        Numbers.
    windows : pandas.DataFrame
        All evaluated windows: ``window``, ``subject`` (or record), ``code`` ...
    split : Fold
        Rows of `windows`.
    encoders : dict of str to str
        By modality: path of the pretrained one.
    features : dict of str to pandas.DataFrame
        By modality: the baseline's, in the order of `windows`.
    device : str
        Where models run.
    """

    shards: Shards
    losses: Path
    config: EvaluateConfig
    classes: tuple[str, ...]
    repeat: int
    fold: int
    windows: pd.DataFrame
    split: Fold
    encoders: dict[str, str]
    features: dict[str, pd.DataFrame]
    device: str


def prepare(job: Mapping[str, Any], item: tuple[str, int]) -> None:
    """Pretrain one encoder, or compute the baseline's features of one modality.

    What is done already is left as it is; a pretraining that was killed resumes from its last
    checkpoint.

    Parameters
    ----------
    job : mapping
        From `physiomodels.evaluation.job.write_job`.
    item : (str, int)
        "pretraining" or "features", and its number.
    """
    held = read_job(job)
    kind, number = item
    if kind == "features":
        file, modality, where = held.features[number]
        if not is_kept(held.cache / file):
            keep_table(held.cache / file, baseline.features(held.shards, modality, where))
        return
    run = held.pretrainings[number]
    target = held.cache / run.name
    if is_pretrained(target):
        return
    if (target / _DONE).is_file() or damage_of_checkpoint(target / CHECKPOINT):
        log.warning("%s: damaged, made again", target)
        remove(target)
    with _on_one_thread():
        pretrain(held.pretrain_shards, target, run.config, where=run.where, device=held.device)
    write_bytes(target / _DONE, b"")


def is_pretrained(folder: Path) -> bool:
    """Return whether `prepare` finished an encoder, and its files are what was written.

    Parameters
    ----------
    folder : Path
        Of the pretraining.

    Returns
    -------
    bool
    """
    return (folder / _DONE).is_file() and not damage_of(folder / "last")


def run_fold(job: Mapping[str, Any], item: tuple[int, int, int]) -> None:
    """Fine-tune and predict one fold; its table has one row per test window and arm.

    Parameters
    ----------
    job : mapping
        From `physiomodels.evaluation.job.write_job`.
    item : (int, int, int)
        Numbers of evaluation, repeat and fold.
    """
    import pandas as pd

    number, repeat, fold = item
    held = read_job(job)
    evaluated = held.evaluations[number]
    windows, split = evaluated.split(repeat, fold)
    kept = fold_file(held.work, number, repeat, fold)
    task = FoldTask(
        shards=held.shards,
        losses=kept.parent / "loss",
        config=evaluated.config,
        classes=evaluated.classes,
        repeat=repeat,
        fold=fold,
        windows=windows,
        split=split,
        encoders=evaluated.encoders[f"{repeat}-{fold}"],
        features={
            name: pd.read_parquet(file).loc[windows["window"]]
            for name, file in evaluated.features.items()
        },
        device=held.device,
    )
    make_folders(task.losses)
    with _on_one_thread():
        keep_table(kept, _predict_fold(task))


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """Take a turn, and one thread: then sums come out the same wherever a task runs."""
    with _TURN:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
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
    history = fit(
        model, task.shards, settings, config.label, classes=task.classes, where=train,
        device=task.device,
    )  # fmt: skip
    if share == 1.0:
        name = f"finetune_{'+'.join(arm)}_{weights}_{task.repeat}_{task.fold}.csv"
        write_text(task.losses / name, pd.DataFrame(history).to_csv(index=False))
    return predict(model, task.shards, where=test, device=task.device).set_index("window")


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
