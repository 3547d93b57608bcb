"""A record as a pandas table, one row a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from physioprep.exporting.part import Part, one_rate

if TYPE_CHECKING:
    import pandas as pd


def frame(parts: Sequence[Part], *, record_id: str, start_s: float = 0.0) -> pd.DataFrame:
    """Return samples as a table.

    Parameters
    ----------
    parts : sequence of Part
        Of one sampling rate.
    record_id : str
        For errors.
    start_s : float
        Time of the first sample, s.

    Returns
    -------
    pandas.DataFrame
        Index ``time`` (s); a column of float64 per channel in its physical unit, NaN where a
        sample is missing. ``frame.attrs["units"]`` has the unit of each column.

    Raises
    ------
    PhysioprepError
        If the parts have several rates.

    Examples
    --------
    >>> one = np.ones(1)
    >>> part = Part("ecg", ("II",), ("mV",), 2.0, np.array([[2, 4]]), one / 2, 0 * one, 9 * one)
    >>> frame([part], record_id="1")["II"].to_dict()
    {0.0: 1.0, 0.5: 2.0}
    """
    import pandas as pd

    rate_hz = one_rate(parts, record_id)
    n_samples = max(part.digital.shape[1] for part in parts)
    index = pd.Index(start_s + np.arange(n_samples) / rate_hz, name="time")
    columns = {}
    for part in parts:
        for name, values in zip(part.channels, part.physical(), strict=True):
            key = name if name not in columns else f"{part.modality} {name}"
            columns[key] = pd.Series(values, index[: len(values)])
    out = pd.DataFrame(columns, index=index)
    units = [unit for part in parts for unit in part.units]
    out.attrs["units"] = dict(zip(columns, units, strict=True))
    return out
