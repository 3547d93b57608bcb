"""Harmonisation beside what people use: resample_poly and sosfiltfilt, and MNE-Python.

    python benchmarks/harmonise.py [--repeats 5]

Samples are in memory; one core; CPU time, since others may use the machine. Prints the time of
a recording, how many times faster ours is, and the largest error away from the edges, beyond
the rounding to a step and in parts of the signal's rms, against the same operation in float64
and step by step: resample_poly with the same window, then MNE-Python's filters.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, firwin, iirnotch, resample_poly, sosfiltfilt, tf2sos

from physioprep.harmonise import harmonise, load_recipe
from physioprep.harmonise.anti_alias import _BETA, PASS, half_length_s, ratio
from physioprep.recording import Recording, SignalGroup

Array = NDArray[np.float64]


def made(channels: int, rate_hz: float, duration_s: float, unit: str, gain: float) -> Recording:
    """Noise with the spectrum of a biosignal, as a file would hold it."""
    rng = np.random.default_rng(0)
    n = round(rate_hz * duration_s)
    x = rng.standard_normal((channels, n)) + 0.1 * np.cumsum(rng.standard_normal((channels, n)), 1)
    names = [f"V{i % 9 + 1}" for i in range(channels)] if unit == "mV" else _electrodes(channels)
    one = np.ones(channels)
    group = SignalGroup(
        tuple(names), (unit,) * channels, rate_hz, n, gain * one, 0 * one, -32768 * one,
        digital=np.clip(100 * x, -32767, 32767).astype(np.int16),
    )  # fmt: skip
    return Recording(Path("made"), "made", (group,), (Path("made"),))


def _electrodes(n: int) -> list[str]:
    from physioprep.harmonise.montage import TCP_PAIRS

    names = dict.fromkeys(name for pair in TCP_PAIRS for name in pair)
    return [*names, "Fz", "Pz", "T9", "T10", "Oz"][:n]


def script(recording: Recording, band: tuple[float, float], mains: tuple[float, ...]) -> Array:
    """Filter at the source's rate forward and backward, then resample, all in float64."""
    group = recording.groups[0]
    x = group.physical()
    sos = butter(4, band, "bandpass", fs=group.sampling_rate, output="sos")
    for frequency in mains:
        sos = np.concatenate([sos, tf2sos(*iirnotch(frequency, 30, fs=group.sampling_rate))])
    x = sosfiltfilt(sos, x, axis=1)
    step = ratio(group.sampling_rate, 200.0)
    return np.asarray(resample_poly(x, step.numerator, step.denominator, axis=1))


def with_mne(recording: Recording, band: tuple[float, float], mains: tuple[float, ...]) -> Array:
    """MNE-Python on arrays: resample, filter, notch."""
    group = recording.groups[0]
    step = ratio(group.sampling_rate, 200.0)
    x = mne.filter.resample(group.physical(), step.numerator, step.denominator, verbose="ERROR")
    x = mne.filter.filter_data(x, 200.0, *band, verbose="ERROR")
    return np.asarray(mne.filter.notch_filter(x, 200.0, mains, verbose="ERROR") if mains else x)


def reference(recording: Recording, band: tuple[float, float], mains: tuple[float, ...]) -> Array:
    """What ours should give, in float64 and step by step."""
    group = recording.groups[0]
    step = ratio(group.sampling_rate, 200.0)
    up, down = step.numerator, step.denominator
    x = group.physical()
    x -= x[:, :1]
    virtual_hz = up * group.sampling_rate
    taps = 2 * int(half_length_s(group.sampling_rate, 200.0) * virtual_hz) + 1
    cut_hz = min(group.sampling_rate, 200.0) / 2 * (1 + PASS) / 2
    window = firwin(taps, cut_hz, window=("kaiser", _BETA), fs=virtual_hz)
    x = resample_poly(x, up, down, axis=1, window=window, padtype="line")
    x = mne.filter.filter_data(x, 200.0, *band, verbose="ERROR")
    return np.asarray(mne.filter.notch_filter(x, 200.0, mains, verbose="ERROR") if mains else x)


def best(call: Callable[[], object], repeats: int) -> float:
    """Shortest of some runs, s; short calls are run often enough to last 20 ms."""
    call()
    begin = time.process_time()
    call()
    often = max(1, round(0.02 / (time.process_time() - begin)))
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        for _ in range(often):
            call()
        times.append((time.process_time() - begin) / often)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    cases = [
        ("ECG 12 x 10 s, 500 Hz", made(12, 500, 10, "mV", 1000), "ecg-200hz", (0.5, 40.0), ()),
        ("ECG 2 x 30 min, 360 Hz", made(2, 360, 1805.6, "mV", 200), "ecg-200hz", (0.5, 40.0), ()),
        (
            "EEG 23 x 20 min, 256 Hz", made(23, 256, 1200, "uV", 10), "eeg-200hz",
            (0.3, 75.0), (50.0, 60.0),
        ),
    ]  # fmt: skip
    print("| | ours | script | MNE | ours, times the script | times MNE | largest error / rms |")
    print("|---|---|---|---|---|---|---|")
    for name, recording, recipe_name, band, mains in cases:
        recipe = load_recipe(recipe_name)
        modality = recipe_name[:3]
        ours = best(lambda: harmonise(recording, recipe), repeats)  # noqa: B023
        theirs = best(lambda: script(recording, band, mains), max(1, repeats // 2))  # noqa: B023
        mnes = best(lambda: with_mne(recording, band, mains), 1)  # noqa: B023
        group = harmonise(recording, recipe)[modality]
        wanted = reference(recording, band, mains)
        order = [recording.groups[0].channels.index(s) for s in group.source_channels]
        order = order if len(set(order)) == len(order) else list(range(len(order)))
        skip = min(1800, group.digital.shape[1] // 3)
        difference = np.abs(group.physical() - wanted[order])[:, skip:-skip]
        error = (difference - group.scale[:, None] / 2).max() / wanted[:, skip:-skip].std()
        print(
            f"| {name} | {ours * 1e3:.3g} ms | {theirs * 1e3:.3g} ms | {mnes * 1e3:.3g} ms "
            f"| {theirs / ours:.1f} | {mnes / ours:.1f} | {max(error, 0):.1e} |"
        )


if __name__ == "__main__":
    main()
