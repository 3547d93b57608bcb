"""Zarr's view of a URL: read only, with the retries of `physioprep.remote`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore, WrapperStore

from physioprep import remote


def zarr_store(url: str) -> RetryingStore:
    """Return a read-only Zarr store on a URL, for ``zarr.open_group``.

    Parameters
    ----------
    url : str

    Returns
    -------
    RetryingStore
        What it cannot read in `physioprep.remote.ATTEMPTS` attempts raises an
        `UnreadableFileError`; it never takes an error of the server for an absent chunk,
        which Zarr would fill in.
    """
    files, path = remote.file_system(url, asynchronous=True)
    return RetryingStore(FsspecStore(files, path=path, read_only=True))


class RetryingStore(WrapperStore[FsspecStore]):
    """A store whose reads are tried again, and whose ranges are what was asked for."""

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a key, or None where there is no such object."""
        # A server that knows no ranges answers with all of it, and says so only in its status:
        # "from here to the end" cannot be told from that, so it is cut here.
        asked = None if isinstance(byte_range, OffsetByteRequest) else byte_range

        async def read() -> Buffer | None:
            found: Buffer | None = await self._store.get(key, prototype, asked)
            return found

        value = await _retrying(f"{self._store.path}/{key}", read)
        return None if value is None else _cut(value, byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return several ranges."""
        wanted = [self.get(key, prototype, byte_range) for key, byte_range in key_ranges]
        return list(await asyncio.gather(*wanted))

    async def exists(self, key: str) -> bool:
        """Say whether there is such an object; an error of the server is no answer."""
        from zarr.core.buffer import default_buffer_prototype

        first = RangeByteRequest(0, 1)
        return await self.get(key, default_buffer_prototype(), first) is not None

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        async for found in Store._get_many(self, requests):
            yield found


def _cut(value: Buffer, byte_range: ByteRequest | None) -> Buffer:
    if isinstance(byte_range, RangeByteRequest):
        wanted = byte_range.end - byte_range.start
        return value if len(value) <= wanted else value[byte_range.start : byte_range.end]
    if isinstance(byte_range, SuffixByteRequest) and len(value) > byte_range.suffix:
        return value[len(value) - byte_range.suffix :]
    if isinstance(byte_range, OffsetByteRequest):
        return value[byte_range.offset :]
    return value


async def _retrying(
    url: str, do: Callable[[], Coroutine[Any, Any, Buffer | None]]
) -> Buffer | None:
    for attempt in range(1, remote.ATTEMPTS + 1):
        try:
            return await do()
        except Exception as error:
            await asyncio.sleep(remote.pause_after(error, attempt, url))
    raise AssertionError("unreachable: the last attempt raises")
