"""Transforms of whole batches in torch, on the device, the same again after a resume.

Each is a plain function that takes a batch of `ShardStream` and returns another, and leaves
the one it was given alone. Random ones draw from (seed, epoch, window number) by an integer
hash, so that a window gets the same treatment in whatever batch, rank, run or device it comes,
and another in the next epoch. Absent channels stay 0, missing samples stay NaN.
"""

from __future__ import annotations

import math
import zlib

import torch
from torch import Tensor

from physioprep.errors import ShardError
from physioprep.samples import MISSING_INT16
from physioprep.stream.random_numbers import GOLDEN, mix

Batch = dict[str, Tensor]


def physical(batch: Batch) -> Batch:
    """Scale the int16 samples of a raw batch, on the device they are on.

    Parameters
    ----------
    batch : dict of str to Tensor
        From ``ShardStream(..., raw=True)``.

    Returns
    -------
    dict of str to Tensor
        What the stream yields without `raw`.

    Examples
    --------
    >>> raw = {"ecg": torch.tensor([[[2, -32768]]], dtype=torch.int16),
    ...        "ecg_scale": torch.tensor([[0.5]]), "present_ecg": torch.tensor([[True]])}
    >>> physical(raw)["ecg"]
    tensor([[[1., nan]]])
    """
    scaled = dict(batch)
    for name in [name for name in batch if f"{name}_scale" in batch]:
        digital, present = batch[name], batch[f"present_{name}"][..., None]
        scale = scaled.pop(f"{name}_scale")[..., None]
        value = digital.to(torch.float32) * scale
        value = value.masked_fill(digital == MISSING_INT16, math.nan)
        scaled[name] = value.masked_fill(~present, 0.0)
    return scaled


def uniform(index: Tensor, count: int, *, seed: int, epoch: int, purpose: str) -> Tensor:
    """Draw numbers that depend on nothing but window, seed, epoch and purpose.

    The generator is splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195) on a
    counter, in integer arithmetic that is the same on every device.

    Parameters
    ----------
    index : Tensor of int64, shape (batch,)
        Window numbers.
    count : int
        Draws a window.
    seed, epoch : int
    purpose : str
        Draws for different purposes are independent.

    Returns
    -------
    Tensor of float32, shape (batch, count)
        In [0, 1).

    Examples
    --------
    >>> uniform(torch.tensor([7]), 2, seed=0, epoch=0, purpose="crop")
    tensor([[0.8148, 0.4564]])
    """
    salt = torch.tensor(
        [zlib.crc32(purpose.encode()), seed, epoch], dtype=torch.int64, device=index.device
    )
    state = torch.zeros((), dtype=torch.int64, device=index.device)
    for part in salt:
        state = mix(state + part)
    state = mix(state + index)
    draw = torch.arange(1, count + 1, dtype=torch.int64, device=index.device)
    bits = mix(state[:, None] + draw * GOLDEN)
    return ((bits >> 40) & 0xFFFFFF).to(torch.float32) / 2**24


def rescale(batch: Batch, modality: str, factor: float) -> Batch:
    """Multiply a modality by a constant: CBraMod takes EEG in units of 100 µV, factor 0.01."""
    return {**batch, modality: batch[modality] * factor}


def zscore(batch: Batch, modality: str, *, per_channel: bool = True) -> Batch:
    """Give each window zero mean and unit deviation, a channel or all channels together.

    Examples
    --------
    >>> batch = {"ecg": torch.tensor([[[1.0, 3.0]]]), "present_ecg": torch.tensor([[True]])}
    >>> zscore(batch, "ecg")["ecg"]
    tensor([[[-1.,  1.]]])
    """
    return _standardise(batch, modality, per_channel, robust=False)


def robust_scale(batch: Batch, modality: str, *, per_channel: bool = True) -> Batch:
    """Give each window zero median and unit interquartile range."""
    return _standardise(batch, modality, per_channel, robust=True)


def _standardise(batch: Batch, modality: str, per_channel: bool, *, robust: bool) -> Batch:
    signal, present = batch[modality], batch[f"present_{modality}"][..., None]
    known = signal.masked_fill(~present, math.nan)
    if not per_channel:
        known = known.flatten(1)[:, None]
    if robust:
        low, centre, high = torch.nanquantile(
            known, torch.tensor([0.25, 0.5, 0.75], device=signal.device), dim=-1, keepdim=True
        )
        spread = high - low
    else:
        centre = known.nanmean(dim=-1, keepdim=True)
        spread = (known - centre).square().nanmean(dim=-1, keepdim=True).sqrt()
    # A flat channel has no spread to divide by; it becomes 0.
    standard = (signal - centre) / torch.where(spread > 0, spread, 1.0)
    return {**batch, modality: standard.masked_fill(~present, 0.0)}


def fill_missing(batch: Batch, modality: str, value: float = 0.0) -> Batch:
    """Replace missing samples (NaN) by a value."""
    return {**batch, modality: torch.nan_to_num(batch[modality], nan=value)}


