"""Transforms that augment labelled windows: mixup, time warp, and real noise.

As in `physioprep.stream.transforms`, each is a plain function from a batch to a new one, and its
random numbers depend on (seed, epoch, window number) alone. So that a window's partner does not
depend on its batch, mixup takes it from a bank of windows in memory, not from the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from physioprep.errors import ShardError
from physioprep.stream.batch import Batch
from physioprep.stream.random_numbers import uniform
from physioprep.stream.sequences import over_windows
from physioprep.stream.stream import ShardStream

if TYPE_CHECKING:
    from physioprep.shards import Shards
    from physioprep.store.read import Store


def bank_of(
    shards: str | Path | Shards,
    modalities: Sequence[str],
    *,
    where: str | None = None,
    most: int = 4096,
    seed: int = 0,
) -> Batch:
    """Read windows that `mixup` takes partners from; they stay in memory.

    Parameters
    ----------
    shards : path-like or Shards
        Opened shards are not opened again.
    modalities : sequence of str
        Which signals.
    where : str, optional
        Pandas query on the window manifest: labelled training windows, say.
    most : int
        Of more windows, this many are drawn.
    seed : int
        Of this draw.

    Returns
    -------
    dict of str to Tensor
        A batch of all of them, by window number.
    """
    stream = ShardStream(
        shards, batch_size=256, where=where, shuffle=False, modalities=modalities,
        rank=0, world_size=1,
    )  # fmt: skip
    if stream.n_windows > most:
        held = stream.shards.windows["window"].to_numpy()
        held = held if where is None else held[stream.shards.mask(where)]
        some = np.sort(np.random.default_rng(seed).choice(held, most, replace=False))
        chosen = f"window in {some.tolist()}"
        return bank_of(stream.shards, modalities, where=chosen, most=most, seed=seed)
    batches = [{name: value.clone() for name, value in batch.items()} for batch in stream]
    return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}


def mixup(
    batch: Batch,
    modalities: Sequence[str],
    bank: Batch,
    alpha: float,
    *,
    rate: float = 1.0,
    seed: int,
    epoch: int,
) -> Batch:
    """Mix windows with others: ``share * window + (1 - share) * partner`` (arXiv 1710.09412).

    Give batch and bank signals of a common scale (`physioprep.stream.transforms.zscore`), else the
    larger amplitude wins.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modalities : sequence of str
        All signals of a window are mixed with those of the same partner, and alike.
    bank : dict of str to Tensor
        From `bank_of`, treated as the batch is.
    alpha : float
        Shares are drawn from Beta(`alpha`, `alpha`).
    rate : float
        Probability that a window is mixed, 0 to 1.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor
        A lead is present where both windows have it; windows without a common lead in some
        modality stay as they are. ``mixup_share`` float32 (batch,) is the window's own share,
        ``mixup_index`` int64 (batch,) the partner's number: labels are mixed by `mix_labels`.

    Raises
    ------
    ShardError
        The bank's windows have another shape.
    """
    from scipy.special import betaincinv

    index = batch["index"]
    draw = uniform(index, 3, seed=seed, epoch=epoch, purpose="mixup")
    share = torch.from_numpy(betaincinv(alpha, alpha, draw[:, 0].double().cpu().numpy()))
    share = share.float().to(index.device)
    size = len(bank["index"])
    partner = (draw[:, 1].double() * size).long().clamp(max=size - 1)
    others = {name: value[partner.to(value.device)] for name, value in bank.items()}
    mixed = draw[:, 2] < rate
    both = {}
    for name in modalities:
        if batch[name].shape[1:] != bank[name].shape[1:]:
            raise ShardError(
                f"mixup: {name} windows of shape {tuple(batch[name].shape[1:])}, in the bank "
                f"{tuple(bank[name].shape[1:])}"
            )
        both[name] = batch[f"present_{name}"] & others[f"present_{name}"].to(index.device)
        mixed = mixed & (both[name].any(1) | ~batch[f"present_{name}"].any(1))
    share = torch.where(mixed, share, 1.0)
    changed = {**batch, "mixup_share": share}
    changed["mixup_index"] = torch.where(mixed, others["index"].to(index.device), index)
    for name in modalities:
        other = others[name].to(index.device)
        weight = share.reshape(-1, *(1,) * (other.dim() - 1))
        kept = torch.where(mixed[:, None], both[name], batch[f"present_{name}"])
        absent = ~kept.reshape(len(kept), *(1,) * (other.dim() - 3), -1, 1)
        # a missing sample of the partner is missing only where there is a partner
        value = torch.where(weight < 1, weight * batch[name] + (1 - weight) * other, batch[name])
        changed |= {name: value.masked_fill(absent, 0.0), f"present_{name}": kept}
        if "present" in batch:
            changed["present"] = kept
    return changed


def mix_labels(values: Tensor, batch: Batch) -> Tensor:
    """Return the labels of a batch's windows, mixed as `mixup` mixed their signals.

    Parameters
    ----------
    values : Tensor of float, shape (window of the shards, ...)
        By window number: shares of classes, flags, numbers, or the weight of a window.
    batch : dict of str to Tensor
        From `mixup`; without it, labels are looked up.

    Returns
    -------
    Tensor, shape (batch, ...)

    Examples
    --------
    >>> batch = {"index": torch.tensor([0, 1]), "mixup_index": torch.tensor([1, 1]),
    ...          "mixup_share": torch.tensor([0.75, 1.0])}
    >>> mix_labels(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), batch)
    tensor([[0.7500, 0.2500],
            [0.0000, 1.0000]])
    """
    own = values[batch["index"].to(values.device)]
    if "mixup_share" not in batch:
        return own
    share = batch["mixup_share"].to(values.device).reshape(-1, *(1,) * (own.dim() - 1))
    other = values[batch["mixup_index"].to(values.device)]
    return torch.where(share < 1, share * own + (1 - share) * other, own)


def time_warp(
    batch: Batch,
    modalities: Sequence[str],
    strength: float,
    *,
    knots: int = 4,
    seed: int,
    epoch: int,
) -> Batch:
    """Stretch and shorten parts of each window in time; its begin and its end stay.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modalities : sequence of str
        All are warped alike, so that what was at one time stays so.
    strength : float
        Speeds are drawn from ``1 - strength`` to ``1 + strength``; below 1.
    knots : int
        Speeds per window; between them it changes linearly.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    ShardError
        The windows are cut into epochs, whose labels would not fit, or an argument is invalid.
    """
    if not 0 <= strength < 1 or knots < 2:
        raise ShardError(f"time_warp: strength {strength} from 0 to below 1, {knots} knots from 2")
    draw = uniform(batch["index"], knots, seed=seed, epoch=epoch, purpose="time warp").double()
    speed = 1 + strength * (2 * draw - 1)
    changed = dict(batch)
    for name in modalities:
        if batch[name].dim() == 4:
            raise ShardError(f"time_warp: {name} is cut into epochs, whose labels would not fit")
        changed[name] = _read_at(batch[name], _places(speed, batch[name].shape[-1]))
    return changed


def _places(speed: Tensor, n_samples: int) -> Tensor:
    """Return where each sample is read, (batch, time): the speeds' integral, from 0 to the end."""
    knots = speed.shape[1]
    at = torch.linspace(0, knots - 1, n_samples, dtype=torch.float64, device=speed.device)
    low = at.long().clamp(max=knots - 2)
    rate = speed[:, low] + (at - low) * (speed[:, low + 1] - speed[:, low])
    steps = (rate[:, 1:] + rate[:, :-1]) / 2
    places = torch.cat((torch.zeros_like(rate[:, :1]), steps.cumsum(1)), dim=1)
    return places / places[:, -1:].clamp(min=1e-12) * (n_samples - 1)


