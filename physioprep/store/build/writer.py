"""Encode the samples of one group of one record, and check that they are as planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import PhysioprepError
from physioprep.positions import positions_in
from physioprep.store.build.expect import Expected
from physioprep.store.build.work import positions_layout
from physioprep.store.format.codec import ChunkEncoder
from physioprep.store.format.layout import POSITION, POSITION_FRAME, GroupLayout

if TYPE_CHECKING:
    from physioprep.harmonise import HarmonisedGroup
    from physioprep.recording import Recording


@lru_cache(maxsize=256)
def slots_of(channels: tuple[str, ...], rows: tuple[str, ...]) -> NDArray[np.intp]:
    """Return the row of a store's ``signal`` for each channel.

    Parameters
    ----------
    channels : tuple of str
        Of a record.
    rows : tuple of str
        Of the store.

    Returns
    -------
    ndarray of intp, shape (channel,)
    """
    return np.array([rows.index(name) for name in channels], np.intp)


@lru_cache(maxsize=256)
def _unit_numbers(units: tuple[str, ...], names: tuple[str, ...]) -> NDArray[np.int16]:
    return np.array([names.index(unit) for unit in units], np.int16)


def fill_rows(
    arrays: Mapping[str, NDArray[Any]],
    expected: Expected,
    layout: GroupLayout,
    encoder: ChunkEncoder,
    positions: Sequence[int],
    per_channel: Mapping[str, NDArray[Any]],
) -> None:
    """Fill the rows of records in the arrays per record and channel.

    Parameters
    ----------
    arrays : mapping of str to ndarray, shape (record, channel)
        Of a block: ``"ecg/scale"`` and so on, see `physioprep.store.build.work.PER_CHANNEL`.
    expected : Expected
        Planned channels of the records.
    layout : GroupLayout
        The store's group that contains them.
    encoder : ChunkEncoder
        Of the records.
    positions : sequence of int
        Rows of the records.
    per_channel : mapping of str to ndarray, shape (record, channel), (1, channel) or (channel,)
        What harmonising gave, as `physioprep.harmonise.harmonised_group.HarmonisedRows` has it.
    """
    units = _unit_numbers(expected.units, layout.unit_names)
    own = {"present": True, "unit": units, "source_index": np.arange(len(units))}
    values: dict[str, Any] = {**per_channel, **own}
    rows = np.array(positions)
    for name, value in values.items():
        array = arrays[f"{layout.name}/{name}"]
        if encoder.is_whole:
            array[rows] = value
        else:
            array[rows[:, None], encoder.slots] = value


def fill_positions(
    arrays: dict[str, NDArray[Any]],
    expected: Expected,
    layout: GroupLayout,
    row: int,
    recording: Recording,
) -> None:
    """Fill the positions of a record's electrodes, if its file states any of this group.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Of a block; ``"eeg/position"``, shape (record, channel, 3), and ``"eeg/position_frame"``
        are added with the first record that has positions.
    expected : Expected
        Planned channels of the record.
    layout : GroupLayout
        The store's group that contains them.
    row : int
        Of the record.
    recording : Recording
        As read.
    """
    found = positions_in(recording, expected.source_channels)
    if found is None:
        return
    n, n_channels = arrays[f"{layout.name}/present"].shape
    for name, (dtype, shape, absent) in positions_layout(n_channels).items():
        key = f"{layout.name}/{name}"
        if key not in arrays:
            arrays[key] = np.full((n, *shape), absent, dtype)
    slots = slots_of(expected.channels, layout.channels)
    arrays[f"{layout.name}/{POSITION}"][row, slots] = found[0]
    arrays[f"{layout.name}/{POSITION_FRAME}"][row] = found[1]


class GroupWriter:
    """Receive the samples of one group of a record in pieces, and encode them.

    Parameters
    ----------
    expected : Expected
        Planned channels and rate.
    layout : GroupLayout
        The store's group that contains them.
    length : int
        Planned number of samples per channel.

    Attributes
    ----------
    encoder : ChunkEncoder
        Holds the compressed chunks.
    dtype : str
        NumPy name; wider than the layout's if the samples do not fit in it. Nothing is encoded
        then.
    is_missing : bool
        After `finish`: whether every sample has the sentinel value or is NaN.
    """

    def __init__(self, expected: Expected, layout: GroupLayout, length: int) -> None:
        self.expected, self.layout, self.length = expected, layout, length
        self.encoder = ChunkEncoder(slots_of(expected.channels, layout.channels), layout)
        self.dtype = layout.dtype
        self.is_missing = False
        self._constant: NDArray[Any] | None = None
        self._varies = False

    @property
    def n_chunks(self) -> int:
        """Number of chunks in the plan.

        Returns
        -------
        int
            The last one may be incomplete.
        """
        return -(-self.length // self.layout.chunk)

    def add(self, samples: NDArray[Any]) -> None:
        """Add samples.

        Parameters
        ----------
        samples : ndarray, shape (channel, sample)
            The next harmonised samples, all channels.

        Raises
        ------
        PhysioprepError
            Other channels, or more samples, than planned.
        """
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
            # For nearly every record, the first samples show that it varies.
            self._varies = self._differs(samples[:, :64]) or self._differs(samples)
        self.encoder.add(samples)

    def _differs(self, samples: NDArray[Any]) -> bool:
        same = samples == self._constant
        return not bool((same | (samples != samples)).all())

    def finish(self, group: HarmonisedGroup | None) -> None:
        """Compress the last chunk, and check that the group is as planned.

        Parameters
        ----------
        group : HarmonisedGroup or None
            Result of harmonising; None if it has no such group.

        Raises
        ------
        PhysioprepError
            Other channels, or another number of samples, than planned.
        """
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
            f"the manifest has {self.expected.modality} channels {planned}; its file gives {found}"
        )

    def _other_length(self, found: str) -> PhysioprepError:
        return PhysioprepError(
            f"by the manifest it has {self.length} {self.expected.modality} samples at "
            f"{self.expected.rate_hz:g} Hz in the store; its file gives {found}"
        )
