"""Opened shards: their arrays, a whole chunk at a time, their targets and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.query import query_mask
from physioprep.samples import MISSING_INT16, to_physical
from physioprep.shards import decode, tables
from physioprep.shards.cache import ShardFiles
from physioprep.shards.decode import ArrayLayout, Take
from physioprep.shards.metadata import ShardModality
from physioprep.shards.target import Target, label_name, read_target
from physioprep.shown import Shown, shards_picture, shards_shown
from physioprep.store.format.layout import array_name
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Shards(Shown):
    """A shards folder, opened.

    Parameters
    ----------
    path : Path or str
        The folder, or its URL.
    attrs : dict
        Of the root group.
    modalities : dict of str to ShardModality
    n_windows, windows_per_chunk : int
    arrays : dict of str to ArrayLayout
        The uncompressed arrays by name, as ``"ecg/scale"``.
    files : ShardFiles
    """

    _shown = shards_shown
    _picture = shards_picture
    path: Path | str
    attrs: dict[str, Any]
    modalities: dict[str, ShardModality]
    n_windows: int
    windows_per_chunk: int
    arrays: dict[str, ArrayLayout]
    files: ShardFiles
    _masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict, init=False, repr=False)
    _texts: dict[str, list[str | None]] = field(default_factory=dict, init=False, repr=False)

    @property
    def home(self) -> Path | str:
        """Where the shards are, the same from any working folder.

        Returns
        -------
        Path or str
            An absolute path, or the URL.
        """
        return self.files.root

    def __getstate__(self) -> dict[str, Any]:
        # who unpickles it may be in another folder; what it reads is compared with `files.sums`
        return vars(self) | {"path": self.home}

    @property
    def n_chunks(self) -> int:
        """Number of signal chunks.

        Returns
        -------
        int
        """
        return -(-self.n_windows // self.windows_per_chunk)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the label arrays, ``label_...``.

        Returns
        -------
        tuple of str
        """
        return tuple(self.attrs["labels"])

    @property
    def text_labels(self) -> tuple[str, ...]:
        """Names of the labels that are texts of the records.

        Returns
        -------
        tuple of str
        """
        return tuple(self.attrs.get("texts", ()))

    def _named(self, label: str, held: tuple[str, ...], what: str) -> str:
        name = label_name(label, held)
        if name is None:
            full = label if label.startswith("label_") else f"label_{label}"
            hint = did_you_mean(full, held) or f"; it has {', '.join(held) or 'none'}"
            raise ShardError(f"{self.path}: no {what} {label}{hint}")
        return name

    def target(self, label: str) -> Target:
        """Return what a label holds.

        Parameters
        ----------
        label : str
            With or without its ``label_``.

        Returns
        -------
        Target

        Raises
        ------
        ShardError
            If there is no such label, or its description is damaged.
        """
        name = self._named(label, self.labels + self.text_labels, "label")
        if name in self.text_labels:
            return Target(name, "text")
        try:
            return read_target(self.files, name)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ShardError(f"{self.path}: its metadata are damaged: {error}") from None

    def categories(self, label: str) -> tuple[str, ...] | None:
        """Return what the codes of a label mean.

        Parameters
        ----------
        label : str
            With or without its ``label_``.

        Returns
        -------
        tuple of str, or None
            Category of code (or column) 0, 1, ...; None where the label is a number or a text.

        Raises
        ------
        ShardError
            If there is no such label.
        """
        target = self.target(label)
        return None if target.kind in ("number", "text") else target.categories

    def values(self, label: str) -> NDArray[Any]:
        """Return a label of every window.

        Parameters
        ----------
        label : str
            With or without its ``label_``; no text.

        Returns
        -------
        ndarray, shape (window,), (window, class), (window, epoch) or (window, epoch, class)
            int64 with -1 for unknown, float32 or float64 with NaN, or uint8 with 255: see `Target`.

        Raises
        ------
        ShardError
            If there is no such label, it is a text, or damaged.
        """
        if (name := self.target(label).name) in self.text_labels:
            raise ShardError(f"{self.path}: {name} is a text of each record: see `texts`")
        step = max(1, self.arrays[name].chunk[0])
        starts = range(0, self.n_windows, step)
        parts = [self.rows(name, at, min(at + step, self.n_windows)) for at in starts]
        return np.concatenate(parts)

    def texts(self, label: str) -> list[str | None]:
        """Return a text of every record, by the record's number.

        Parameters
        ----------
        label : str
            With or without its ``label_``.

        Returns
        -------
        list of (str or None)
            One per record of the stores, as ``record`` of the arrays and of a batch counts
            them; None where there is no text, or no window of the record. Read once.

        Raises
        ------
        ShardError
            If there is no such text, or the table is damaged.
        """
        name = self._named(label, self.text_labels, "text")
        if name not in self._texts:
            column = tables.read_table(self.files, tables.TEXTS)[name].tolist()
            self._texts[name] = [text if isinstance(text, str) else None for text in column]
        return self._texts[name]

    def spans(self, label: str) -> pd.DataFrame:
        """Return the intervals of the annotations that made a label, for event scoring.

        Parameters
        ----------
        label : str
            With or without its ``label_``; written with ``spans: true``.

        Returns
        -------
        pandas.DataFrame
            ``record`` (its number), ``start_s``, ``stop_s`` (from the record's start),
            ``category``; in this order.

        Raises
        ------
        ShardError
            If there are none of this label, or the table is damaged.
        """
        name = self._named(label, tuple(self.attrs.get("spans", ())), "spans of a label")
        table = tables.read_table(self.files, tables.SPANS)
        return table[table["label"] == name].drop(columns="label").reset_index(drop=True)

    @cached_property
    def windows(self) -> pd.DataFrame:
        """The window table: one row per window, in the order of the shards; read once.

        Returns
        -------
        pandas.DataFrame
            ``window, corpus, record_id, subject_id, split, label_*, start_s, quality`` and,
            per modality, the largest amplitude and least standard deviation.

        Raises
        ------
        ShardError
            If the table is missing or damaged.
        """
        return tables.read_table(self.files, tables.WINDOWS)

    def mask(self, where: str) -> NDArray[np.bool_]:
        """Return which windows a query keeps; each query is evaluated once.

        Parameters
        ----------
        where : str
            Pandas query on `windows`.

        Returns
        -------
        ndarray of bool, shape (window,)
            Read-only.

        Raises
        ------
        ShardError
            If the query is wrong, or names a column that `windows` does not have.
        """
        found = self._masks.get(where)
        if found is None:
            found = query_mask(self.windows, where, "windows")
            found.setflags(write=False)
            self._masks[where] = found
        return found

    def rows(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """Return rows of an uncompressed array.

        Parameters
        ----------
        name : str
            Array, as ``"ecg/scale"``.
        start, stop : int
            First window, and the one after the last.

        Returns
        -------
        ndarray, shape (stop - start, ...)

        Raises
        ------
        ShardError
            If the chunk's file is missing, short or damaged.
        """
        array = self.arrays[name]
        chunk, first = divmod(start, array.chunk[0])
        end = (chunk + 1) * array.chunk[0]
        if stop > end:
            return np.concatenate([self.rows(name, start, end), self.rows(name, end, stop)])
        place = array_name(name) if name in self.labels else name
        key = ".".join((f"{place}/c", str(chunk), *("0",) * (len(array.chunk) - 1)))
        width = int(np.prod(array.chunk[1:], dtype=np.int64)) * array.dtype.itemsize
        low, high = (first * width, (first + stop - start) * width)
        try:
            content = self.files.content(key, low, high)
        except FileNotFoundError:  # Zarr leaves out chunks that hold the fill value alone
            if name.endswith("/scale"):  # never 0
                raise ShardError(f"{self.path}/{key}: damaged: the file is missing") from None
            return np.full((stop - start, *array.chunk[1:]), array.fill_value, array.dtype)
        if len(content) != high - low:
            raise ShardError(f"{self.path}/{key}: damaged: {len(content)} of {high - low} bytes")
        return content.view(array.dtype).reshape(stop - start, *array.chunk[1:])

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
        scale = self.rows(f"{modality}/scale", start, stop)
        return to_physical(digital, scale, invalid=MISSING_INT16)

    def signal(
        self, chunk_index: int, modality: str, take: Take | None = None
    ) -> NDArray[np.int16]:
        """Return the int16 samples of a chunk.

        Parameters
        ----------
        chunk_index : int
        modality : str
        take : callable, optional
            ``take(shape, dtype)`` returns an array to read or decode into.

        Returns
        -------
        ndarray of int16, shape (window, channel, time)

        Raises
        ------
        ShardError
            If the chunk is damaged.
        PhysioprepError
            If an object store does not answer.
        """
        start = chunk_index * self.windows_per_chunk
        stop = min(start + self.windows_per_chunk, self.n_windows)
        held, take = self.modalities[modality], take or np.empty
        key = self.chunk_key(chunk_index, modality)
        name, array = f"{self.path}/{key}", self.arrays[f"{modality}/signal"]
        whole = take(array.chunk, np.dtype("<i2"))
        try:
            if held.codec == "none":
                content = self.files.content(key, room=partial(decode.room_in, whole))
                return decode.view_chunk(content, array, name)[: stop - start]
            frame = self.files.content(key, room=partial(decode.room_for, take))
        except FileNotFoundError:
            return self._absent(modality, start, stop, key)
        if held.codec == "blosc":
            decode.decode_blosc(frame, whole, name)
        else:
            decode.decode_pcodec(frame, whole, name)
        return whole[: stop - start]

    def _absent(self, modality: str, start: int, stop: int, key: str) -> NDArray[np.int16]:
        """Return a chunk that Zarr left out, since no window of it has the modality."""
        # A lost file must not be read as missing samples.
        if self.rows(f"{modality}/present", start, stop).any():
            raise ShardError(f"{self.path}/{key}: damaged: the file is missing")
        array = self.arrays[f"{modality}/signal"]
        return np.full((stop - start, *array.chunk[1:]), array.fill_value, np.int16)

    def chunk_key(self, chunk_index: int, modality: str) -> str:
        """Return the file of a signal chunk, relative to the shards.

        Parameters
        ----------
        chunk_index : int
        modality : str

        Returns
        -------
        str
        """
        return f"{modality}/signal/c.{chunk_index}.0.0"
