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
from physiomodels.evaluation.calibration import METHODS
from physiomodels.evaluation.derived import (
    DerivedTable,
    check_folds,
    check_use,
    read_tables,
    tables_of,
)
from physiomodels.evaluation.protocol import Fold, meaning
from physiomodels.evaluation.rows import PER, rows_of
from physiomodels.evaluation.scoring import scoring_of
from physiomodels.evaluation.vectors import PROBES, has_vectors
from physiomodels.evaluation.windows import (
    calibration_windows,
    choose_windows,
    folds_of,
    outside,
    unit_of,
)
from physiomodels.metrics.choice import Scoring
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
    members : pandas.DataFrame
        Windows that belong to each row of `windows`: `physiomodels.evaluation.rows.MEMBERS`.
    calibrating : pandas.DataFrame or None
        Windows of other shards that calibrate.
    calibrating_features : dict of str to str
        By modality: file of their features.
    derived : tuple of DerivedTable
        Whose columns are the plain features; none: those of the baseline.
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
    members: pd.DataFrame
    calibrating: pd.DataFrame | None
    calibrating_features: dict[str, str]
    derived: tuple[DerivedTable, ...]


def make_plan(
    shards: Shards,
    pretrain_shards: Shards,
    config: EvaluateConfig,
    sources: Mapping[str, str],
    name: str = "",
    calibration_shards: Shards | None = None,
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
    calibration_shards : Shards, optional
        Windows that calibrate, of the protocol "calibrated".

    Returns
    -------
    Plan

    Raises
    ------
    ModelError
        If shards, label, protocol and weights do not fit together.
    """
    _check(config)
    chosen, labels = choose_windows(shards, config)
    windows, members = rows_of(chosen, labels, config.per)
    if config.protocol != "calibrated":
        calibration_shards = None
    calibrating = None
    if calibration_shards is not None:
        calibrating = calibration_windows(shards, calibration_shards, chosen, config)
    n_epochs = labels.target.n_epochs
    scoring = scoring_of(shards, config, labels)
    _check_fit(shards, pretrain_shards, calibration_shards, config, sources, n_epochs)
    unit = unit_of(config.protocol, windows)
    folds = folds_of(windows, config)
    derived = read_tables(config.features, shards, config.modalities) if config.baseline else ()
    check_use(derived, config, n_epochs, calibrated_elsewhere=calibration_shards is not None)
    check_folds(derived, windows, folds)
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
        features=_feature_files(shards, config, config.where, n_epochs, derived),
        protocol_means=meaning(config, shards.attrs, elsewhere=calibrating is not None),
        members=members,
        calibrating=calibrating,
        calibrating_features={}
        if calibration_shards is None
        else _feature_files(calibration_shards, config, None, n_epochs, ()),
        derived=derived,
    )


def digest(
    plans: Sequence[Plan],
    shards: Shards,
    pretrain_shards: Shards,
    *,
    simulated: bool,
    device: str,
    calibration_shards: Shards | None = None,
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
    calibration_shards : Shards, optional
        Also by their hash.

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
        "shards": [
            _identity(one)
            for one in (shards, pretrain_shards, calibration_shards)
            if one is not None
        ],
        "weights": weights,
        "simulated": simulated,
        "device": device.partition(":")[0],
        "derived": [[table.sha256 for table in plan.derived] for plan in plans],
        "software": {name: version(name) for name in _SOFTWARE},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _identity(shards: Shards) -> str:
    return str(shards.attrs.get("plan_sha256") or shards.path)


def _check(config: EvaluateConfig) -> None:
    unknown = set(config.weights) - {"pretrained", "random"}
    if unknown:
        raise ModelError(f"weights are pretrained or random, not {', '.join(sorted(unknown))}")
    if config.per not in PER:
        raise ModelError(f"per {config.per!r}: one of {', '.join(PER)}")
    _check_calibration(config)
    if config.probe not in PROBES:
        raise ModelError(f"probe {config.probe!r}: one of {', '.join(PROBES)}")
    if config.probe == "logistic" and config.weights and not has_vectors(config.finetune):
        raise ModelError(
            "probe 'logistic' answers from embeddings: mode frozen or probe, one vector per window "
            "and signal (no attention over patches, no augmentation)"
        )
    if not config.modalities:
        raise ModelError("the configuration names no modalities")
    if any(not 0 < share <= 1 for share in config.label_shares):
        raise ModelError(f"label_shares {config.label_shares}: each above 0 and at most 1")


def _check_calibration(config: EvaluateConfig) -> None:
    if config.protocol != "calibrated":
        return
    methods = config.calibration.methods
    if unknown := [name for name in methods if name not in METHODS]:
        raise ModelError(f"calibration {unknown[0]!r}: one of {', '.join(METHODS)}")
    if not methods or len(set(methods)) < len(methods):
        raise ModelError(f"calibration methods {list(methods)}: at least one, each once")
    if config.weights and not has_vectors(config.finetune):
        raise ModelError(
            "protocol 'calibrated' calibrates embeddings of frozen encoders: mode frozen or probe, "
            "one vector per window and signal (no attention over patches)"
        )


def _check_fit(
    shards: Shards,
    pretrain_shards: Shards,
    calibration_shards: Shards | None,
    config: EvaluateConfig,
    sources: Mapping[str, str],
    n_epochs: int | None,
) -> None:
    for name in config.modalities:
        size = _settings(config, name).encoder.patch_size if config.weights else 1
        if name in sources:
            size = load_encoder(sources[name]).patch_size
        rate = check_fit(shards, name, size, None, n_epochs)
        if calibration_shards is not None:
            check_fit(calibration_shards, name, size, rate, epochs_of(calibration_shards.attrs))
        if "pretrained" in config.weights and name not in sources:
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


def _feature_files(
    shards: Shards,
    config: EvaluateConfig,
    where: str | None,
    n_epochs: int | None,
    derived: Sequence[DerivedTable],
) -> dict[str, str]:
    """Name the files of the plain features by what they hold."""
    if not config.baseline:
        return {}
    of = f"{_identity(shards)}|{where}" + (f"|{n_epochs} epochs" if n_epochs else "")
    of += "".join(f"|{table.sha256}" for table in derived)
    key = hashlib.sha256(of.encode()).hexdigest()[:16]
    names = [name for name in config.modalities if name in MODALITIES]
    if derived:
        names = [name for name in config.modalities if tables_of(derived, name)]
    return {name: f"features-{name}-{key}.parquet" for name in names}
