"""Admit of a Zarr's metadata what physioprep writes, and plain codecs of Zarr's.

Zarr builds any codec by the name that the metadata give, and of its version 2 also filters that
unpickle. Stores, shards and embeddings are opened through `checked`: metadata are checked before
Zarr sees them, and those of version 2 are not seen at all.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Any, Final

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest, Store
from zarr.storage import LocalStore, WrapperStore

from physioprep.errors import UnreadableFileError

#: The codecs of stores, shards and embeddings, and those of Zarr's own that other tools choose.
CODECS: Final = frozenset(
    {"bytes", "blosc", "zstd", "gzip", "crc32c", "sharding_indexed", "transpose", "vlen-utf8"}
    | {"numcodecs.pcodec"}
)
_TYPES: Final = frozenset(
    {"bool", "string", "float16", "float32", "float64"}
    | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
)
_VERSION_2: Final = (".zarray", ".zgroup", ".zattrs", ".zmetadata")
_MAX_NESTING: Final = 2  # shards within shards


def check_metadata(raw: bytes, name: str) -> None:
    """Refuse metadata of a group or an array that ask for other codecs or types.

    Parameters
    ----------
    raw : bytes
        Of a ``zarr.json``.
    name : str
        Named in errors.

    Raises
    ------
    UnreadableFileError
        A codec, data type, chunk grid or extension is not on the list, or this is no metadata.

    Examples
    --------
    >>> check_metadata(b'{"node_type": "group", "attributes": {}}', "zarr.json")
    >>> check_metadata(b'{"node_type": "array", "data_type": "object"}', "a/zarr.json")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: a/zarr.json: the data type 'object' is not allowed
    """
    try:
        node = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(name, f"no metadata of Zarr ({str(error)[:80]})") from None
    _check_node(node, name, 0)


def _check_node(node: Any, name: str, depth: int) -> None:
    if not isinstance(node, dict) or node.get("node_type") not in ("group", "array"):
        raise UnreadableFileError(name, "no metadata of Zarr's version 3")
    if node["node_type"] == "array":
        _check_array(node, name)
    held = node.get("consolidated_metadata")
    if held is None:
        return
    if depth or not isinstance(held, dict) or not isinstance(held.get("metadata"), dict):
        if depth and isinstance(held, dict) and not held.get("metadata"):
            return  # groups within have an empty one
        raise UnreadableFileError(name, "odd consolidated metadata")
    for each, inner in held["metadata"].items():
        _check_node(inner, f"{name}: {each}", depth + 1)


def _check_array(node: dict[str, Any], name: str) -> None:
    kind, grid = node.get("data_type"), node.get("chunk_grid")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise UnreadableFileError(name, f"the data type {_short(kind)} is not allowed")
    if not isinstance(grid, dict) or grid.get("name") != "regular":
        raise UnreadableFileError(name, f"the chunk grid {_short(grid)} is not allowed")
    if node.get("storage_transformers"):
        raise UnreadableFileError(name, "storage transformers are not allowed")
    _check_codecs(node.get("codecs"), name, 0)


def _check_codecs(codecs: Any, name: str, depth: int) -> None:
    if not isinstance(codecs, list) or depth > _MAX_NESTING:
        raise UnreadableFileError(name, "odd codecs")
    for codec in codecs:
        kind = codec.get("name") if isinstance(codec, dict) else codec
        if not isinstance(kind, str) or kind not in CODECS:
            raise UnreadableFileError(name, f"the codec {_short(kind)} is not allowed")
        about = codec.get("configuration", {}) if isinstance(codec, dict) else {}
        if not isinstance(about, dict):
            raise UnreadableFileError(name, "odd codecs")
        for key in ("codecs", "index_codecs"):
            if key in about:
                _check_codecs(about[key], name, depth + 1)


def _short(value: Any) -> str:
    return repr(value)[:60]


class CheckedStore(WrapperStore[Store]):
    """A Zarr store for reading, whose metadata are checked as they are read.

    Parameters
    ----------
    store : zarr.abc.store.Store
    """

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of an object.

        Parameters
        ----------
        key : str
            Name in the store.
        prototype : BufferPrototype
        byte_range : ByteRequest, optional

        Returns
        -------
        Buffer or None
            None where there is no such object, and for metadata of Zarr's version 2.

        Raises
        ------
        UnreadableFileError
            The object is metadata that `check_metadata` refuses.
        """
        name = key.rpartition("/")[2]
        if name in _VERSION_2:
            return None
        found = await super().get(key, prototype, byte_range)
        if name == "zarr.json" and found is not None:
            check_metadata(found.to_bytes(), f"{self._store}/{key}".removeprefix("file://"))
        return found

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return the bytes of parts of objects; see `get`.

        Parameters
        ----------
        prototype : BufferPrototype
        key_ranges : iterable of (str, ByteRequest or None)

        Returns
        -------
        list of (Buffer or None)
        """
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        for key, prototype, part in requests:
            yield key, await self.get(key, prototype, part)


def checked(path: str | Path) -> CheckedStore:
    """Return what Zarr opens, for reading, in place of a folder or a URL.

    Parameters
    ----------
    path : path-like or str
        A local folder; or a URL as text with ``://``.

    Returns
    -------
    CheckedStore
    """
    if "://" not in str(path):
        return CheckedStore(LocalStore(path, read_only=True))
    from physioprep.remote_zarr import UrlStore

    return CheckedStore(UrlStore(str(path)))
