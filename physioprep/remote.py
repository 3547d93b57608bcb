"""Objects on ``s3://``, ``gs://`` and ``https://``, through fsspec, with retries of our own.

Every call is tried again, a bounded number of times and with growing pauses, where the server
says 5xx or "slow down", drops the connection, cuts an answer short or does not answer in time.
Whatever remains is one `UnreadableFileError` that names the URL and the cause; an object that
is not there is a `FileNotFoundError` at once. The libraries' own retries are off, so that there
is one policy for all protocols.

Keys and the addresses of servers come from the environment, as the libraries read it:
``AWS_ENDPOINT_URL``, ``AWS_PROFILE``, ``AWS_ACCESS_KEY_ID``, ``GOOGLE_APPLICATION_CREDENTIALS``,
and ``PHYSIOPREP_S3_ANON=1`` for public buckets without keys.
"""

from __future__ import annotations

import errno
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from physioprep.errors import PhysioprepError, UnreadableFileError

log = logging.getLogger(__name__)

T = TypeVar("T")
#: How often a request is tried, and the pause before the second time, s; it doubles each time.
ATTEMPTS = 7
FIRST_PAUSE_S = 0.25
#: How long to wait for a connection, and for the next bytes of an answer, s.
CONNECT_TIMEOUT_S = 15
READ_TIMEOUT_S = 60
#: Requests at a time where many objects are wanted.
CONCURRENCY: Final = 16
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
#: Errors that trying again does not mend.
_FINAL: Final = (
    *(FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError),
    PhysioprepError,
)
#: Errors of this machine's disk.
_OURS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG)
_CLIENTS: Final = {"aiohttp", "botocore", "aiobotocore", "gcsfs"}
_HOPELESS: Final = ("CredentialsError", "ParamValidation", "InvalidURL", "UnknownEndpoint")


def is_remote(path: object) -> bool:
    """Say whether a path is a URL rather than a file of this machine.

    Examples
    --------
    >>> is_remote("s3://bucket/ptbxl.zarr"), is_remote("ptbxl.zarr"), is_remote(Path("a"))
    (True, False, False)
    """
    return isinstance(path, str) and _URL.match(path) is not None


def place(path: str | Path) -> str | Path:
    """Return a URL as text without a slash at its end, anything else as a Path.

    Examples
    --------
    >>> place("s3://bucket/x.zarr/"), place("x.zarr/").name
    ('s3://bucket/x.zarr', 'x.zarr')
    """
    return str(path).rstrip("/") if is_remote(path) else Path(path)


def fetch(url: str, start: int | None = None, stop: int | None = None) -> bytes:
    """Return the bytes of an object, or a range of them.

    Parameters
    ----------
    url : str
    start, stop : int, optional
        First byte and the one after the last; a negative `start` counts from the end. A range
        that reaches beyond the end ends there.

    Returns
    -------
    bytes

    Raises
    ------
    FileNotFoundError
        If there is no such object.
    UnreadableFileError
        If the server did not give it in `ATTEMPTS` attempts, or refuses to.

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
        # "From here to the end" cannot be told from all of it, which servers that know no
        # ranges answer with: other ranges can, by their length.
        whole = start is not None and start > 0 and stop is None
        data = files.cat_file(path) if whole else files.cat_file(path, start=start, end=stop)
        return data[start:] if whole else _cut(data, start, stop)

    return retrying(url, read)


def _cut(data: bytes, start: int | None, stop: int | None) -> bytes:
    start = start or 0
    wanted = -start if start < 0 else None if stop is None else stop - start
    return data if wanted is None or len(data) <= wanted else data[start:stop]


def download(url: str, path: Path) -> None:
    """Copy an object into a file, without holding it in memory; raises as `fetch` does."""
    part = path.with_name(f".{path.name}.part")

    def copy() -> None:
        files, at = file_system(url)
        files.get_file(at, str(part))

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        retrying(url, copy)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def size(url: str) -> int:
    """Return the bytes of an object of ``s3://`` or ``gs://``; raises as `fetch` does."""

    def ask() -> int:
        files, path = file_system(url)
        return int(files.info(path)["size"])

    return retrying(url, ask)


def put(url: str, data: bytes, *, new: bool = False) -> None:
    """Write an object, whole or not at all.

    Parameters
    ----------
    url : str
    data : bytes
    new : bool
        Only if there is none yet (a conditional PUT, ``If-None-Match: *``).

    Raises
    ------
    FileExistsError
        With `new`, if there is one.
    UnreadableFileError
        If the server did not take it in `ATTEMPTS` attempts, or refuses to.
    """

    def write() -> None:
        files, path = file_system(url)
        # Small objects alone can be conditional everywhere: a multipart upload cannot.
        options = {"mode": "create"} if new else {}
        files.pipe_file(path, data, **options)

    retrying(url, write)


