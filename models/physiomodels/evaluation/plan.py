"""What an evaluation does, settled and checked before anything is written."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physiomodels.config import EvaluateConfig, PretrainConfig, as_dict
from physiomodels.evaluation.baseline import MODALITIES
from physiomodels.evaluation.protocol import Fold, meaning
from physiomodels.evaluation.windows import choose_windows, folds_of, outside, unit_of
from physiomodels.metrics.choice import Scoring, choose_metrics
from physiomodels.metrics.spans import METRICS as SPANS
from physiomodels.metrics.waves import METRICS as WAVES
from physiomodels.training.classifier import load_encoder, weights_files
from physiomodels.training.data import check_fit
from physiomodels.training.labels import Labels
from physiomodels.training.run_card import card_of, run_digest, unfinished
from physioprep.errors import ModelError
from physioprep.shards.target import epochs_of

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

logger = logging.getLogger(__name__)
#: Packages whose version can change a prediction.
_SOFTWARE = ("physioprep", "torch", "numpy", "pandas", "scikit-learn", "scipy", "neurokit2")


@dataclass(frozen=True)
class Pretraining:
    """One encoder to be pretrained, shared by all folds that leave out the same windows.

    Parameters
    ----------
    name : str
        Folder of the run, named by the hash of its data, query and configuration.
    config : PretrainConfig
        With the modality and the repeat's seed.
    where : str or None
        Query that leaves out the test windows.
    """

    name: str
    config: PretrainConfig
    where: str | None


@dataclass(frozen=True, eq=False)
class Plan:
    """One evaluation: one label under one protocol.

    Parameters
    ----------
    name : str
        Folder of its results inside those of the whole call; "" where it is the only one.
    config : EvaluateConfig
        As given, with label and protocol of this evaluation.
    windows : pandas.DataFrame
        Labelled windows, one row per window: columns of the manifest, ``subject`` (or record),
        ``code``, ``stratum``.
    labels : Labels
        Target and what is known of it.
    scoring : Scoring
        How predictions are scored.
    unit : {"subject", "record"}
        What ``subject`` names.
    folds : dict of (repeat, fold) to Fold
        Rows of `windows`.
    pretrainings : dict of (repeat, fold, modality) to Pretraining
        Empty where nothing is pretrained inside the folds.
    sources : dict of str to str
        By modality: path of an encoder that was made elsewhere.
    provenance : list of dict
        Whose signals those encoders saw in training.
    features : dict of str to str
        By modality: file of the baseline's features.
    protocol_means : str
        What the protocol means on these shards.
    """

    name: str
    config: EvaluateConfig
    windows: pd.DataFrame
    labels: Labels
    scoring: Scoring
    unit: str
    folds: dict[tuple[int, int], Fold]
    pretrainings: dict[tuple[int, int, str], Pretraining]
    sources: dict[str, str]
    provenance: list[dict[str, Any]]
    features: dict[str, str]
    protocol_means: str


def make_plan(
    shards: Shards,
    pretrain_shards: Shards,
    config: EvaluateConfig,
    sources: Mapping[str, str],
    name: str = "",
) -> Plan:
    """Lay out one evaluation.

    Parameters
    ----------
    shards, pretrain_shards : Shards
        Labelled windows; windows to pretrain on.
    config : EvaluateConfig
        Label, protocol and training.
    sources : mapping of str to str
        By modality: an encoder made elsewhere.
    name : str
        Folder of its results.

    Returns
    -------
    Plan

    Raises
    ------
    ModelError
        If shards, label, protocol and weights do not fit together.
    """
    _check(config)
    windows, labels = choose_windows(shards, config)
    scoring = _scoring(shards, config, labels)
    _check_fit(shards, pretrain_shards, config, sources, labels.target.n_epochs)
    unit = unit_of(config.protocol, windows)
    folds = folds_of(windows, config)
    provenance = [_provenance(name, Path(path), windows) for name, path in sources.items()]
    return Plan(
        name=name,
        config=config,
        windows=windows,
        labels=labels,
        scoring=scoring,
        unit=unit,
        folds=folds,
        pretrainings=_pretrainings(
            windows, unit, folds, (pretrain_shards, shards), config, sources
        ),
        sources=dict(sources),
        provenance=provenance,
        features=_feature_files(shards, config, labels.target.n_epochs),
        protocol_means=meaning(config.protocol, shards.attrs),
    )


def digest(
    plans: Sequence[Plan], shards: Shards, pretrain_shards: Shards, *, simulated: bool, device: str
) -> str:
    """Return the hash of all that the results of evaluations depend on.

    Parameters
    ----------
    plans : sequence of Plan
        In order.
    shards, pretrain_shards : Shards
        Taken by their own hashes, not by their paths.
    simulated : bool
        As for `physiomodels.evaluate`.
    device : str
        Another kind of device rounds in another way.

    Returns
    -------
    str
        sha256, hexadecimal.
    """
    weights = {
        modality: [hashlib.sha256(path.read_bytes()).hexdigest() for path in weights_files(source)]
        for modality, source in plans[0].sources.items()
    }
    content = {
        "evaluations": [[plan.name, as_dict(plan.config)] for plan in plans],
        "shards": [_identity(shards), _identity(pretrain_shards)],
        "weights": weights,
        "simulated": simulated,
        "device": device.partition(":")[0],
        "software": {name: version(name) for name in _SOFTWARE},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _identity(shards: Shards) -> str:
    return str(shards.attrs.get("plan_sha256") or shards.path)


def _check(config: EvaluateConfig) -> None:
    unknown = set(config.weights) - {"pretrained", "random"}
    if unknown:
        raise ModelError(f"weights are pretrained or random, not {', '.join(sorted(unknown))}")
    if not config.modalities:
        raise ModelError("the configuration names no modalities")
    if any(not 0 < share <= 1 for share in config.label_shares):
        raise ModelError(f"label_shares {config.label_shares}: each above 0 and at most 1")


def _scoring(shards: Shards, config: EvaluateConfig, labels: Labels) -> Scoring:
    classes, target = labels.classes, labels.target
    if config.positive is not None and config.positive not in classes:
        raise ModelError(f"positive {config.positive!r}: {config.label} is one of {classes}")
    held = next(iter(shards.modalities.values()))
    positive = classes.index(config.positive or classes[-1]) if classes else 0
    metrics = choose_metrics(config.metrics, target.kind, classes, sequence=target.is_sequence)
    events = None
    if set(metrics) & set(SPANS) and target.name in shards.attrs.get("spans", ()):
        events = _events(shards, target.name, classes[positive])
    waves = _waves(shards, target.name, classes) if set(metrics) & set(WAVES) else None
    return Scoring(
        kind=target.kind,
        classes=classes,
        positive=positive,
        metrics=metrics,
        length_s=held.n_samples / held.rate_hz / (target.n_epochs or 1),
        events=events,
        waves=waves,
    )


def _waves(
    shards: Shards, label: str, classes: Sequence[str]
) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return the intervals of each class that has any."""
    found = {}
    if label in shards.attrs.get("spans", ()):
        found = {name: _events(shards, label, name) for name in classes}
    waves = {name: held for name, held in found.items() if held}
    if not waves:
        raise ModelError(
            f"{shards.path}: {label} has no intervals, which the metrics of waves compare: shard "
            "it with `spans: true`"
        )
    return waves


