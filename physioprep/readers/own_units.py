"""Units that a file states and MNE-Python loses, and the factor to their values from MNE's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep.recording import Recording

_PREFIXES: Final = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
_VOLTS: Final = re.compile(r"([kmunp]?)V(?:olts?)?")
#: Micro sign, Greek mu, and UTF-8's micro sign read as Latin-1.
_MICRO: Final = re.compile("^(?:\u00c2?\u00b5|\u03bc|\u00ce\u00bc)")


class OwnUnit(NamedTuple):
    """The unit of a channel.

    Attributes
    ----------
    unit : str
        Of the values that are returned; V for any voltage, "" where none is stated.
    factor : float
        From MNE's values.
    source : str
        As the file states it.
    """

    unit: str
    factor: float
    source: str


def micro(unit: str) -> str:
    """Write the sign for micro in one way.

    Parameters
    ----------
    unit : str
        As in a file.

    Returns
    -------
    str

    Examples
    --------
    >>> micro("\u03bcV"), micro("mV")
    ('µV', 'mV')
    """
    return _MICRO.sub("\u00b5", unit)


def volts(unit: str) -> float | None:
    """Return the volts of one unit.

    Parameters
    ----------
    unit : str
        As in a file.

    Returns
    -------
    float or None
        None if it is no voltage.

    Examples
    --------
    >>> volts("mV"), volts("\u00b5V"), volts("mmHg")
    (0.001, 1e-06, None)
    """
    match = _VOLTS.fullmatch(micro(unit).replace("\u00b5", "u"))
    return None if match is None else _PREFIXES[match[1]]


def in_own_units(recording: Recording, units: Sequence[OwnUnit]) -> Recording:
    """Return a recording with the units that its file states.

    Parameters
    ----------
    recording : Recording
        Of one group, as MNE gives it.
    units : sequence of OwnUnit
        One per channel.

    Returns
    -------
    Recording
    """
    group = recording.groups[0]
    factors = np.array([each.factor for each in units])
    digital: NDArray[Any] = group.digital
    if (factors != 1).any() and digital.size:
        # 36.6 * 1e-6 * 1e6 is not 36.6: dividing by the inverse is nearer
        digital = np.where(
            factors[:, None] > 1, digital / (1 / factors)[:, None], digital * factors[:, None]
        )
    sources = dict(zip(group.channels, (each.source for each in units), strict=True))
    metadata = {**recording.metadata, "source_units": sources}
    group = replace(group, units=tuple(each.unit for each in units), digital=digital)
    return replace(recording, groups=(group,), metadata=metadata)
