"""One group of one record: its samples, held against what was planned."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import PhysioprepError
from physioprep.store.build.expect import Expected
from physioprep.store.format.codec import ChunkEncoder
from physioprep.store.format.layout import GroupLayout

if TYPE_CHECKING:
    from physioprep.harmonise import HarmonisedGroup


@lru_cache(maxsize=256)
def _slots(channels: tuple[str, ...], rows: tuple[str, ...]) -> NDArray[np.intp]:
    """Return which row of a store's ``signal`` each channel takes."""
    return np.array([rows.index(name) for name in channels], np.intp)


class GroupWriter:
    """Takes one group of a record's samples, block by block.

    Parameters
    ----------
    expected : Expected
    layout : GroupLayout
        Of the store's group that it goes to.
    length : int
        Planned samples.

    Attributes
    ----------
    encoder : ChunkEncoder
    dtype : str
        Wider than the layout's where the samples do not fit; nothing is encoded then.
    is_missing : bool
        After `finish`: whether every sample is marked as missing.
    """

    def __init__(self, expected: Expected, layout: GroupLayout, length: int) -> None:
        self.expected, self.layout, self.length = expected, layout, length
        self.encoder = ChunkEncoder(_slots(expected.channels, layout.channels), layout)
        self.dtype = layout.dtype
        self.is_missing = False
        self._constant: NDArray[Any] | None = None
        self._varies = False

    @property
    def n_chunks(self) -> int:
        """Chunks that the plan keeps for it."""
        return -(-self.length // self.layout.chunk)

    def add(self, samples: NDArray[Any]) -> None:
        """Add samples (channel, sample); raise PhysioprepError if they are not as planned."""
        if len(samples) != len(self.expected.channels):
            raise self._other_channels(f"{len(samples)} channels")
        if self.encoder.n_samples + samples.shape[1] > self.length:
            raise self._other_length(f"more than {self.length}")
        if samples.dtype != self.dtype:
            self.dtype = np.promote_types(samples.dtype, self.dtype).name
        if self.dtype != self.layout.dtype:  # the block will be done again, in the wider dtype
            self.encoder.n_samples += samples.shape[1]
            return
        if not self._varies and samples.shape[1]:
            if self._constant is None:
                self._constant = samples[:, :1].copy()
            # a look at the beginning settles it for nearly every record
            self._varies = self._differs(samples[:, :64]) or self._differs(samples)
        self.encoder.add(samples)

    def _differs(self, samples: NDArray[Any]) -> bool:
        same = samples == self._constant
        return not bool((same | (samples != samples)).all())

    def finish(self, group: HarmonisedGroup | None) -> None:
        """Close; raise PhysioprepError if this is not what was planned."""
        if group is None or group.channels != self.expected.channels:
            raise self._other_channels("none" if group is None else ", ".join(group.channels))
        if self.encoder.n_samples != self.length:
            raise self._other_length(str(self.encoder.n_samples))
        self.encoder.finish()
        if self._constant is None:
            self.is_missing = self.length == 0
        elif not self._varies:
            level = self._constant[:, 0]
            missing = np.isnan(level) if level.dtype.kind == "f" else level == group.invalid
            self.is_missing = bool(missing.all())

    def _other_channels(self, found: str) -> PhysioprepError:
        planned = ", ".join(self.expected.channels)
        return PhysioprepError(
            f"its header promises {self.expected.modality} channels {planned}; it gives {found}"
        )

    def _other_length(self, found: str) -> PhysioprepError:
        return PhysioprepError(
            f"its header promises {self.length} {self.expected.modality} samples at "
            f"{self.expected.rate_hz:g} Hz; it gives {found}"
        )
