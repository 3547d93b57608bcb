"""How a filter should continue a signal beyond its ends, measured on real recordings.

    python benchmarks/filter_edges.py ../shared/data

Windows are cut out of long recordings and band-passed; the truth is the same filter on the whole
recording. Prints the root mean square error within 1 s of the ends, in parts of the filtered
signal's rms: its median and 95th percentile over the windows.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from physioprep.errors import PhysioprepError
from physioprep.harmonise.filters import Filter, kernel
from physioprep.readers import read_recording

Array = NDArray[np.float64]
Pad = Callable[[Array, int, float], Array]


def zeros(x: Array, reach: int, rate_hz: float) -> Array:
    return np.pad(x - x.mean(axis=1, keepdims=True), ((0, 0), (reach, reach)))


def odd_reflection(x: Array, reach: int, rate_hz: float) -> Array:
    return np.pad(x, ((0, 0), (reach, reach)), "reflect", reflect_type="odd")


def reflection(x: Array, reach: int, rate_hz: float) -> Array:
    return np.pad(x, ((0, 0), (reach, reach)), "reflect")


def reflection_on_trend(x: Array, reach: int, rate_hz: float) -> Array:
    """Reflect what remains after a line through the first (last) two seconds is subtracted."""
    m = int(2 * rate_hz)
    t = np.arange(m) - (m - 1) / 2
    slopes = [(part @ t / (t @ t))[:, None] for part in (x[:, :m], x[:, -m:])]
    y, distance = reflection(x, reach, rate_hz), np.arange(1, reach + 1)
    y[:, :reach] -= 2 * slopes[0] * distance[::-1]
    y[:, -reach:] += 2 * slopes[1] * distance
    return y


PADS: tuple[Pad, ...] = (zeros, odd_reflection, reflection_on_trend, reflection)


def recordings(paths: list[Path], channels: slice) -> Iterator[tuple[Array, float]]:
    for path in paths:
        try:
            group = read_recording(path).groups[0]
        except PhysioprepError:
            continue
        x = group.physical()[channels]
        if not np.isnan(x).any():
            yield x, group.sampling_rate


def measure(paths: list[Path], band: tuple[float, float], window_s: float, channels: slice) -> None:
    errors: dict[str, list[float]] = {pad.__name__: [] for pad in PADS}
    for x, rate_hz in recordings(paths, channels):
        taps = kernel(Filter(*band), rate_hz)[None]
        reach, n, second = taps.shape[1] // 2, int(window_s * rate_hz), int(rate_hz)
        if x.shape[1] <= n + 2 * reach:
            continue
        truth = fftconvolve(x - x[:, :1], taps, mode="same", axes=1)
        rng = np.random.default_rng(0)
        for start in rng.integers(reach, x.shape[1] - n - reach, 4):
            cut, wanted = x[:, start : start + n], truth[:, start : start + n]
            for pad in PADS:
                padded = pad(cut - cut[:, :1], reach, rate_hz)
                error = fftconvolve(padded, taps, mode="valid", axes=1) - wanted
                edge = np.concatenate([error[:, :second], error[:, -second:]], axis=1)
                errors[pad.__name__].append(float(np.sqrt(np.mean(edge**2)) / wanted.std()))
    for values in errors.values():
        median, high = np.percentile(values, [50, 95]) if values else (np.nan, np.nan)
        print(f" {median:.3f} / {high:.3f} |", end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    data: Path = parser.parse_args().data
    afdb = sorted((data / "cinc2017").rglob("*.hea"))
    random.Random(0).shuffle(afdb)
    ecg, eeg = (0.5, 40.0), (0.3, 75.0)
    cases = [
        ("cinc2017, 10 s", afdb[:100], ecg, 10.0, slice(None)),
        ("ptbdb, 10 s", sorted((data / "ptbdb").glob("*.hea")), ecg, 10.0, slice(None)),
        ("mitdb, 10 s", sorted((data / "mitdb").glob("*.hea")), ecg, 10.0, slice(None)),
        ("cpsc2021, 10 s", sorted((data / "cpsc2021").glob("*.hea")), ecg, 10.0, slice(None)),
        ("eegmat EEG, 20 s", sorted((data / "eegmat").glob("*_1.edf"))[:5], eeg, 20.0, slice(19)),
        (
            "eegmmidb EEG, 20 s",
            sorted((data / "eegmmidb/S001").glob("*.edf")),
            eeg,
            20.0,
            slice(64),
        ),
    ]
    print("| |", " | ".join(pad.__name__.replace("_", " ") for pad in PADS), "|")
    print("|---|" + "---|" * len(PADS))
    for name, paths, band, window_s, channels in cases:
        print(f"| {name} |", end="")
        measure(paths, band, window_s, channels)
        print()


if __name__ == "__main__":
    main()
