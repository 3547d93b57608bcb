"""A store as the source of windows: its records, and runs of samples read from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import StoreError
from physioprep.remote import fetch, join
from physioprep.store.damage import named
from physioprep.store.listed import read_listed
from physioprep.store.span import SpanLayout, read_span, span_layout

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.store.read import Store


@dataclass(frozen=True, eq=False)
class SourceGroup:
    """One modality of a store: where its records lie and how to scale them.

    Parameters
    ----------
    path : Path, or str for a URL
        The Zarr group.
    channels, units : tuple of str
        One per channel.
    rate_hz : float
        Sampling rate.
    dtype : str
        Of the stored samples.
    start, length : ndarray of int64, shape (record,)
        First sample of each record along the group's time axis, and their number.
    scale, offset : ndarray of float32, shape (record, channel)
        ``physical = digital * scale + offset``.
    present : ndarray of bool, shape (record, channel)
    invalid : ndarray of int32, shape (record, channel)
        Sentinel value of a missing sample; the smallest int32 where there is none.
    """

    path: str | Path
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float
    dtype: str
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    scale: NDArray[np.float32]
    offset: NDArray[np.float32]
    present: NDArray[np.bool_]
    invalid: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Source:
    """A store.

    Parameters
    ----------
    path : Path
    records : pandas.DataFrame
        One row per record, the manifest's columns.
    groups : dict of str to SourceGroup
        By modality.
    identity : dict
        Corpora, and hashes of plan and recipe: different for different stores.
    sums_sha256 : str
        Hash of the list of its files' hashes.
    twice : tuple of str
        Modalities that it holds at several rates: of these `groups` has the first alone, and none
        can be cut.
    recipe : dict
        The whole recipe that it was made by; empty where the store states none.
    """

    path: str | Path
    records: pd.DataFrame
    groups: dict[str, SourceGroup]
    identity: dict[str, Any]
    sums_sha256: str = ""
    twice: tuple[str, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)


def open_source(store: str | Path | Store) -> Source:
    """Open a store for cutting.

    Parameters
    ----------
    store : path-like, URL or Store

    Returns
    -------
    Source

    Raises
    ------
    StoreError
        If it is not a finished store of a known schema, or one of its tables is missing or
        changed.
    """
    from physioprep.store.open import open_store
    from physioprep.store.sums import check_files, listed_hashes, sums_sha256

    if isinstance(store, str | Path):
        store = open_store(store)
    path = store.path
    if isinstance(path, Path):  # an object store compares its bytes itself
        hashes = listed_hashes(path) or {}
        check_files(path, hashes, (name for name in hashes if "/signal/c/" not in name))
    groups: dict[str, SourceGroup] = {}
    twice: list[str] = []
    for name in store.modalities:
        group: Any = store.group[name]
        modality = str(group.attrs.get("modality", name))
        if modality in groups:
            twice.append(modality)
            continue
        present = store.table(name, "present").astype(bool)
        groups[modality] = SourceGroup(
            path=path / name if isinstance(path, Path) else join(path, name),
            channels=store.channels(name),
            units=store.units(name),
            rate_hz=store.rate_hz(name),
            dtype=str(group["signal"].dtype),
            start=store.table(name, "start").astype(np.int64),
            length=store.table(name, "length").astype(np.int64),
            # Absent channels have no scale; their samples are not used.
            scale=np.where(present, store.table(name, "scale"), 1).astype(np.float32),
            offset=np.where(present, store.table(name, "offset"), 0).astype(np.float32),
            present=present,
            invalid=store.table(name, "invalid").astype(np.int32),
        )
    kept = ("corpora", "recipe_sha256", "plan_sha256", "inputs_sha256", "n_records")
    identity = {key: store.attrs.get(key) for key in kept}
    recipe = dict(store.attrs.get("recipe") or {})
    return Source(path, store.records, groups, identity, sums_sha256(path), tuple(twice), recipe)


@lru_cache(maxsize=64)
def _signal(path: str | Path, generation: object) -> Any:
    import zarr

    from physioprep.store.listed import zarr_place

    if isinstance(path, Path):
        return zarr.open_array(zarr_place(path.parent), path=f"{path.name}/signal", mode="r")
    root, _, name = path.rpartition("/")
    return zarr.open_array(zarr_place(root), path=f"{name}/signal", mode="r")


@lru_cache(maxsize=64)
def _layout(path: Path, generation: object) -> SpanLayout | None:
    return span_layout(read_listed(path.parent, f"{path.name}/signal/zarr.json"))


def read_samples(path: str | Path, start: int, stop: int) -> NDArray[Any]:
    """Read a run of samples of a group, whatever records it touches.

    Parameters
    ----------
    path : Path, or str for a URL
        The Zarr group.
    start, stop : int
        Along its time axis.

    Returns
    -------
    ndarray, shape (channel, stop - start)
        Digital values, with the group's dtype.

    Raises
    ------
    StoreError
        If a file of the store is missing.
    """
    # The generation changes when the store is written anew, so that no old handle is used.
    if isinstance(path, Path):
        try:
            generation: object = (path / "signal" / "zarr.json").stat().st_mtime_ns
            layout = _layout(path, generation)
        except OSError as error:
            raise StoreError(f"{path}/signal/zarr.json: {error.strerror}") from None
        if layout is not None:
            samples = read_span(path.parent, path.name, layout, start, stop)
            if samples is not None:
                return samples
    else:
        generation = fetch(join(path, "signal/zarr.json"))
    with named(path):
        return np.asarray(_signal(path, generation)[:, start:stop])
