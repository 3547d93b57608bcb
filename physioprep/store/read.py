"""Read a store: records as labelled arrays, samples as physical values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import StoreError
from physioprep.remote import fetch, join
from physioprep.samples import to_physical
from physioprep.store.format.columns import KIND, decode_column
from physioprep.store.format.layout import ANNOTATIONS, QUARANTINE, RECORDS

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class Store:
    """A store, open for reading; see `open_store`.

    Parameters
    ----------
    path : Path, or str for a URL
    group : zarr.Group
        Its root.
    """

    def __init__(self, path: str | Path, group: Any) -> None:
        self.path = path
        self.group = group
        self._arrays: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Store {self.path}: {len(self)} records, {', '.join(self.modalities)}>"

    def __len__(self) -> int:
        return int(self.attrs["n_records"])

    @cached_property
    def attrs(self) -> Mapping[str, Any]:
        """Attributes of the root: schema, corpora, recipe, hashes, software."""
        return MappingProxyType(dict(self.group.attrs))

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the groups that hold samples: ``"ecg"``, ``"eeg"``, ..."""
        return tuple(self.attrs["modalities"])

    @property
    def native(self) -> bool:
        """Whether the store keeps the digital samples of its files."""
        return bool(self.attrs["recipe"].get("native", False))

    @cached_property
    def records(self) -> pd.DataFrame:
        """The manifest rows of the records in the store, without ``root``; one row a record."""
        import pandas as pd

        group = self.group[RECORDS]
        columns = {}
        for name in group.attrs["columns"]:
            array = group[name]
            columns[name] = decode_column(name, np.asarray(array[...]), array.attrs[KIND])
        return pd.DataFrame(columns)

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """What is not in the store: ``corpus, record_id, path, stage, reason, traceback``.

        A traceback is there where the software failed in a way that no reader expects; else "".
        """
        import pandas as pd

        try:
            if isinstance(self.path, Path):
                frame = pd.read_parquet(self.path / QUARANTINE)
            else:
                frame = pd.read_parquet(BytesIO(fetch(join(self.path, QUARANTINE))))
        except FileNotFoundError:
            raise StoreError(f"{self.path}: {QUARANTINE} is missing") from None
        # The column is in the file only where one of its rows has one.
        return frame if "traceback" in frame else frame.assign(traceback="")

    def channels(self, modality: str) -> tuple[str, ...]:
        """Return the channels of a modality, in the order of its arrays."""
        return tuple(self._modality(modality).attrs["channels"])

    def units(self, modality: str) -> tuple[str, ...]:
        """Return the physical unit of each channel of a modality."""
        return tuple(self._modality(modality).attrs["units"])

    def rate_hz(self, modality: str) -> float:
        """Return the sampling rate of a modality in Hz."""
        return float(self._modality(modality).attrs["sampling_frequency"])

    def table(self, modality: str, name: str) -> NDArray[Any]:
        """Return a per-record array of a modality, whole.

        Parameters
        ----------
        modality : str
        name : str
            ``start``, ``length`` (record,); ``scale``, ``offset``, ``invalid``, ``present``,
            ``derived``, ``n_saturated``, ``quantisation_rms``, ``unit`` (into the attribute
            ``unit_names``), ``source_index`` (record, channel).

        Returns
        -------
        ndarray
            Read once and kept; do not write into it.
        """
        key = f"{modality}/{name}"
        if key not in self._arrays:
            self._arrays[key] = np.asarray(self._modality(modality)[name][...])
        out: NDArray[Any] = self._arrays[key]
        return out

    def index(self, record_id: str) -> int:
        """Return the number of a record.

        Parameters
        ----------
        record_id : str
            Its id; ``corpus/id`` where several corpora of a store use the same id.

        Raises
        ------
        StoreError
            If it is not in the store, with the reason where it was quarantined.
        """
        found = self._index.get(str(record_id), ())
        if len(found) == 1:
            return found[0]
        if found:
            corpora = ", ".join(self.records["corpus"].tolist()[number] for number in found)
            raise StoreError(f"{self.path}: record {record_id} is in {corpora}: say corpus/id")
        bad = self.quarantine
        for corpus, name, reason in zip(bad.corpus, bad.record_id, bad.reason, strict=True):
            if str(record_id) in (name, f"{corpus}/{name}"):
                raise StoreError(f"{self.path}: record {record_id} is in quarantine: {reason}")
        raise StoreError(f"{self.path}: no record {record_id}")

    @cached_property
    def _index(self) -> dict[str, tuple[int, ...]]:
        out: dict[str, tuple[int, ...]] = {}
        pairs = zip(self.records["corpus"], self.records["record_id"], strict=True)
        for number, (corpus, record) in enumerate(pairs):
            out[f"{corpus}/{record}"] = (number,)
            out[record] = (*out.get(record, ()), number)
        return out

    def digital(self, record_id: str, modality: str) -> NDArray[Any]:
        """Return the stored samples of a record.

        Parameters
        ----------
        record_id : str
        modality : str

        Returns
        -------
        ndarray of the stored dtype, shape (channel, sample)
            The channels that the record has: in the order of the file in a native store, of
            the store elsewhere; see `record` for their names.

        Raises
        ------
        StoreError
            If the record is not there or lacks the modality.
        """
        number = self.index(record_id)
        slots = self._slots(number, modality)
        return self._samples(number, modality, 0, None)[slots]

    def read(
        self, record_index: int, modality: str, start: int = 0, stop: int | None = None
    ) -> NDArray[np.float32]:
        """Return physical values of a stretch of a record.

        Parameters
        ----------
        record_index : int
            Row of `records`.
        modality : str
        start, stop : int
            Samples of the record; `stop` None or beyond its end means its end.

        Returns
        -------
        ndarray of float32, shape (channel, sample)
            All channels of the modality, in `units`; NaN where a sample is missing and in
            channels that the record lacks.
        """
        digital = self._samples(record_index, modality, start, stop)
        return self._physical(record_index, modality, digital, slice(None))

    def record(self, record_id: str) -> xr.Dataset:
        """Return a record as labelled physical values.

        Parameters
        ----------
        record_id : str

        Returns
        -------
        xarray.Dataset
            A float32 variable a modality, over (``channel``, ``time``) where the store has
            one modality and (``ecg_channel``, ``ecg_time``), ... where it has several;
            modalities that share their rate and length share ``time``. Channels that the
            record lacks are left out; missing samples are NaN; time is in s. Attributes: the
            record's row of `records`.

        Raises
        ------
        StoreError
            If it is not in the store.
        """
        import xarray as xr

        number = self.index(record_id)
        having = [m for m in self.modalities if self.table(m, "length")[number] > 0]
        lengths = {(self.rate_hz(m), int(self.table(m, "length")[number])) for m in having}
        variables: dict[str, Any] = {}
        coordinates: dict[str, Any] = {}
        for modality in having:
            alone = len(self.modalities) == 1
            channel_dim = "channel" if alone else f"{modality}_channel"
            time_dim = "time" if alone or len(lengths) == 1 else f"{modality}_time"
            slots = self._slots(number, modality)
            digital = self._samples(number, modality, 0, None)[slots]
            names = self._modality(modality).attrs["unit_names"]
            units = [names[code] for code in self.table(modality, "unit")[number][slots]]
            rate = self.rate_hz(modality)
            attributes: dict[str, Any] = {"sampling_rate": rate, "units": units[0]}
            if len(set(units)) > 1:
                attributes["units"] = units
            variables[modality] = (
                (channel_dim, time_dim),
                self._physical(number, modality, digital, slots),
                attributes,
            )
            coordinates[channel_dim] = [self.channels(modality)[slot] for slot in slots]
            coordinates[time_dim] = (time_dim, np.arange(digital.shape[1]) / rate, {"units": "s"})
        return xr.Dataset(variables, coordinates, self.records.iloc[number].to_dict())

    def annotations(self, record_id: str) -> pd.DataFrame:
        """Return the annotations of a record, as `Recording.annotations` does.

        Parameters
        ----------
        record_id : str

        Returns
        -------
        pandas.DataFrame
            Columns of `ANNOTATION_COLUMNS`; onset in s from the record's start.
        """
        import pandas as pd

        from physioprep.recording import ANNOTATION_COLUMNS

        number = self.index(record_id)
        group = self.group[ANNOTATIONS]
        first, n = int(group["start"][number]), int(group["length"][number])
        columns = {}
        for name, dtype in ANNOTATION_COLUMNS.items():
            values = np.asarray(group[name][first : first + n])
            columns[name] = values.astype(object) if dtype is object else values
        return pd.DataFrame(columns)

    def provenance(self, record_id: str) -> dict[str, Any]:
        """Return where the samples of a record come from and what was done to them.

        Parameters
        ----------
        record_id : str

        Returns
        -------
        dict
            ``files`` is a list of (path below the corpus's folder, SHA-256); ``samples`` gives,
            for each modality, the place in ``signal``; the other keys name themselves.

        """
        number = self.index(record_id)
        row = self.records.iloc[number]
        samples = {}
        for modality in self.modalities:
            length = int(self.table(modality, "length")[number])
            if length:
                slots = self._slots(number, modality)
                first = int(self.table(modality, "start")[number])
                saturated = self.table(modality, "n_saturated")[number][slots]
                samples[modality] = {
                    "channels": [self.channels(modality)[slot] for slot in slots],
                    "rate_hz": self.rate_hz(modality),
                    "first": first,
                    "stop": first + length,
                    "n_saturated": int(saturated.sum()),
                }
        return {
            "record": f"{row['corpus']}/{row['record_id']}",
            "files": list(zip(row["files"], row["file_sha256"], strict=True)),
            "format": row["format"],
            "source_channels": row["channels"],
            "samples": samples,
            "recipe": self.attrs["recipe"]["name"],
            "recipe_sha256": self.attrs["recipe_sha256"],
            "plan_sha256": self.attrs["plan_sha256"],
            "software": dict(self.attrs["software"]),
            "faults": row["faults"],
            "flags": row["flags"],
        }

    def tree(self) -> xr.DataTree:
        """Return the whole store as an xarray.DataTree; samples are read when asked for."""
        import xarray as xr

        return xr.open_datatree(zarr_place(self.path), engine="zarr")

    def _modality(self, modality: str) -> Any:
        if modality not in self.modalities:
            known = ", ".join(self.modalities)
            raise StoreError(f"{self.path}: no modality {modality!r}; it has {known}")
        key = f"{modality}/"
        if key not in self._arrays:
            self._arrays[key] = self.group[modality]
        return self._arrays[key]

    def _slots(self, number: int, modality: str) -> NDArray[np.intp]:
        slots = np.flatnonzero(self.table(modality, "present")[number])
        if not slots.size:
            record = self.records["record_id"].iloc[number]
            raise StoreError(f"{self.path}: record {record} has no {modality}")
        if self.native:
            slots = slots[np.argsort(self.table(modality, "source_index")[number][slots])]
        return slots

    def _samples(self, number: int, modality: str, start: int, stop: int | None) -> NDArray[Any]:
        first = int(self.table(modality, "start")[number])
        length = int(self.table(modality, "length")[number])
        stop = length if stop is None else min(stop, length)
        if not 0 <= start <= length:
            raise StoreError(f"{self.path}: sample {start} of a record of {length}")
        key = f"{modality}/signal/"
        if key not in self._arrays:
            self._arrays[key] = self._modality(modality)["signal"]
        return np.asarray(self._arrays[key][:, first + start : first + max(start, stop)])

    def _physical(
        self, number: int, modality: str, digital: NDArray[Any], slots: Any
    ) -> NDArray[np.float32]:
        scale = self.table(modality, "scale")[number][slots]
        offset = self.table(modality, "offset")[number][slots]
        invalid = self.table(modality, "invalid")[number][slots]
        return to_physical(digital, scale, offset, invalid)  # NaN scale: the channel is absent


def zarr_place(path: str | Path) -> Any:
    """Return what Zarr opens."""
    if isinstance(path, Path):
        return str(path)
    from physioprep.remote_zarr import UrlStore

    return UrlStore(path)
