"""Small recordings for the tests of harmonisation."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from physioprep.recording import Recording, SignalGroup

collect_ignore = ["made.py"]
MakeGroup = Callable[..., SignalGroup]


@pytest.fixture(scope="session")
def make_group() -> MakeGroup:
    """Build a signal group from digital samples."""

    def build(
        channels: Sequence[str],
        digital: NDArray[np.generic],
        rate_hz: float = 500.0,
        *,
        unit: str = "mV",
        gain: float = 1000.0,
        baseline: float = 0.0,
        invalid: float = -32768.0,
        segments: tuple[tuple[int, float], ...] = ((0, 0.0),),
    ) -> SignalGroup:
        n = len(channels)
        return SignalGroup(
            channels=tuple(channels),
            units=(unit,) * n,
            sampling_rate=rate_hz,
            n_samples=digital.shape[1],
            gain=np.full(n, gain),
            baseline=np.full(n, baseline),
            invalid=np.full(n, invalid),
            segments=segments,
            digital=digital,
        )

    return build


@pytest.fixture(scope="session")
def make_recording() -> Callable[..., Recording]:
    """Build a recording of some signal groups."""

    def build(*groups: SignalGroup) -> Recording:
        return Recording(Path("made.hea"), "wfdb", groups, (Path("made.hea"),))

    return build
