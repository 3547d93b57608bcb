"""A part of a record as its store holds it: what every export starts from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import PhysioprepError
from physioprep.samples import sentinel_mask, to_physical

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.positions import Positions

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Part:
    """Samples of one modality of a record.

    Parameters
    ----------
    modality : str
        ``"ecg"``, ``"eeg"``, ...
    channels, units : tuple of str
        Name and physical unit of each channel.
    rate_hz : float
        Sampling rate, Hz.
    digital : ndarray of integers or floats, shape (channel, sample)
        As stored.
    scale, offset : ndarray of float, shape (channel,)
        ``physical = digital * scale + offset``.
    invalid : ndarray of float, shape (channel,)
        Digital value of a missing sample; outside the range of `digital` for none.
    positions : Positions, optional
        Of the electrodes, as the source file states them.

    Examples
    --------
    >>> one = np.ones(1)
    >>> part = Part("ecg", ("II",), ("mV",), 360.0, np.array([[2, 7]]), one / 2, 0 * one, 7 * one)
    >>> part.physical()
    array([[ 1., nan]])
    """

    modality: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    digital: NDArray[Any]
    scale: NDArray[np.floating[Any]]
    offset: NDArray[np.floating[Any]]
    invalid: NDArray[np.floating[Any]]
    positions: Positions | None = None

    def physical(self) -> NDArray[np.float64]:
        """Return the samples in their physical units.

        Returns
        -------
        ndarray of float64, shape (channel, sample)
            NaN where a sample is missing.
        """
        return to_physical(self.digital, self.scale, self.offset, self.invalid, np.float64)

    def missing(self) -> NDArray[np.bool_]:
        """Return which samples are missing.

        Returns
        -------
        ndarray of bool, shape (channel, sample)
        """
        if self.digital.dtype.kind == "f":
            nothing: NDArray[np.bool_] = np.isnan(self.digital)
            return nothing
        mask = sentinel_mask(self.digital, self.invalid.astype(np.float64))
        return np.zeros(self.digital.shape, bool) if mask is None else mask


@dataclass(frozen=True)
class Gap:
    """A stretch in which some channels miss samples.

    Parameters
    ----------
    start, stop : int
        First sample, and the one after the last.
    channels : tuple of int
        Which channels miss any of them.
    """

    start: int
    stop: int
    channels: tuple[int, ...]


def gaps_of(missing: NDArray[np.bool_]) -> list[Gap]:
    """Return the stretches in which any channel misses samples.

    Parameters
    ----------
    missing : ndarray of bool, shape (channel, sample)

    Returns
    -------
    list of Gap
        In order of time.

    Examples
    --------
    >>> gaps_of(np.array([[False, True, True], [False, False, True]]))
    [Gap(start=1, stop=3, channels=(0, 1))]
    """
    edges = np.flatnonzero(np.diff(missing.any(axis=0), prepend=False, append=False))
    return [
        Gap(start, stop, tuple(np.flatnonzero(missing[:, start:stop].any(axis=1)).tolist()))
        for start, stop in edges.reshape(-1, 2).tolist()
    ]


def annotation_rows(table: pd.DataFrame) -> list[tuple[float, float, str]]:
    """Return annotations as MNE and EDF want them.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns ``onset`` and ``duration`` (s), ``text``, ``code``.

    Returns
    -------
    list of (float, float, str)
        Onset and duration, s, 0 where none is stated; the text, else the code, else
        ``"annotation"``: one without a text would be lost.
    """
    columns = (table[name].tolist() for name in ("onset", "duration", "text", "code"))
    return [
        (onset, duration if duration > 0 else 0.0, str(text or code or "annotation"))
        for onset, duration, text, code in zip(*columns, strict=True)
    ]


def annotations_until(table: pd.DataFrame, end_s: float, record_id: str) -> pd.DataFrame:
    """Return the annotations that a format takes, and warn of how many it does not.

    Parameters
    ----------
    table : pandas.DataFrame
        Column ``onset`` (s).
    end_s : float
        The last onset, s, that it takes, ``inf`` for any; none before 0 is taken.
    record_id : str
        For the warning.

    Returns
    -------
    pandas.DataFrame
        Rows of `table`.

    Examples
    --------
    >>> import pandas as pd
    >>> annotations_until(pd.DataFrame({"onset": [0.5, 9.0]}), 10.0, "208")["onset"].tolist()
    [0.5, 9.0]
    """
    taken = table["onset"].between(0, end_s)
    if not taken.all():
        log.warning(
            "%s: %d annotations outside the recording are left out", record_id, (~taken).sum()
        )
    return table[taken]


def one_rate(parts: Sequence[Part], record_id: str) -> float:
    """Return the sampling rate that all parts have.

    Parameters
    ----------
    parts : sequence of Part
    record_id : str
        For the error.

    Returns
    -------
    float
        Hz.

    Raises
    ------
    PhysioprepError
        If there are several rates, or none.
    """
    rates = {part.rate_hz for part in parts}
    if len(rates) == 1:
        return rates.pop()
    held = ", ".join(f"{part.modality} at {part.rate_hz:g} Hz" for part in parts) or "no signal"
    raise PhysioprepError(f"record {record_id} has {held}: name one modality")
