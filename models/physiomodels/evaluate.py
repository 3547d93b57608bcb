"""Each signal alone and both together, pretrained and not, on people the models never met.

Encoders are pretrained inside every fold, on windows of training subjects alone.
"""

from __future__ import annotations

import copy
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physiomodels import baseline
from physiomodels.config import EvaluateConfig, PretrainConfig, as_dict
from physiomodels.data import check_fit, subject_keys, where_subjects, window_table
from physiomodels.encoder import CrissCrossEncoder
from physiomodels.finetune import build, classes_of, fit, load_encoder, predict
from physiomodels.picture import reconstruct
from physiomodels.pretrain import pretrain
from physiomodels.protocol import PROTOCOLS, Fold, make_folds
from physiomodels.summary import summarise
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Parameters
    ----------
    results : dict
        ``protocol``, ``arms`` (each with ``modalities``, ``weights`` and ``metrics``: mean, sd over
        folds, sd over repeats, 95 % interval over subjects), ``pretraining`` (whom each encoder
        saw); the content of ``results.json``.
    predictions : pandas.DataFrame
        One row a test window, fold and arm; the content of ``predictions.parquet``.
    folder : Path
        Where these, ``loss/*.csv``, the encoders of the first fold (``encoders/``) and what they
        make of a test subject's hidden patches (``reconstruction_*.png``, ``.npz``) are.
    """

    results: dict[str, Any]
    predictions: pd.DataFrame
    folder: Path


@dataclass(frozen=True, eq=False)
class _Task:
    """One fold of one repeat, with all that another process needs."""

    shards: str
    pretrain_shards: str
    folder: str
    config: EvaluateConfig
    weights: dict[str, str]
    repeat: int
    fold: int
    windows: pd.DataFrame  # of all evaluated windows: window, subject, code
    split: Fold
    features: dict[str, pd.DataFrame]


def evaluate(
    shards: str | Path,
    out: str | Path,
    config: EvaluateConfig | None = None,
    *,
    pretrain_shards: str | Path | None = None,
    weights: Mapping[str, str | Path] | None = None,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare signals, pretraining and a plain baseline under one protocol.

    Parameters
    ----------
    shards : path-like
        Labelled windows, made by `physioprep.shard`.
    out : path-like
        Folder for the results; ``results.json`` is written last.
    config : EvaluateConfig, optional
        Protocol, pretraining and fine-tuning.
    pretrain_shards : path-like, optional
        Windows to pretrain on, labelled or not; by default `shards`. Test subjects' windows are
        left out fold by fold.
    weights : mapping of str to path-like, optional
        By modality: an encoder made elsewhere (a folder of `pretrain`, or published CBraMod
        weights) to use as "pretrained" in every fold. Refused where its run card names a subject
        of the evaluation.
    workers : int
        Processes that share the folds, one thread each; the figures do not depend on it. Above 1
        a script needs the usual ``if __name__ == "__main__":``.
    overwrite : bool
        Replace an older ``out``.
    progress : callable, optional
        Called with (folds done, folds in all).

    Raises
    ------
    ModelError
        Where shards, label, protocol and weights do not fit together.
    """
    import pandas as pd

    started = time.perf_counter()
    config = config or EvaluateConfig()
    folder = Path(out)
    windows, classes = _windows(shards, config)
    if config.positive is not None and config.positive not in classes:
        raise ModelError(f"positive {config.positive!r}: {config.label} is one of {classes}")
    positive = classes.index(config.positive or classes[-1])
    pretrain_shards = shards if pretrain_shards is None else pretrain_shards
    for name in config.modalities:
        size = _pretraining(config, name).encoder.patch_size
        rate = check_fit(shards, name, size, None)
        if name not in (weights or {}) and "pretrained" in config.weights:
            check_fit(pretrain_shards, name, size, rate)
    sources = {name: str(path) for name, path in (weights or {}).items()}
    for name, source in sources.items():
        _refuse_overlap(name, Path(source), set(windows["subject"]))
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise ModelError(f"{folder}: exists; overwrite it by overwrite=True")
        shutil.rmtree(folder)
    (folder / "loss").mkdir(parents=True)
    features = _features(shards, config, windows)
    tasks = [
        _Task(
            str(shards), str(pretrain_shards), str(folder), config, sources, repeat, number,
            windows, split, features,
        )
        for repeat in range(config.repeats)
        for number, split in enumerate(
            make_folds(
                windows["subject"].to_numpy(object), windows["code"].to_numpy(np.int64),
                config.protocol, config.folds, config.seed + repeat,
            )
        )
    ]  # fmt: skip
    found = _run(tasks, workers, progress)
    predictions = pd.concat([rows for rows, _ in found], ignore_index=True)
    results: dict[str, Any] = {
        "schema": 1,
        "label": config.label,
        "classes": classes,
        "protocol": config.protocol,
        "protocol_means": PROTOCOLS[config.protocol],
        "n_windows": len(windows),
        "n_subjects": int(windows["subject"].nunique()),
        "n_folds": len(tasks) // config.repeats,
        "repeats": config.repeats,
        "positive": classes[positive],
        "arms": summarise(predictions, config, len(classes), positive),
        "pretraining": [entry for _, entries in found for entry in entries],
        "config": as_dict(config),
        "wall_s": round(time.perf_counter() - started, 1),
    }
    shutil.rmtree(folder / "work", ignore_errors=True)
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    part = folder / "results.json.part"
    part.write_text(json.dumps(results, indent=2), encoding="utf-8")
    part.replace(folder / "results.json")
    return Evaluation(results, predictions, folder)


def _windows(shards: str | Path, config: EvaluateConfig) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the labelled windows with `subject` (corpus/subject) and `code`, and the classes."""
    unknown = set(config.weights) - {"pretrained", "random"}
    if unknown or not config.modalities:
        raise ModelError(f"weights {config.weights}, modalities {config.modalities}")
    classes = classes_of(shards, config.label)
    table = window_table(shards)
    table = table[table[config.label].notna()].sort_values("window").reset_index(drop=True)
    codes = {name: code for code, name in enumerate(classes)}
    table["code"] = table[config.label].map(codes).astype(np.int64)
    table["subject"] = subject_keys(table)
    return table, classes


def _pretraining(config: EvaluateConfig, modality: str) -> PretrainConfig:
    return replace(config.pretrain.get(modality, PretrainConfig()), modality=modality)


def _refuse_overlap(modality: str, source: Path, subjects: set[str]) -> None:
    """Refuse weights whose run card says that they saw a subject of the evaluation."""
    for card in (source / "card.json", source / "best" / "card.json"):
        if not card.is_file():
            continue
        seen = json.loads(card.read_text(encoding="utf-8")).get("subjects")
        shared = sorted(subjects & set(seen or []))
        if shared:
            raise ModelError(
                f"{source}: the {modality} encoder was pretrained on {len(shared)} subjects of "
                f"this evaluation ({shared[0]} ...)"
            )
        return
    logger.warning("%s: no run card: whom this %s encoder saw is unknown", source, modality)


def _features(
    shards: str | Path, config: EvaluateConfig, windows: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Compute the baseline's features by modality, in the order of `windows`."""
    if not config.baseline:
        return {}
    known = [name for name in config.modalities if name in ("eeg", "ecg")]
    return {name: baseline.features(shards, name).loc[windows["window"]] for name in known}


def _arms(modalities: Iterable[str]) -> list[tuple[str, ...]]:
    """Return each modality alone, then all together."""
    names = tuple(modalities)
    return [arm for n in sorted({1, len(names)}) for arm in combinations(names, n)]


def _run(
    tasks: list[_Task], workers: int, progress: Progress | None
) -> list[tuple[pd.DataFrame, list[dict[str, Any]]]]:
    """Run the tasks, in order or spread over processes, and return their answers in order."""

    def count(answers: Iterator[Any]) -> list[Any]:
        collected = []
        for answer in answers:
            collected.append(answer)
            if progress is not None:
                progress(len(collected), len(tasks))
        return collected

    if workers <= 1:
        return count(map(_evaluate_fold, tasks))
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        return count(pool.map(_evaluate_fold, tasks))
    finally:
        pool.shutdown(cancel_futures=True)


def _evaluate_fold(task: _Task) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Pretrain, fine-tune and predict one fold; return predictions and whom pretraining saw."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums come out the same wherever the fold runs
    try:
        encoders, entries = _pretrain_fold(task)
        return _predict_fold(task, encoders), entries
    finally:
        torch.set_num_threads(threads)


def _pretrain_fold(
    task: _Task,
) -> tuple[dict[str, dict[str, CrissCrossEncoder]], list[dict[str, Any]]]:
    """Return encoders by weights and modality, and whom the pretrained ones saw."""
    config, seed = task.config, task.config.seed + task.repeat
    test = sorted(set(task.windows["subject"].iloc[task.split.test]))
    grouped = config.protocol != "within-subject"
    where = where_subjects(test, inside=False) if grouped else None
    encoders: dict[str, dict[str, CrissCrossEncoder]] = {name: {} for name in config.weights}
    entries = []
    for name in config.modalities:
        settings = replace(_pretraining(config, name), seed=seed)
        if "pretrained" in config.weights:
            entry: dict[str, Any] = {"repeat": task.repeat, "fold": task.fold, "modality": name}
            if name in task.weights:
                encoder = load_encoder(task.weights[name])
                entries.append(entry | {"weights": Path(task.weights[name]).name})
            else:
                target = Path(task.folder) / "work" / f"{name}_{task.repeat}_{task.fold}"
                made = pretrain(task.pretrain_shards, target, settings, where=where, device="cpu")
                encoder = made.encoder
                seen = json.loads((target / "last" / "card.json").read_text(encoding="utf-8"))
                shared = sorted(set(test) & set(seen["subjects"] or []))
                if shared and grouped:
                    raise ModelError(f"pretraining saw test subjects {shared}")  # never to be met
                entry |= {"n_windows": seen["n_windows"], "n_subjects": len(seen["subjects"] or [])}
                entries.append(entry | {"test_subjects": test, "test_subjects_seen": shared})
                _keep_fold(task, name, target)
                if (task.repeat, task.fold) == (0, 0):
                    picture = Path(task.folder) / f"reconstruction_{name}.png"
                    inside = where_subjects(test, inside=True)
                    reconstruct(
                        encoder, task.shards, picture, modality=name, mask=settings.mask,
                        where=inside,
                    )  # fmt: skip
            encoders["pretrained"][name] = encoder
        if "random" in config.weights:
            torch.manual_seed(seed)
            encoders["random"][name] = _fresh(encoders.get("pretrained", {}).get(name), settings)
    return encoders, entries


def _fresh(like: CrissCrossEncoder | None, settings: PretrainConfig) -> CrissCrossEncoder:
    """Return an encoder with random weights and the sizes of the pretrained one."""
    return load_encoder(settings.encoder) if like is None else CrissCrossEncoder(**like.config)


def _keep_fold(task: _Task, name: str, target: Path) -> None:
    """Keep the loss of every fold, and the encoder of the first."""
    folder = Path(task.folder)
    shutil.copyfile(
        target / "loss.csv", folder / "loss" / f"pretrain_{name}_{task.repeat}_{task.fold}.csv"
    )
    if (task.repeat, task.fold) == (0, 0):
        shutil.copytree(target / "last", folder / "encoders" / name)
    shutil.rmtree(target)


def _predict_fold(task: _Task, encoders: dict[str, dict[str, CrissCrossEncoder]]) -> pd.DataFrame:
    """Return the test windows' probabilities under every arm."""
    import pandas as pd

    config = task.config
    train, test = (task.windows.iloc[rows] for rows in (task.split.train, task.split.test))
    train_where, test_where = _where(config, train), _where(config, test)
    classes = classes_of(task.shards, config.label)
    found = []
    for arm in _arms(config.modalities):
        for weights, by_name in encoders.items():
            settings = replace(config.finetune, seed=config.seed + task.repeat)
            torch.manual_seed(settings.seed)
            chosen = {name: copy.deepcopy(by_name[name]) for name in arm}
            model = build(chosen, len(classes), settings)
            history = fit(
                model, task.shards, settings, config.label, where=train_where, device="cpu"
            )
            name = f"finetune_{'+'.join(arm)}_{weights}_{task.repeat}_{task.fold}.csv"
            pd.DataFrame(history).to_csv(Path(task.folder) / "loss" / name, index=False)
            answer = predict(model, task.shards, where=test_where, device="cpu")
            found.append(_rows(task, arm, weights, test, answer.set_index("window")))
        if all(name in task.features for name in arm):
            inputs = np.concatenate([task.features[name].to_numpy(float) for name in arm], axis=1)
            probabilities = baseline.logistic(
                inputs[task.split.train],
                train["code"].to_numpy(np.int64),
                train["subject"].to_numpy(object),
                inputs[task.split.test],
                len(classes),
            )
            names = [f"p_{code}" for code in range(len(classes))]
            answer = pd.DataFrame(probabilities, index=test["window"], columns=names)
            found.append(_rows(task, arm, "features", test, answer))
    return pd.concat(found, ignore_index=True)


def _where(config: EvaluateConfig, windows: pd.DataFrame) -> str:
    if config.protocol == "within-subject":
        return f"window in {windows['window'].tolist()}"
    return where_subjects(set(windows["subject"]), inside=True)


def _rows(
    task: _Task, arm: tuple[str, ...], weights: str, test: pd.DataFrame, answer: pd.DataFrame
) -> pd.DataFrame:
    """Put the names of the arm and of the windows beside the probabilities."""
    rows = test[["window", "corpus", "record_id", "subject_id", "start_s", "subject", "code"]]
    rows = rows.reset_index(drop=True)
    rows.insert(0, "weights", weights)
    rows.insert(0, "modalities", "+".join(arm))
    rows.insert(0, "fold", task.fold)
    rows.insert(0, "repeat", task.repeat)
    probabilities = answer.loc[test["window"]].reset_index(drop=True)
    return rows.join(probabilities)
