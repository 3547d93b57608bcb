"""Signals and recipes of the tests that apply recipes."""

from collections.abc import Callable

import numpy as np

from physioprep.harmonise import Recipe
from physioprep.recording import Recording, SignalGroup

Build = Callable[..., SignalGroup]
Record = Callable[..., Recording]
MISSING, NONE = -32768, -(2**31)


def noise(channels: int, n: int, seed: int = 0, size: float = 300) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (size * rng.standard_normal((channels, n))).astype(np.int16)


def recipe(**ecg: object) -> Recipe:
    base = {"rate_hz": 200, "band_hz": [0.5, 40], "step": 0.001}
    return Recipe.from_dict({"name": "test", "modalities": {"ecg": {**base, **ecg}}})
