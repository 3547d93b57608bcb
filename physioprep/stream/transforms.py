"""Transforms of whole batches in torch, on the batch's device, reproducible after a resume.

Each is a plain function from a batch of `ShardStream` to a new batch; the given one is not
changed. Random numbers are an integer hash of (seed, epoch, window number): a window is
transformed in the same way in any batch, rank, run or device, and differently in the next epoch.
Absent channels stay 0, missing samples stay NaN. Windows of epochs, (batch, epoch, channel, time),
are transformed as the whole windows that they are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physioprep.errors import ShardError
from physioprep.samples import MISSING_INT16
from physioprep.stream.random_numbers import uniform
from physioprep.stream.sequences import over_windows

Batch = dict[str, Tensor]


def physical(batch: Batch) -> Batch:
    """Scale the int16 samples of a raw batch to physical units, on its device.

    Parameters
    ----------
    batch : dict of str to Tensor
        From ``ShardStream(..., raw=True)``.

    Returns
    -------
    dict of str to Tensor
        As the stream yields without `raw`: float32, missing samples NaN, absent channels 0.

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
        if digital.dim() == 4:  # all epochs of a window alike
            present, scale = present[:, None], scale[:, None]
        value = digital.to(torch.float32) * scale
        value = value.masked_fill(digital == MISSING_INT16, math.nan)
        scaled[name] = value.masked_fill(~present, 0.0)
    return scaled


@over_windows
def rescale(batch: Batch, modality: str, factor: float) -> Batch:
    """Multiply a modality by a constant: CBraMod takes EEG in units of 100 µV, factor 0.01.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    factor : float
        The constant.

    Returns
    -------
    dict of str to Tensor
    """
    return {**batch, modality: batch[modality] * factor}


@over_windows
def zscore(batch: Batch, modality: str, *, per_channel: bool = True) -> Batch:
    """Give each window zero mean and unit standard deviation.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    per_channel : bool
        Each channel by itself, or all channels of a window together.

    Returns
    -------
    dict of str to Tensor

    Examples
    --------
    >>> batch = {"ecg": torch.tensor([[[1.0, 3.0]]]), "present_ecg": torch.tensor([[True]])}
    >>> zscore(batch, "ecg")["ecg"]
    tensor([[[-1.,  1.]]])
    """
    return _standardise(batch, modality, per_channel, robust=False)


@over_windows
def robust_scale(batch: Batch, modality: str, *, per_channel: bool = True) -> Batch:
    """Give each window zero median and unit interquartile range.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    per_channel : bool
        Each channel by itself, or all channels of a window together.

    Returns
    -------
    dict of str to Tensor
    """
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
    """Replace missing samples (NaN) by a value.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    value : float
        The new value, in the modality's units.

    Returns
    -------
    dict of str to Tensor
    """
    return {**batch, modality: torch.nan_to_num(batch[modality], nan=value)}


@over_windows
def lead_dropout(batch: Batch, modality: str, rate: float, *, seed: int, epoch: int) -> Batch:
    """Make each channel absent with probability `rate`; one present channel always remains.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    rate : float
        Probability per channel, 0 to 1.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor
        ``present_<modality>`` tells which channels remain; the others are 0.

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
    """Cut a random part of `n_samples` from each window.

    Crops of several modalities with the same seed and epoch, and the same length in seconds, begin
    at the same time (to a sample).

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    n_samples : int
        Length of the part.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor
        The modality has the shape (batch, channel, `n_samples`).

    Raises
    ------
    ShardError
        The windows are shorter than `n_samples`, or it is not positive; or they are cut into
        epochs, which a crop would move away from their labels.
    """
    signal = batch[modality]
    if signal.dim() == 4:
        raise ShardError(f"random_crop: {modality} is cut into epochs, whose labels would not fit")
    slack = signal.shape[-1] - n_samples
    if slack < 0 or n_samples < 1:
        raise ShardError(f"a crop of {n_samples} samples out of windows of {signal.shape[-1]}")
    draw = uniform(batch["index"], 1, seed=seed, epoch=epoch, purpose="crop")
    first = (draw * (slack + 1)).long().clamp(max=slack)
    place = first + torch.arange(n_samples, device=signal.device)
    place = place[:, None].expand(-1, signal.shape[1], -1)
    return {**batch, modality: signal.gather(2, place)}


@over_windows
def flip_polarity(batch: Batch, modality: str, rate: float, *, seed: int, epoch: int) -> Batch:
    """Invert whole windows with probability `rate`.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    rate : float
        Probability per window, 0 to 1.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor
    """
    draw = uniform(batch["index"], 1, seed=seed, epoch=epoch, purpose=f"polarity {modality}")
    sign = torch.where(draw < rate, -1.0, 1.0)[..., None]
    return {**batch, modality: batch[modality] * sign}


@over_windows
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
    """Add a slow sine, like breathing and electrodes: one frequency per window, a gain per channel.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    amplitude : float
        Largest amplitude, in the modality's units.
    rate_hz : float
        Sampling rate of the modality, Hz.
    band_hz : (float, float)
        Lowest and highest frequency, Hz.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor
    """
    return _add_sine(
        batch, modality, amplitude, rate_hz, band_hz, f"wander {modality}", seed, epoch
    )


@over_windows
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
    """Add mains noise: a random phase per window and gain per channel.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    amplitude : float
        Largest amplitude, in the modality's units.
    rate_hz : float
        Sampling rate of the modality, Hz.
    mains_hz : float
        50 or 60 Hz.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    ShardError
        `mains_hz` is not below half the sampling rate.
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


@over_windows
def time_mask(batch: Batch, modality: str, max_samples: int, *, seed: int, epoch: int) -> Batch:
    """Set one random part of each window to 0 in all channels.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, channel, time), physical units.
    max_samples : int
        Maximal length of the part.
    seed, epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor
    """
    signal = batch[modality]
    draw = uniform(batch["index"], 2, seed=seed, epoch=epoch, purpose=f"time {modality}")
    length = (draw[:, :1] * (min(max_samples, signal.shape[-1]) + 1)).long()
    first = (draw[:, 1:] * (signal.shape[-1] - length + 1)).long()
    place = torch.arange(signal.shape[-1], device=signal.device)
    masked = (place >= first) & (place < first + length)
    return {**batch, modality: signal.masked_fill(masked[:, None], 0.0)}
