"""The loop that trains a model on labelled windows, and keeps its best epoch where asked to."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiomodels.augment import Augmentation, augmented, prepare
from physiomodels.config import FinetuneConfig
from physiomodels.model.device import choose_device
from physiomodels.model.fusion import FusionClassifier
from physiomodels.model.patches import to_patches
from physiomodels.training.data import by_epoch, window_table
from physiomodels.training.encode import (
    Encoded,
    deal,
    encode_once,
    open_windows,
    read_windows,
)
from physiomodels.training.labels import Labels, read_labels
from physiomodels.training.optimise import decay_groups, finite, warmup_cosine
from physiomodels.training.predict import BATCH, predict, predict_encoded
from physiomodels.training.soft import Pseudo, Targets, read_pseudo, soften
from physioprep.errors import ModelError
from physioprep.shards import open_shards

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards
    from physioprep.stream import ShardStream

Progress = Callable[[int, int], None]
log = logging.getLogger(__name__)
_WARMUP: Final = 0.1  # of all steps


@dataclass(frozen=True, eq=False)
class Selection:
    """By what the best epoch of a training is chosen.

    Parameters
    ----------
    where : str
        Query on the window manifest: the validation windows.
    metric : str
        Its name.
    score : callable
        From a table of `physiomodels.training.predict.predict` to the metric.
    lower : bool
        Whether less is better.
    encoded : Encoded, optional
        The validation windows, where they are encoded already.
    """

    where: str
    metric: str
    score: Callable[[pd.DataFrame], float]
    lower: bool = False
    encoded: Encoded | None = None


def fit(
    model: FusionClassifier,
    shards: str | Path | Shards,
    config: FinetuneConfig,
    label: str,
    *,
    classes: Sequence[str] | None = None,
    where: str | None = None,
    pseudo: str | Path | None = None,
    selection: Selection | None = None,
    encoded: Encoded | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """Train, in place, what `physiomodels.training.classifier.build` left trainable.

    The embeddings are first standardised by their mean and deviation over the training windows, so
    that the head meets encoders of any scale alike; so is a number that is to be predicted.

    Parameters
    ----------
    model : FusionClassifier
        Moved to `device`.
    shards : path-like or Shards
        With the label.
    config : FinetuneConfig
        Mode and training.
    label : str
        ``label_...`` column, of the model's kind.
    classes : sequence of str, optional
        The classes by output of the model: all that the windows have. By default all of the
        shards, in the order of their codes.
    where : str, optional
        Query on the window manifest: train on these windows alone.
    pseudo : path-like, optional
        Labels of a teacher (`physiomodels.training.pseudo`): train on its windows, too.
    selection : Selection, optional
        Score the validation windows after each epoch, and end with the weights of the best one
        (the first of equals). By default those of the last epoch stay.
    encoded : Encoded, optional
        What frozen encoders made of the windows of `where`, to train the head on.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".
    progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    list of dict
        One per epoch: ``epoch``, ``loss``; with a selection also ``validation_<metric>``, and
        ``best``, 1 of the epoch whose weights were kept.

    Raises
    ------
    ModelError
        If there are fewer than two classes, or values, to train on.
    """
    opened, device = open_shards(shards), choose_device(device)
    model.to(device)
    labels = read_labels(opened, label, classes=classes)
    told = None if pseudo is None else read_pseudo(pseudo, opened, labels)
    targets, windows, chosen = _windows(model, opened, labels, where, told, config)
    frozen = config.mode in ("frozen", "probe")
    cached = encoded
    if encoded is None and frozen and config.augment is None:
        cached = encode_once(model, opened, chosen, BATCH, device)
    _standardise(model, cached, opened, chosen, device)
    best = None if selection is None else _Best(model, opened, selection, device, frozen=frozen)
    optimiser = _optimiser(model, config)
    tops = [float(group["lr"]) for group in optimiser.param_groups]
    total = config.epochs * -(-len(windows) // config.batch_size)
    stream, augmentation = None, None
    if cached is None:
        stream, augmentation = _stream(model, opened, chosen, config)
    step, history = 0, []
    for epoch in range(config.epochs):
        model.train()
        model.encoders.train(not frozen)
        loss_sum = 0.0
        for part, batch in _epoch(model, cached, stream, augmentation, config, epoch):
            outputs = model.answer(part.features, part.present, pooled=part.pooled)
            loss = targets.loss(outputs, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
            for group, top in zip(optimiser.param_groups, tops, strict=True):
                group["lr"] = top * warmup_cosine(step, total, _WARMUP)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            step += 1
            loss_sum += finite(float(loss.detach()), step - 1, max(tops)) * len(outputs)
            if progress is not None:
                progress(step, total)
        history.append({"epoch": epoch, "loss": loss_sum / len(windows)})
        if best is not None:
            history[-1] |= best.look(epoch)
    if best is not None:
        best.restore(history)
    model.eval()
    return history


def labelled(labels: Labels, where: str | None) -> str:
    """Return a query for the windows of `where` that have a label.

    Parameters
    ----------
    labels : Labels
        Target.
    where : str or None
        Query on the window manifest.

    Returns
    -------
    str
    """
    target = labels.target
    if target.is_sequence or target.kind != "class":
        known = f"window in {np.flatnonzero(labels.known).tolist()}"
    else:
        known = f"`{target.name}` == `{target.name}`"  # a missing value does not equal itself
    return known if where is None else f"({where}) and {known}"


class _Best:
    """The weights of the best epoch so far."""

    def __init__(
        self,
        model: FusionClassifier,
        shards: Shards,
        selection: Selection,
        device: str,
        *,
        frozen: bool,
    ) -> None:
        self._model, self._shards, self._selection = model, shards, selection
        self._device, self._figure = device, float("nan")
        self._state: dict[str, Tensor] | None = None
        self._epoch = -1
        self._encoded = selection.encoded
        if frozen and self._encoded is None:
            self._encoded = encode_once(model, shards, selection.where, BATCH, device)

    def look(self, epoch: int) -> dict[str, float]:
        """Score the validation windows; keep the weights where they are better than before."""
        model, asked = self._model, self._selection
        if self._encoded is not None:
            answers = predict_encoded(model, self._encoded)
        else:
            answers = predict(model, self._shards, where=asked.where, device=self._device)
        figure = asked.score(answers)
        gain = self._figure - figure if asked.lower else figure - self._figure
        if np.isfinite(figure) and (self._state is None or gain > 0):
            self._figure, self._epoch = figure, epoch
            self._state = {k: v.detach().clone() for k, v in model.state_dict().items()}
        return {f"validation_{asked.metric}": figure}

    def restore(self, history: list[dict[str, float]]) -> None:
        """Give the model its best weights, and mark their epoch."""
        if self._state is None:
            log.warning("no epoch has a %s on validation: the last is kept", self._selection.metric)
            self._epoch = len(history) - 1
        else:
            self._model.load_state_dict(self._state)
        for row in history:
            row["best"] = int(row["epoch"] == self._epoch)


def _check(shards: Shards, labels: Labels, truth: NDArray[Any]) -> None:
    """Refuse what nothing can be learned from.

    Raises
    ------
    ModelError
        If there are fewer than two classes, or values, to train on.
    """
    name, kind = labels.target.name, labels.target.kind
    if kind == "class" and len(np.unique(truth[truth >= 0])) < 2:
        raise ModelError(f"{shards.path}: fewer than two classes of {name} to train on")
    if kind == "classes":
        flags = truth.reshape(-1, truth.shape[-1])
        if not ((flags == 1).any(0) & (flags == 0).any(0)).any():
            raise ModelError(
                f"{shards.path}: no class of {name} is both present and absent to train on"
            )
    if kind == "number" and len(np.unique(truth[np.isfinite(truth)])) < 2:
        raise ModelError(f"{shards.path}: fewer than two values of {name} to train on")


def _scaled(model: FusionClassifier, truth: NDArray[Any], windows: NDArray[np.int64]) -> Tensor:
    """Return the truth as a tensor; a number in deviations from its mean over `windows`."""
    if model.kind != "number":
        return torch.from_numpy(np.ascontiguousarray(truth))
    held = truth[windows].astype(np.float64)
    held = held[np.isfinite(held)]
    model.centre.fill_(held.mean())
    model.spread.fill_(held.std())
    scaled = (truth - float(model.centre)) / float(model.spread)
    return torch.from_numpy(scaled.astype(np.float32))


def _optimiser(model: FusionClassifier, config: FinetuneConfig) -> torch.optim.AdamW:
    head = [module for name, module in model.named_children() if name != "encoders"]
    groups = [(module, config.lr) for module in head]
    groups += [(encoder, config.encoder_lr) for encoder in model.encoders.children()]
    return torch.optim.AdamW(decay_groups(groups, config.weight_decay))


def _standardise(
    model: FusionClassifier, cached: Encoded | None, shards: Shards, where: str, device: str
) -> None:
    """Set the mean and deviation of each embedding over the training windows."""
    model.eval()
    with torch.no_grad():
        if cached is not None:
            model.standardise([(cached.features, cached.present)], pooled=cached.pooled)
        else:
            batches = read_windows(model, open_windows(model, shards, where, BATCH), device)
            model.standardise(model.encode(windows) for windows, _ in batches)


def _stream(
    model: FusionClassifier, shards: Shards, where: str, config: FinetuneConfig
) -> tuple[ShardStream, Augmentation | None]:
    """Open the training windows, and what augments them."""
    stream = open_windows(model, shards, where, config.batch_size, seed=config.seed)
    if config.augment is None:
        return stream, None
    return stream, prepare(config.augment, shards, stream.modalities, where, config.seed)


def _epoch(
    model: FusionClassifier,
    cached: Encoded | None,
    stream: ShardStream | None,
    augmentation: Augmentation | None,
    config: FinetuneConfig,
    epoch: int,
) -> Iterator[tuple[Encoded, dict[str, Tensor]]]:
    """Yield the batches of one epoch, encoded and as they were, in the order of (seed, epoch)."""
    if cached is not None:
        for part in deal(cached, config.batch_size, model.n_epochs, (config.seed, epoch)):
            yield part, {"index": part.windows}
    elif stream is not None:
        stream.set_epoch(epoch)
        device = str(next(model.parameters()).device)
        for batch in stream:
            given = batch if augmentation is None else augmented(batch, augmentation, epoch)
            rows = by_epoch(given, stream.modalities, model.n_epochs)
            windows = {
                name: to_patches(rows, name, model.encoders[name].patch_size, device)  # type: ignore[arg-type]
                for name in stream.modalities
            }
            yield Encoded(*model.encode(windows), batch["index"]), given


def _windows(
    model: FusionClassifier,
    shards: Shards,
    labels: Labels,
    where: str | None,
    pseudo: Pseudo | None,
    config: FinetuneConfig,
) -> tuple[Targets, NDArray[np.int64], str]:
    """Return what is to be answered, for which windows, and a query for these.

    Targets are soft where windows are mixed, or a teacher labels some.
    """
    chosen = labelled(labels, where)
    windows = window_table(shards, chosen)["window"].to_numpy(np.int64)
    _check(shards, labels, labels.truth[windows])
    weights = None
    if config.class_weights and model.kind == "class":
        weights = _class_weights(labels.truth[windows], labels.n_outputs)
        weights = weights.to(next(model.parameters()).device)
    targets = Targets(model.kind, _scaled(model, labels.truth, windows), weights)
    if pseudo is None and (config.augment is None or not config.augment.mixup):
        return targets, windows, chosen
    if pseudo is not None and model.kind == "number":
        scaled = (pseudo.answers - float(model.centre)) / float(model.spread)
        pseudo = Pseudo(pseudo.windows, scaled, pseudo.weights)
    targets = soften(targets, labels.n_outputs, windows, pseudo)
    if pseudo is not None:
        windows = np.union1d(windows, pseudo.windows)
        chosen = f"window in {windows.tolist()}"
    return targets, windows, chosen


def _class_weights(codes: NDArray[Any], n_classes: int) -> Tensor:
    """Weight classes inversely to their frequency; those that do not occur get 0."""
    counts = np.bincount(codes[codes >= 0].ravel(), minlength=n_classes)
    held = max(1, int((counts > 0).sum()))
    weights = np.where(counts > 0, counts.sum() / (held * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)
