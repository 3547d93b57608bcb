"""The layout that DEAP's pickles and MATLAB files share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import numbered, pick, unscaled
from physioprep.recording import Recording

_EEG = (
    *("Fp1", "AF3", "F3", "F7", "FC5", "FC1", "C3", "T7", "CP5", "CP1", "P3", "P7", "PO3", "O1"),
    *("Oz", "Pz", "Fp2", "AF4", "Fz", "F4", "F8", "FC6", "FC2", "Cz", "C4", "T8", "CP6", "CP2"),
    *("P4", "P8", "PO4", "O2"),
)
_OTHERS = ("hEOG", "vEOG", "zEMG", "tEMG", "GSR", "Respiration", "Plethysmograph", "Temperature")
CHANNELS = (*_EEG, *_OTHERS)
UNITS = (*["uV"] * 36, "ohm", "", "", "")
RATE_HZ, BASELINE_S = 128.0, 3.0
_RATINGS = ("valence", "arousal", "dominance", "liking")


def deap_recording(
    data: Any, labels: Any, path: Path, file: Path, part: str, format: str
) -> Recording:
    """Return one trial of DEAP's preprocessed data, its 3 s baseline included.

    Parameters
    ----------
    data : array-like, shape (trial, channel, sample)
    labels : array-like, shape (trial, rating)
        Valence, arousal, dominance, liking.
    path, file : Path
        The whole path and the file in it.
    part : str
        ``v01`` .. ``v40``.
    format : str
        Of the file.

    Returns
    -------
    Recording

    Raises
    ------
    UnreadableFileError
        The arrays are not of DEAP's shape, or there is no such trial.
    """
    (trial,) = numbered(part, r"v(\d+)", path)
    data, labels = np.asarray(data), np.asarray(labels)
    if data.ndim != 3 or data.shape[1] != len(CHANNELS) or labels.shape != (len(data), 4):
        cause = f"data {data.shape} and labels {labels.shape} are not DEAP's"
        raise UnreadableFileError(path, cause)
    samples = pick(data, trial, "trial", path)
    group = unscaled(CHANNELS, UNITS, RATE_HZ, samples, path)
    ratings = zip(_RATINGS, labels[int(trial) - 1].astype(np.float64).tolist(), strict=True)
    metadata = {"layout": "deap", "baseline_s": BASELINE_S, **dict(ratings)}
    return Recording(path, format, (group,), (file,), None, metadata)
