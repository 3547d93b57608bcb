"""Which samples of a record are its signal: not a calibration pulse, nor what no file has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.recording import CALIBRATION
from physioprep.store.damage import named

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.store import Store

#: Formats whose readers annotate the pulse: annotations of other records of a store are not read.
_PULSES: Final = frozenset({"philips_xml"})
#: Formats that state when each signal begins; what a store has before it, no file has.
_ONSETS: Final = frozenset({"cardiosoft_xml", "dicom", "empatica", "hl7_aecg", "muse_xml", "xdf"})


def end_of_signal(annotations: pd.DataFrame) -> float:
    """Return when the calibration pulse at the end of a recording begins.

    Parameters
    ----------
    annotations : pandas.DataFrame
        Of the recording.

    Returns
    -------
    float
        s; infinite where it has none.

    Examples
    --------
    >>> import pandas as pd
    >>> end_of_signal(pd.DataFrame({"onset": [1.0, 10.6], "source": ["atr", "calibration"]}))
    10.6
    """
    onsets = annotations["onset"].to_numpy(np.float64)
    return float(onsets[annotations["source"].to_numpy() == CALIBRATION].min(initial=math.inf))


def end_in_store(store: Store, row: int) -> float:
    """Return the same of a record of a store.

    Parameters
    ----------
    store : Store
    row : int

    Returns
    -------
    float
        s; infinite where it has none.
    """
    if _format(store, row) not in _PULSES:
        return math.inf
    with named(store.path):
        group = store.group["annotations"]
        first, n = int(group["start"][row]), int(group["length"][row])
        sources = np.asarray(group["source"][first : first + n]).astype(object)
        onsets = np.asarray(group["onset"][first : first + n], np.float64)
    return float(onsets[sources == CALIBRATION].min(initial=math.inf))


def samples_before(end_s: float, rate_hz: float, first: int, n_samples: int) -> int:
    """Return how many samples of a piece lie before a time.

    Parameters
    ----------
    end_s : float
        s from the start of the recording; may be infinite.
    rate_hz : float
        Hz.
    first, n_samples : int
        Number of the first sample of the piece, and of its samples.

    Returns
    -------
    int

    Examples
    --------
    >>> samples_before(10.6, 500, 0, 5500), samples_before(math.inf, 500, 0, 5500)
    (5300, 5500)
    """
    end = math.inf if math.isinf(end_s) else round(end_s * rate_hz) - first
    return int(min(n_samples, max(0, end)))


def samples_late(store: Store, row: int, values: NDArray[np.float32]) -> int:
    """Return how many samples of a store stand before a signal that begins later than others.

    Parameters
    ----------
    store : Store
    row : int
    values : ndarray of float32, shape (channel, sample)
        The first of the signal; NaN where missing.

    Returns
    -------
    int
        0 where the file has these samples, and they are missing: that is a gap.
    """
    there = np.asarray(np.isfinite(values).any(axis=0))
    if not there.size or there[0] or not there.any():
        return 0
    return int(np.argmax(there)) if _format(store, row) in _ONSETS else 0


def _format(store: Store, row: int) -> str:
    records: Any = store.records
    return str(records["format"].iat[row]) if "format" in records else ""
