"""Open a store on a disk or at a URL, and check that its schema is known."""

from __future__ import annotations

from pathlib import Path

from physioprep.errors import StoreError
from physioprep.remote import fetch, join, place
from physioprep.store.format.layout import SCHEMA, SCHEMA_VERSION
from physioprep.store.read import Store, zarr_place


def open_store(path: str | Path) -> Store:
    """Open a store for reading.

    Parameters
    ----------
    path : path-like or str
        The folder that `ingest` made, or its URL: ``s3://``, ``gs://``, ``https://``.

    Returns
    -------
    Store
        Samples are read only when a method asks for them.

    Raises
    ------
    StoreError
        `path` is no store, or a store of another schema.
    UnreadableFileError
        A URL cannot be read, now or when the store is used.

    Examples
    --------
    >>> open_store("nowhere.zarr")
    Traceback (most recent call last):
        ...
    physioprep.errors.StoreError: nowhere.zarr: no store here
    """
    import zarr
    from zarr.errors import GroupNotFoundError

    path = place(path)
    if not _has_root(path):
        raise StoreError(f"{path}: no store here")
    try:
        group = zarr.open_group(zarr_place(path), mode="r")
    except (GroupNotFoundError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path}: not a Zarr group: {error}") from None
    schema, number = group.attrs.get("schema"), group.attrs.get("schema_version")
    if schema != SCHEMA:
        raise StoreError(f"{path}: not a physioprep store (its schema is {schema!r})")
    if number != SCHEMA_VERSION:
        raise StoreError(
            f"{path}: store schema {number}, this version of physioprep reads {SCHEMA_VERSION}"
        )
    return Store(path, group)


def _has_root(path: str | Path) -> bool:
    if isinstance(path, Path):
        return (path / "zarr.json").is_file()
    try:
        fetch(join(path, "zarr.json"))
    except FileNotFoundError:
        return False
    return True