def lead_dropout(batch: Batch, modality: str, rate: float, *, seed: int, epoch: int) -> Batch:
    """Make each channel absent with probability `rate`; one that was present always stays.

    Parameters
    ----------
    batch : dict of str to Tensor
    modality : str
    rate : float
        Probability a channel.
    seed, epoch : int

    Examples
    --------
    >>> batch = {"ecg": torch.ones(1, 3, 2), "present_ecg": torch.ones(1, 3, dtype=torch.bool),
    ...          "index": torch.tensor([4])}
    >>> lead_dropout(batch, "ecg", 1.0, seed=0, epoch=0)["present_ecg"].sum()
    tensor(1)
    """
    present = batch[f"present_{modality}"]
    draw = uniform(
        batch["index"], present.shape[1], seed=seed, epoch=epoch, purpose=f"leads {modality}"
    )
    kept = present & (draw >= rate)
    luckiest = draw.masked_fill(~present, -1.0).argmax(dim=1, keepdim=True)
    kept = kept | (torch.zeros_like(kept).scatter(1, luckiest, True) & present)
    changed = {
        **batch,
        modality: batch[modality].masked_fill(~kept[..., None], 0.0),
        f"present_{modality}": kept,
    }
    if "present" in batch:
        changed["present"] = kept
    return changed


def random_crop(batch: Batch, modality: str, n_samples: int, *, seed: int, epoch: int) -> Batch:
    """Cut a random stretch of `n_samples` out of each window.

    Modalities cropped with the same seed and epoch are cut at the same place in time, to a
    sample, where their crops are equally long in seconds.

    Raises
    ------
    ShardError
        If the windows are shorter than that.
    """
    signal = batch[modality]
    slack = signal.shape[-1] - n_samples
    if slack < 0 or n_samples < 1:
        raise ShardError(f"a crop of {n_samples} samples out of windows of {signal.shape[-1]}")
    draw = uniform(batch["index"], 1, seed=seed, epoch=epoch, purpose="crop")
    first = (draw * (slack + 1)).long().clamp(max=slack)
    place = first + torch.arange(n_samples, device=signal.device)
    place = place[:, None].expand(-1, signal.shape[1], -1)
    return {**batch, modality: signal.gather(2, place)}


def flip_polarity(batch: Batch, modality: str, rate: float, *, seed: int, epoch: int) -> Batch:
    """Turn whole windows upside down with probability `rate`."""
    draw = uniform(batch["index"], 1, seed=seed, epoch=epoch, purpose=f"polarity {modality}")
    sign = torch.where(draw < rate, -1.0, 1.0)[..., None]
    return {**batch, modality: batch[modality] * sign}


def baseline_wander(
    batch: Batch,
    modality: str,
    amplitude: float,
    rate_hz: float,
    *,
    band_hz: tuple[float, float] = (0.05, 0.5),
    seed: int,
    epoch: int,
) -> Batch:
    """Add a slow sine, as breathing and electrodes do: one frequency a window, a gain a channel.

    Parameters
    ----------
    batch : dict of str to Tensor
    modality : str
    amplitude : float
        Largest, in the modality's units.
    rate_hz : float
        Sampling rate of the modality.
    band_hz : (float, float)
        Lowest and highest frequency.
    seed, epoch : int
    """
    return _add_sine(
        batch, modality, amplitude, rate_hz, band_hz, f"wander {modality}", seed, epoch
    )


def mains_noise(
    batch: Batch,
    modality: str,
    amplitude: float,
    rate_hz: float,
    *,
    mains_hz: float = 50.0,
    seed: int,
    epoch: int,
) -> Batch:
    """Add mains hum, its phase a window and its gain a channel.

    Parameters
    ----------
    batch : dict of str to Tensor
    modality : str
    amplitude : float
        Largest, in the modality's units.
    rate_hz : float
        Sampling rate of the modality.
    mains_hz : float
        50 or 60.
    seed, epoch : int

    Raises
    ------
    ShardError
        If the sampling rate cannot hold that frequency.
    """
    if mains_hz >= rate_hz / 2:
        raise ShardError(f"{modality} at {rate_hz:g} Hz cannot hold {mains_hz:g} Hz")
    band = (mains_hz, mains_hz)
    return _add_sine(batch, modality, amplitude, rate_hz, band, f"mains {modality}", seed, epoch)


def _add_sine(
    batch: Batch,
    modality: str,
    amplitude: float,
    rate_hz: float,
    band_hz: tuple[float, float],
    purpose: str,
    seed: int,
    epoch: int,
) -> Batch:
    signal = batch[modality]
    draw = uniform(batch["index"], 2 + signal.shape[1], seed=seed, epoch=epoch, purpose=purpose)
    frequency = band_hz[0] + (band_hz[1] - band_hz[0]) * draw[:, :1]
    time_s = torch.arange(signal.shape[-1], device=signal.device) / rate_hz
    sine = torch.sin(2 * math.pi * (frequency * time_s + draw[:, 1:2]))
    gain = amplitude * (2 * draw[:, 2:] - 1)
    gain = gain.masked_fill(~batch[f"present_{modality}"], 0.0)
    return {**batch, modality: signal + gain[..., None] * sine[:, None]}


def time_mask(batch: Batch, modality: str, max_samples: int, *, seed: int, epoch: int) -> Batch:
    """Set one stretch of each window, up to `max_samples` long, to 0 in all channels."""
    signal = batch[modality]
    draw = uniform(batch["index"], 2, seed=seed, epoch=epoch, purpose=f"time {modality}")
    length = (draw[:, :1] * (min(max_samples, signal.shape[-1]) + 1)).long()
    first = (draw[:, 1:] * (signal.shape[-1] - length + 1)).long()
    place = torch.arange(signal.shape[-1], device=signal.device)
    masked = (place >= first) & (place < first + length)
    return {**batch, modality: signal.masked_fill(masked[:, None], 0.0)}
