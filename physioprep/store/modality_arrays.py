"""Read the modalities of a store: attributes, per-record arrays, samples as physical values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import StoreError
from physioprep.samples import to_physical
from physioprep.store.damage import named
from physioprep.store.listed import read_listed
from physioprep.store.span import read_span, span_layout


class ModalityArrays:
    """The modalities of a store; base class of `physioprep.store.records.StoredRecords`.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.
    group : zarr.Group
        Root group of the store.
    """

    def __init__(self, path: str | Path, group: Any) -> None:
        self.path = path
        #: The same from any working folder, for whoever opens it again.
        self.home = path.absolute() if isinstance(path, Path) else path
        self.group = group
        self._arrays: dict[str, Any] = {}

    @cached_property
    def attrs(self) -> Mapping[str, Any]:
        """Attributes of the root group: schema, corpora, recipe, hashes, software.

        Returns
        -------
        mapping of str to JSON value
            Read-only.
        """
        return MappingProxyType(dict(self.group.attrs))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the groups that hold samples.

        Returns
        -------
        tuple of str
            ``"ecg"``, ``"eeg"``, ...; with the rate, if the store has several for a modality.
        """
        with named(self.path):
            return tuple(map(str, self.attrs["modalities"]))

    @property
    def native(self) -> bool:
        """Whether the store keeps the digital samples of its source files.

        Returns
        -------
        bool
            False if its recipe filters or resamples.
        """
        with named(self.path):
            return bool(self.attrs["recipe"].get("native", False))

    def channels(self, modality: str) -> tuple[str, ...]:
        """Return the names of the channels of a modality.

        Parameters
        ----------
        modality : str
            One of `modalities`.

        Returns
        -------
        tuple of str
            In the order of the channel axis of its arrays.
        """
        with named(self.path):
            return tuple(map(str, self._modality(modality).attrs["channels"]))

    def units(self, modality: str) -> tuple[str, ...]:
        """Return the physical unit of each channel of a modality.

        Parameters
        ----------
        modality : str
            One of `modalities`.

        Returns
        -------
        tuple of str
            In the order of `channels`.
        """
        with named(self.path):
            return tuple(map(str, self._modality(modality).attrs["units"]))

    def rate_hz(self, modality: str) -> float:
        """Return the sampling rate of a modality.

        Parameters
        ----------
        modality : str
            One of `modalities`.

        Returns
        -------
        float
            Hz.
        """
        with named(self.path):
            return float(self._modality(modality).attrs["sampling_frequency"])

    def table(self, modality: str, name: str) -> NDArray[Any]:
        """Return a per-record array of a modality, complete.

        Parameters
        ----------
        modality : str
            One of `modalities`.
        name : str
            ``start``, ``length`` (record,); ``scale``, ``offset``, ``invalid``, ``present``,
            ``derived``, ``n_saturated``, ``quantisation_rms``, ``unit`` (index into the
            attribute ``unit_names``), ``source_index`` (record, channel).

        Returns
        -------
        ndarray, shape (record,) or (record, channel)
            Kept in memory for further calls; do not change it.
        """
        key = f"{modality}/{name}"
        if key not in self._arrays:
            with named(self.path):
                self._arrays[key] = np.asarray(self._modality(modality)[name][...])
        out: NDArray[Any] = self._arrays[key]
        return out

    def has(self, modality: str, name: str) -> bool:
        """Return whether a modality has an array, which not every store has.

        Parameters
        ----------
        modality : str
            One of `modalities`.
        name : str
            As ``position``: of electrodes, (record, channel, 3), where files state any.

        Returns
        -------
        bool
        """
        with named(self.path):
            return name in self._modality(modality)

    def read(
        self,
        record_index: int,
        modality: str,
        start: int = 0,
        stop: int | None = None,
        *,
        slots: NDArray[np.intp] | None = None,
    ) -> NDArray[np.float32]:
        """Return the physical values of a section of a record.

        Parameters
        ----------
        record_index : int
            Row of `records`.
        modality : str
            One of `modalities`.
        start, stop : int
            First sample, and the sample after the last, counted from the start of the record;
            `stop` None or beyond its end means its end.
        slots : ndarray of int, optional
            Places of the channels wanted, in `channels`; default all.

        Returns
        -------
        ndarray of float32, shape (channel, sample)
            The channels, in `units`; NaN for missing samples and for channels
            that the record lacks.

        Raises
        ------
        StoreError
            `start` is beyond the end, or the store lacks the modality.
        """
        digital = self._samples(record_index, modality, start, stop)
        if slots is None:
            return self._physical(record_index, modality, digital, slice(None))
        return self._physical(record_index, modality, digital[slots], slots)

    def read_rows(self, rows: Sequence[int], modality: str) -> list[NDArray[np.float32]]:
        """Return the physical values of several records, read at once where they lie side by side.

        Parameters
        ----------
        rows : sequence of int
            Rows of `records`, ascending.
        modality : str
            One of `modalities`.

        Returns
        -------
        list of ndarray of float32, shape (channel, sample)
            As `read` returns each of them.

        Raises
        ------
        StoreError
            The store lacks the modality, or is damaged.
        """
        starts, lengths = (self.table(modality, name) for name in ("start", "length"))
        ends = [int(starts[row] + lengths[row]) for row in rows]
        if ends[:-1] != [int(starts[row]) for row in rows[1:]]:
            return [self.read(row, modality) for row in rows]
        first = int(starts[rows[0]])
        digital = self._run(modality, first, ends[-1])
        return [
            self._physical(
                row, modality, digital[:, starts[row] - first : end - first], slice(None)
            )
            for row, end in zip(rows, ends, strict=True)
        ]

    def attributes(self, modality: str) -> Mapping[str, Any]:
        """Return the attributes of a modality's group.

        Parameters
        ----------
        modality : str
            One of `modalities`.

        Returns
        -------
        mapping of str to JSON value
            ``modality``, ``sampling_frequency``, ``channels``, ``units`` ...
        """
        with named(self.path):
            return MappingProxyType(dict(self._modality(modality).attrs))

    def _modality(self, modality: str) -> Any:
        if modality not in self.modalities:
            known = ", ".join(self.modalities)
            raise StoreError(f"{self.path}: no modality {modality!r}; it has {known}")
        key = f"{modality}/"
        if key not in self._arrays:
            with named(self.path):
                self._arrays[key] = self.group[modality]
        return self._arrays[key]

    def _samples(self, number: int, modality: str, start: int, stop: int | None) -> NDArray[Any]:
        first = int(self.table(modality, "start")[number])
        length = int(self.table(modality, "length")[number])
        stop = length if stop is None else min(stop, length)
        if not 0 <= start <= length:
            raise StoreError(
                f"{self.path}: sample {start} is not in the record, which has 0 to {length}"
            )
        return self._run(modality, first + start, first + max(start, stop))

    def _run(self, modality: str, start: int, stop: int) -> NDArray[Any]:
        """Return samples along the time axis, whatever records they belong to."""
        signal = self._signal(modality)  # also: the store has it
        if isinstance(self.home, Path):
            key = f"{modality}/span/"
            if key not in self._arrays:
                raw = read_listed(self.home, f"{modality}/signal/zarr.json")
                self._arrays[key] = span_layout(raw)
            layout = self._arrays[key]
            samples = layout and read_span(self.home, modality, layout, start, stop)
            if samples is not None:
                return samples
        with named(self.path):
            return np.asarray(signal[:, start:stop])

    def _signal(self, modality: str) -> Any:
        key = f"{modality}/signal/"
        if key not in self._arrays:
            self._arrays[key] = self._modality(modality)["signal"]
        return self._arrays[key]

    def _physical(
        self, number: int, modality: str, digital: NDArray[Any], slots: Any
    ) -> NDArray[np.float32]:
        scale = self.table(modality, "scale")[number][slots]
        offset = self.table(modality, "offset")[number][slots]
        invalid = self.table(modality, "invalid")[number][slots]
        with named(self.path):  # NaN scale: the channel is absent
            return to_physical(digital, scale, offset, invalid)
