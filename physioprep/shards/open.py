"""Shards, read: the whole of a chunk at a time, mapped where it is uncompressed."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.shards.spec import SCHEMA, SCHEMA_VERSION

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class ShardModality:
    """One modality of shards.

    Parameters
    ----------
    name : str
    channels, units : tuple of str
    rate_hz : float
    n_samples : int
        Samples of a window.
    mapped : bool
        Whether chunks are plain files.
    """

    name: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    n_samples: int
    mapped: bool


@dataclass(frozen=True, eq=False)
class Shards:
    """A shards folder, opened.

    Parameters
    ----------
    path : Path
    attrs : dict
        Of the root group.
    modalities : dict of str to ShardModality
    n_windows, windows_per_chunk : int
    """

    path: Path
    attrs: dict[str, Any]
    modalities: dict[str, ShardModality]
    n_windows: int
    windows_per_chunk: int

    @property
    def n_chunks(self) -> int:
        """Signal chunks."""
        return -(-self.n_windows // self.windows_per_chunk)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the label arrays, ``label_...``."""
        return tuple(self.attrs["labels"])

    def categories(self, label: str) -> tuple[str, ...] | None:
        """Return what the codes of a label mean; None where it is a number.

        Raises
        ------
        ShardError
            If there is no such label.
        """
        name = label if label.startswith("label_") else f"label_{label}"
        if name not in self.labels:
            held = ", ".join(self.labels) or "no labels"
            raise ShardError(f"{self.path}: holds no {name}, only {held}")
        found = _metadata(self.path / name)["attributes"].get("categories")
        return None if found is None else tuple(found)

    @cached_property
    def windows(self) -> pd.DataFrame:
        """One row a window, in the order of the shards.

        Returns
        -------
        pandas.DataFrame
            ``window, corpus, record_id, subject_id, split, label_*, start_s, quality`` and
            largest amplitude and least deviation a modality.
        """
        import pandas as pd

        return pd.read_parquet(self.path / "manifest.parquet")

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return a piece of an uncompressed array, mapped, within one of its chunks.

        Parameters
        ----------
        name : str
            Array, as ``"ecg/scale"``.
        start, stop : int
            Windows.

        Raises
        ------
        ShardError
            If the chunk's file is missing or short.
        """
        path = self.path / name
        shape, dtype = _array(path)
        chunk = start // shape[0]
        file = path.joinpath("c", str(chunk), *("0",) * (len(shape) - 1))
        if not file.exists():  # Zarr leaves out chunks that hold the fill value alone
            fill = _metadata(path)["fill_value"]
            return np.full((stop - start, *shape[1:]), fill, dtype)
        try:
            mapped = np.memmap(file, dtype, "r", shape=shape)
        except (OSError, ValueError) as error:
            raise ShardError(f"{file}: damaged: {error}") from None
        return np.asarray(mapped)[start - chunk * shape[0] : stop - chunk * shape[0]]

    def read(self, chunk_index: int, modality: str) -> NDArray[np.float32]:
        """Read a chunk of windows.

        Parameters
        ----------
        chunk_index : int
        modality : str

        Returns
        -------
        ndarray of float32, shape (window, channel, time)
            In the modality's units; NaN where samples are missing or a channel is absent.

        Raises
        ------
        ShardError
            If there is no such chunk or modality, or it is damaged.
        """
        start = chunk_index * self.windows_per_chunk
        if modality not in self.modalities or not 0 <= start < self.n_windows:
            raise ShardError(f"{self.path}: no chunk {chunk_index} of {modality!r}")
        stop = min(start + self.windows_per_chunk, self.n_windows)
        digital = self.signal(chunk_index, modality)
        signal = digital.astype(np.float32)
        signal *= self.rows(f"{modality}/scale", start, stop)[..., None]
        signal[digital == -32768] = np.nan
        return signal

    def signal(self, chunk_index: int, modality: str) -> NDArray[np.int16]:
        """Return the int16 samples of a chunk, shape (window, channel, time)."""
        start = chunk_index * self.windows_per_chunk
        stop = min(start + self.windows_per_chunk, self.n_windows)
        if self.modalities[modality].mapped:
            return self.rows(f"{modality}/signal", start, stop)
        try:
            values = _zarr_array(self.path / modality / "signal")[start:stop]
        except Exception as error:
            raise ShardError(f"{self.path}: {modality} chunk {chunk_index}: {error}") from None
        return np.asarray(values)


def open_shards(path: str | Path) -> Shards:
    """Open a shards folder.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Shards

    Raises
    ------
    ShardError
        If it is none, or of another schema version.
    """
    path = Path(path)
    try:
        attrs = _metadata(path)["attributes"]
    except (OSError, ValueError, KeyError):
        raise ShardError(f"{path}: no shards folder") from None
    if attrs.get("schema") != SCHEMA:
        raise ShardError(f"{path}: schema {attrs.get('schema')!r}, not {SCHEMA!r}")
    if attrs.get("schema_version") != SCHEMA_VERSION:
        raise ShardError(
            f"{path}: schema version {attrs.get('schema_version')}; "
            f"this version of physioprep reads {SCHEMA_VERSION}"
        )
    modalities = {name: _modality(path, name) for name in attrs["modalities"]}
    per_chunk = attrs["layout"]["windows_per_chunk"]
    return Shards(path, attrs, modalities, attrs["n_windows"], per_chunk)


def _modality(path: Path, name: str) -> ShardModality:
    group = _metadata(path / name)["attributes"]
    array = _metadata(path / name / "signal")
    codecs = [codec["name"] for codec in array["codecs"]]
    return ShardModality(
        name,
        tuple(group["channels"]),
        tuple(group["units"]),
        float(group["rate_hz"]),
        int(array["shape"][2]),
        codecs == ["bytes"],
    )


def _metadata(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "zarr.json").read_text()))


def _array(path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    metadata = _metadata(path)
    shape = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    return shape, np.dtype(metadata["data_type"]).newbyteorder("<")


def _zarr_array(path: Path) -> Any:
    import zarr

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not.*in the Zarr version 3 specification.*")
        return zarr.open_array(str(path), mode="r")
