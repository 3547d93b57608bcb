"""Open shards, and refuse what is none, damaged or of another version."""

from __future__ import annotations

from pathlib import Path

from physioprep import remote
from physioprep.errors import ShardError
from physioprep.shards.cache import ShardFiles
from physioprep.shards.metadata import check_claims, read_layout, read_metadata, read_modality
from physioprep.shards.opened import Shards
from physioprep.shards.spec import SCHEMA, SCHEMA_VERSION
from physioprep.store.format.layout import array_name


def open_shards(
    path: str | Path | Shards,
    *,
    cache: str | Path | None = None,
    cache_bytes: int | None = None,
) -> Shards:
    """Open a shards folder.

    Parameters
    ----------
    path : path-like, URL or Shards
        A folder, or where an object store or a web server has one (``s3://``, ``gs://``,
        ``https://``). Opened shards are returned as they are, with their own cache.
    cache : path-like, optional
        Folder that keeps what is fetched from a URL, for the next epoch and the next run.
    cache_bytes : int, optional
        Maximum size of the cache, bytes.

    Returns
    -------
    Shards
        It can be pickled: what unpickles it reads at the same place, from any working folder,
        and other shards there are an error.

    Raises
    ------
    ShardError
        If it is not one, is damaged, or has another schema version.
    UnreadableFileError
        If an object store does not answer.
    """
    if isinstance(path, Shards):
        return path
    root = remote.place(path)
    files = ShardFiles(root.absolute() if isinstance(root, Path) else root)
    try:
        attrs = read_metadata(files, "")["attributes"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise ShardError(f"{path}: no shards folder, or its zarr.json is damaged") from None
    if not isinstance(attrs, dict) or attrs.get("schema") != SCHEMA:
        raise ShardError(f"{path}: schema {attrs.get('schema')!r}, not {SCHEMA!r}")
    if attrs.get("schema_version") != SCHEMA_VERSION:
        raise ShardError(
            f"{path}: schema version {attrs.get('schema_version')}; "
            f"this version of physioprep reads {SCHEMA_VERSION}"
        )
    if cache is not None and files.is_remote:
        files = files.cached(cache, cache_bytes)
    files = files.with_sums()
    try:
        return _opened(root, files)
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError) as error:
        raise ShardError(f"{path}: its metadata are damaged: {error}") from None


def _opened(root: Path | str, files: ShardFiles) -> Shards:
    attrs = read_metadata(files, "")["attributes"]
    modalities = {name: read_modality(files, name) for name in attrs["modalities"]}
    check_claims(files, attrs, modalities.values())
    per_chunk = attrs["layout"]["windows_per_chunk"]
    small = ("record", "start_s", *attrs["labels"])
    arrays = {name: read_layout(files, array_name(name)) for name in small}
    for modality in modalities:
        for array in ("signal", "scale", "present"):
            arrays[f"{modality}/{array}"] = read_layout(files, f"{modality}/{array}")
    return Shards(root, attrs, modalities, attrs["n_windows"], per_chunk, arrays, files)
