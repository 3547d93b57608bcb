"""Draw docs/figures/harmonise.png: what the recipes let through, and how far from the edges.

python docs/figures/harmonise.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt

from physioprep.harmonise import load_recipe
from physioprep.harmonise.anti_alias import anti_alias_gain
from physioprep.harmonise.filters import Filter, kernel

SHOWN = (("ecg-200hz", "ecg"), ("ecg-500hz", "ecg"), ("ecgfounder", "ecg"), ("eeg-200hz", "eeg"))
SOURCE_HZ = 1000.0


def filters_of(recipe: str, modality: str) -> tuple[float, tuple[Filter, ...]]:
    """Return the rate that a recipe's filters run at, and the filters."""
    chosen = load_recipe(recipe).modalities[modality]
    return chosen.rate_hz, chosen.chain(SOURCE_HZ).filters


def gain(recipe: str, modality: str, frequency_hz: np.ndarray) -> np.ndarray:
    """Gain from a 1,000 Hz source, anti-alias filter included."""
    rate_hz, filters = filters_of(recipe, modality)
    total = anti_alias_gain(frequency_hz, SOURCE_HZ, rate_hz)
    for spec in filters:
        taps = kernel(spec, rate_hz)
        half = len(taps) // 2
        n = 1 << 18
        dense = np.fft.rfft(np.roll(np.pad(taps, (0, n - len(taps))), -half)).real
        total = total * np.interp(frequency_hz, np.fft.rfftfreq(n, 1 / rate_hz), dense)
    return total


def main() -> None:
    """Draw the three panels."""
    figure, (low, whole, time) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for recipe, modality in SHOWN:
        low_hz, high_hz = np.linspace(0.01, 2, 800), np.linspace(0.1, 250, 4000)
        low.plot(low_hz, gain(recipe, modality, low_hz), label=recipe)
        attenuation = 20 * np.log10(np.maximum(np.abs(gain(recipe, modality, high_hz)), 1e-6))
        whole.plot(high_hz, attenuation, lw=1)
        rate_hz, filters = filters_of(recipe, modality)
        taps = np.ones(1)
        for spec in filters:
            taps = np.convolve(taps, kernel(spec, rate_hz))
        half = len(taps) // 2
        after = np.cumsum(np.abs(taps[half:])[::-1])[::-1] / np.abs(taps).sum()
        time.semilogy(np.arange(half + 1) / rate_hz, np.maximum(after, 1e-9), lw=1)
    low.set(xlabel="frequency (Hz)", ylabel="gain", title="lower edge")
    low.legend(fontsize=8)
    whole.set(xlabel="frequency (Hz)", ylabel="gain (dB)", title="whole band", ylim=(-100, 5))
    time.set(
        xlabel="distance (s)",
        ylabel="part of the kernel beyond",
        title="how far an edge is felt",
        ylim=(1e-7, 1),
    )
    for axes in (low, whole, time):
        axes.grid(alpha=0.3)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=80)


if __name__ == "__main__":
    main()
