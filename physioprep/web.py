"""Read from web servers that nobody vouches for: bounded in bytes and time, never led elsewhere.

An answer must begin within the read time-out and go on at `MIN_RATE`; a server that sends a byte
a second is given up, not waited for. Redirections lead to ``http(s)://`` only, and never from
https to http. Nothing is decompressed, so that few bytes cannot become many.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from physioprep import file_systems
from physioprep.errors import UnreadableFileError
from physioprep.limits import MAX_INDEX_BYTES, VARIABLE

#: Bytes per second that an answer must bring, counted from its read time-out on.
MIN_RATE: Final = 1024
_REDIRECTIONS: Final = 10
_LINK: Final = re.compile(
    r"<a\s[^<>]*?href\s*=\s*(?:\"([^\"<>]*)\"|'([^'<>]*)'|([^\"'<>\s]+))", re.IGNORECASE
)


def is_web(url: str) -> bool:
    """Return whether a URL is of the web, and not of an object store.

    Parameters
    ----------
    url : str
        Any.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_web("https://host/x"), is_web("s3://bucket/x")
    (True, False)
    """
    return urlsplit(url).scheme.lower() in ("http", "https")


def read(url: str, start: int | None, stop: int | None, limit: int) -> bytes:
    """Return the bytes of a file, or a range of them, also of a server that knows no ranges.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    start, stop : int or None
        As for `physioprep.remote.fetch`.
    limit : int
        Most bytes to take where `stop` does not say it.

    Returns
    -------
    bytes

    Raises
    ------
    UnreadableFileError
        The answer is larger, or leads elsewhere.
    """
    first = start or 0
    wanted = None if stop is None else max(0, stop - first)
    if wanted == 0:
        return b""
    span = f"{first}" if first < 0 else f"{first}-{'' if stop is None else stop - 1}"
    headers = {} if start is None and stop is None else {"Range": f"bytes={span}"}
    found, skipped = bytearray(), 0

    def take(block: bytes, status: int) -> bool:
        nonlocal skipped
        if status != 206 and first > 0:  # the whole file comes: leave out what is before
            out = min(len(block), first - skipped)
            skipped += out
            block = block[out:]
        found.extend(block)
        if first < 0:
            del found[:first]
        if wanted is None and len(found) > limit:
            raise _too_large(url, len(found), limit)
        return wanted is None or len(found) < wanted

    _run(url, headers, take, None if headers else limit)
    return bytes(found[:wanted])


def save(url: str, write: Callable[[bytes], object], limit: int) -> None:
    """Give the bytes of a file to a function, block by block.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    write : callable
        Takes each block.
    limit : int
        Most bytes to take.

    Raises
    ------
    UnreadableFileError
        The file is larger, or leads elsewhere.
    """
    got = 0

    def take(block: bytes, status: int) -> bool:
        nonlocal got
        got += len(block)
        if got > limit:
            raise _too_large(url, got, limit)
        write(block)
        return True

    _run(url, {}, take, limit)


def size(url: str) -> int:
    """Return the size of a file as its server states it.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    UnreadableFileError
        The server does not state it, or leads elsewhere.
    """

    async def ask(files: Any) -> int | None:
        async with asyncio.timeout(file_systems.READ_TIMEOUT_S):
            for method in ("HEAD", "GET"):  # some servers know no HEAD
                async with _reply(files, method, url, {}) as reply:
                    if method == "GET" or reply.status not in (405, 501):
                        _check_status(reply, url)
                        stated: int | None = reply.content_length
                        return stated
        return None

    found = _in_loop(url, ask)
    if found is None:
        raise UnreadableFileError(url, "the server does not state its size")
    return int(found)


def links(url: str) -> list[str]:
    """Return what an index page links to below itself.

    Parameters
    ----------
    url : str
        Of the page, with ``/`` at its end.

    Returns
    -------
    list of str
        Relative, percent-encoded as on the page; folders with ``/`` at the end.

    Raises
    ------
    UnreadableFileError
        The page is over `MAX_INDEX_BYTES`, or leads elsewhere.
    """
    page = bytearray()
    is_page = True

    def take(block: bytes, status: int) -> bool:
        page.extend(block)
        if len(page) > MAX_INDEX_BYTES:
            raise _too_large(url, len(page), MAX_INDEX_BYTES)
        return is_page

    def begin(headers: Mapping[str, str]) -> None:
        nonlocal is_page
        kind = headers.get("Content-Type", "text/html").partition(";")[0].strip().lower()
        is_page = kind == "text/html"

    _run(url, {}, take, MAX_INDEX_BYTES, begin)
    text = page.decode("utf-8", "ignore") if is_page else ""
    base = url.partition("://")[2]
    out: dict[str, None] = {}
    for found in _LINK.findall(text):
        try:
            target = urljoin(url, html.unescape("".join(found)).strip()).partition("://")[2]
        except ValueError:  # an address that is none
            continue
        if target.startswith(base) and target != base:
            out[target.removeprefix(base)] = None
    return list(out)


def _run(
    url: str,
    headers: Mapping[str, str],
    take: Callable[[bytes, int], bool],
    limit: int | None,
    begin: Callable[[Mapping[str, str]], None] = lambda _: None,
) -> None:
    """Ask for a file; give its blocks and the status to `take`, until that returns False."""

    async def ask(files: Any) -> None:
        clock = asyncio.get_running_loop()
        patience = clock.time() + file_systems.READ_TIMEOUT_S
        async with (
            asyncio.timeout_at(patience) as deadline,
            _reply(files, "GET", url, headers) as reply,
        ):
            _check_status(reply, url)
            begin(reply.headers)
            if limit is not None and (reply.content_length or 0) > limit:
                raise _too_large(url, reply.content_length, limit)
            got = 0
            async for block in reply.content.iter_any():
                got += len(block)
                deadline.reschedule(patience + got / MIN_RATE)
                if not take(block, reply.status):
                    break

    _in_loop(url, ask)


def _in_loop(url: str, ask: Callable[[Any], Any]) -> Any:
    """Run a coroutine in the loop of fsspec's file system."""
    files, _ = file_systems.file_system(url)
    return import_module("fsspec.asyn").sync(files.loop, ask, files)


