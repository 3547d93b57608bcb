"""Heart beats by ECGSYN (McSharry et al., IEEE TBME 50(3), 2003), through NeuroKit2."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: ECGSYN's wave amplitudes (P Q R S T) that leave one of these waves alone.
ALONE = ((1.2, 0, 0, 0, 0), (0, -5, 30, 0, 0), (0, 0, 0, -7.5, 0), (0, 0, 0, 0, 0.75))
#: All waves together: a lead-II-like ECG from one run of ECGSYN.
TOGETHER = (1.2, -5.0, 30.0, -7.5, 0.75)


def wave(
    alone: tuple[float, ...], rate_bpm: float, seconds: float, rate_hz: int, seed: int
) -> Floats:
    """Return one wave of every beat, normalised: its peak is 1 (S: -1), between beats 0.

    ECGSYN is linear in the wave amplitudes, so leads are sums of waves, at a third of the cost of
    one run per lead.

    Parameters
    ----------
    alone : tuple of float
        ECGSYN's amplitudes of P, Q, R, S and T.
    rate_bpm : float
        Mean heart rate, beats per minute.
    seconds : float
        Duration.
    rate_hz : int
        Sampling rate, Hz.
    seed : int
        Of the RR intervals; the same for all waves of one heart.

    Returns
    -------
    ndarray of float64, shape (sample,)
        Dimensionless.
    """
    import neurokit2 as nk

    # ECGSYN starts off its limit cycle and settles in about 1 s; it may end a beat early.
    settle_s, spare_s = 4, 2
    beats = np.asarray(
        nk.ecg_simulate(
            duration=settle_s + math.ceil(seconds) + spare_s,
            sampling_rate=rate_hz,
            heart_rate=rate_bpm,
            heart_rate_std=2,
            noise=0,
            ai=alone,
            random_state=seed,
        )
    )[settle_s * rate_hz :][: int(seconds * rate_hz)]
    beats = beats - np.median(beats)
    return np.asarray(beats / np.abs(beats).max())
