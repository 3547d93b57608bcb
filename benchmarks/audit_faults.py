"""Real recordings, and what is planted into them: for the other benchmarks of the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physioprep import read_recording
from physioprep.auditing.measure.limb_leads import EIGHT, FROM_I_II
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.signals import Signal, _pieces
from physioprep.harmonise import ECG_LEADS, canonical_channel

Values = NDArray[np.floating]
#: Real duplicates, and records with real faults of the leads: not among the sound ones.
LEFT_OUT = {
    *("00138_lr", "00144_lr", "00457_lr", "00460_lr", "00463_lr"),
    *("JS20004", "E07501", "E07502"),
}
TWELVE = {
    "PTB-XL 100 Hz": "ptbxl/records100/*/*.hea",
    "LUDB": "ludb/data/*.hea",
    "CPSC 2018": "cpsc2018_cinc2020/*.hea",
    "Challenge 2021": "cinc2021/*.hea",
    "PTB": "ptbdb/*.hea",
}
Alter = Callable[[Values], Values]


def load(data: Path, pattern: str) -> Iterator[Signal]:
    for path in sorted(data.glob(pattern)):
        group = read_recording(path).groups[0]
        names = tuple(canonical_channel(name) for name in group.channels)
        values = group.physical().astype(np.float32)[:, : round(60 * group.sampling_rate)]
        step = 1 / np.abs(group.gain)
        rate = group.sampling_rate
        yield Signal(
            (path.parent.name, path.stem), "ecg", names, group.units, rate, values, 0, step
        )


def twelve_leads(data: Path) -> list[Signal]:
    return [
        one
        for pattern in TWELVE.values()
        for one in load(data, pattern)
        if one.key[1] not in LEFT_OUT and set(ECG_LEADS) <= set(one.channels)
    ]


def eight(measured: Measured) -> Values | None:
    if measured.beat is None:
        return None
    return measured.beat[[measured.channels.index(name) for name in EIGHT]]


def altered(one: Signal, alter: Alter) -> Signal:
    values = one.values.copy()
    rows = [one.channels.index(name) for name in ECG_LEADS]
    values[rows] = alter(values[rows])
    return replace(one, values=values)


def arms(x: Values) -> Values:
    return np.concatenate([FROM_I_II @ np.stack([-x[0], x[1] - x[0]]), x[6:]])


def arm_and_leg(x: Values) -> Values:
    return np.concatenate([FROM_I_II @ np.stack([x[0] - x[1], -x[1]]), x[6:]])


def arm_and_left_leg(x: Values) -> Values:
    return np.concatenate([FROM_I_II @ x[[1, 0]], x[6:]])


def exchange(one: int, two: int) -> Alter:
    def alter(x: Values) -> Values:
        x = x.copy()
        x[[one, two]] = x[[two, one]]
        return x

    return alter


def invert(*leads: int) -> Alter:
    sign = np.ones((12, 1), np.float32)
    sign[list(leads)] = -1
    return lambda x: x * sign


def dead(x: Values) -> Values:
    x = x.copy()
    x[8] = 0
    return x


def cut_off(x: Values) -> Values:
    top = 0.6 * np.nanmax(np.abs(x), axis=1, keepdims=True)
    return np.clip(x, -top, top)


def with_sentinels(x: Values) -> Values:
    x = x.copy()
    x[7, [100, 101, x.shape[1] // 2]] = -32.768
    return x


def holed(x: Values) -> Values:
    x = x.copy()
    x[3, : x.shape[1] // 10] = np.nan
    return x


def stopped(x: Values) -> Values:
    x = x.copy()
    x[:, x.shape[1] // 3 : x.shape[1] // 2] = np.nan
    return x


def noise(x: Values) -> Values:
    random = np.random.default_rng(0).normal(0, 1, x.shape)
    return np.asarray(random * np.nanstd(x, axis=1, keepdims=True))


def coarsened(one: Signal) -> Signal:
    """Round to twenty steps over each channel's range, and say so."""
    step = np.maximum(np.ptp(np.nan_to_num(one.values), axis=1), 1e-3) / 20
    values = np.round(one.values / step[:, None]) * step[:, None]
    return replace(one, values=values.astype(np.float32), step=step)


def humming(one: Signal) -> Signal:
    """Add 50 Hz of 50 µV and say another rate that recorders have."""
    t = np.arange(one.values.shape[1]) / one.rate_hz
    hum = (0.05 * np.sin(2 * np.pi * 50 * t)).astype(np.float32)
    return replace(one, values=one.values + hum, rate_hz=360.0)


def heads(data: Path) -> list[Signal]:
    """Return the first ten minutes of every EEG of eegmat and eegmmidb."""
    paths = sorted(data.glob("eegmat/*.edf")) + sorted(data.glob("eegmmidb/**/*.edf"))
    pieces = (s for path in paths for s in _pieces(read_recording(path), ("eeg", path.stem)))
    return [signal for signal in pieces if signal.modality == "eeg" and signal.start_s == 0]
