"""Each signal alone and both together, pretrained and not, beside plain features.

Encoders are pretrained inside every fold, on windows of training subjects alone, or come from
elsewhere and are refused where their run card names somebody of the evaluation.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physiomodels.config import EvaluateConfig, PretrainConfig, as_dict
from physiomodels.evaluation import baseline
from physiomodels.evaluation.fold import (
    FoldTask,
    Pretraining,
    card_of,
    outside,
    plan_pretraining,
    run_fold,
    run_pretraining,
)
from physiomodels.evaluation.label_efficiency import draw_curves
from physiomodels.evaluation.protocol import Fold, grouped_by, make_folds
from physiomodels.evaluation.summary import describe, summarise
from physiomodels.training.data import check_fit, subject_keys, window_table
from physiomodels.training.finetune import classes_of, load_encoder
from physiomodels.training.reconstruction import reconstruct
from physioprep.atomic import write_text
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
Progress = Callable[[int, int], None]
#: Applies a function to all items, in order or over processes, and counts them.
Spread = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Parameters
    ----------
    results : dict
        ``protocol``, ``arms`` (each with ``modalities``, ``weights`` and ``metrics``), ``gains``
        (of pretraining over random weights and over features), ``label_efficiency`` (arms at every
        share of the labels), ``class_balance``, ``pretraining`` (whom each encoder saw); the
        content of ``results.json``. `physiomodels.evaluation.summary.summarise` says what
        spreads there are.
    predictions : pandas.DataFrame
        One row a test window, fold and arm; the content of ``predictions.parquet``.
    folder : Path
        Where these, ``loss/*.csv``, the encoders of the first fold (``encoders/``), what they make
        of a test subject's hidden patches (``reconstruction_*.png``, ``.npz``), and with
        `label_shares` ``label_efficiency.json`` and ``.png`` are.
    """

    results: dict[str, Any]
    predictions: pd.DataFrame
    folder: Path