def listing(url: str) -> dict[str, int | None]:
    """Return the objects below a URL: names relative to it, in order, and their bytes.

    On the web these are the files that index pages link to, and their bytes are None: see
    `sizes`.

    Raises
    ------
    UnreadableFileError
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
    """Return the bytes of objects below a URL, asked of each (HEAD); raises as `fetch` does."""
    sync: Any = import_module("fsspec.asyn").sync
    http: Any = import_module("fsspec.implementations.http")

    def size_of(name: str) -> int:
        def ask() -> int:
            files, path = file_system(join(url, name))

            async def head() -> dict[str, Any]:
                session = await files.set_session()
                found: dict[str, Any] = await http._file_info(path, session, **files.kwargs)
                return found

            found = sync(files.loop, head).get("size")
            if found is None:
                raise UnreadableFileError(join(url, name), "the server does not say its size")
            return int(found)

        return retrying(join(url, name), ask)

    names = list(names)
    return dict(zip(names, in_parallel(size_of, names), strict=True))


def delete(urls: Iterable[str]) -> None:
    """Delete objects; those that are not there do not matter."""

    def remove(url: str) -> None:
        def do() -> None:
            files, path = file_system(url)
            files.rm_file(path)

        with suppress(FileNotFoundError):
            retrying(url, do)

    in_parallel(remove, list(urls))


def in_parallel(do: Callable[[str], T], items: list[str]) -> list[T]:
    """Call `do` for each item, `CONCURRENCY` at a time; results in their order."""
    if len(items) < 2:
        return [do(item) for item in items]
    with ThreadPoolExecutor(min(CONCURRENCY, len(items))) as pool:
        return list(pool.map(do, items))


def join(url: str, name: str) -> str:
    """Return the URL of a name below a URL.

    Examples
    --------
    >>> join("s3://bucket/x.zarr/", "ecg/zarr.json")
    's3://bucket/x.zarr/ecg/zarr.json'
    """
    if urlsplit(url).scheme in ("http", "https"):
        from urllib.parse import quote

        name = quote(name)
    return f"{url.rstrip('/')}/{name}"


def retrying(url: str, do: Callable[[], T]) -> T:
    """Call `do` until it succeeds, its error is final, or the attempts are used up."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return do()
        except Exception as error:
            time.sleep(pause_after(error, attempt, url))
    raise AssertionError("unreachable: the last attempt raises")


def pause_after(error: Exception, attempt: int, url: str) -> float:
    """Return how long to wait before the next attempt; raise if there is to be none.

    Raises
    ------
    FileNotFoundError, FileExistsError
        As they are.
    UnreadableFileError
        If the error is final or this was the last attempt.
    """
    if isinstance(error, FileNotFoundError | FileExistsError | PhysioprepError):
        raise error
    if not _may_pass(error):
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise error  # a bug, not a server
        raise UnreadableFileError(url, _cause(error)) from error
    if attempt >= ATTEMPTS:
        raise UnreadableFileError(url, f"{_cause(error)} ({attempt} attempts)") from error
    log.debug("%s: %s; attempt %d of %d", url, _cause(error), attempt, ATTEMPTS)
    return FIRST_PAUSE_S * (1 << (attempt - 1)) * random.uniform(0.75, 1.25)


def _may_pass(error: BaseException) -> bool:
    """Say whether an error is one that passes: of the net, or of a busy server."""
    if isinstance(error, _FINAL) or getattr(error, "errno", None) in _OURS:
        return False
    if type(error).__name__ == "ClientPayloadError":
        return True  # an answer cut short, which aiohttp gives a status of its own: 400
    status = _status(error)
    if status is not None:
        return status >= 500 or status in (408, 425, 429)
    if any(word in type(error).__name__ for word in _HOPELESS):
        return False
    homes = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError | EOFError) or bool(homes & _CLIENTS)


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status that an error or its cause carries."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            found = getattr(error, "status", None) or getattr(error, "code", None)
        if isinstance(found, int) and found >= 100:
            return found
        error = error.__cause__
    return None


def _cause(error: BaseException) -> str:
    status = _status(error)
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "the server does not answer in time"
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return f"HTTP {status}: {text}" if status is not None else text


def file_system(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path in it; it does not retry.

    Raises
    ------
    UnreadableFileError
        If the library for this kind of URL is not installed.
    """
    scheme = urlsplit(url).scheme.lower()
    files = _file_system(scheme, os.getpid(), READ_TIMEOUT_S)
    return files, files._strip_protocol(url)


@lru_cache(maxsize=16)
def _file_system(scheme: str, process: int, read_timeout: float) -> Any:
    """Return a file system; one a process, since its event loop does not survive a fork."""
    try:
        fsspec: Any = import_module("fsspec")
        known = fsspec.available_protocols()
        if scheme not in known:
            raise UnreadableFileError(f"{scheme}://", "no such kind of address is known")
        kind = fsspec.get_filesystem_class(scheme)
        options = _options(scheme, read_timeout)
    except ImportError as error:
        raise UnreadableFileError(
            f"{scheme}://", f"{error.name or error} is missing: pip install 'physioprep[remote]'"
        ) from None
    files = kind(skip_instance_cache=True, **options)
    if scheme in ("s3", "s3a"):
        files.retries = 1  # ours are enough
    return files


def _options(scheme: str, read_timeout: float) -> dict[str, Any]:
    """Return what a file system is made with; keys and servers it takes from the environment."""
    if scheme in ("s3", "s3a"):
        config = {
            "connect_timeout": CONNECT_TIMEOUT_S,
            "read_timeout": read_timeout,
            "retries": {"total_max_attempts": 1},
            "max_pool_connections": 2 * CONCURRENCY,
        }
        anonymous = os.environ.get("PHYSIOPREP_S3_ANON", "") not in ("", "0")
        return {
            "config_kwargs": config,
            "use_listings_cache": False,
            "anon": anonymous,
            "max_concurrency": 1,  # else each object's size is asked for before it is read
        }
    if scheme in ("http", "https"):
        aiohttp: Any = import_module("aiohttp")
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=read_timeout
        )
        client = {"timeout": timeout, "trust_env": True}  # proxies, and keys from ~/.netrc
        return {"client_kwargs": client, "use_listings_cache": False}
    return {"use_listings_cache": False}
