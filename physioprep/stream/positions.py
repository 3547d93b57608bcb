"""Positions of electrodes in batches, for models that take them: who asks for none pays nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from physioprep.errors import ShardError
from physioprep.positions import standard_positions
from physioprep.store.electrodes import positions_of_all

if TYPE_CHECKING:
    from physioprep.shards.opened import Shards
    from physioprep.store.read import Store

Batch = dict[str, Tensor]


def channel_positions(channels: Sequence[str]) -> Tensor:
    """Return the standard positions of channels, by their names.

    Parameters
    ----------
    channels : sequence of str
        As ``shards.modalities["eeg"].channels`` or ``stream.channels["eeg"]``.

    Returns
    -------
    Tensor of float32, shape (channel, 3)
        m, see `physioprep.positions.standard_positions`; NaN for unknown names and derivations.

    Examples
    --------
    >>> channel_positions(["Cz", "Fp1-F7"])[:, 2].round(decimals=2)
    tensor([0.1400,    nan])
    """
    return torch.from_numpy(standard_positions(channels).xyz.astype(np.float32))


def record_positions(shards: Shards, stores: Sequence[Store], modality: str = "eeg") -> Tensor:
    """Return the positions that the files of the records state, by the record's number.

    Parameters
    ----------
    shards : Shards
    stores : sequence of Store
        Those that the shards were cut from, in the same order.
    modality : str
        One of the shards.

    Returns
    -------
    Tensor of float32, shape (record, channel, 3)
        m, in the frame of each file; NaN where a file states none. Give it to `with_positions`.

    Raises
    ------
    ShardError
        The shards lack the modality, or are of other stores.
    """
    if modality not in shards.modalities:
        raise ShardError(f"{shards.path}: no modality {modality!r}")
    plans = [str(each["plan_sha256"]) for each in shards.attrs["stores"]]
    if plans != [str(store.attrs["plan_sha256"]) for store in stores]:
        raise ShardError(f"{shards.path}: was not cut from these stores, in this order")
    channels = shards.modalities[modality].channels
    rows = []
    for store in stores:
        own = positions_of_all(store, modality)
        nowhere = np.full((len(store), 3), np.nan)
        rows.append(np.stack([own.get(name, nowhere) for name in channels], axis=1))
    return torch.from_numpy(np.concatenate(rows).astype(np.float32))


def with_positions(batch: Batch, positions: Tensor, modality: str = "eeg") -> Batch:
    """Add the positions of electrodes to a batch.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    positions : Tensor of float32, shape (channel, 3) or (record, channel, 3)
        From `channel_positions`, or `record_positions`, of which each window gets its record's.
    modality : str
        Whose channels they are.

    Returns
    -------
    dict of str to Tensor
        With ``"<modality>_positions"``, shape (batch, channel, 3), on the device of the batch.
        Positions by name are one array, seen by all windows.

    Raises
    ------
    ShardError
        There are not as many positions as channels.

    Examples
    --------
    >>> batch = {"eeg": torch.zeros(4, 2, 100), "record": torch.zeros(4, dtype=torch.int64)}
    >>> with_positions(batch, channel_positions(["Cz", "Pz"]))["eeg_positions"].shape
    torch.Size([4, 2, 3])
    """
    signal = batch[modality]
    n, n_channels = signal.shape[0], signal.shape[-2]
    if positions.shape[-2:] != (n_channels, 3):
        raise ShardError(
            f"positions of {positions.shape[-2]} channels, {modality} has {n_channels}"
        )
    places = positions.to(signal.device)
    if places.dim() == 3:
        places = places[batch["record"].to(signal.device)]
    return {**batch, f"{modality}_positions": places.expand(n, n_channels, 3)}
