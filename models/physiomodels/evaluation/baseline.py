"""The plain features: band power and heart rate of the same windows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiomodels.training.data import by_epoch, open_stream
from physiomodels.training.encode import Change
from physioprep.shards import open_shards

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

Floats = NDArray[np.float64]

#: Hz.
BANDS = {"delta": (1, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}
#: Signals that have features.
MODALITIES = ("eeg", "ecg", "ppg")
#: Epochs up to this length are parts of one beat: they have no heart rate, s.
_WITHIN_A_BEAT_S = 0.1


def band_power(signal: NDArray[Any], rate_hz: float) -> dict[str, float]:
    """Return log band powers of one EEG window.

    Parameters
    ----------
    signal : ndarray, shape (channel, time)
        µV; a channel with a missing sample gives NaN.
    rate_hz : float
        Sampling rate.

    Returns
    -------
    dict of str to float
        ``<band>_<channel number>``: log10 µV², and ``<band>_<channel number>_share``: log10 of the
        share of 1-45 Hz. Welch's method, 2 s Hann windows, half overlapping.

    Examples
    --------
    >>> t = np.arange(3000) / 200
    >>> power = band_power(10 * np.sin(2 * np.pi * 10 * t)[None], 200.0)
    >>> round(power["alpha_0"], 2), round(power["alpha_0_share"], 2)      # 10²/2 = 10^1.7 µV²
    (1.7, 0.0)
    """
    from scipy.signal import welch

    length = min(signal.shape[1], round(2 * rate_hz))
    frequency, density = welch(signal, rate_hz, nperseg=length, axis=1)
    step = frequency[1]

    def power(low: float, high: float) -> NDArray[np.float64]:
        within = (frequency >= low) & (frequency < high)
        return np.maximum(np.asarray(density[:, within].sum(1) * step, np.float64), 1e-12)

    total = power(1, 45)
    found: dict[str, float] = {}
    for band, (low, high) in BANDS.items():
        values = power(low, high)
        for channel, value in enumerate(values):
            found[f"{band}_{channel}"] = float(np.log10(value))
            found[f"{band}_{channel}_share"] = float(np.log10(value / total[channel]))
    return found


def heart_rate(signal: NDArray[Any], rate_hz: float, modality: str = "ecg") -> dict[str, float]:
    """Return heart-rate features of one ECG lead, or of the PPG, over one window.

    Parameters
    ----------
    signal : ndarray, shape (time,)
        In any unit.
    rate_hz : float
        Sampling rate.
    modality : {"ecg", "ppg"}
        Beats are R peaks, or systolic peaks of the pulse wave (Elgendi et al., 2013).

    Returns
    -------
    dict of str to float
        ``hr`` and ``hr_median`` (1/min), ``sdnn``, ``rmssd``, ``rr_min`` and ``rr_max`` (ms),
        ``pnn50`` (share); R peaks by NeuroKit2 (Makowski et al., 2021). NaN where fewer than three
        beats are found.
    """
    import neurokit2

    names = ("hr", "hr_median", "sdnn", "rmssd", "rr_min", "rr_max", "pnn50")
    unknown = dict.fromkeys(names, float("nan"))
    if not np.isfinite(signal).all() or np.ptp(signal) == 0:
        return unknown
    rate = round(rate_hz)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NeuroKit2's, about windows without a beat
        samples = signal.astype(np.float64)
        if modality == "ppg":
            cleaned = neurokit2.ppg_clean(samples, sampling_rate=rate)
            found = neurokit2.ppg_findpeaks(cleaned, sampling_rate=rate)["PPG_Peaks"]
        else:
            cleaned = neurokit2.ecg_clean(samples, sampling_rate=rate)
            found = neurokit2.ecg_peaks(cleaned, sampling_rate=rate)[1]["ECG_R_Peaks"]
    peaks = np.asarray(found, np.float64)
    if len(peaks) < 3:
        return unknown
    rr = np.diff(peaks) * 1000 / rate_hz
    step = np.diff(rr)
    values = (
        60_000 / rr.mean(),
        60_000 / np.median(rr),
        rr.std(ddof=1),
        np.sqrt(np.mean(step**2)),
        rr.min(),
        rr.max(),
        np.mean(np.abs(step) > 50),
    )
    return dict(zip(names, map(float, values), strict=True))


def delineation(signal: NDArray[Any], rate_hz: float, n_epochs: int) -> dict[str, Floats]:
    """Return where NeuroKit2 sees the waves of one ECG lead, epoch by epoch.

    Parameters
    ----------
    signal : ndarray, shape (time,)
        In any unit.
    rate_hz : float
        Sampling rate.
    n_epochs : int
        Of equal length, one after the other.

    Returns
    -------
    dict of str to ndarray of float64, shape (epoch,)
        ``p``, ``qrs``, ``t`` and ``t_end`` (from the T wave's peak): the share of the epoch that
        lies in such a wave, by `neurokit2.ecg_delineate` (method ``dwt``, after Martinez et al.,
        2004). 0 where nothing is found.
    """
    import neurokit2

    names = {"p": ("P_Onsets", "P_Offsets"), "qrs": ("R_Onsets", "R_Offsets"),
             "t": ("T_Onsets", "T_Offsets"), "t_end": ("T_Peaks", "T_Offsets")}  # fmt: skip
    inside = {name: np.zeros(len(signal)) for name in names}
    if np.isfinite(signal).all() and np.ptp(signal) > 0:
        rate = round(rate_hz)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # NeuroKit2's, about beats without a wave
            try:
                cleaned = neurokit2.ecg_clean(signal.astype(np.float64), sampling_rate=rate)
                peaks = neurokit2.ecg_peaks(cleaned, sampling_rate=rate)[1]["ECG_R_Peaks"]
                _, found = neurokit2.ecg_delineate(cleaned, peaks, sampling_rate=rate, method="dwt")
            except (ValueError, TypeError, IndexError, ZeroDivisionError):  # of too few beats
                found = {}
        for name, (begin, end) in names.items():
            pairs = zip(found.get(f"ECG_{begin}", ()), found.get(f"ECG_{end}", ()), strict=False)
            for start, stop in pairs:
                if np.isfinite(start) and np.isfinite(stop):
                    inside[name][int(start) : int(stop)] = 1
    return {name: held.reshape(n_epochs, -1).mean(1) for name, held in inside.items()}


def features(
    shards: str | Path | Shards,
    modality: str,
    where: str | None = None,
    n_epochs: int | None = None,
    change: Change | None = None,
) -> pd.DataFrame:
    """Compute the features of all windows of shards.

    Parameters
    ----------
    shards : path-like
        Made by `physioprep.shard`.
    modality : str
        "eeg": `band_power` of every channel; "ecg": `heart_rate` of lead II where present, else of
        the first lead present (`delineation` of epochs shorter than a beat); "ppg": the same of the
        first channel present.
    where : str, optional
        Query on the window manifest.
    n_epochs : int, optional
        Epochs of a window that have features of their own.
    change : callable, optional
        Of the signals, before their features.

    Returns
    -------
    pandas.DataFrame
        One row per window, or per epoch of it, indexed by the window's number; NaN where a feature
        cannot be computed.
    """
    import pandas as pd

    opened = open_shards(shards)
    held = opened.modalities[modality]
    second = held.channels.index("II") if "II" in held.channels else 0
    rows, numbers = [], []
    length_s = held.n_samples / held.rate_hz / (n_epochs or 1)
    of_waves = modality == "ecg" and n_epochs is not None and length_s <= _WITHIN_A_BEAT_S
    for batch in open_stream(opened, [modality], 64, where=where, shuffle=False):
        signals = batch if change is None else change(batch)
        cut = by_epoch(signals, [modality], None if of_waves else n_epochs)
        present = cut[f"present_{modality}"].numpy()
        for n, signal in enumerate(cut[modality].numpy()):
            if of_waves:
                assert n_epochs is not None
                lead = second if present[n][second] else int(present[n].argmax())
                shares = delineation(signal[lead], held.rate_hz, n_epochs)
                rows += [
                    {name: share[e] for name, share in shares.items()} for e in range(n_epochs)
                ]
            elif modality == "eeg":
                known = np.where(present[n][:, None], signal, np.nan)
                rows.append(band_power(known, held.rate_hz))
            else:
                lead = second if present[n][second] else int(present[n].argmax())
                rows.append(heart_rate(signal[lead], held.rate_hz, modality))
        numbers.append(np.repeat(batch["index"].numpy(), n_epochs or 1))
    return pd.DataFrame(rows, index=np.concatenate(numbers))
