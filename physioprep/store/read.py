"""Read a store: records as xarray, pictures, and exports to others' objects and files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from physioprep.exporting.part import Part
from physioprep.store.damage import named
from physioprep.store.records import StoredRecords

if TYPE_CHECKING:
    import mne
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

    from physioprep.channel_choice import Channels
    from physioprep.positions import Positions


class Store(StoredRecords):
    """A store, open for reading; see `open_store`.

    ``len(store)`` is its number of records, ``store["208"]`` is ``store.record("208")``, and a
    loop over it gives one record after the other.

    Parameters
    ----------
    path : Path, or str for a URL
        Folder of the store.
    group : zarr.Group
        Root group of the store.
    """

    def __getitem__(self, record_id: str) -> xr.Dataset:
        return self.record(record_id)

    def __iter__(self) -> Iterator[xr.Dataset]:
        for corpus, record_id in zip(
            self.records["corpus"], self.records["record_id"], strict=True
        ):
            yield self.record(f"{corpus}/{record_id}")

    def __contains__(self, record_id: object) -> bool:
        return str(record_id) in self._index

    def _repr_html_(self) -> str:
        from physioprep.store.summary import store_html

        return store_html(self)

    def plot(
        self,
        record_id: str,
        *,
        start_s: float = 0.0,
        duration_s: float = 10.0,
        modality: str | None = None,
        channels: Channels | None = None,
        mm_per_mv: float | None = None,
        uv_per_mm: float | None = None,
        mm_per_s: float = 25.0,
        montage: str = "stored",
        annotators: Sequence[str] | None = None,
    ) -> Figure:
        """Draw a stretch of a record: ECG on paper at 25 mm/s and 10 mm/mV, EEG as a montage.

        Parameters
        ----------
        record_id : str
            As for `index`.
        start_s, duration_s : float
            Stretch to draw, s; cut at the end of the record. At most 300 s.
        modality : str, optional
            Draw this modality only.
        channels, mm_per_mv, uv_per_mm, mm_per_s, montage, annotators
            As for `physioprep.view`.

        Returns
        -------
        matplotlib.figure.Figure
            A notebook shows it.

        Raises
        ------
        PhysioprepError
            There is no such record, modality or channel, nothing there, or an impossible scale.
        """
        from physioprep.drawing.look import Look
        from physioprep.store.draw import draw_record

        look = Look(channels, mm_per_mv, uv_per_mm, mm_per_s, montage, annotators)
        return draw_record(
            self, record_id, start_s=start_s, duration_s=duration_s, modality=modality, look=look
        )

    def parts(
        self,
        record_id: str,
        modality: str | None = None,
        *,
        start_s: float = 0.0,
        stop_s: float | None = None,
    ) -> list[Part]:
        """Return what the store holds of a record: whole numbers, scales, offsets, sentinels.

        Parameters
        ----------
        record_id : str
            As for `index`.
        modality : str, optional
            This one only.
        start_s, stop_s : float
            Stretch of the record, s; by default all of it.

        Returns
        -------
        list of Part
            One per modality that the record has.

        Raises
        ------
        StoreError
            The record is not in the store, or lacks the modality.
        """
        from physioprep.store.electrodes import own_positions

        number = self.index(record_id)
        having = [m for m in self.modalities if self.table(m, "length")[number] > 0]
        if modality is not None:
            self.slots(number, modality)  # raises where the record lacks it
            having = [modality]
        out = []
        for name in having:
            slots, rate = self.slots(number, name), self.rate_hz(name)
            start, stop = self._bounds(number, name, start_s, stop_s)
            units = self._modality(name).attrs["unit_names"]
            with named(self.path):
                out.append(
                    Part(
                        str(self.attributes(name)["modality"]),
                        tuple(np.array(self.channels(name), object)[slots]),
                        tuple(units[code] for code in self.table(name, "unit")[number][slots]),
                        rate,
                        self._samples(number, name, start, stop)[slots],
                        self.table(name, "scale")[number][slots],
                        self.table(name, "offset")[number][slots],
                        self.table(name, "invalid")[number][slots],
                        own_positions(self, number, name, slots),
                    )
                )
        return out

    def positions(self, record_id: str, modality: str | None = None) -> Positions:
        """Return the positions of a record's electrodes: its file's own, else those of their names.

        Parameters
        ----------
        record_id : str
            As for `index`.
        modality : str, optional
            Default: the EEG of the record, or its only modality.

        Returns
        -------
        Positions
            m; `source` and `frame` say which they are. NaN where none is known: a derivation of
            two electrodes has no place.

        Raises
        ------
        StoreError
            The record is not in the store, lacks the modality, or has several without EEG.
        """
        from physioprep.store.electrodes import positions_of_record

        return positions_of_record(self, record_id, modality)

    def to_mne(self, record_id: str, modality: str | None = None) -> mne.io.RawArray:
        """Return a record as a raw object of MNE.

        Parameters
        ----------
        record_id : str
            As for `index`.
        modality : str, optional
            This one only; needed where modalities have several sampling rates.

        Returns
        -------
        mne.io.RawArray
            See `physioprep.exporting.mne_raw.mne_raw`: types, montage, annotations, V.

        Raises
        ------
        PhysioprepError
            There is no such record or modality, or there are several sampling rates.
        """
        from physioprep.exporting.mne_raw import mne_raw

        return mne_raw(
            self.parts(record_id, modality),
            self.annotations(record_id, modality),
            record_id=record_id,
            start_time=self._start_time(record_id),
            sex=self._sex(record_id),
        )

    def to_wfdb(self, record_id: str, folder: str | Path, modality: str | None = None) -> Path:
        """Write a record as WFDB files, its samples as they are stored.

        Parameters
        ----------
        record_id : str
            As for `index`.
        folder : path-like
            Is made where it is missing.
        modality : str, optional
            As for `to_mne`.

        Returns
        -------
        Path
            The header; see `physioprep.exporting.wfdb_files.wfdb_files`.

        Raises
        ------
        PhysioprepError
            As `to_mne`; the samples are floats, or the files are there.
        """
        from physioprep.exporting.wfdb_files import wfdb_files

        return wfdb_files(
            self.parts(record_id, modality),
            self.annotations(record_id, modality),
            folder,
            record_id=record_id,
            start_time=self._start_time(record_id),
        )

    def to_edf(self, record_id: str, path: str | Path, modality: str | None = None) -> Path:
        """Write a record as an EDF+ or BDF+ file, its samples as they are stored.

        Parameters
        ----------
        record_id : str
            As for `index`.
        path : path-like
            ``.edf`` (16 bits) or ``.bdf`` (24 bits).
        modality : str, optional
            This one only; by default all, at their own sampling rates.

        Returns
        -------
        Path
            The file; see `physioprep.exporting.edf_file.edf_file`.

        Raises
        ------
        PhysioprepError
            There is no such record or modality, 16 bits do not hold it, or the file is there.
        """
        from physioprep.exporting.edf_file import edf_file

        return edf_file(
            self.parts(record_id, modality),
            self.annotations(record_id, modality),
            path,
            record_id=record_id,
            start_time=self._start_time(record_id),
            sex=self._sex(record_id),
        )

    def to_bids(self, folder: str | Path, *, task: str = "rest") -> Path:
        """Write the EEG records of the store as a BIDS dataset.

        Parameters
        ----------
        folder : path-like
            Must be empty or missing.
        task : str
            BIDS task label.

        Returns
        -------
        Path
            The folder; see `physioprep.exporting.bids_folder.bids_folder`.

        Raises
        ------
        PhysioprepError
            The folder is not empty, a record has no EEG, or mne-bids is missing.
        """
        from physioprep.exporting.bids_folder import bids_folder
        from physioprep.exporting.mne_raw import TYPES

        def write_edf(record_id: str, path: Path) -> tuple[Path, list[str], list[Positions]]:
            parts = self.parts(record_id)
            whole = all(part.digital.dtype == np.int16 for part in parts)
            kinds = [TYPES.get(part.modality, "misc") for part in parts for _ in part.channels]
            file = self.to_edf(record_id, path.with_suffix(".edf" if whole else ".bdf"))
            return file, kinds, [part.positions for part in parts if part.positions]

        rows = self.records
        ids = (rows["corpus"] + "/" + rows["record_id"]).tolist()
        subjects = rows["subject_id"].fillna(rows["record_id"]).astype(str).tolist()
        return bids_folder(zip(ids, subjects, strict=True), write_edf, folder, task=task)

    def to_dataframe(
        self,
        record_id: str,
        modality: str | None = None,
        *,
        start_s: float = 0.0,
        stop_s: float | None = None,
    ) -> pd.DataFrame:
        """Return a record as a table: a row per sample, a column per channel.

        Parameters
        ----------
        record_id : str
            As for `index`.
        modality : str, optional
            As for `to_mne`.
        start_s, stop_s : float
            Stretch of the record, s; by default all of it.

        Returns
        -------
        pandas.DataFrame
            Index ``time`` in s from the record's start; see `physioprep.exporting.frame.frame`.

        Raises
        ------
        PhysioprepError
            As `to_mne`, or the stretch is outside the record.
        """
        from physioprep.exporting.frame import frame

        parts = self.parts(record_id, modality, start_s=start_s, stop_s=stop_s)
        first_s = round(start_s * parts[0].rate_hz) / parts[0].rate_hz
        return frame(parts, record_id=record_id, start_s=first_s)

    def _start_time(self, record_id: str) -> datetime | None:
        import pandas as pd

        value = self.records.get("start_time")
        time = pd.NaT if value is None else pd.to_datetime(value.iloc[self.index(record_id)])
        return None if pd.isna(time) else time.to_pydatetime()

    def _sex(self, record_id: str) -> Literal["F", "M", "X"]:
        sex = self.records.get("sex")
        value = None if sex is None else sex.iloc[self.index(record_id)]
        return "F" if value == "F" else "M" if value == "M" else "X"
