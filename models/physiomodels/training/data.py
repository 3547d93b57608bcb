"""What training and prediction read of shards: the stream, the window table, its queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.errors import ModelError
from physioprep.shards import open_shards

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from physioprep.shards import Shards
    from physioprep.stream import ShardStream


def open_stream(
    shards: str | Path | Shards,
    modalities: Iterable[str],
    batch_size: int,
    *,
    where: str | None = None,
    seed: int = 0,
    shuffle: bool = True,
) -> ShardStream:
    """Open the stream that all training and all prediction of this package reads.

    Parameters
    ----------
    shards : path-like or Shards
        Opened shards are not opened again, and keep the windows of each query.
    modalities : iterable of str
        Which signals.
    batch_size : int
        Windows per batch and process.
    where : str, optional
        Query on the window manifest.
    seed : int
        Of the order.
    shuffle : bool
        False: in the order of the shards.

    Returns
    -------
    ShardStream
    """
    from physioprep.stream import ShardStream

    return ShardStream(
        shards,
        batch_size=batch_size,
        seed=seed,
        where=where,
        shuffle=shuffle,
        modalities=tuple(modalities),
    )


def window_table(shards: str | Path | Shards, where: str | None = None) -> pd.DataFrame:
    """Return the shards' manifest.

    Parameters
    ----------
    shards : path-like or Shards
        Made by `physioprep.shard`.
    where : str, optional
        Query: the rows that it keeps.

    Returns
    -------
    pandas.DataFrame
        One row per window: ``window``, ``corpus``, ``subject_id``, ``label_*`` ...
    """
    opened = open_shards(shards)
    return opened.windows if where is None else opened.windows[opened.mask(where)]


def check_fit(
    shards: str | Path | Shards,
    modality: str,
    patch_size: int,
    rate_hz: float | None,
    n_epochs: int | None = None,
) -> float:
    """Return the sampling rate of a modality after checking that an encoder can take it.

    Parameters
    ----------
    shards : path-like or Shards
        Made by `physioprep.shard`.
    modality : str
        Of the encoder.
    patch_size : int
        Samples per patch.
    rate_hz : float or None
        Sampling rate that the encoder was trained at, Hz; None where it is unknown.
    n_epochs : int, optional
        Epochs of a window that are encoded one by one.

    Returns
    -------
    float
        Hz.

    Raises
    ------
    ModelError
        If the shards lack the modality, their rate is not the one the encoder was trained at, or
        their windows are no whole number of patches.
    """
    opened = open_shards(shards)
    held = opened.modalities
    if modality not in held:
        raise ModelError(
            f"{opened.path}: the model takes {modality}; the shards hold {', '.join(held)} "
            "(`modality`, or `modalities` of an evaluation, chooses)"
        )
    found = held[modality]
    if rate_hz is not None and found.rate_hz != rate_hz:
        raise ModelError(
            f"{opened.path}: {modality} at {found.rate_hz:g} Hz; "
            f"the model was made at {rate_hz:g} Hz"
        )
    n_samples, what = found.n_samples // (n_epochs or 1), "epochs" if n_epochs else "windows"
    if n_samples % patch_size:
        raise ModelError(
            f"{opened.path}: {modality} {what} of {n_samples} samples cannot be cut into "
            f"patches of {patch_size}"
        )
    return found.rate_hz


def by_epoch(
    batch: Mapping[str, Tensor], modalities: Iterable[str], n_epochs: int | None
) -> dict[str, Tensor]:
    """Return the signals of a batch with one row per window, or per epoch of its windows.

    Parameters
    ----------
    batch : mapping of str to Tensor
        Of a stream: signals (window, channel, time), or (window, epoch, channel, time) of shards
        that have epochs.
    modalities : iterable of str
        Which signals.
    n_epochs : int or None
        Epochs to cut each window into. None: windows stay whole.

    Returns
    -------
    dict of str to Tensor
        Signals (row, channel, time) and their ``present_...`` (row, channel).

    Examples
    --------
    >>> import torch
    >>> batch = {"eeg": torch.zeros(2, 5, 3, 100), "present_eeg": torch.ones(2, 3)}
    >>> by_epoch(batch, ["eeg"], 5)["eeg"].shape, by_epoch(batch, ["eeg"], None)["eeg"].shape
    (torch.Size([10, 3, 100]), torch.Size([2, 3, 500]))
    """
    found: dict[str, Tensor] = {}
    for name in modalities:
        signal, present = batch[name], batch[f"present_{name}"]
        if signal.ndim == 4:  # whole windows again
            signal = signal.transpose(1, 2).flatten(2)
        if n_epochs is not None:
            parts = signal.reshape(*signal.shape[:2], n_epochs, -1)
            signal = parts.transpose(1, 2).flatten(0, 1)
            present = present.repeat_interleave(n_epochs, 0)
        found |= {name: signal, f"present_{name}": present}
    return found


def pretraining_rows(batch: Mapping[str, Tensor], modality: str) -> dict[str, Tensor]:
    """Return a batch as an encoder is pretrained on it: the epochs of a window one by one.

    Parameters
    ----------
    batch : mapping of str to Tensor
        Of a stream.
    modality : str
        Which signal.

    Returns
    -------
    dict of str to Tensor
        The signal, what is present of it, and ``index``: of an epoch a number of its own.

    Examples
    --------
    >>> import torch
    >>> batch = {"eeg": torch.zeros(1, 3, 2, 100), "present_eeg": torch.ones(1, 2),
    ...          "index": torch.tensor([5])}
    >>> rows = pretraining_rows(batch, "eeg")
    >>> rows["eeg"].shape, rows["index"]
    (torch.Size([3, 2, 100]), tensor([15, 16, 17]))
    """
    signal, index = batch[modality], batch["index"]
    n_epochs = signal.shape[1] if signal.ndim == 4 else None
    if n_epochs is not None:
        index = (index[:, None] * n_epochs + index.new_tensor(range(n_epochs))).flatten()
    return by_epoch(batch, [modality], n_epochs) | {"index": index}


def subject_keys(windows: pd.DataFrame) -> pd.Series[str]:
    """Return ``corpus/subject`` of each window: a subject's name is unique in its corpus only.

    Parameters
    ----------
    windows : pandas.DataFrame
        ``corpus``, ``subject_id``, ``record_id``.

    Returns
    -------
    pandas.Series of str

    Raises
    ------
    ModelError
        If a window has no subject: nothing could keep it out of a test set.
    """
    if windows["subject_id"].isna().any():
        odd = windows.loc[windows["subject_id"].isna(), "record_id"].iloc[0]
        raise ModelError(
            f"record {odd} has no subject: windows cannot be grouped by subject (in an evaluation "
            "protocol record-grouped groups them by record)"
        )
    return windows["corpus"].astype(str) + "/" + windows["subject_id"].astype(str)


def where_subjects(keys: Iterable[str], *, inside: bool) -> str:
    """Return a query for the windows inside, or outside, a set of subjects.

    A window of one of these corpora whose subject is unknown is neither inside nor outside.

    Parameters
    ----------
    keys : iterable of str
        ``corpus/subject``.
    inside : bool
        Whether to keep the windows of these subjects, or all others.

    Returns
    -------
    str

    Examples
    --------
    >>> where_subjects(["eegmat/S01", "eegmat/S02"], inside=True)
    "(corpus == 'eegmat' and subject_id in ['S01', 'S02'])"
    >>> where_subjects(["eegmat/S01"], inside=False)
    "(corpus != 'eegmat' or (subject_id == subject_id and subject_id not in ['S01']))"
    """
    by_corpus: dict[str, list[str]] = {}
    for key in sorted(keys):
        corpus, subject = key.split("/", 1)
        by_corpus.setdefault(corpus, []).append(subject)
    if inside:
        terms = [f"(corpus == {c!r} and subject_id in {s!r})" for c, s in by_corpus.items()]
        return " or ".join(terms)
    terms = [
        f"(corpus != {c!r} or (subject_id == subject_id and subject_id not in {s!r}))"
        for c, s in by_corpus.items()
    ]
    return " and ".join(terms)