def _events(shards: Shards, label: str, category: str) -> dict[str, list[tuple[float, float]]]:
    """Return the intervals of a category by ``corpus/record``."""
    spans = shards.spans(label)
    table = shards.windows
    names = (table["corpus"].astype(str) + "/" + table["record_id"].astype(str)).to_numpy(object)
    name_of = dict(zip(shards.rows("record", 0, shards.n_windows).tolist(), names, strict=True))
    found: dict[str, list[tuple[float, float]]] = {}
    own = spans[spans["category"] == category]
    columns = (own[name].tolist() for name in ("record", "start_s", "stop_s"))
    for record, start, stop in zip(*columns, strict=True):
        if record in name_of:  # else it has no window
            found.setdefault(name_of[record], []).append((start, stop))
    return found


def _check_fit(
    shards: Shards,
    pretrain_shards: Shards,
    config: EvaluateConfig,
    sources: Mapping[str, str],
    n_epochs: int | None,
) -> None:
    for name in config.modalities:
        if name in sources:
            check_fit(shards, name, load_encoder(sources[name]).patch_size, None, n_epochs)
            continue
        size = _settings(config, name).encoder.patch_size
        rate = check_fit(shards, name, size, None, n_epochs)
        if "pretrained" in config.weights:
            check_fit(pretrain_shards, name, size, rate, epochs_of(pretrain_shards.attrs))


def _settings(config: EvaluateConfig, modality: str) -> PretrainConfig:
    return replace(config.pretrain.get(modality, PretrainConfig()), modality=modality)


def _provenance(modality: str, source: Path, windows: pd.DataFrame) -> dict[str, Any]:
    """Say whose signals an encoder saw; refuse it where a subject of the evaluation is among them.

    Without subjects, records are compared.

    Raises
    ------
    ModelError
        If one is among them.
    """
    entry: dict[str, Any] = {"modality": modality, "weights": source.name}
    if (so_far := unfinished(source)) is not None:
        entry["unfinished_pretraining"] = so_far
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


def _pretrainings(
    windows: pd.DataFrame,
    unit: str,
    folds: Mapping[tuple[int, int], Fold],
    both: tuple[Shards, Shards],
    config: EvaluateConfig,
    sources: Mapping[str, str],
) -> dict[tuple[int, int, str], Pretraining]:
    """Return what is pretrained for each repeat, fold and modality."""
    if "pretrained" not in config.weights:
        return {}
    found = {}
    shards, evaluated = both  # to pretrain on; to evaluate
    same = _identity(shards) == _identity(evaluated)
    for (repeat, fold), split in folds.items():
        held_out = windows.iloc[np.concatenate([split.test, split.validation])]
        where = outside(config, held_out, unit, same=same)
        for name in config.modalities:
            if name not in sources:
                settings = replace(_settings(config, name), seed=config.seed + repeat)
                folder = f"{name}-{run_digest(shards, where, settings)[:16]}"
                found[repeat, fold, name] = Pretraining(folder, settings, where)
    return found


def _feature_files(shards: Shards, config: EvaluateConfig, n_epochs: int | None) -> dict[str, str]:
    """Name the files of the baseline's features by what they hold."""
    if not config.baseline:
        return {}
    of = f"{_identity(shards)}|{config.where}" + (f"|{n_epochs} epochs" if n_epochs else "")
    key = hashlib.sha256(of.encode()).hexdigest()[:16]
    names = [name for name in config.modalities if name in MODALITIES]
    return {name: f"features-{name}-{key}.parquet" for name in names}
