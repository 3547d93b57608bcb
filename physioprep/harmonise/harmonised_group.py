"""The result of harmonising: the signals of one modality, as a store holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.samples import to_physical

#: Fields of a `HarmonisedGroup` that are arrays per channel.
PER_CHANNEL: Final = (
    "scale", "offset", "invalid", "n_saturated", "quantisation_rms", "derived",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class HarmonisedGroup:
    """The signals of one modality, as a store holds them.

    ``physical = digital * scale + offset``, in `units`.

    Parameters
    ----------
    modality : str
        ``"ecg"``, ``"eeg"``, ...
    channels : tuple of str
        Canonical names (native: the source's name where it is unknown).
    source_channels : tuple of str
        Name in the file, per channel; "" for a channel computed from others.
    rate_hz : float
        Sampling rate, Hz.
    units : tuple of str
        Physical unit per channel.
    digital : ndarray of int16, int32, float32 or float64, shape (channel, sample)
        Sample ``n`` is ``n / rate_hz`` s after the recording's start.
    scale, offset : ndarray of float32, shape (channel,)
        From digital to physical values.
    invalid : ndarray of int32, shape (channel,)
        Sentinel value of missing samples; `NO_SENTINEL` where there is none. Floating-point
        samples are NaN where missing.
    n_saturated : ndarray of int64, shape (channel,)
        Samples beyond the range of int16 at the recipe's step, clipped to it.
    quantisation_rms : ndarray of float32, shape (channel,)
        Root mean square of the rounding errors, in the recipe's unit, over samples neither
        missing nor saturated.
    derived : ndarray of bool, shape (channel,)
        True for a channel computed from others.
    flags : tuple of str
        ``"implausible-amplitude:NAME"`` for channels outside `PLAUSIBLE_RMS` (nothing is
        rescaled), ``"saturated:NAME"`` for those with over 0.1 % of saturated samples. The first
        group of a recording has ``"channel-left-out:NAME"`` and ``"modality-left-out:MODALITY"``
        for what the recipe left out of all groups.
    """

    modality: str
    channels: tuple[str, ...]
    source_channels: tuple[str, ...]
    rate_hz: float
    units: tuple[str, ...]
    digital: NDArray[np.generic]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]
    invalid: NDArray[np.int32]
    n_saturated: NDArray[np.int64]
    quantisation_rms: NDArray[np.float32]
    derived: NDArray[np.bool_]
    flags: tuple[str, ...] = ()

    def physical(self) -> NDArray[np.float32]:
        """Return the samples in physical units.

        Returns
        -------
        ndarray of float32, shape (channel, sample)
            NaN where missing.
        """
        return to_physical(self.digital, self.scale, self.offset, self.invalid)


@dataclass(frozen=True, eq=False)
class HarmonisedRows:
    """The signals of one modality of several recordings that differ in their samples only.

    Parameters
    ----------
    like : HarmonisedGroup
        Names, rate and units of all of them.
    digital : ndarray, shape (recording, channel, sample)
    per_channel : mapping of str to ndarray, shape (recording, channel) or (1, channel)
        The arrays of `HarmonisedGroup` that have a value per channel, by name.
    flags : sequence of (tuple of str)
        Of each recording.
    """

    like: HarmonisedGroup
    digital: NDArray[np.generic]
    per_channel: Mapping[str, NDArray[Any]]
    flags: Sequence[tuple[str, ...]]

    def one(self, index: int) -> HarmonisedGroup:
        """Return the signals of one recording.

        Parameters
        ----------
        index : int

        Returns
        -------
        HarmonisedGroup
        """
        own = {
            name: values[index if len(values) > 1 else 0]
            for name, values in self.per_channel.items()
        }
        more = {"digital": self.digital[index], "flags": self.flags[index]}
        return HarmonisedGroup(**{**vars(self.like), **own, **more})
