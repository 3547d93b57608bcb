"""Read a store: its records, their samples, annotations and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import StoreError
from physioprep.store.damage import named
from physioprep.store.format.columns import KIND, decode_column
from physioprep.store.format.layout import ANNOTATIONS, QUARANTINE, RECORDS, array_name
from physioprep.store.listed import read_listed, zarr_place
from physioprep.store.modality_arrays import ModalityArrays
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr


class StoredRecords(ModalityArrays):
    """The records of a store; base class of `physioprep.store.read.Store`.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.
    group : zarr.Group
        Root group of the store.
    """

    def __repr__(self) -> str:
        return f"<Store {self.path}: {len(self)} records, {', '.join(self.modalities)}>"

    def __len__(self) -> int:
        return int(self.attrs["n_records"])

    @cached_property
    def records(self) -> pd.DataFrame:
        """Manifest rows of the records in the store.

        Returns
        -------
        pandas.DataFrame
            One row per record; the columns of the manifest except ``root``.
        """
        import pandas as pd

        with named(self.path):
            group = self.group[RECORDS]
            columns = {}
            for name in group.attrs["columns"]:
                array = group[array_name(name)]
                columns[name] = decode_column(name, np.asarray(array[...]), array.attrs[KIND])
            return pd.DataFrame(columns)

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """Records that could not be ingested, or that the recipe excludes, and why.

        Returns
        -------
        pandas.DataFrame
            Columns ``corpus, record_id, path, stage, reason, traceback`` (text). The stage is
            ``"excluded"`` where the recipe asks for none of the record's channels. The traceback
            is "" except for unexpected errors, which may be faults of the software.

        Raises
        ------
        StoreError
            The store's quarantine table is missing or damaged.
        """
        import pandas as pd
        from pyarrow import ArrowException

        try:
            frame = pd.read_parquet(BytesIO(read_listed(self.home, QUARANTINE)))
        except FileNotFoundError:
            raise StoreError(f"{self.path}: {QUARANTINE} is missing") from None
        except (ValueError, OSError, ArrowException) as error:
            cause = " ".join(str(error).split())[:200]
            raise StoreError(f"{self.path}/{QUARANTINE}: damaged ({cause})") from None
        # The file has the column only if one of its rows has a traceback.
        return frame if "traceback" in frame else frame.assign(traceback="")

    def index(self, record_id: str) -> int:
        """Return the row of a record in `records`.

        Parameters
        ----------
        record_id : str
            Its id; ``corpus/id`` if several corpora of the store use the same id.

        Returns
        -------
        int
            Also its index along the record axis of the arrays.

        Raises
        ------
        StoreError
            The record is not in the store (for a quarantined record with the reason), or
            several corpora have a record with this id.
        """
        found = self._index.get(str(record_id), ())
        if len(found) == 1:
            return found[0]
        if found:
            corpora = ", ".join(self.records["corpus"].tolist()[number] for number in found)
            raise StoreError(f"{self.path}: record {record_id} is in {corpora}: give corpus/id")
        bad = self.quarantine
        rows = zip(bad.corpus, bad.record_id, bad.stage, bad.reason, strict=True)
        for corpus, name, stage, reason in rows:
            if str(record_id) in (name, f"{corpus}/{name}"):
                where = "excluded by the recipe" if stage == "excluded" else "in quarantine"
                raise StoreError(f"{self.path}: record {record_id} is {where}: {reason}")
        raise StoreError(
            f"{self.path}: no record {record_id}{did_you_mean(str(record_id), self._index)}"
        )

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
            As for `index`.
        modality : str
            One of `modalities`.

        Returns
        -------
        ndarray of the stored dtype, shape (channel, sample)
            The channels that the record has: in a native store in the order of the source
            file, else in the order of the store; see `record` for their names.

        Raises
        ------
        StoreError
            The record is not in the store or lacks the modality.
        """
        with named(self.path):
            number = self.index(record_id)
            slots = self.slots(number, modality)
            return self._samples(number, modality, 0, None)[slots]

    def record(
        self,
        record_id: str,
        *,
        start_s: float = 0.0,
        stop_s: float | None = None,
        channels: Sequence[str] | None = None,
        lazy: bool = False,
    ) -> xr.Dataset:
        """Return a record, or a stretch of it, as labelled physical values.

        Parameters
        ----------
        record_id : str
            As for `index`.
        start_s, stop_s : float
            Stretch of the record, s from its start; by default all of it. Only the chunks that
            hold it are read.
        channels : sequence of str, optional
            These only, in this order. Default: all that the record has.
        lazy : bool
            Whether the values are Dask arrays, which read when they are computed.

        Returns
        -------
        xarray.Dataset
            One float32 variable per modality, over (``channel``, ``time``) if the store has
            one modality and (``ecg_channel``, ``ecg_time``), ... if it has several;
            modalities of equal rate and length share ``time``. Channels that the record lacks
            are left out; missing samples are NaN; time is in s from the record's start.
            Attributes: the known values of
            the record's row of `records`, lists and channels' differing units as JSON text, so
            that ``to_netcdf`` and ``to_zarr`` can write them.

        Raises
        ------
        StoreError
            The record is not in the store, lacks a channel, or ends before the stretch.
        """
        from physioprep.store.labelled import labelled_record

        number = self.index(record_id)
        having = [m for m in self.modalities if self.table(m, "length")[number] > 0]
        chosen = {m: self._chosen(number, m, channels) for m in having}
        if channels is not None:
            held = {name for names in (self._held(number, m) for m in having) for name in names}
            if lost := [name for name in channels if name not in held]:
                hint = did_you_mean(lost[0], held) or f"; it has {', '.join(sorted(held))}"
                raise StoreError(f"{self.path}: record {record_id} has no channel {lost[0]}{hint}")
        bounds = {m: self._bounds(number, m, start_s, stop_s) for m in having}
        with named(self.path):
            return labelled_record(
                self, number, {m: (chosen[m], *bounds[m]) for m in having if chosen[m].size}, lazy
            )

    def _held(self, number: int, modality: str) -> list[str]:
        names = self.channels(modality)
        return [names[slot] for slot in self.slots(number, modality)]

    def _chosen(
        self, number: int, modality: str, channels: Sequence[str] | None
    ) -> NDArray[np.intp]:
        """Return the slots of a record's channels, all or those that are named, as asked."""
        slots = self.slots(number, modality)
        if channels is None:
            return slots
        place = dict(zip(self._held(number, modality), slots, strict=True))
        return np.array([place[name] for name in channels if name in place], np.intp)

    def _bounds(
        self, number: int, modality: str, start_s: float, stop_s: float | None
    ) -> tuple[int, int]:
        """Return the first sample of a stretch of a record, and the one after its last."""
        rate_hz, length = self.rate_hz(modality), int(self.table(modality, "length")[number])
        start = round(start_s * rate_hz)
        stop = length if stop_s is None else min(round(stop_s * rate_hz), length)
        if not 0 <= start < stop:
            raise StoreError(
                f"{self.path}: nothing from {start_s:g} to "
                f"{'the end' if stop_s is None else f'{stop_s:g} s'} of {modality}, "
                f"which lasts {length / rate_hz:g} s"
            )
        return start, stop

    def annotations(self, record_id: str, modality: str | None = None) -> pd.DataFrame:
        """Return the annotations of a record.

        Parameters
        ----------
        record_id : str
            As for `index`.
        modality : str, optional
            Whose samples are counted. By default all that the record has, where they have one
            sampling rate.

        Returns
        -------
        pandas.DataFrame
            One row per annotation, columns of `ANNOTATION_COLUMNS`; onset in s from the start
            of the record, duration in s. ``sample`` is the number of the sample of this store
            that is nearest to the onset, -1 where the record has several sampling rates and no
            `modality` is given; ``source_sample`` is the source file's own number, -1 where it
            states a time.

        Raises
        ------
        StoreError
            The record is not in the store, or lacks the modality.
        """
        import pandas as pd

        from physioprep.recording import ANNOTATION_COLUMNS

        number = self.index(record_id)
        with named(self.path):
            group = self.group[ANNOTATIONS]
            first, n = int(group["start"][number]), int(group["length"][number])
            columns = {}
            for name, dtype in ANNOTATION_COLUMNS.items():
                values = np.asarray(group[name][first : first + n])
                columns[name] = values.astype(object) if dtype is object else values
            columns["source_sample"] = columns["sample"]
            rate_hz = self._rate_of_record(number, modality)
            if rate_hz is None:
                columns["sample"] = np.full(n, -1, np.int64)
            else:
                columns["sample"] = np.rint(columns["onset"] * rate_hz).astype(np.int64)
            return pd.DataFrame(columns)

    def _rate_of_record(self, number: int, modality: str | None) -> float | None:
        """Return the sampling rate of a record's modality, or of all; None if they differ."""
        if modality is not None:
            self.slots(number, modality)  # raises where the record lacks it
            return self.rate_hz(modality)
        rates = {
            self.rate_hz(name) for name in self.modalities if self.table(name, "length")[number]
        }
        return rates.pop() if len(rates) == 1 else None

    def provenance(self, record_id: str) -> dict[str, Any]:
        """Return the source files of a record and how its samples were made.

        Parameters
        ----------
        record_id : str
            As for `index`.

        Returns
        -------
        dict
            ``files``: list of (path below the folder of the corpus, SHA-256); ``samples``: for
            each modality its channels, rate (Hz), first sample and end in ``signal``, and
            number of saturated samples; also the format, the source channels, name and hash of
            the recipe, hash of the plan, software versions, faults and flags.

        Raises
        ------
        StoreError
            The record is not in the store.
        """
        with named(self.path):
            number = self.index(record_id)
            row = self.records.iloc[number]
            samples = {}
            for modality in self.modalities:
                length = int(self.table(modality, "length")[number])
                if length:
                    slots = self.slots(number, modality)
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
        """Return the whole store as an xarray.DataTree.

        Returns
        -------
        xarray.DataTree
            One node per group; values are read when they are used.
        """
        import xarray as xr

        return xr.open_datatree(zarr_place(self.home), engine="zarr")

    def slots(self, number: int, modality: str) -> NDArray[np.intp]:
        """Return the channels that a record has, by their place in `channels`.

        Parameters
        ----------
        number : int
            Of the record.
        modality : str
            One of `modalities`.

        Returns
        -------
        ndarray of int
            In a native store in the order of the source file.

        Raises
        ------
        StoreError
            The record lacks the modality.
        """
        slots = np.flatnonzero(self.table(modality, "present")[number])
        if not slots.size:
            record = self.records["record_id"].iloc[number]
            raise StoreError(f"{self.path}: record {record} has no {modality}")
        if self.native:
            slots = slots[np.argsort(self.table(modality, "source_index")[number][slots])]
        return slots
