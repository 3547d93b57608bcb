"""A record as an xarray.Dataset: dimensions, coordinates, units; its values now or later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.store.modality_arrays import ModalityArrays
from physioprep.store.record_attributes import attribute, record_attributes

if TYPE_CHECKING:
    import xarray as xr

#: Samples of a Dask block: some seconds of reading, whatever the store's chunks are.
_BLOCK = 1 << 18


@dataclass(frozen=True, eq=False)
class Stretch:
    """Samples of a record that are read when they are indexed: what Dask makes an array of.

    Parameters
    ----------
    store : ModalityArrays
    number : int
        Of the record.
    modality : str
    slots : ndarray of int
        Its channels, by their place in the store.
    start, stop : int
        First sample, and the one after the last.
    """

    store: ModalityArrays
    number: int
    modality: str
    slots: NDArray[np.intp]
    start: int
    stop: int

    dtype = np.dtype(np.float32)
    ndim = 2

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the samples.

        Returns
        -------
        tuple of int
            (channel, sample).
        """
        return len(self.slots), self.stop - self.start

    def __getitem__(self, key: tuple[slice, slice]) -> NDArray[np.float32]:
        rows, columns = key
        first, last, step = columns.indices(self.shape[1])
        begin, end = self.start + first, self.start + last
        return self.store.read(self.number, self.modality, begin, end, slots=self.slots[rows])[
            :, ::step
        ]


def labelled_record(
    store: Any,
    number: int,
    wanted: Mapping[str, tuple[NDArray[np.intp], int, int]],
    lazy: bool,
) -> xr.Dataset:
    """Return a record of a store as a dataset.

    Parameters
    ----------
    store : Store
    number : int
        Of the record.
    wanted : mapping of str to (ndarray of int, int, int)
        By modality: its channels by their place, the first sample, and the one after the last.
    lazy : bool
        Whether values are read when they are computed.

    Returns
    -------
    xarray.Dataset
        See `physioprep.store.records.StoredRecords.record`.
    """
    import xarray as xr

    having = [m for m in store.modalities if store.table(m, "length")[number] > 0]
    lengths = {(store.rate_hz(m), int(store.table(m, "length")[number])) for m in having}
    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    alone = len(store.modalities) == 1
    for modality, (slots, start, stop) in wanted.items():
        channel_dim = "channel" if alone else f"{modality}_channel"
        time_dim = "time" if alone or len(lengths) == 1 else f"{modality}_time"
        names = store.attributes(modality)["unit_names"]
        units = [names[code] for code in store.table(modality, "unit")[number][slots]]
        rate = store.rate_hz(modality)
        attributes: dict[str, Any] = {
            "sampling_rate": rate,
            "units": units[0] if len(set(units)) == 1 else attribute(units),
        }
        stretch = Stretch(store, number, modality, slots, start, stop)
        values = _later(stretch) if lazy else stretch[:, :]
        variables[modality] = ((channel_dim, time_dim), values, attributes)
        # of no fixed length, for which Zarr has no specification
        coordinates[channel_dim] = np.array(store.channels(modality), dtype=object)[slots]
        times = np.arange(start, stop) / rate
        coordinates[time_dim] = (time_dim, times, {"units": "s"})
    row = store.records.iloc[number].to_dict()
    return xr.Dataset(variables, coordinates, record_attributes(row))


def _later(stretch: Stretch) -> Any:
    import dask.array as da

    from_array: Any = da.from_array  # without types
    n_channels = max(1, len(stretch.slots))
    chunks = (n_channels, max(1, _BLOCK // n_channels))
    meta = np.empty((0, 0), np.float32)
    return from_array(stretch, chunks=chunks, asarray=False, name=False, meta=meta)
