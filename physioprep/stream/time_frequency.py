"""Spectrograms and scalograms of whole batches, on the batch's device, for image networks.

Plain functions from a batch to a new one, as in `physioprep.stream.transforms`. The signal stays,
and its picture is added: float32 (batch, channel, frequency, time), the lowest frequency first.
Windows of epochs have a picture for each epoch. Absent channels are 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from physioprep.errors import ShardError
from physioprep.stream.batch import Batch
from physioprep.stream.wavelets import ScalogramSpec, wavelets

#: Complex numbers held at a time.
_MOST = 2**25


@dataclass(frozen=True)
class SpectrogramSpec:
    """How spectrograms are made.

    Parameters
    ----------
    window_s, hop_s : float
        Length of a segment (Hann), and from one to the next, s.
    low_hz, high_hz : float or None
        First and last frequency, Hz; None: all.
    n_bands : int or None
        Triangular bands with equal distances on a mel scale, in place of the frequencies of the
        Fourier transform.
    break_hz : float
        The scale is ``log(1 + f / break_hz)``: linear below, logarithmic above. 700 Hz is that of
        hearing; 10 Hz suits ECG and EEG.
    size : (int, int) or None
        Height and width to which a picture is resized: bilinear, anti-aliased.
    log : bool
        In dB of 1 unit² (/Hz); else density in unit²/Hz, and of bands the power in unit².
    floor : float
        Less counts as this, where `log` is on: dB are never -inf.
    """

    window_s: float = 1.0
    hop_s: float = 0.1
    low_hz: float | None = None
    high_hz: float | None = None
    n_bands: int | None = None
    break_hz: float = 700.0
    size: tuple[int, int] | None = None
    log: bool = True
    floor: float = 1e-6


def spectrogram(batch: Batch, modality: str, rate_hz: float, spec: SpectrogramSpec) -> Batch:
    """Add the short-time spectra of a modality, per channel.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, [epoch,] channel, time).
    rate_hz : float
        Sampling rate of the modality, Hz.
    spec : SpectrogramSpec

    Returns
    -------
    dict of str to Tensor
        With ``<modality>_spectrogram``: without bands and size, what `scipy.signal.spectrogram`
        gives by default. A segment with a missing sample is NaN.

    Raises
    ------
    ShardError
        Windows are shorter than a segment; a band lies between two frequencies.

    Examples
    --------
    >>> batch = {"ecg": torch.zeros(2, 12, 1000), "present_ecg": torch.ones(2, 12)}
    >>> spec = SpectrogramSpec(1.0, 0.1, n_bands=16, high_hz=40, break_hz=10, size=(64, 64))
    >>> spectrogram(batch, "ecg", 100.0, spec)["ecg_spectrogram"].shape
    torch.Size([2, 12, 64, 64])
    """
    signal = batch[modality]
    segment, hop = round(spec.window_s * rate_hz), max(1, round(spec.hop_s * rate_hz))
    if not 2 <= segment <= signal.shape[-1]:
        raise ShardError(f"segments of {segment} samples in windows of {signal.shape[-1]}")
    window = torch.hann_window(segment, dtype=torch.float64)
    scale = 1 / (rate_hz * float(window.square().sum()))
    frames = signal.unfold(-1, segment, hop)
    frames = (frames - frames.mean(-1, keepdim=True)) * window.float().to(signal.device)
    power = torch.fft.rfft(frames).abs().square() * scale
    one_side = torch.full((segment // 2 + 1,), 2.0, device=signal.device)
    one_side[0] = 1
    if segment % 2 == 0:
        one_side[-1] = 1
    hz = torch.arange(segment // 2 + 1, dtype=torch.float64) * (rate_hz / segment)
    low, high = spec.low_hz or 0.0, spec.high_hz or rate_hz / 2
    power = power * one_side
    if spec.n_bands is None:
        inside = (hz >= low) & (hz <= high)
        power = power[..., inside.to(signal.device)]
    else:
        bands = mel_bands(hz, low, high, spec.n_bands, spec.break_hz)
        power = power @ (bands * (rate_hz / segment)).float().to(signal.device)
    if spec.log:
        power = 10 * power.clamp(min=spec.floor).log10()
    picture = power.transpose(-1, -2)
    if spec.size is not None:
        resized = torch.nn.functional.interpolate(
            picture.flatten(0, -4), spec.size, mode="bilinear", antialias=True
        )
        picture = resized.reshape(*picture.shape[:-2], *spec.size)
    return {**batch, f"{modality}_spectrogram": _without_absent(picture, batch, modality)}


def mel_bands(hz: Tensor, low_hz: float, high_hz: float, n_bands: int, break_hz: float) -> Tensor:
    """Return the weights of triangular bands: 1 in the middle, 0 in the middle of the next.

    Parameters
    ----------
    hz : Tensor, shape (frequency,)
        Frequencies, Hz.
    low_hz, high_hz : float
        Where the first band begins and the last one ends, Hz.
    n_bands : int
        Number of bands.
    break_hz : float
        Of the scale ``log(1 + f / break_hz)``, on which their middles have equal distances.

    Returns
    -------
    Tensor, shape (frequency, band)

    Raises
    ------
    ShardError
        A band holds none of the frequencies.
    """
    if not 0 <= low_hz < high_hz or n_bands < 1 or break_hz <= 0:
        raise ShardError(f"{n_bands} bands from {low_hz:g} to {high_hz:g} Hz")
    ends = torch.tensor([low_hz, high_hz], dtype=torch.float64)
    first, last = torch.log1p(ends / break_hz).tolist()
    edges = torch.expm1(torch.linspace(first, last, n_bands + 2, dtype=torch.float64)) * break_hz
    rise = (hz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz[:, None]) / (edges[2:] - edges[1:-1])
    weights = torch.minimum(rise, fall).clamp(min=0)
    if not bool((weights > 0).any(0).all()):
        raise ShardError(
            f"{n_bands} bands from {low_hz:g} to {high_hz:g} Hz: some lie between two frequencies; "
            "take fewer, or longer segments"
        )
    return weights


def scalogram(batch: Batch, modality: str, rate_hz: float, spec: ScalogramSpec) -> Batch:
    """Add the scalograms of a modality, per channel: Morlet wavelets, by Fourier transform.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream; it is not changed.
    modality : str
        ``"ecg"``, ``"eeg"``, ...: float32, shape (batch, [epoch,] channel, time).
    rate_hz : float
        Sampling rate of the modality, Hz.
    spec : ScalogramSpec

    Returns
    -------
    dict of str to Tensor
        With ``<modality>_scalogram``, (batch, [epoch,] channel, height, width). The mean of a
        window is subtracted, and beyond its ends it is 0. Values that depend on a missing sample
        are NaN.

    Raises
    ------
    PhysioprepError
        A frequency is not below half the rate; more columns than samples.

    Examples
    --------
    >>> time = torch.arange(1000) / 100
    >>> batch = {"ecg": torch.sin(2 * math.pi * 5 * time)[None, None],
    ...          "present_ecg": torch.ones(1, 1, dtype=torch.bool)}
    >>> spec = ScalogramSpec(1, 25, height=3, width=50, log=False)
    >>> scalogram(batch, "ecg", 100.0, spec)["ecg_scalogram"][0, 0, 1, 25].round(decimals=3)
    tensor(1.)
    """
    signal = batch[modality]
    bank, reach, n_fft = _on_device(spec, rate_hz, signal.shape[-1], str(signal.device))
    missing = signal.isnan()
    flat = torch.nan_to_num(signal - signal.nanmean(-1, keepdim=True), nan=0.0)
    some = bool(missing.any())
    spectrum = torch.fft.fft(flat, n_fft)[..., None, :]
    rows = max(1, _MOST // max(1, spectrum.numel()))
    parts = []
    for wavelet, far in zip(*(torch.split(each, rows) for each in (bank, reach)), strict=True):
        values = torch.fft.ifft(spectrum * wavelet)[..., : signal.shape[-1]]
        power = values.real.square() + values.imag.square()
        if some:
            power = power.masked_fill(_touched(missing, far), math.nan)
        pooled = torch.nn.functional.adaptive_avg_pool1d(power.flatten(0, -3), spec.width)
        parts.append(pooled.reshape(*power.shape[:-1], spec.width))
    picture = torch.cat(parts, dim=-2).sqrt()
    if spec.log:
        picture = 20 * picture.clamp(min=spec.floor).log10()
    return {**batch, f"{modality}_scalogram": _without_absent(picture, batch, modality)}


@lru_cache(maxsize=4)
def _on_device(
    spec: ScalogramSpec, rate_hz: float, n_samples: int, device: str
) -> tuple[Tensor, Tensor, int]:
    bank = wavelets(spec, rate_hz, n_samples)
    spectra = torch.from_numpy(bank.spectra).to(device)
    return spectra, torch.from_numpy(bank.reach).to(device), spectra.shape[-1]


def _touched(missing: Tensor, reach: Tensor) -> Tensor:
    """Return for each wavelet which samples have a missing one in its reach."""
    n_samples = missing.shape[-1]
    count = torch.nn.functional.pad(missing.long().cumsum(-1), (1, 0))
    at = torch.arange(n_samples, device=missing.device)
    last = (at + reach[:, None] + 1).clamp(max=n_samples)
    first = (at - reach[:, None]).clamp(min=0)
    return count[..., last] > count[..., first]


def _without_absent(picture: Tensor, batch: Batch, modality: str) -> Tensor:
    present = batch[f"present_{modality}"].bool()[..., None, None]
    if picture.dim() == 5:  # all epochs of a window alike
        present = present[:, None]
    return picture.masked_fill(~present, 0.0)
