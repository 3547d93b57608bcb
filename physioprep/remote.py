"""Read, write, list and delete objects on ``s3://``, ``gs://`` and ``https://``, through fsspec.

Every request is repeated as `physioprep.retry` says. What then still fails is one
`UnreadableFileError` that names the URL and the cause; an object that does not exist is a
`FileNotFoundError` at once. For keys and servers see `physioprep.file_systems`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlsplit

from physioprep.atomic import temporary_file
from physioprep.errors import UnreadableFileError
from physioprep.file_systems import CONCURRENCY, check_address, file_system
from physioprep.retry import retrying, status_of

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
        `physioprep.file_systems.check_address` refuses the URL.

    Examples
    --------
    >>> place("s3://bucket/x.zarr/"), place("x.zarr/").name
    ('s3://bucket/x.zarr', 'x.zarr')
    """
    if not is_remote(path):
        return Path(path)
    check_address(str(path))
    return str(path).rstrip("/")


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
    if urlsplit(url).scheme in ("http", "https"):
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

    def read() -> bytes:
        files, path = file_system(url)
        if start is None and stop is None:
            data: bytes = files.cat_file(path)
            return data
        # A server that knows no ranges answers with the whole object. For "from here to the
        # end" that cannot be detected, so read all of it; other ranges show it by their length.
        whole = start is not None and start > 0 and stop is None
        data = files.cat_file(path) if whole else files.cat_file(path, start=start, end=stop)
        return data[start:] if whole else _cut(data, start, stop)

    return retrying(url, read)


def _cut(data: bytes, start: int | None, stop: int | None) -> bytes:
    start = start or 0
    wanted = -start if start < 0 else None if stop is None else stop - start
    return data if wanted is None or len(data) <= wanted else data[start:stop]


def download(url: str, path: Path) -> None:
    """Copy an object into a file, without holding it in memory.

    Parameters
    ----------
    url : str
        Of the object.
    path : Path
        The file gets this name when it is whole; its folder is made if it is missing.

    Raises
    ------
    FileNotFoundError
        There is no such object.
    UnreadableFileError
        The server refuses, or all attempts failed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_file(path) as temporary:

        def copy() -> None:
            files, at = file_system(url)
            files.get_file(at, str(temporary))

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


def listing(url: str) -> dict[str, int | None]:
    """Return the objects below a URL and their sizes.

    Parameters
    ----------
    url : str
        Of a folder.

    Returns
    -------
    dict of str to (int or None)
        Names relative to `url`, sorted, and bytes. On the web these are the files that index
        pages link to, and the bytes are None: `sizes` asks for them.

    Raises
    ------
    FileNotFoundError
        There is no such folder (web only; an object store has an empty listing).
    UnreadableFileError
        The server refuses, or all attempts failed.
    """
    if urlsplit(url).scheme in ("http", "https"):
        return dict.fromkeys(sorted(_linked(url.rstrip("/") + "/", "")))

    def find() -> dict[str, int | None]:
        files, path = file_system(url)
        root = path.rstrip("/") + "/"
        found = files.find(path, detail=True)
        return {
            name.removeprefix(root): int(item["size"])
            for name, item in sorted(found.items())
            if name.startswith(root) and not name.endswith("/")
        }

    return retrying(url, find)


def _linked(root: str, folder: str) -> Iterator[str]:
    """Yield the files that index pages below a web address link to."""

    def read() -> list[dict[str, Any]]:
        files, _ = file_system(root)
        found: list[dict[str, Any]] = files.ls(root + folder, detail=True)
        return found

    prefix = root + folder
    for item in retrying(prefix, read):
        name = item["name"].removeprefix(prefix)
        if name == item["name"] or not name.strip("/") or re.search(r"[?#]|\.\.|/.", name):
            continue  # links elsewhere, sort links, the folder itself
        if name.endswith("/"):
            yield from _linked(root, folder + name)
        else:
            yield unquote(folder + name)


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
        def ask() -> int:
            files, path = file_system(join(url, name))
            try:
                found = files.info(path)["size"]
            except FileNotFoundError as error:  # fsspec raises it for every kind of error
                if error.__cause__ is None or status_of(error) in (404, 410):
                    raise
                raise error.__cause__ from None
            if found is None:
                raise UnreadableFileError(join(url, name), "the server does not state its size")
            return int(found)

        return retrying(join(url, name), ask)

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
