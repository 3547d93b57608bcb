"""Windows with all leads out of a stream; whose they are, and folds that part people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiomodels.training.data import open_stream, window_table
from physioprep.errors import ModelError

if TYPE_CHECKING:
    from physioprep.shards import Shards
    from physioprep.stream import ShardStream

Ints = NDArray[np.int64]


def stream_of(
    shards: Shards, modality: str, windows: Ints, batch_size: int, seed: int | None
) -> ShardStream:
    """Return a stream of some windows.

    Parameters
    ----------
    shards : Shards
    modality : str
        Which signal.
    windows : ndarray of int64, shape (window,)
        Their numbers.
    batch_size : int
        Windows per batch.
    seed : int or None
        Of the order; None: in the order of their numbers.

    Returns
    -------
    ShardStream
    """
    where = f"window in {windows.tolist()}"
    return open_stream(
        shards, [modality], batch_size, where=where, seed=seed or 0, shuffle=seed is not None
    )


def complete(stream: ShardStream, modality: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the windows of an epoch that have every sample of every lead.

    Parameters
    ----------
    stream : ShardStream
    modality : str
        Which signal.

    Yields
    ------
    signal : Tensor of float32, shape (batch, lead, time)
        In the unit of the shards.
    number : Tensor of int64, shape (batch,)
        Of the windows.
    """
    for batch in stream:
        signal = batch[modality]
        if signal.dim() == 4:  # windows of epochs, whole again
            signal = signal.transpose(1, 2).flatten(2)
        whole = batch[f"present_{modality}"].all(1) & torch.isfinite(signal).flatten(1).all(1)
        if bool(whole.any()):
            yield signal[whole], batch["index"][whole]


def people_of(shards: Shards, where: str | None) -> tuple[Ints, NDArray[np.str_]]:
    """Return the windows that a query keeps, and whose each is.

    Parameters
    ----------
    shards : Shards
    where : str or None
        Query on the window manifest.

    Returns
    -------
    windows : ndarray of int64, shape (window,)
    people : ndarray of str, shape (window,)
        ``corpus/subject``, or the record where nobody knows the subject.
    """
    table = window_table(shards, where)
    own = table["subject_id"].astype(object)
    own = own.where(own.notna(), "record " + table["record_id"].astype(str))
    people = table["corpus"].astype(str) + "/" + own.astype(str)
    return table["window"].to_numpy(np.int64), people.to_numpy(str)


def folds_of(people: Sequence[str] | NDArray[np.str_], folds: int, seed: int) -> list[Ints]:
    """Return the rows that each fold tests: all of a person are in one fold.

    Parameters
    ----------
    people : sequence of str, shape (row,)
    folds : int
    seed : int

    Returns
    -------
    list of ndarray of int64

    Raises
    ------
    ModelError
        There are fewer people than folds.
    """
    from sklearn.model_selection import GroupKFold

    names = np.asarray(people, str)
    count = len(np.unique(names))
    if count < folds:
        raise ModelError(f"{count} people cannot be parted into {folds} folds")
    split = GroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    return [test.astype(np.int64) for _, test in split.split(names, groups=names)]
