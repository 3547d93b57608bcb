"""A signal that is read in pieces: of a store, of shards, of a raw file, filtered or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: ``read(rows, start, stop)`` gives these channels and samples in physical units, NaN if missing.
Read = Callable[[NDArray[np.intp], int, int], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Trace:
    """The channels of one modality, sampling rate and kind of unit of a recording.

    Parameters
    ----------
    modality : str
        Its key: ``"ecg"``, ``"ecg_250hz"``.
    kind : str
        What it is: ``"ecg"``, ``"eeg"``.
    rate_hz : float
        Sampling rate, Hz.
    n_samples : int
        Samples of each channel.
    channels, units, status : tuple of str
        One per channel; the status is ``"good"``, ``"bad"``, ``"absent"`` or ``"derived"``.
    read : callable
        ``read(rows, start, stop)`` gives float32 (row, sample) in `units`, NaN where missing.
    reference : str
        EEG reference that a recipe applied; "" for that of the recording.
    start_s : float
        Where the first sample is in the record that this is a window of, s.
    """

    modality: str
    kind: str
    rate_hz: float
    n_samples: int
    channels: tuple[str, ...]
    units: tuple[str, ...]
    status: tuple[str, ...]
    read: Read
    reference: str = ""
    start_s: float = 0.0

    def samples(self, start_s: float, stop_s: float) -> tuple[int, int]:
        """Return the samples of a stretch, cut at the ends of the signal.

        Parameters
        ----------
        start_s, stop_s : float
            s from the first sample.

        Returns
        -------
        tuple of int
            The first, and the one after the last.
        """
        first = min(max(int(np.floor(start_s * self.rate_hz + 1e-6)), 0), self.n_samples)
        stop = min(max(int(np.ceil(stop_s * self.rate_hz - 1e-6)), first), self.n_samples)
        return first, stop
