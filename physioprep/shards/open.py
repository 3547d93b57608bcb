"""Shards, read: the whole of a chunk at a time, mapped where it is uncompressed."""

from __future__ import annotations

import json
import mmap
import os
import warnings
from collections.abc import Callable
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


#: Gives an array of a shape and dtype.
Take = Callable[[tuple[int, ...], Any], NDArray[Any]]


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
    codec : {"none", "blosc", "other"}
        Whether chunks are plain files, Blosc frames, or for zarr to decode.
    all_valid, all_present : bool
        Whether no sample is missing in any channel that is present; whether all are present.
    """

    name: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    n_samples: int
    codec: str
    all_valid: bool
    all_present: bool


@dataclass(frozen=True, eq=False)
class ArrayLayout:
    """Chunk shape, dtype and fill value of an array."""

    chunk: tuple[int, ...]
    dtype: np.dtype[Any]
    fill_value: Any


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
    arrays : dict of str to ArrayLayout
        The uncompressed arrays by name, as ``"ecg/scale"``.
    """

    path: Path
    attrs: dict[str, Any]
    modalities: dict[str, ShardModality]
    n_windows: int
    windows_per_chunk: int
    arrays: dict[str, ArrayLayout]

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
        """Return a piece of an uncompressed array: mapped where it lies in one chunk.

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
        array = self.arrays[name]
        chunk, first = divmod(start, array.chunk[0])
        end = (chunk + 1) * array.chunk[0]
        if stop > end:
            return np.concatenate([self.rows(name, start, end), self.rows(name, end, stop)])
        file = self.path / name / ".".join(("c", str(chunk), *("0",) * (len(array.chunk) - 1)))
        try:
            mapped = np.memmap(file, array.dtype, "r", shape=array.chunk)
        except FileNotFoundError:  # Zarr leaves out chunks that hold the fill value alone
            return np.full((stop - start, *array.chunk[1:]), array.fill_value, array.dtype)
        except (OSError, ValueError) as error:
            raise ShardError(f"{file}: damaged: {error}") from None
        return np.asarray(mapped)[first : first + stop - start]

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

    def signal(
        self, chunk_index: int, modality: str, take: Take | None = None
    ) -> NDArray[np.int16]:
        """Return the int16 samples of a chunk: mapped, or decoded.

        Parameters
        ----------
        chunk_index : int
        modality : str
        take : callable, optional
            ``take(shape, dtype)`` gives an array to decode into.

        Returns
        -------
        ndarray of int16, shape (window, channel, time)

        Raises
        ------
        ShardError
            If the chunk is damaged.
        """
        start = chunk_index * self.windows_per_chunk
        stop = min(start + self.windows_per_chunk, self.n_windows)
        held = self.modalities[modality]
        if held.codec == "none":
            mapped = _map_chunk(
                self.chunk_file(chunk_index, modality), self.arrays[f"{modality}/signal"]
            )
            return mapped[: stop - start]
        if held.codec == "blosc":
            shape = (self.windows_per_chunk, len(held.channels), held.n_samples)
            whole = (take or np.empty)(shape, np.dtype("<i2"))
            if _decode_blosc(self.chunk_file(chunk_index, modality), whole):
                return whole[: stop - start]
        try:
            values = _zarr_array(self.path / modality / "signal")[start:stop]
        except Exception as error:
            raise ShardError(f"{self.path}: {modality} chunk {chunk_index}: {error}") from None
        return np.asarray(values)

    def chunk_file(self, chunk_index: int, modality: str) -> Path:
        """Return the file of a signal chunk."""
        return self.path / modality / "signal" / f"c.{chunk_index}.0.0"


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
    arrays = {name: _array(path / name) for name in ("record", "start_s", *attrs["labels"])}
    for modality in modalities:
        for array in ("signal", "scale", "present"):
            arrays[f"{modality}/{array}"] = _array(path / modality / array)
    return Shards(path, attrs, modalities, attrs["n_windows"], per_chunk, arrays)


def _modality(path: Path, name: str) -> ShardModality:
    group = _metadata(path / name)["attributes"]
    array = _metadata(path / name / "signal")
    codecs = tuple(codec["name"] for codec in array["codecs"])
    return ShardModality(
        name,
        tuple(group["channels"]),
        tuple(group["units"]),
        float(group["rate_hz"]),
        int(array["shape"][2]),
        {("bytes",): "none", ("bytes", "blosc"): "blosc"}.get(codecs, "other"),
        bool(group.get("all_valid", False)),
        bool(group.get("all_present", False)),
    )


def _metadata(path: Path) -> dict[str, Any]:
    return dict(json.loads((path / "zarr.json").read_text()))


def _array(path: Path) -> ArrayLayout:
    metadata = _metadata(path)
    chunk = tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"])
    dtype = np.dtype(metadata["data_type"]).newbyteorder("<")
    return ArrayLayout(chunk, dtype, metadata["fill_value"])


def _map_file(file: Path) -> NDArray[np.uint8] | None:
    """Map a file with all its pages at once: a third of the cost of faulting one by one.

    Where the file is not in memory yet this reads it, in sequence. None where there is none.
    """
    try:
        handle = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(handle).st_size
        if not size:
            return np.empty(0, np.uint8)
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        return np.frombuffer(mmap.mmap(handle, size, flags=flags, prot=mmap.PROT_READ), np.uint8)
    finally:
        os.close(handle)


def _map_chunk(file: Path, array: ArrayLayout) -> NDArray[np.int16]:
    """Return an uncompressed chunk, mapped."""
    content = _map_file(file)
    if content is None:  # Zarr leaves out chunks that hold the fill value alone
        return np.full(array.chunk, array.fill_value, np.int16)
    wanted = int(np.prod(array.chunk)) * array.dtype.itemsize
    if content.nbytes != wanted:
        raise ShardError(f"{file}: damaged: {content.nbytes} bytes instead of {wanted}")
    return content.view(array.dtype).reshape(array.chunk)


def _decode_blosc(file: Path, out: NDArray[np.int16]) -> bool:
    """Decode a chunk straight into `out`; False where the file is not there.

    What zarr does, without its copies, and without holding the interpreter meanwhile.
    """
    from numcodecs import blosc

    frame = _map_file(file)
    if frame is None:
        return False
    try:
        # Of a damaged frame the decoder may believe the length, so that is checked first.
        if len(frame) < 16 or int.from_bytes(frame[4:8].tobytes(), "little") != out.nbytes:
            raise ValueError("not a frame of this chunk's size")
        if int.from_bytes(frame[12:16].tobytes(), "little") != len(frame):
            raise ValueError("cut short")
        blosc.decompress(frame, out)
    except (ValueError, RuntimeError) as error:
        raise ShardError(f"{file}: damaged: {error}") from None
    return True


def _zarr_array(path: Path) -> Any:
    import zarr

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not.*in the Zarr version 3 specification.*")
        return zarr.open_array(str(path), mode="r")
