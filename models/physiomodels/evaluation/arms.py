"""One fold of an evaluation: each arm is trained, and answers for the test windows."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from physiomodels.config import PretrainConfig
from physiomodels.evaluation.calibration import ALL
from physiomodels.evaluation.inputs import Source, Variant, spread, variants_of
from physiomodels.evaluation.label_efficiency import label_order, n_labels, same_steps
from physiomodels.evaluation.plain_arm import feature_source, models_of, regress
from physiomodels.evaluation.rows import mean_answers, mean_of
from physiomodels.evaluation.task import Arm, FoldTask, rows_of_arm, truth_of
from physiomodels.evaluation.vectors import embedding_source, to_rows, uses_vectors
from physiomodels.metrics.choice import LOWER, score
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.fusion import FusionClassifier
from physiomodels.training.classifier import build, load_encoder
from physiomodels.training.encode import Encoded
from physiomodels.training.fit import Selection, fit
from physiomodels.training.predict import predict, predict_encoded
from physioprep.atomic import write_text

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]


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
    vectors = {}
    if uses_vectors(config):
        vectors = {weights: _embeddings(task, by_name) for weights, by_name in encoders.items()}
    plain = _features(task) if task.features else []
    found = []
    for share in sorted({*config.label_shares, 1.0}):
        chosen = np.sort(order[: n_labels(share, len(train), task.labels.n_outputs)])
        rows = task.split.train[chosen]
        for names in arms_of(config.modalities):
            for weights, by_name in encoders.items():
                arm = Arm(names, weights, share)
                for one, answer in _answers(task, arm, by_name, rows, vectors.get(weights)):
                    found.append(rows_of_arm(task, one, answer))
            if all(name in task.features for name in names):
                for model in models_of(task):
                    arm = Arm(names, model, share)
                    for variant in _asked(plain, share):
                        for count, answer in regress(task, names, rows, variant, model):
                            one = _named(task, arm, variant, count)
                            found.append(rows_of_arm(task, one, answer))
    table = pd.concat(found, ignore_index=True)
    if "calibration" in table:  # fewer labels: the whole calibration alone
        few = (table["label_share"] < 1) & ~table["calibration_windows"].isin(["0", ALL])
        table = table[~few].reset_index(drop=True)
    return table


def _named(task: FoldTask, arm: Arm, variant: Variant, count: str) -> Arm:
    """Say how an arm was calibrated, where the protocol calibrates."""
    if task.config.protocol != "calibrated":
        return arm
    return replace(arm, calibration=variant.method, calibration_windows=count)


def _asked(variants: list[Variant], share: float) -> list[Variant]:
    """Return the calibrations of an arm: of fewer labels none and the first."""
    return variants if share == 1.0 else variants[:2]


def _answers(
    task: FoldTask,
    arm: Arm,
    by_name: dict[str, CrissCrossEncoder],
    rows: Ints,
    variants: list[Variant] | None,
) -> Iterator[tuple[Arm, pd.DataFrame]]:
    """Train a model of encoders, and yield its answers by calibration."""
    encoders = {name: by_name[name] for name in arm.modalities}
    if variants is None:
        yield arm, _tune(task, arm, encoders, rows)
        return
    for variant in _asked(variants, arm.share):
        if task.config.probe == "logistic":
            for count, answer in regress(task, arm.modalities, rows, variant, "features", mean_of):
                yield _named(task, arm, variant, count), answer
            continue
        whole = to_rows(task, variant.whole, arm.modalities)
        model = _train(task, _named(task, arm, variant, ALL), encoders, rows, whole)
        for count, values in variant.test.items():
            test = to_rows(task, values, arm.modalities, test=True)
            answer = predict_encoded(model, test).set_index("window")
            yield _named(task, arm, variant, count), answer


def _embeddings(task: FoldTask, encoders: dict[str, CrissCrossEncoder]) -> list[Variant]:
    """Encode all windows once, and return their vectors by calibration."""
    source = embedding_source(task, encoders, task.shards, task.members)
    other = source
    if task.calibrating is not None:
        other = embedding_source(task, encoders, task.calibrating.shards, task.calibrating.windows)
    return _variants(task, source, other, tuple(encoders))


def _features(task: FoldTask) -> list[Variant]:
    """Return the plain features of all windows by calibration."""
    n_epochs = task.labels.target.n_epochs
    source = feature_source(task.shards, task.members, task.features, n_epochs)
    other, held = source, task.calibrating
    if held is not None:
        other = feature_source(held.shards, held.windows, held.features, n_epochs)
    return _variants(task, source, other, tuple(task.features))


def _variants(
    task: FoldTask, source: Source, other: Source, modalities: tuple[str, ...]
) -> list[Variant]:
    config = task.config
    calibrated = config.protocol == "calibrated"
    return variants_of(
        source, other, task.tested, modalities,
        config.calibration.methods if calibrated else (), config.calibration.windows,
        config.seed + task.repeat, task.n_epochs,
    )  # fmt: skip


def _tune(
    task: FoldTask, arm: Arm, encoders: dict[str, CrissCrossEncoder], rows: Ints
) -> pd.DataFrame:
    """Train on the signals of `rows`, and predict the test."""
    model = _train(task, arm, encoders, rows, None)
    where = _where(task, task.split.test)
    answer = predict(model, task.shards, where=where, device=task.device).set_index("window")
    if task.config.per == "window":
        return answer
    return mean_answers(answer, task.members, task.windows["window"].to_numpy(np.int64))


def _train(
    task: FoldTask,
    arm: Arm,
    encoders: dict[str, CrissCrossEncoder],
    rows: Ints,
    vectors: Encoded | None,
) -> FusionClassifier:
    """Train on `rows`, with as many steps as all training windows would make."""
    import pandas as pd

    config, labels = task.config, task.labels
    base = config.finetune
    train, few = (
        len(some) if vectors is not None else len(task.windows_of(some))
        for some in (task.split.train, rows)
    )
    epochs = same_steps(base.epochs, base.batch_size, train, few)
    settings = replace(base, seed=config.seed + task.repeat, epochs=epochs)
    torch.manual_seed(settings.seed)
    model = build(
        copy.deepcopy(encoders), labels.n_outputs, settings, kind=labels.target.kind,
        n_epochs=labels.target.n_epochs,
    )  # fmt: skip
    own = None if vectors is None else _of_rows(task, vectors, rows)
    history = fit(
        model, task.shards, settings, config.label, classes=labels.classes or None,
        where=_where(task, rows) if own is None else f"window in {own.windows.tolist()}",
        selection=_selection(task, vectors), encoded=own, device=task.device,
    )  # fmt: skip
    if arm.share == 1.0:
        of = "+".join(arm.modalities)
        how = f"_{arm.calibration}" if arm.calibration else ""
        name = f"finetune_{of}_{arm.weights}{how}_{task.repeat}_{task.fold}.csv"
        write_text(task.losses / name, pd.DataFrame(history).to_csv(index=False))
    return model


def _selection(task: FoldTask, vectors: Encoded | None) -> Selection | None:
    """Return how the best epoch is chosen: by the main metric of the validation windows."""
    rows, scoring = task.split.validation, task.scoring
    if not len(rows):
        return None
    windows = task.windows.iloc[rows]
    alone = replace(scoring, metrics=(scoring.main,))

    def figure(answers: pd.DataFrame) -> float:
        answers = answers.set_index("window")
        if task.config.per == "record" and vectors is None:
            numbers = task.windows["window"].to_numpy(np.int64)
            answers = mean_answers(answers, task.members, numbers)
        return score(truth_of(task, windows, answers), alone)[scoring.main]

    own = None if vectors is None else _of_rows(task, vectors, rows)
    where = _where(task, rows)
    return Selection(where, scoring.main, figure, scoring.main in LOWER, own)


def _of_rows(task: FoldTask, vectors: Encoded, rows: Ints) -> Encoded:
    """Take some rows of all of a fold."""
    places = torch.from_numpy(spread(rows, task.n_epochs))
    return Encoded(
        {name: held[places] for name, held in vectors.features.items()},
        {name: held[places] for name, held in vectors.present.items()},
        vectors.windows[torch.from_numpy(rows)],
        vectors.pooled,
    )


def _where(task: FoldTask, rows: Ints) -> str:
    return f"window in {task.windows_of(rows)}"