def _read_at(signal: Tensor, places: Tensor) -> Tensor:
    """Interpolate (batch, channel, time) linearly; what lies beside a missing sample is missing."""
    low = places.long().clamp(max=max(0, signal.shape[-1] - 2))
    part = (places - low).float()[:, None]
    index = low[:, None].expand(-1, signal.shape[1], -1)
    before = signal.gather(2, index)
    after = signal.gather(2, (index + 1).clamp(max=signal.shape[-1] - 1))
    between = torch.where(part < 1, before + part * (after - before), after)
    return torch.where(part > 0, between, before)


@dataclass(frozen=True, eq=False)
class Noise:
    """Recorded noise, such as that of nstdb.

    Parameters
    ----------
    samples : Tensor of float32, shape (time,)
        All stretches, one after another.
    lengths : tuple of int
        Of each of them.
    rate_hz : float
        Sampling rate, Hz.
    """

    samples: Tensor
    lengths: tuple[int, ...]
    rate_hz: float


def noise_of(store: str | Path | Store, modality: str = "other") -> Noise:
    """Read all channels of all records of a store as noise.

    Parameters
    ----------
    store : path-like or Store
        Of recordings without a signal of interest: nstdb's ``bw``, ``em`` and ``ma``, ingested at
        the rate and in the band of the signals that they shall disturb.
    modality : str
        Their modality.

    Returns
    -------
    Noise

    Raises
    ------
    ShardError
        The store has no such modality.
    """
    from physioprep.store import open_store

    opened: Any = open_store(store) if isinstance(store, str | Path) else store
    if modality not in opened.modalities:
        raise ShardError(
            f"{store}: no modality {modality!r}; it has {', '.join(opened.modalities)}"
        )
    rows = range(len(opened))
    channels = [channel for row in rows for channel in opened.read(row, modality)]
    channels = [np.nan_to_num(channel) for channel in channels if np.isfinite(channel).any()]
    if not channels:
        raise ShardError(f"{store}: no sample of {modality}")
    samples = torch.from_numpy(np.concatenate(channels).astype(np.float32))
    return Noise(samples, tuple(map(len, channels)), opened.rate_hz(modality))


