"""A drawn heart of varying rhythm, whose pulses come a stated time after its R peaks."""

from pathlib import Path

import numpy as np
import wfdb

RATE_HZ = 125.0
#: Seconds from the foot of a pulse to its peak.
RISE_S = 0.12


def drawn_heart(seconds: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an ECG in mV and the times of its R peaks, s."""
    rng = np.random.default_rng(seed)
    r_s = 0.6 + np.cumsum(rng.uniform(0.65, 1.0, round(2 * seconds)))
    r_s = r_s[r_s < seconds - 0.5]
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    ecg = rng.normal(0, 0.005, len(time))
    for at in r_s:
        ecg += np.exp(-0.5 * ((time - at) / 0.012) ** 2)
        ecg += 0.25 * np.exp(-0.5 * ((time - at - 0.27) / 0.05) ** 2)
    return ecg, r_s


def pulse_wave(seconds: float, foot_s: np.ndarray) -> np.ndarray:
    """Return a wave from 0 to 1 that rises at each foot."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = np.zeros(len(time))
    for foot in foot_s:
        x = np.clip((time - foot) / RISE_S, 0, None)
        wave = np.maximum(wave, x * np.exp(1 - x))
    return wave


def write_pair(
    folder: Path, name: str, lag_s: float, *, seconds: float = 60.0, seed: int = 0
) -> np.ndarray:
    """Write an ECG, a PPG and a pressure of 120/75 mmHg as WFDB; return the R peaks, s."""
    folder.mkdir(exist_ok=True)
    ecg, r_s = drawn_heart(seconds, seed)
    wave = pulse_wave(seconds, r_s + lag_s)
    signal = np.stack([ecg, wave, 75 + 45 * wave], axis=1)
    wfdb.wrsamp(
        name, RATE_HZ, ["mV", "NU", "mmHg"], ["II", "PLETH", "ABP"], signal,
        fmt=["16"] * 3, write_dir=str(folder),
    )  # fmt: skip
    return r_s