@asynccontextmanager
async def _reply(
    files: Any, method: str, url: str, headers: Mapping[str, str]
) -> AsyncIterator[Any]:
    """Send a request, and follow redirections to ``http(s)://`` by the same rules."""
    session = await files.set_session()
    at = files.encode_url(url)
    for _ in range(_REDIRECTIONS):
        async with session.request(method, at, headers=headers, allow_redirects=False) as reply:
            where = reply.headers.get("Location")
            if reply.status not in (301, 302, 303, 307, 308) or where is None:
                yield reply
                return
            check_redirection(url, str(at), where)
            at = at.join(type(at)(where))
    raise UnreadableFileError(url, f"over {_REDIRECTIONS} redirections")


def check_redirection(url: str, source: str, target: str) -> None:
    """Refuse a redirection to another kind of address, such as ``file://``.

    Parameters
    ----------
    url : str
        What was asked for, for the error.
    source, target : str
        Address that redirects, and where to; `target` may be relative.

    Raises
    ------
    UnreadableFileError
        It leads to something else than http(s), or from https to http.

    Examples
    --------
    >>> check_redirection("https://a/x", "https://a/x", "/y")
    >>> check_redirection("https://a/x", "https://a/x", "file:///etc/passwd")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: https://a/x: redirected to file://: refused
    """
    scheme = urlsplit(urljoin(source, target)).scheme.lower()
    allowed = ("https",) if urlsplit(source).scheme.lower() == "https" else ("http", "https")
    if scheme not in allowed:
        raise UnreadableFileError(url, f"redirected to {scheme}://: refused")


def _check_status(reply: Any, url: str) -> None:
    if reply.status in (404, 410):
        raise FileNotFoundError(url)
    reply.raise_for_status()


def _too_large(url: str, n_bytes: int, limit: int) -> UnreadableFileError:
    return UnreadableFileError(
        url, f"{n_bytes} bytes or more, over the limit of {limit} ({VARIABLE} raises it)"
    )