@over_windows
def add_noise(
    batch: Batch,
    modality: str,
    noise: Noise,
    rate_hz: float,
    snr_db: tuple[float, float],
    *,
    rate: float = 1.0,
    seed: int,
    epoch: int,
) -> Batch:
    """Add a stretch of recorded noise to each channel.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    noise : Noise
        From `noise_of`. Each channel has a stretch of its own.
    rate_hz : float
        Sampling rate of the modality, Hz; that of the noise must be the same.
    snr_db : (float, float)
        Range of the ratio of the channel's variance to the noise's, dB: one a window.
    rate : float
        Probability that a window is disturbed, 0 to 1.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor
        Absent channels stay 0, missing samples NaN; a flat channel stays as it is.

    Raises
    ------
    ShardError
        The noise has another sampling rate, or no stretch as long as a window.
    """
    signal, present = batch[modality], batch[f"present_{modality}"]
    n_samples, device = signal.shape[-1], signal.device
    if noise.rate_hz != rate_hz:
        raise ShardError(f"noise at {noise.rate_hz:g} Hz cannot disturb {modality} at {rate_hz:g}")
    lengths = torch.tensor(noise.lengths, device=device)
    starts = (lengths - n_samples + 1).clamp(min=0)
    total = int(starts.sum())
    if not total:
        raise ShardError(f"no noise as long as a window of {n_samples} samples")
    purpose = f"noise {modality}"
    draw = uniform(batch["index"], 2 + signal.shape[1], seed=seed, epoch=epoch, purpose=purpose)
    # the n-th possible start, and the stretch in which it lies
    number = (draw[:, 2:].double() * total).long().clamp(max=total - 1)
    ends = starts.cumsum(0)
    stretch = torch.searchsorted(ends, number, right=True)
    first = number - (ends - starts)[stretch] + (lengths.cumsum(0) - lengths)[stretch]
    place = first[..., None] + torch.arange(n_samples, device=device)
    added = noise.samples.to(device)[place]
    added = added - added.mean(-1, keepdim=True)
    centred = signal - signal.nanmean(-1, keepdim=True)
    power = centred.square().nanmean(-1)
    ratio = 10 ** ((snr_db[0] + (snr_db[1] - snr_db[0]) * draw[:, :1]) / 10)
    loudness = added.square().mean(-1)
    gain = (power / ratio / torch.where(loudness > 0, loudness, math.inf)).sqrt()
    gain = gain.masked_fill(~present | ~(draw[:, 1:2] < rate), 0.0)
    return {**batch, modality: signal + torch.nan_to_num(gain)[..., None] * added}
