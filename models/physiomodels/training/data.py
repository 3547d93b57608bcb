"""From shards to what an encoder takes: patches in its units, and flags of what exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.stream import ShardStream

#: What an encoder sees as 1: EEG in 100 µV, as CBraMod. Any other signal, ECG first, is centred and
#: divided by its standard deviation a lead and window (our choice: electrode contact and gain move
#: its amplitude more than the heart does).
UNIT_UV = {"eeg": 100.0}


@dataclass(frozen=True)
class Patches:
    """One modality of a batch, ready for a `CrissCrossEncoder`.

    Parameters
    ----------
    x : Tensor of float32, shape (batch, channel, patch, sample)
        Scaled; leads that no sample of the batch has are left out.
    present : Tensor of bool, shape (batch, channel, patch), or None
        What exists and holds no missing sample. None: all of it.
    """

    x: Tensor
    present: Tensor | None


def to_patches(
    batch: Mapping[str, Tensor], modality: str, patch_size: int, device: str = "cpu"
) -> Patches:
    """Cut one modality of a stream's batch into patches.

    Parameters
    ----------
    batch : mapping of str to Tensor
        As `physioprep.ShardStream` yields: ``batch[modality]`` (batch, channel, time) in mV or µV,
        NaN where a sample is missing, and ``present_<modality>`` (batch, channel).
    modality : str
        "ecg", "eeg", ...
    patch_size : int
        Samples a patch; must divide the window.
    device : str
        Where to put it; scaling runs there.

    Raises
    ------
    ModelError
        Where the batch lacks the modality or patches do not fit the window.

    Examples
    --------
    >>> import torch
    >>> batch = {"eeg": torch.full((2, 3, 400), 50.0),
    ...          "present_eeg": torch.tensor([[True, True, False], [True, False, False]])}
    >>> patches = to_patches(batch, "eeg", 200)
    >>> patches.x.shape, float(patches.x[0, 0, 0, 0])           # the third lead is in no sample
    (torch.Size([2, 2, 2, 200]), 0.5)
    """
    if modality not in batch:
        held = ", ".join(key for key, value in batch.items() if value.ndim == 3)
        raise ModelError(f"the model takes {modality}; the shards hold {held}")
    signal = batch[modality].to(device, non_blocking=True)
    if signal.shape[-1] % patch_size:
        raise ModelError(
            f"windows of {signal.shape[-1]} samples cannot be cut into patches of {patch_size}"
        )
    flags = batch[f"present_{modality}" if f"present_{modality}" in batch else "present"]
    leads: Tensor = flags.to(signal.device).bool()
    used = leads.any(0)
    if not bool(used.all()) and bool(used.any()):
        signal, leads = signal[:, used], leads[:, used]
    valid = torch.isfinite(signal)
    unit = UNIT_UV.get(modality)
    signal = _standardise(signal, valid) if unit is None else signal / unit
    x = signal.reshape(*leads.shape, -1, patch_size)
    present = leads[..., None] & valid.reshape(x.shape).all(-1)
    return Patches(x, None if bool(present.all()) else present)


def _standardise(signal: Tensor, valid: Tensor) -> Tensor:
    """Centre and scale each lead by its valid samples; a flat lead becomes zeros."""
    count = valid.sum(-1, keepdim=True).clamp(min=1)
    zeroed = torch.where(valid, signal, 0.0)
    centred = signal - zeroed.sum(-1, keepdim=True) / count
    variance = torch.where(valid, centred, 0.0).square().sum(-1, keepdim=True) / count
    return centred / variance.sqrt().clamp(min=1e-6)


def open_stream(
    shards: str | Path,
    modalities: Iterable[str],
    batch_size: int,
    *,
    where: str | None = None,
    seed: int = 0,
    shuffle: bool = True,
) -> ShardStream:
    """Open the stream that all training and all prediction of this package reads."""
    from physioprep.stream import ShardStream

    return ShardStream(
        shards,
        batch_size=batch_size,
        seed=seed,
        where=where,
        shuffle=shuffle,
        modalities=tuple(modalities),
    )


def window_table(shards: str | Path, where: str | None = None) -> pd.DataFrame:
    """Return the shards' manifest, one row a window: window, corpus, subject_id, label_* ..."""
    from physioprep.shards import open_shards
    from physioprep.shards.query import query_mask

    windows = open_shards(shards).windows
    return windows if where is None else windows[query_mask(windows, where, "windows")]


def check_fit(shards: str | Path, modality: str, patch_size: int, rate_hz: float | None) -> float:
    """Return the sampling rate of a modality after checking that an encoder can take it.

    Raises
    ------
    ModelError
        The shards lack the modality, their rate is not the one the encoder was trained at, or
        their windows are no whole number of patches.
    """
    from physioprep.shards import open_shards

    held = open_shards(shards).modalities
    if modality not in held:
        raise ModelError(f"{shards}: the model takes {modality}; the shards hold {', '.join(held)}")
    found = held[modality]
    if rate_hz is not None and found.rate_hz != rate_hz:
        raise ModelError(
            f"{shards}: {modality} at {found.rate_hz:g} Hz; the model was made at {rate_hz:g} Hz"
        )
    if found.n_samples % patch_size:
        raise ModelError(
            f"{shards}: {modality} windows of {found.n_samples} samples cannot be cut into "
            f"patches of {patch_size}"
        )
    return found.rate_hz


def subject_keys(windows: pd.DataFrame) -> pd.Series[str]:
    """Return ``corpus/subject`` a window, for a subject's name means nothing outside its corpus.

    Raises
    ------
    ModelError
        Where a window has no subject: nothing could keep it out of a test set.
    """
    if windows["subject_id"].isna().any():
        odd = windows.loc[windows["subject_id"].isna(), "record_id"].iloc[0]
        raise ModelError(f"record {odd} has no subject: windows cannot be grouped by subject")
    return windows["corpus"].astype(str) + "/" + windows["subject_id"].astype(str)


def where_subjects(keys: Iterable[str], *, inside: bool) -> str:
    """Return a query for the windows inside, or outside, a set of ``corpus/subject``.

    Outside means provably so: of the corpora named, a window without a subject is left out.

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
