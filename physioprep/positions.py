"""Positions of electrodes on the head: those of the file, or the standard ones of a name.

Positions are in metres. The standard ones are of MNE's montage ``standard_1005``, in the frame
``"head"``: its origin lies between the ears, x points to the right ear, y to the nose, z up. Those
of a file are in the frame that the file names; what is not known is NaN, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from physioprep.recording import Recording

#: Of `standard_positions`, and of files whose frame has the same axes and origin.
HEAD: Final = "head"
STANDARD, FILE = "standard", "file"
#: Key of a recording's metadata.
KEY: Final = "positions"
#: Frames that are MNE's ``head`` by another name (BIDS: CapTrak).
_AS_HEAD: Final = (HEAD, "captrak")
_LONGEST = 32  # characters of the name of a frame


@dataclass(frozen=True, eq=False)
class Positions:
    """Positions of the electrodes of some channels.

    Parameters
    ----------
    channels : tuple of str
        Names.
    xyz : ndarray of float64, shape (channel, 3)
        m; NaN where the position is not known.
    frame : str
        Frame of the coordinates: ``"head"``, or as the file names it (``"CapTrak"``).
    source : {"file", "standard"}
        Whether the file states them, or they are those of the names.
    """

    channels: tuple[str, ...]
    xyz: NDArray[np.float64]
    frame: str
    source: str

    @property
    def is_head(self) -> bool:
        """Whether the frame is MNE's ``head``.

        Returns
        -------
        bool
        """
        return self.frame.lower() in _AS_HEAD

    def by_name(self) -> dict[str, NDArray[np.float64]]:
        """Return the positions that are known.

        Returns
        -------
        dict of str to ndarray of float64, shape (3,)
        """
        return {
            name: xyz
            for name, xyz in zip(self.channels, self.xyz, strict=True)
            if np.isfinite(xyz).all()
        }


def montage_name() -> str:
    """Return MNE's name of the standard positions, which newer versions call otherwise.

    Returns
    -------
    str
    """
    from mne.channels import get_builtin_montages

    new = "colin27_1005"
    return new if new in get_builtin_montages() else "standard_1005"


@lru_cache(maxsize=1)
def _standard() -> Mapping[str, NDArray[np.float64]]:
    """Return the standard positions by lower-case name: the same as MNE gives to a raw object."""
    from mne.channels import make_standard_montage
    from mne.channels.montage import transform_to_head

    places = transform_to_head(make_standard_montage(montage_name())).get_positions()["ch_pos"]
    return {name.lower(): np.asarray(xyz, np.float64) for name, xyz in places.items()}


def standard_positions(channels: Sequence[str]) -> Positions:
    """Return the standard positions of electrodes, by their names.

    Parameters
    ----------
    channels : sequence of str
        Names of the 10-20, 10-10 or 10-05 system, in upper or lower case.

    Returns
    -------
    Positions
        In the frame ``"head"``; NaN for names that are not in MNE's ``standard_1005``: derivations
        of two electrodes (``"Fp1-F7"``), other channels.

    Examples
    --------
    >>> places = standard_positions(["Cz", "Fp1-F7"])
    >>> places.xyz.round(3)
    array([[-0.001,  0.028,  0.14 ],
           [   nan,    nan,    nan]])
    """
    nowhere = np.full(3, np.nan)
    xyz = [_standard().get(name.lower(), nowhere) for name in channels]
    return Positions(tuple(channels), np.array(xyz).reshape(len(channels), 3), HEAD, STANDARD)


def stated(positions: Mapping[str, Sequence[float]], frame: str) -> dict[str, Any]:
    """Return positions that a file states, as a recording's metadata hold them.

    Parameters
    ----------
    positions : mapping of str to sequence of float
        x, y and z, m, by the channel's name in the file.
    frame : str
        As the file names it.

    Returns
    -------
    dict
        ``{"positions": {"frame": ..., "xyz": ...}}``; empty where no position is finite.
    """
    known = {
        name: [float(each) for each in xyz]
        for name, xyz in positions.items()
        if np.isfinite(np.asarray(xyz, np.float64)).all()
    }
    return {KEY: {"frame": frame[:_LONGEST], "xyz": known}} if known else {}


def positions_in(
    recording: Recording, source_channels: Sequence[str]
) -> tuple[NDArray[np.float64], str] | None:
    """Return the positions that a recording's file states of some channels.

    Parameters
    ----------
    recording : Recording
    source_channels : sequence of str
        Names in the file; "" for a channel that is computed of several, which has no place.

    Returns
    -------
    xyz : ndarray of float64, shape (channel, 3)
        m; NaN where none is stated.
    frame : str

    None is returned instead where no position is stated.
    """
    held = recording.metadata.get(KEY)
    if not held:
        return None
    nowhere = (np.nan, np.nan, np.nan)
    xyz = np.array([held["xyz"].get(name, nowhere) for name in source_channels], np.float64)
    return (xyz, held["frame"]) if np.isfinite(xyz).any() else None