def evaluate(
    shards: str | Path,
    out: str | Path,
    config: EvaluateConfig | None = None,
    *,
    pretrain_shards: str | Path | None = None,
    weights: Mapping[str, str | Path] | None = None,
    cache: str | Path | None = None,
    simulated: bool = False,
    workers: int = 1,
    pool: Executor | None = None,
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
        (or, where subjects are unknown, a record) of the evaluation.
    cache : path-like, optional
        Folder for the encoders pretrained inside the folds and for the baseline's features; those
        found there are not made again, so that evaluations of the same windows share them. By
        default they are gone in the end.
    simulated : bool
        The data are simulated though their corpus is not (files made in a corpus's structure):
        every output says so. Known corpora that are simulated say so by themselves.
    workers : int
        Processes that share the folds, one thread each; the figures do not depend on it. Above 1
        a script needs the usual ``if __name__ == "__main__":``.
    pool : Executor, optional
        Processes that are there already, instead of `workers` (`process_pool`).
    overwrite : bool
        Replace an older ``out``.
    progress : callable, optional
        Called with (pretrainings and folds done, in all).

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
    sources = {name: str(path) for name, path in (weights or {}).items()}
    _check_fit(shards, pretrain_shards, config, sources)
    elsewhere = [_provenance(name, Path(path), windows) for name, path in sources.items()]
    folds = _folds(windows, config)
    make_folder(folder, overwrite)
    (folder / "loss").mkdir()
    kept = folder / "work" if cache is None else Path(cache)
    features = _features(shards, config, windows, kept)
    jobs = _plan(windows, folds, pretrain_shards, config, sources, kept)
    distinct = list({job.target: job for job in jobs.values()}.values())
    with nullcontext(pool) if pool else process_pool(workers) as shared:
        spread = _counted(shared, len(distinct) + len(folds), progress)
        spread(run_pretraining, distinct)
        tasks = [
            FoldTask(
                str(shards), str(folder), config, classes, repeat, fold, windows, split,
                _encoders(repeat, fold, jobs, sources), features,
            )
            for (repeat, fold), split in folds.items()
        ]  # fmt: skip
        predictions: pd.DataFrame = pd.concat(spread(run_fold, tasks), ignore_index=True)
    seen = elsewhere + _who_was_seen(jobs, folds, windows, config)
    _keep(jobs, folds, windows, shards, folder)
    arms, gains = summarise(predictions, config, len(classes), positive)
    results = describe(windows, classes, positive, config, simulated) | {
        "arms": [arm for arm in arms if arm["label_share"] == 1.0],
        "gains": [gain for gain in gains if gain["label_share"] == 1.0],
        "label_efficiency": arms if config.label_shares else [],
        "pretraining": seen,
        "config": as_dict(config),
        "wall_s": round(time.perf_counter() - started, 1),
    }
    shutil.rmtree(folder / "work", ignore_errors=True)
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    if config.label_shares:
        draw_curves(results, folder / "label_efficiency.png")
        _write(folder / "label_efficiency.json", arms)
    _write(folder / "results.json", results)
    return Evaluation(results, predictions, folder)


def _windows(shards: str | Path, config: EvaluateConfig) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the labelled windows with `subject` (or record), `code` and `stratum`; the classes."""
    unknown = set(config.weights) - {"pretrained", "random"}
    if unknown or not config.modalities:
        raise ModelError(f"weights {config.weights}, modalities {config.modalities}")
    if any(not 0 < share <= 1 for share in config.label_shares):
        raise ModelError(f"label_shares {config.label_shares}: each above 0 and at most 1")
    classes = classes_of(shards, config.label)
    table = window_table(shards, config.where)
    table = table[table[config.label].notna()].sort_values("window").reset_index(drop=True)
    if not len(table):
        raise ModelError(f"{shards}: no window has {config.label} where {config.where}")
    codes = {name: code for code, name in enumerate(classes)}
    table["code"] = table[config.label].map(codes).astype(np.int64)
    if grouped_by(config.protocol) == "record":
        table["subject"] = table["corpus"].astype(str) + "/" + table["record_id"].astype(str)
    else:
        table["subject"] = subject_keys(table)
    strata = config.stratify or (config.label,)
    for name in strata:
        classes_of(shards, name)
    joint = table[list(strata)].astype(str).agg("|".join, axis=1)
    table["stratum"] = joint.astype("category").cat.codes.astype(np.int64)
    return table, classes


def _check_fit(
    shards: str | Path, pretrain_shards: str | Path, config: EvaluateConfig, sources: dict[str, str]
) -> None:
    for name in config.modalities:
        if name in sources:
            check_fit(shards, name, load_encoder(sources[name]).patch_size, None)
            continue
        size = _pretraining(config, name).encoder.patch_size
        rate = check_fit(shards, name, size, None)
        if "pretrained" in config.weights:
            check_fit(pretrain_shards, name, size, rate)


def _pretraining(config: EvaluateConfig, modality: str) -> PretrainConfig:
    return replace(config.pretrain.get(modality, PretrainConfig()), modality=modality)


def _provenance(modality: str, source: Path, windows: pd.DataFrame) -> dict[str, Any]:
    """Say whom weights made elsewhere saw; refuse them where that is somebody of the evaluation."""
    entry: dict[str, Any] = {"modality": modality, "weights": source.name}
    card = card_of(source)
    if card is None:
        logger.warning("%s: no run card: whom this %s encoder saw is unknown", source, modality)
        return entry | {"saw": "unknown: no run card"}
    corpus = windows["corpus"].astype(str) + "/"
    for column, key in (("subject_id", "subjects"), ("record_id", "records_without_subject")):
        known = windows[column].notna()
        own = set(corpus[known] + windows.loc[known, column].astype(str))
        shared = sorted(own & set(card.get(key) or []))
        if shared:
            raise ModelError(
                f"{source}: the {modality} encoder was pretrained on {len(shared)} "
                f"{column.removesuffix('_id')}s of this evaluation ({shared[0]} ...)"
            )
        entry[f"n_{key}"] = len(card.get(key) or [])
    return entry | {"run": card.get("run"), "where": card.get("where"), "saw": "no test window"}


def _folds(windows: pd.DataFrame, config: EvaluateConfig) -> dict[tuple[int, int], Fold]:
    groups, strata = windows["subject"].to_numpy(object), windows["stratum"].to_numpy(np.int64)
    return {
        (repeat, number): split
        for repeat in range(config.repeats)
        for number, split in enumerate(
            make_folds(groups, strata, config.protocol, config.folds, config.seed + repeat)
        )
    }


def make_folder(folder: Path, overwrite: bool) -> None:
    """Make an empty folder; refuse to replace one that is not empty unless told to."""
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise ModelError(f"{folder}: exists; overwrite it by overwrite=True")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _features(
    shards: str | Path, config: EvaluateConfig, windows: pd.DataFrame, cache: Path
) -> dict[str, pd.DataFrame]:
    """Compute the baseline's features by modality, in the order of `windows`."""
    import pandas as pd

    if not config.baseline:
        return {}
    key = hashlib.sha256(f"{Path(shards).resolve()}|{config.where}".encode()).hexdigest()[:16]
    found = {}
    for name in config.modalities:
        if name not in baseline.MODALITIES:
            continue
        kept = cache / f"features-{name}-{key}.parquet"
        if not kept.is_file():
            cache.mkdir(parents=True, exist_ok=True)
            baseline.features(shards, name, config.where).to_parquet(kept)
        found[name] = pd.read_parquet(kept).loc[windows["window"]]
    return found


def _plan(
    windows: pd.DataFrame,
    folds: Mapping[tuple[int, int], Fold],
    shards: str | Path,
    config: EvaluateConfig,
    sources: Mapping[str, str],
    cache: Path,
) -> dict[tuple[int, int, str], Pretraining]:
    """Return what is to be pretrained for each repeat, fold and modality."""
    if "pretrained" not in config.weights:
        return {}
    return {
        (repeat, fold, name): plan_pretraining(
            shards, cache, replace(_pretraining(config, name), seed=config.seed + repeat),
            outside(config, windows.iloc[split.test]),
        )
        for (repeat, fold), split in folds.items()
        for name in config.modalities
        if name not in sources
    }  # fmt: skip


def _encoders(
    repeat: int,
    fold: int,
    jobs: Mapping[tuple[int, int, str], Pretraining],
    sources: Mapping[str, str],
) -> dict[str, str]:
    """Return by modality where the pretrained encoder of a fold is."""
    made = {key[2]: f"{job.target}/last" for key, job in jobs.items() if key[:2] == (repeat, fold)}
    return {**sources, **made}


@contextmanager
def process_pool(workers: int) -> Iterator[Executor | None]:
    """Give processes that share folds, None where one is enough; a torch each takes seconds."""
    import multiprocessing

    if workers <= 1:
        yield None
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _counted(pool: Executor | None, total: int, progress: Progress | None) -> Spread:
    """Return a function that maps over items, here or in a pool, and reports how far it is."""
    done = 0

    def spread(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        nonlocal done
        collected = []
        for answer in pool.map(function, items) if pool else map(function, items):
            collected.append(answer)
            done += 1
            if progress is not None:
                progress(done, total)
        return collected

    return spread


def _who_was_seen(
    jobs: Mapping[tuple[int, int, str], Pretraining],
    folds: Mapping[tuple[int, int], Fold],
    windows: pd.DataFrame,
    config: EvaluateConfig,
) -> list[dict[str, Any]]:
    """Return, fold by fold, who was tested and which of them the encoder's card names."""
    entries = []
    unit = grouped_by(config.protocol)
    for (repeat, fold, name), job in jobs.items():
        test = windows.iloc[folds[repeat, fold].test]
        card = card_of(Path(job.target)) or {}
        saw = {*card["subjects"], *card["records_without_subject"]}
        shared = sorted(set(test["subject"]) & saw)
        if shared and config.protocol != "within-subject":
            raise ModelError(f"pretraining saw test {unit}s {shared}")  # never to be met
        entry = {"repeat": repeat, "fold": fold, "modality": name, "n_windows": card["n_windows"]}
        entry |= {"n_subjects": len(card["subjects"])}
        entry |= {f"test_{unit}s": sorted(set(test["subject"])), f"test_{unit}s_seen": shared}
        entries.append(entry)
    return entries


def _keep(
    jobs: Mapping[tuple[int, int, str], Pretraining],
    folds: Mapping[tuple[int, int], Fold],
    windows: pd.DataFrame,
    shards: str | Path,
    folder: Path,
) -> None:
    """Keep the loss of every pretraining, and of the first fold the encoder and a picture."""
    kept = set()
    for (repeat, fold, name), job in jobs.items():
        target = Path(job.target)
        if job.target not in kept:
            kept.add(job.target)
            loss = f"pretrain_{name}_{repeat}_{fold}.csv"
            shutil.copyfile(target / "loss.csv", folder / "loss" / loss)
        if (repeat, fold) == (0, 0):
            shutil.copytree(target / "last", folder / "encoders" / name)
            picture = target / f"reconstruction_{name}.png"
            if not picture.is_file():  # else drawn for another target of the same folds
                numbers = windows["window"].iloc[folds[0, 0].test].tolist()
                reconstruct(
                    load_encoder(target / "last"), shards, picture, modality=name,
                    mask=job.config.mask, where=f"window in {numbers}",
                )  # fmt: skip
            for made in (picture, picture.with_suffix(".npz")):
                shutil.copyfile(made, folder / made.name)


def _write(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2))
