"""Zarr's view of a URL: read only, through `physioprep.remote` and its retries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.buffer import default_buffer_prototype

from physioprep import remote


class UrlStore(Store):
    """A Zarr store on a URL, for ``zarr.open_group``.

    An object that cannot be read raises `UnreadableFileError`: an error of the server is never
    taken for an absent chunk, which Zarr would fill in.

    Parameters
    ----------
    url : str
        Root of the store: ``s3://``, ``gs://`` or ``https://``.

    Examples
    --------
    >>> UrlStore("s3://bucket/x.zarr")
    UrlStore('s3://bucket/x.zarr')
    """

    def __init__(self, url: str) -> None:
        super().__init__(read_only=True)
        self.url = url

    def __repr__(self) -> str:
        return f"UrlStore({self.url!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UrlStore) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of an object.

        Parameters
        ----------
        key : str
            Name below the URL.
        prototype : BufferPrototype
            Zarr's kind of buffer.
        byte_range : ByteRequest, optional
            Part of the object; default: all of it.

        Returns
        -------
        Buffer or None
            None where the object does not exist.

        Raises
        ------
        UnreadableFileError
            The server failed after all retries.
        """
        url, span = remote.join(self.url, key), _span(byte_range)
        try:
            data = await asyncio.to_thread(remote.fetch, url, *span)
        except FileNotFoundError:
            return None
        return prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Return parts of several objects.

        Parameters
        ----------
        prototype : BufferPrototype
            Zarr's kind of buffer.
        key_ranges : iterable of (str, ByteRequest or None)
            Names and parts.

        Returns
        -------
        list of (Buffer or None)
            In the same order.
        """
        wanted = [self.get(key, prototype, byte_range) for key, byte_range in key_ranges]
        return list(await asyncio.gather(*wanted))

    async def exists(self, key: str) -> bool:
        """Return whether an object exists.

        Parameters
        ----------
        key : str
            Name below the URL.

        Returns
        -------
        bool
        """
        first = RangeByteRequest(0, 1)
        return await self.get(key, default_buffer_prototype(), first) is not None

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    async def set(self, key: str, value: Buffer) -> None:
        """Raise: the store is read-only.

        Parameters
        ----------
        key : str
            Name below the URL.
        value : Buffer
            Bytes.
        """
        self._check_writable()

    async def delete(self, key: str) -> None:
        """Raise: the store is read-only.

        Parameters
        ----------
        key : str
            Name below the URL.
        """
        self._check_writable()

    async def list(self) -> AsyncIterator[str]:
        """Yield all names.

        Yields
        ------
        str
        """
        for name in await asyncio.to_thread(remote.listing, self.url):
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names that begin with `prefix`.

        Parameters
        ----------
        prefix : str
            Begin of the names.

        Yields
        ------
        str
        """
        async for name in self.list():
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Yield the names directly below a folder.

        Parameters
        ----------
        prefix : str
            The folder.

        Yields
        ------
        str
        """
        folder = f"{prefix.rstrip('/')}/" if prefix else ""
        seen = set()
        async for name in self.list_prefix(folder):
            own = name.removeprefix(folder).partition("/")[0]
            if own not in seen:
                seen.add(own)
                yield own


def _span(byte_range: ByteRequest | None) -> tuple[int | None, int | None]:
    if isinstance(byte_range, RangeByteRequest):
        return byte_range.start, byte_range.end
    if isinstance(byte_range, OffsetByteRequest):
        return byte_range.offset, None
    if isinstance(byte_range, SuffixByteRequest):
        return -byte_range.suffix, None
    return None, None
