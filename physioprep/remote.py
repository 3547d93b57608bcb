"""Read, write, list and delete objects on ``s3://`` and ``gs://``; read ``https://``, ``hub://``.

Every request is repeated as `physioprep.retry` says. What then still fails is one
`UnreadableFileError` that names the URL and the cause; an object that does not exist is a
`FileNotFoundError` at once. For keys and servers see `physioprep.file_systems`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from physioprep import hub_files, web
from physioprep.atomic import make_folders, temporary_file
from physioprep.file_systems import CONCURRENCY, check_address, file_system
from physioprep.hub_address import is_hub
from physioprep.limits import MAX_DOWNLOAD_BYTES, MAX_JSON_BYTES, MAX_OBJECT_BYTES, check
from physioprep.listings import listing as listing
from physioprep.listings import listing_with_md5 as listing_with_md5
from physioprep.retry import retrying, status_of
from physioprep.web import is_web as is_web

T = TypeVar("T")
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def is_remote(path: object) -> bool:
    """Return whether a path is a URL and not a file of this machine.

    Parameters
    ----------
    path : object
        Anything that names a place; only text can be a URL.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_remote("s3://bucket/ptbxl.zarr"), is_remote("ptbxl.zarr"), is_remote(Path("a"))
    (True, False, False)
    """
    return isinstance(path, str) and _URL.match(path) is not None


def place(path: str | Path) -> str | Path:
    """Return a URL as text without a slash at its end, anything else as a Path.

    A branch of the hub is replaced by the commit that it stands for, which is looked up.

    Parameters
    ----------
    path : path-like or str
        A URL or a path of this machine.

    Returns
    -------
    str or Path

    Raises
    ------
    UnreadableFileError
        `physioprep.file_systems.check_address` refuses the URL, or the hub has no such
        repository.

    Examples
    --------
    >>> place("s3://bucket/x.zarr/"), place("x.zarr/").name
    ('s3://bucket/x.zarr', 'x.zarr')
    """
    if not is_remote(path):
        return Path(path)
    check_address(str(path))
    url = str(path).rstrip("/")
    return hub_files.pinned(url) if is_hub(url) else url


def join(url: str, name: str) -> str:
    """Return the URL of a name below a URL.

    Parameters
    ----------
    url : str
        Of a folder, with or without a slash at its end.
    name : str
        Relative, with ``/``; on the web it is percent-encoded.

    Returns
    -------
    str

    Examples
    --------
    >>> join("s3://bucket/x.zarr/", "ecg/zarr.json")
    's3://bucket/x.zarr/ecg/zarr.json'
    """
    if is_web(url):
        name = quote(name)
    return f"{url.rstrip('/')}/{name}"


def fetch(url: str, start: int | None = None, stop: int | None = None) -> bytes:
    """Return the bytes of an object, or a range of them.

    Parameters
    ----------
    url : str
        Of the object.
    start, stop : int, optional
        First byte and the one after the last; a negative `start` counts from the end. A range
        that reaches beyond the end stops at the end.

    Returns
    -------
    bytes

    Raises
    ------
    FileNotFoundError
        There is no such object.
    UnreadableFileError
        The server refuses, or all attempts failed.

    Examples
    --------
    >>> fetch("memory://readme/there", 1, 3)
    Traceback (most recent call last):
        ...
    FileNotFoundError: ...
    """
    limit = MAX_JSON_BYTES if url.endswith(".json") else MAX_OBJECT_BYTES
    if is_hub(url):
        return hub_files.read(url, start, stop, limit)

    def read() -> bytes:
        if is_web(url):
            return web.read(url, start, stop, limit)
        files, path = file_system(url)
        if start is not None or stop is not None:
            data: bytes = files.cat_file(path, start=start, end=stop)
        elif limit == MAX_JSON_BYTES:  # as documents of strangers have it
            try:
                data = files.cat_file(path, start=0, end=limit + 1)
            except OSError as error:
                if status_of(error) != 416:  # an empty object has no range
                    raise
                data = b""
            check(url, len(data), limit, "bytes")
        else:
            data = files.cat_file(path)
        return data

    return retrying(url, read)


def download(
    url: str,
    path: Path,
    spend: Callable[[int], object] = lambda n: None,
    *,
    limit: int | None = None,
) -> None:
    """Copy an object into a file, without holding it in memory.

    Parameters
    ----------
    url : str
        Of the object.
    path : Path
        The file gets this name when it is whole; its folder is made if it is missing.
    spend : callable
        Called with the bytes that come from the web, block by block; may raise.
    limit : int, optional
        Most bytes that come from the web; at most, and by default, `MAX_DOWNLOAD_BYTES`.

    Raises
    ------
    FileNotFoundError
        There is no such object.
    UnreadableFileError
        The server refuses, or all attempts failed.
    """
    most = MAX_DOWNLOAD_BYTES if limit is None else min(limit, MAX_DOWNLOAD_BYTES)
    make_folders(path.parent)
    with temporary_file(path) as temporary:

        def copy() -> None:
            if is_web(url):
                with temporary.open("wb") as file:
                    web.save(url, lambda block: (spend(len(block)), file.write(block)), most)
                return
            files, at = file_system(url)
            files.get_file(at, str(temporary))

        if is_hub(url):
            hub_files.save(url, temporary, most)
        else:
            retrying(url, copy)


def size(url: str) -> int:
    """Return the size of an object of ``s3://`` or ``gs://``.

    Parameters
    ----------
    url : str
        Of the object.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    FileNotFoundError
        There is no such object.
    UnreadableFileError
        The server refuses, or all attempts failed.
    """

    def ask() -> int:
        files, path = file_system(url)
        return int(files.info(path)["size"])

    return retrying(url, ask)


def put(url: str, data: bytes, *, new: bool = False) -> None:
    """Write an object, whole or not at all.

    Parameters
    ----------
    url : str
        Of the object.
    data : bytes
        Its content.
    new : bool
        Write only if there is no such object yet (a conditional PUT, ``If-None-Match: *``).

    Raises
    ------
    FileExistsError
        With `new`: the object exists.
    UnreadableFileError
        The server refuses, or all attempts failed.
    """

    def write() -> None:
        files, path = file_system(url)
        # Small objects alone can be conditional everywhere: a multipart upload cannot.
        options = {"mode": "create"} if new else {}
        files.pipe_file(path, data, **options)

    retrying(url, write)


def sizes(url: str, names: Iterable[str]) -> dict[str, int]:
    """Return the sizes of files of the web, one request (HEAD) per file.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``, of a folder.
    names : iterable of str
        Files below it.

    Returns
    -------
    dict of str to int
        Name to bytes.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    UnreadableFileError
        The server refuses, does not state the size, or all attempts failed.
    """

    def size_of(name: str) -> int:
        at = join(url, name)
        return retrying(at, partial(web.size, at))

    names = list(names)
    return dict(zip(names, in_parallel(size_of, names), strict=True))


def delete(urls: Iterable[str]) -> None:
    """Delete objects; objects that do not exist are ignored.

    Parameters
    ----------
    urls : iterable of str
        Of the objects.

    Raises
    ------
    UnreadableFileError
        The server refuses, or all attempts failed.
    """

    def remove(url: str) -> None:
        def do() -> None:
            files, path = file_system(url)
            files.rm_file(path)

        with suppress(FileNotFoundError):
            retrying(url, do)

    in_parallel(remove, list(urls))


def in_parallel(do: Callable[[str], T], items: list[str]) -> list[T]:
    """Call `do` for each item in threads, `CONCURRENCY` at a time.

    Threads of its own rather than `physioprep.parallel`: these only wait for servers, also
    within a worker's task.

    Parameters
    ----------
    do : callable
        ``do(item)``; what it raises is raised here.
    items : list of str
        For example names or URLs.

    Returns
    -------
    list
        Results, in the order of `items`.

    Examples
    --------
    >>> in_parallel(len, ["a", "bc"])
    [1, 2]
    """
    if len(items) < 2:
        return [do(item) for item in items]
    with ThreadPoolExecutor(min(CONCURRENCY, len(items))) as pool:
        return list(pool.map(do, items))
