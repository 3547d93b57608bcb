"""Windows of shards as a model takes them: read in batches, encoded once where that will do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from physiomodels.model.fusion import FusionClassifier
from physiomodels.model.patches import Patches, to_patches
from physiomodels.model.pooling import pool_features
from physiomodels.training.data import by_epoch, open_stream
from physioprep.errors import ModelError

if TYPE_CHECKING:
    from physioprep.shards import Shards
    from physioprep.stream import ShardStream


#: Changes the signals of a batch of a stream before they are encoded.
Change = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Encoded windows; of a sequence their epochs, one after another.

    Parameters
    ----------
    features : dict of str to Tensor, shape (row, channel, patch, width)
        By modality.
    present : dict of str to Tensor of bool, shape (row, channel, patch)
        By modality.
    windows : Tensor of int64, shape (window,)
        Their numbers in the shards.
    pooled : bool
        Whether the features are one vector per row, in the place of its patches.
    """

    features: dict[str, Tensor]
    present: dict[str, Tensor]
    windows: Tensor
    pooled: bool = False


def open_windows(
    model: FusionClassifier,
    shards: Shards,
    where: str | None,
    batch_size: int,
    *,
    seed: int | None = None,
) -> ShardStream:
    """Open a stream of the model's modalities; shuffled by a seed, else in order.

    Parameters
    ----------
    model : FusionClassifier
        Its modalities that the shards hold are read.
    shards : Shards
        Opened.
    where : str or None
        Query on the window manifest.
    batch_size : int
        Windows per batch.
    seed : int, optional
        Of the order.

    Returns
    -------
    ShardStream

    Raises
    ------
    ModelError
        If the shards hold none of the model's modalities.
    """
    held = [name for name in model.encoders if name in shards.modalities]
    if not held:
        wanted, found = " or ".join(model.encoders), ", ".join(shards.modalities)
        raise ModelError(f"{shards.path}: the model takes {wanted}; the shards hold {found}")
    return open_stream(
        shards, held, batch_size, where=where, seed=seed or 0, shuffle=seed is not None
    )


def read_windows(
    model: FusionClassifier, stream: ShardStream, device: str, change: Change | None = None
) -> Iterator[tuple[dict[str, Patches], Tensor]]:
    """Read batches as a model takes them.

    Parameters
    ----------
    model : FusionClassifier
        Of a sequence, windows are cut into its epochs.
    stream : ShardStream
        From `open_windows`.
    device : str
        Where to put them.
    change : callable, optional
        Takes and returns a batch of the stream.

    Yields
    ------
    windows : dict of str to Patches
        By modality.
    numbers : Tensor of int64, shape (window,)
        Of the windows in the shards.

    Raises
    ------
    ModelError
        If the model's epochs are not those of the shards, or patches do not fit.
    """
    sizes: dict[str, Any] = {name: model.encoders[name].patch_size for name in stream.modalities}
    for batch in stream:
        signals = batch if change is None else change(batch)
        rows = by_epoch(signals, stream.modalities, model.n_epochs)
        windows = {name: to_patches(rows, name, size, device) for name, size in sizes.items()}
        yield windows, batch["index"]


def encode_once(
    model: FusionClassifier,
    shards: Shards,
    where: str | None,
    batch_size: int,
    device: str,
    change: Change | None = None,
) -> Encoded | None:
    """Encode windows once for frozen encoders, where one vector per window will do.

    The pooled vector is kept in the place of the patches' features, as that of a single patch.

    Parameters
    ----------
    model : FusionClassifier
        Set to evaluation mode.
    shards : Shards
        Opened.
    where : str or None
        Query on the window manifest.
    batch_size : int
        Windows encoded at once.
    device : str
        Where the encoders run.
    change : callable, optional
        Of the signals, before they are encoded.

    Returns
    -------
    Encoded or None
        None where the head needs the patches one by one.
    """
    if not model.separable:
        return None
    features: dict[str, list[Tensor]] = {name: [] for name in model.encoders}
    present: dict[str, list[Tensor]] = {name: [] for name in model.encoders}
    numbers = []
    model.eval()
    with torch.no_grad():
        stream = open_windows(model, shards, where, batch_size)
        for windows, index in read_windows(model, stream, device, change):
            found, flags_of = model.encode(windows)
            for name, flags in flags_of.items():
                vectors = pool_features(found[name], flags, model.config["pooling"])
                features[name].append(vectors[:, None, None])
                present[name].append(flags.flatten(1).any(1)[:, None, None])
            numbers.append(index.clone())
    return Encoded(
        {name: torch.cat(parts) for name, parts in features.items()},
        {name: torch.cat(parts) for name, parts in present.items()},
        torch.cat(numbers),
        pooled=True,
    )


def deal(
    encoded: Encoded, batch_size: int, n_epochs: int | None, order: tuple[int, int] | None = None
) -> Iterator[Encoded]:
    """Deal encoded windows out in batches.

    Parameters
    ----------
    encoded : Encoded
        All of them.
    batch_size : int
        Windows per batch.
    n_epochs : int or None
        Rows per window that is a sequence.
    order : (int, int), optional
        Seed and epoch of the order; by default as they are.

    Yields
    ------
    Encoded
        A batch.
    """
    n = len(encoded.windows)
    numbers = np.arange(n) if order is None else np.random.default_rng(order).permutation(n)
    for chosen in torch.split(torch.from_numpy(numbers), batch_size):
        rows = chosen
        if n_epochs is not None:
            rows = (chosen[:, None] * n_epochs + torch.arange(n_epochs)).flatten()
        yield Encoded(
            {name: part[rows] for name, part in encoded.features.items()},
            {name: part[rows] for name, part in encoded.present.items()},
            encoded.windows[chosen],
            encoded.pooled,
        )
