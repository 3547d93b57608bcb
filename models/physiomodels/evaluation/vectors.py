"""Embeddings of all windows of a fold, encoded once: what frozen encoders are scored by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig
from physiomodels.evaluation.inputs import Source, as_arrays, as_encoded
from physiomodels.evaluation.rows import mean_of
from physiomodels.evaluation.task import FoldTask
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.training.classifier import build, load_encoder
from physiomodels.training.encode import Change, Encoded, encode_once
from physiomodels.training.predict import BATCH
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: What answers from embeddings.
PROBES = ("trained", "logistic")
_FROZEN = ("frozen", "probe")


def has_vectors(config: FinetuneConfig) -> bool:
    """Return whether the head sees one vector per window and modality, which training leaves.

    Parameters
    ----------
    config : FinetuneConfig
        Mode, fusion, pooling, augmentation.

    Returns
    -------
    bool
    """
    if config.mode not in _FROZEN or config.augment is not None:
        return False
    tiny = load_encoder(EncoderConfig(patch_size=8, d_model=8, depth=1, heads=2, ffn=8))
    return build({"ecg": tiny}, 2, config).separable


def uses_vectors(config: EvaluateConfig) -> bool:
    """Return whether a fold encodes all its windows once.

    Parameters
    ----------
    config : EvaluateConfig
        Protocol and training.

    Returns
    -------
    bool
    """
    asked = config.protocol == "calibrated" or config.per == "record" or config.probe == "logistic"
    return asked and has_vectors(config.finetune)


def embedding_source(
    task: FoldTask,
    encoders: Mapping[str, CrissCrossEncoder],
    shards: Shards,
    windows: pd.DataFrame,
) -> Source:
    """Return windows with their embeddings.

    Parameters
    ----------
    task : FoldTask
        The fold.
    encoders : mapping of str to CrissCrossEncoder
        By modality.
    shards : Shards
        That hold the windows.
    windows : pandas.DataFrame
        ``window``, ``subject``, ``record_id``, ``start_s``.

    Returns
    -------
    Source
    """
    labels = task.labels

    def values_of(name: str, numbers: Ints, change: Change | None) -> Floats:
        model = build(
            {name: encoders[name]}, labels.n_outputs, task.config.finetune,
            kind=labels.target.kind, n_epochs=labels.target.n_epochs,
        )  # fmt: skip
        model.to(task.device)
        where = f"window in {numbers.tolist()}"
        found = encode_once(model, shards, where, BATCH, task.device, change)
        if found is None:
            raise ModelError("these heads need the patches one by one")  # the plan refuses it
        place = {number: row for row, number in enumerate(found.windows.tolist())}
        order = np.array([place[number] for number in numbers.tolist()], np.int64)
        held = as_arrays(found)[name].reshape(len(numbers), task.n_epochs, -1)
        return held[order].reshape(len(numbers) * task.n_epochs, -1)

    return Source(shards, windows, values_of)


def to_rows(
    task: FoldTask, values: Mapping[str, Floats], modalities: Sequence[str], *, test: bool = False
) -> Encoded:
    """Return the vectors of what is answered, as heads take them.

    Parameters
    ----------
    task : FoldTask
        The fold.
    values : mapping of str to ndarray of float64
        By modality, of every window of the fold or of the test.
    modalities : sequence of str
        Which ones.
    test : bool
        Whether they are of the test alone.

    Returns
    -------
    Encoded
    """
    numbers = task.windows["window"].to_numpy(np.int64)
    numbers = numbers[task.split.test] if test else numbers
    held = {name: values[name] for name in modalities}
    if task.config.per == "record":
        rows = task.members["row"].to_numpy(np.int64)
        if test:
            rows = np.searchsorted(task.split.test, rows[task.tested])
        held = {name: mean_of(one, rows, len(numbers)) for name, one in held.items()}
    return as_encoded(held, numbers)
