"""Answers of a model: a table of windows, or of their epochs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from physiomodels.model.device import choose_device
from physiomodels.model.fusion import FusionClassifier
from physiomodels.training.encode import Encoded, deal, open_windows, read_windows
from physiomodels.training.kinds import KINDS
from physioprep.shards import open_shards

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

BATCH: Final = 64  # windows that are encoded at once where none is trained on


def predict(
    model: FusionClassifier,
    shards: str | Path | Shards,
    *,
    where: str | None = None,
    batch_size: int = BATCH,
    device: str | None = None,
) -> pd.DataFrame:
    """Return a model's answers for windows: class probabilities, or numbers.

    Modalities that the shards lack count as missing, as they do where a window lacks them.

    Parameters
    ----------
    model : FusionClassifier
        Moved to `device`, and set to evaluation mode.
    shards : path-like or Shards
        Made by `physioprep.shard`; labels are not needed.
    where : str, optional
        Query on the window manifest: predict these windows alone.
    batch_size : int
        Windows per forward pass.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".

    Returns
    -------
    pandas.DataFrame
        ``window`` (number in the shards, in order) and ``p_0``, ``p_1``, ... per class: of one
        class they sum to 1, of several at once each is by itself. Of a number ``predicted``, in the
        unit it was trained on. Of a sequence one row per epoch, with its number, ``epoch``.

    Raises
    ------
    ModelError
        If the shards hold none of the model's modalities.
    """
    device = choose_device(device)
    model.to(device).eval()
    stream = open_windows(model, open_shards(shards), where, batch_size)

    def outputs() -> Iterator[tuple[Tensor, Tensor]]:
        for windows, numbers in read_windows(model, stream, device):
            yield model(windows), numbers

    return _table(model, outputs())


def predict_encoded(model: FusionClassifier, encoded: Encoded) -> pd.DataFrame:
    """Return what `predict` does, of windows that are encoded already.

    Parameters
    ----------
    model : FusionClassifier
        Set to evaluation mode.
    encoded : Encoded
        From `physiomodels.training.encode.encode_once`.

    Returns
    -------
    pandas.DataFrame
        As for `predict`.
    """
    model.eval()

    def answered() -> Iterator[tuple[Tensor, Tensor]]:
        for part in deal(encoded, BATCH, model.n_epochs):
            outputs = model.answer(part.features, part.present, pooled=part.pooled)
            yield outputs, part.windows

    return _table(model, answered())


def _table(model: FusionClassifier, outputs: Iterator[tuple[Tensor, Tensor]]) -> pd.DataFrame:
    import pandas as pd

    numbers, answers = [], []
    with torch.no_grad():
        for found, windows in outputs:
            numbers.append(windows.numpy().copy())
            given = KINDS[model.kind].answers(found).double()
            if model.kind == "number":
                given = given * model.spread + model.centre
            answers.append(given.cpu().numpy())
    window, answer = np.concatenate(numbers), np.concatenate(answers)
    columns = {}
    if model.n_epochs is not None:
        columns["epoch"] = np.tile(np.arange(model.n_epochs), len(window))
        window, answer = np.repeat(window, model.n_epochs), answer.reshape(-1, answer.shape[-1])
    if model.kind == "number":
        columns["predicted"] = answer[:, 0]
    else:
        columns |= {f"p_{code}": column for code, column in enumerate(answer.T)}
    return pd.DataFrame({"window": window} | columns)
