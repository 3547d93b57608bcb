"""Read a run of samples of a store at once: shards as ingest writes them, decoded chunk by chunk.

zarr-python needs about 0.4 ms for every chunk of a shard, ten times what the decoder takes. The
code here reads only what `physioprep.store.format` writes, and gives nothing for all else: other
codecs, remote stores, files that are missing or damaged. Zarr then reads that, or says what is
wrong (a test compares both).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.hashes import open_regular
from physioprep.store.format.codec import EMPTY
from physioprep.store.format.layout import fill_of
from physioprep.store.listed import check_listed

#: Bytes of an entry of a shard's index, and of the checksum that follows it.
_ENTRY, _SUM = 16, 4
#: Bytes of the header of a Blosc frame.
_BLOSC_HEADER = 16
_BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


@dataclass(frozen=True)
class SpanLayout:
    """How the samples of a modality are stored.

    Parameters
    ----------
    n_channels, n_samples : int
        Shape of the array.
    chunk, shard : int
        Samples per chunk and per shard.
    dtype : str
        NumPy name.
    """

    n_channels: int
    n_samples: int
    chunk: int
    shard: int
    dtype: str


def span_layout(metadata: bytes) -> SpanLayout | None:
    """Return how the samples are stored, if it is the way of our ingest.

    Parameters
    ----------
    metadata : bytes
        Of ``signal/zarr.json``.

    Returns
    -------
    SpanLayout or None
        None where Zarr has to read them.

    Examples
    --------
    >>> span_layout(b'{"shape": [12, 2000]}') is None
    True
    """
    try:
        node = json.loads(metadata)
        (n_channels, n_samples), dtype = node["shape"], np.dtype(node["data_type"])
        ((sharding,), grid) = node["codecs"], node["chunk_grid"]["configuration"]["chunk_shape"]
        inner, chunk = sharding["configuration"], sharding["configuration"]["chunk_shape"]
        fill = fill_of(dtype.name)
        ours = (
            sharding["name"] == "sharding_indexed"
            and [codec["name"] for codec in inner["codecs"]] == ["bytes", "blosc"]
            and inner["codecs"][0] == _BYTES
            and inner["index_codecs"] == [_BYTES, {"name": "crc32c"}]
            and inner.get("index_location", "end") == "end"
            and node["chunk_key_encoding"]
            == {"name": "default", "configuration": {"separator": "/"}}
            and node["fill_value"] == ("NaN" if fill != fill else fill)
            and not node.get("storage_transformers")
            and grid[0] == chunk[0] == n_channels
            and n_channels > 0 < chunk[1]
            and grid[1] % chunk[1] == 0 == n_samples % grid[1]
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    return SpanLayout(n_channels, n_samples, chunk[1], grid[1], dtype.name) if ours else None


def read_span(
    root: Path, group: str, layout: SpanLayout, start: int, stop: int
) -> NDArray[Any] | None:
    """Read samples along the time axis of a group, whatever records they belong to.

    Parameters
    ----------
    root : Path
        Folder of the store.
    group : str
        Name of the modality's group.
    layout : SpanLayout
    start, stop : int
        First sample, and the one after the last.

    Returns
    -------
    ndarray of the layout's dtype, shape (channel, stop - start), or None
        None where Zarr has to read them.

    Raises
    ------
    StoreError
        If a file is not what the list of the store's hashes says.
    """
    if not 0 <= start <= stop <= layout.n_samples:
        return None
    out = np.empty((layout.n_channels, stop - start), layout.dtype)
    room = np.empty((layout.n_channels, layout.chunk), layout.dtype)
    for shard in range(start // layout.shard, -(-stop // layout.shard)):
        first = shard * layout.shard
        low, high = max(start, first), min(stop, first + layout.shard)
        target = out[:, low - start : high - start]
        name = f"{group}/signal/c/0/{shard}"
        check_listed(root, name)
        try:
            handle = open_regular(root / name)
        except OSError:
            return None
        try:
            whole = _read_shard(handle, layout, low - first, target, room)
        except OSError:
            return None
        finally:
            os.close(handle)
        if not whole:
            return None
    return out


def _read_shard(
    handle: int, layout: SpanLayout, begin: int, target: NDArray[Any], room: NDArray[Any]
) -> bool:
    """Decode samples of one shard into `target`; return False where anything is amiss."""
    from numcodecs import blosc

    chunks = range(begin // layout.chunk, -(-(begin + target.shape[1]) // layout.chunk))
    size = os.fstat(handle).st_size
    index = _index(handle, size, layout.shard // layout.chunk)
    if index is None:
        return False
    offsets, lengths = index[0][chunks.start : chunks.stop], index[1][chunks.start : chunks.stop]
    there = lengths >= 0
    origin = int(offsets[there].min(initial=size))
    end = int((offsets + lengths)[there].max(initial=origin))
    content = memoryview(os.pread(handle, end - origin, origin))
    if len(content) != end - origin or (lengths[there] < _BLOSC_HEADER).any():
        return False
    for chunk, offset, length in zip(chunks, offsets.tolist(), lengths.tolist(), strict=True):
        low = max(begin, chunk * layout.chunk)
        high = min(begin + target.shape[1], (chunk + 1) * layout.chunk)
        part = target[:, low - begin : high - begin]
        if length < 0:
            part[...] = fill_of(layout.dtype)
            continue
        frame = content[offset - origin : offset - origin + length]
        # The decoder trusts the lengths that a damaged frame states.
        stated = int.from_bytes(frame[4:8], "little"), int.from_bytes(frame[12:16], "little")
        if stated != (room.nbytes, length):
            return False
        try:
            blosc.decompress(frame, room)
        except (ValueError, RuntimeError):
            return False
        part[...] = room[:, low - chunk * layout.chunk : high - chunk * layout.chunk]
    return True


def _index(
    handle: int, size: int, n_chunks: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return offset and length of a shard's chunks; length -1: fill values alone."""
    from google_crc32c import value as crc32c

    n_bytes = n_chunks * _ENTRY + _SUM
    if size < n_bytes:
        return None
    tail = os.pread(handle, n_bytes, size - n_bytes)
    if len(tail) != n_bytes or int(crc32c(tail[:-_SUM])).to_bytes(_SUM, "little") != tail[-_SUM:]:
        return None
    entries = np.frombuffer(tail[:-_SUM], "<u8").reshape(-1, 2)
    empty = (entries == EMPTY).all(axis=1)
    if (entries[~empty] > size - n_bytes).any():  # so no sum of two can overflow, either
        return None
    offsets, lengths = np.where(empty[:, None], 0, entries).astype(np.int64).T
    if (offsets + lengths > size - n_bytes).any():
        return None
    return offsets, np.where(empty, -1, lengths)
