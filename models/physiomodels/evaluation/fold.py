"""The tasks of an evaluation: encoders pretrained without test windows, features, folds.

A task is a number; what it works on is in the working folder (`physiomodels.evaluation.work`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from physiomodels.evaluation.arms import predict_fold
from physiomodels.evaluation.baseline import features as features_of
from physiomodels.evaluation.derived import derived_features
from physiomodels.evaluation.importance import importance_file, importance_of_fold
from physiomodels.evaluation.job import Evaluated, Job, read_job
from physiomodels.evaluation.task import Calibrating, FoldTask
from physiomodels.evaluation.work import fold_file, is_kept, keep_table
from physiomodels.model.weights import damage_of
from physiomodels.training.checkpoint import CHECKPOINT, damage_of_checkpoint
from physiomodels.training.labels import read_labels
from physiomodels.training.pretrain import pretrain
from physioprep.atomic import make_folders, remove, write_bytes

log = logging.getLogger(__name__)

_DONE = "complete"
#: The random state of torch belongs to the process: its tasks take turns.
_TURN = threading.Lock()


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
        file, modality, where, n_epochs, calibrates, derived = held.features[number]
        if not is_kept(held.cache / file):
            shards = held.calibration_shards if calibrates else held.shards
            assert shards is not None
            if derived:
                table = derived_features(derived, shards, modality, where)
            else:
                table = features_of(shards, modality, where, n_epochs)
            keep_table(held.cache / file, table)
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
    members = evaluated.members()
    kept = fold_file(held.work, number, repeat, fold)
    task = FoldTask(
        shards=held.shards,
        losses=kept.parent / "loss",
        config=evaluated.config,
        labels=read_labels(
            held.shards, evaluated.config.label, classes=evaluated.scoring.classes or None
        ),
        scoring=evaluated.scoring,
        repeat=repeat,
        fold=fold,
        windows=windows,
        members=members,
        split=split,
        encoders=evaluated.encoders[f"{repeat}-{fold}"],
        features={
            name: pd.read_parquet(file).loc[members["window"].unique()]
            for name, file in evaluated.features.items()
        },
        device=held.device,
        calibrating=_calibrating(held, evaluated),
    )
    make_folders(task.losses)
    with _on_one_thread():
        if evaluated.config.features and task.features and evaluated.config.permutations:
            keep_table(importance_file(kept), importance_of_fold(task))
        keep_table(kept, predict_fold(task))


def _calibrating(held: Job, evaluated: Evaluated) -> Calibrating | None:
    """Return the windows of other shards that calibrate, with their features."""
    import pandas as pd

    windows = evaluated.calibration_windows()
    if windows is None or held.calibration_shards is None:
        return None
    features = {
        name: pd.read_parquet(file).loc[windows["window"]]
        for name, file in evaluated.calibrating.items()
    }
    return Calibrating(held.calibration_shards, windows, features)


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
