"""Open a store on a disk or at a URL, and check that its schema is known."""

from __future__ import annotations

import copyreg
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from physioprep.documents import load_json
from physioprep.errors import PhysioprepError, StoreError
from physioprep.limits import MAX_EXPANDED_BYTES, MAX_STORE_RECORDS, check_expansion
from physioprep.outputs import SHARDS
from physioprep.remote import fetch, join, place
from physioprep.store.damage import named
from physioprep.store.exchange import STORE, noted, work_of
from physioprep.store.format.layout import ANNOTATIONS, RECORDS, SCHEMA, SCHEMA_VERSION
from physioprep.store.listed import zarr_place
from physioprep.store.read import Store
from physioprep.trees import files_below

log = logging.getLogger(__name__)


def open_store(path: str | Path) -> Store:
    """Open a store for reading.

    Parameters
    ----------
    path : path-like or str
        The folder that `ingest` made, or its URL: ``s3://``, ``gs://``, ``https://``.

    Returns
    -------
    Store
        Samples are read only when a method asks for them. It can be pickled: what unpickles it
        opens the store again, at the same place; another store there is an error.

    Raises
    ------
    StoreError
        `path` is no store, or a store of another schema.
    PhysioprepError
        A URL cannot be read, now or when the store is used; the metadata ask for what is not
        allowed.
    OSError
        A file may not be read.

    Examples
    --------
    >>> open_store("nowhere.zarr")
    Traceback (most recent call last):
        ...
    physioprep.errors.StoreError: nowhere.zarr: no store here
    """
    import zarr

    path = place(path)
    if not _has_root(path):
        path = _exchanged(path)
    if isinstance(path, Path) and SHARDS.is_ours(path):
        lost = "" if (path / "manifest.parquet").is_file() else ", damaged: no manifest.parquet"
        raise StoreError(f"{path}: these are shards{lost}; a store is made by `physioprep ingest`")
    try:
        home = path.absolute() if isinstance(path, Path) else path  # whoever changes folders later
        group = zarr.open_group(zarr_place(home), mode="r")
    except json.JSONDecodeError:
        raise StoreError(f"{path}: its zarr.json is not JSON") from None
    except (PhysioprepError, OSError):
        raise
    except Exception as error:  # Zarr raises many classes on odd metadata
        cause = " ".join(str(error).split())[:300]
        raise StoreError(f"{path}: not a Zarr group: {cause}") from None
    schema, number = group.attrs.get("schema"), group.attrs.get("schema_version")
    if schema != SCHEMA:
        raise StoreError(f"{path}: not a physioprep store (its schema is {schema!r})")
    if number != SCHEMA_VERSION:
        raise StoreError(
            f"{path}: store schema {number}, this version of physioprep reads {SCHEMA_VERSION}"
        )
    with named(path):
        _check_claims(path, group)
    return Store(path, group)


def _reduced(store: Store) -> tuple[Any, tuple[str | Path, str]]:
    """Pickle a store as its place: workers of Dask and of a DataLoader open it again."""
    return _reopened, (store.home, _identity(store))


def _reopened(home: str | Path, identity: str) -> Store:
    """Open a store that was pickled, and no other one that took its place."""
    store = open_store(home)
    if _identity(store) != identity:
        raise StoreError(
            f"{home}: the store that was pickled is gone, or another one has taken its place; "
            "open it again"
        )
    return store


def _identity(store: Store) -> str:
    """Return a hash of what a store says of itself: records, recipe, plan, software."""
    return hashlib.sha256(json.dumps(dict(store.attrs), sort_keys=True).encode()).hexdigest()


copyreg.pickle(Store, _reduced)


def _exchanged(path: str | Path) -> str:
    """Return where the store is that is about to be at a URL; raise if there is none."""
    folder = None if isinstance(path, Path) else noted(path)
    if folder is not None:
        staged = work_of(str(path), f"{folder}/{STORE}")
        if _has_root(staged):
            log.warning(
                "%s: its exchange with a new store is not finished; the new one is read from %s. "
                "The ingest that makes it finishes it, if it was stopped: repeat its call",
                *(path, staged),
            )
            return staged
    raise StoreError(f"{path}: no store here")


def _check_claims(path: str | Path, group: Any) -> None:
    """Refuse a store whose tables are not as long as it has records, before they are allocated."""
    stated = group.attrs.get("n_records")
    if not isinstance(stated, int) or not 0 <= stated <= MAX_STORE_RECORDS:
        raise StoreError(f"{path}: states {str(stated)[:40]} records")
    names = [RECORDS, *map(str, group.attrs.get("modalities", ()))]
    for name, array in _arrays(group, names):
        if (
            array.shape
            and name.rpartition("/")[2] not in ("signal", "channel")
            and array.shape[0] != stated
        ):
            raise StoreError(f"{path}: {name} states {array.shape[0]} records, the store {stated}")
    notes = {name.rpartition("/")[2]: array.shape for name, array in _arrays(group, [ANNOTATIONS])}
    rows = {shape for name, shape in notes.items() if name not in ("start", "length")}
    if any(notes.get(name, (stated,)) != (stated,) for name in ("start", "length")):
        raise StoreError(f"{path}: annotations: not of {stated} records")
    if len(rows) > 1:
        raise StoreError(f"{path}: annotations: its arrays differ in length")
    for name, n in ((RECORDS, stated), *((ANNOTATIONS, shape[0]) for shape in rows)):
        if isinstance(path, Path) and 8 * n > MAX_EXPANDED_BYTES:
            stored = sum(file.stat().st_size for file in files_below(path / name))
            check_expansion(path / name, 8 * n, stored, "decompressed")


def _arrays(group: Any, names: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of some groups, with their names."""
    for name in names:
        if name in group:
            yield from ((f"{name}/{each}", array) for each, array in group[name].arrays())


def _has_root(path: str | Path) -> bool:
    """Return whether there is a store; its root's metadata is JSON that can be parsed."""
    try:
        if isinstance(path, Path):
            file = path / "zarr.json"
            raw = file.read_bytes() if file.is_file() else None
        else:
            raw = fetch(join(path, "zarr.json"))
    except FileNotFoundError:
        return False
    if raw is not None:
        load_json(raw, lambda cause: StoreError(f"{path}: zarr.json is {cause}"))
    return raw is not None
