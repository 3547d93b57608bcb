"""A drawn ECG whose waves, in every lead, are where they are said to be."""

import numpy as np

RATE_HZ = 500.0
#: Centre from the R peak and width (standard deviation), s, and amplitude, mV.
WAVES = {
    "p": (-0.16, 0.02, 0.15),
    "q": (-0.025, 0.006, -0.12),
    "r": (0.0, 0.010, 1.1),
    "s": (0.028, 0.007, -0.25),
    "t": (0.27, 0.045, 0.3),
}


def drawn_ecg(
    seconds: float = 30.0, rr_s: float = 0.8, gain: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal in mV, with 2 µV of noise, and the times of the R peaks, s."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    r_s = np.arange(0.6, seconds - 0.6, rr_s)
    signal = np.random.default_rng(seed).normal(0, 0.002, len(time))
    for at in r_s:
        for centre, width, height in WAVES.values():
            signal += gain * height * np.exp(-0.5 * ((time - at - centre) / width) ** 2)
    return signal, r_s
