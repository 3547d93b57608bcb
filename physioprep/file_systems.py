"""fsspec's file systems for ``s3://``, ``gs://``, ``https://`` and ``hub://``.

They repeat nothing themselves: `physioprep.retry` does, by one policy for all protocols. For
``hub://`` see `physioprep.hub_files`.

Keys and the addresses of servers come from the environment, as the libraries read it:
``AWS_ENDPOINT_URL``, ``AWS_PROFILE``, ``AWS_ACCESS_KEY_ID``, ``GOOGLE_APPLICATION_CREDENTIALS``,
and ``PHYSIOPREP_S3_ANON=1`` for public buckets without keys.
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import import_module
from typing import Any, Final
from urllib.parse import urlsplit

from physioprep import hub_files
from physioprep.errors import UnreadableFileError
from physioprep.hub_address import is_hub, parse_hub
from physioprep.plain_text import has_secret

#: How long to wait for a connection, and for the next bytes of an answer, s.
CONNECT_TIMEOUT_S = 15
READ_TIMEOUT_S = 60
#: Requests at a time where many objects are wanted.
CONCURRENCY: Final = 16


#: Kinds of addresses that are opened: servers, and fsspec's objects in memory, for tests.
_SCHEMES: Final = frozenset(("http", "https", "s3", "s3a", "gs", "gcs", "hub", "memory"))


def check_address(url: str) -> None:
    """Check that an address may be opened and written down.

    Parameters
    ----------
    url : str
        ``s3://``, ``gs://``, ``http://``, ``https://`` or ``hub://``.

    Raises
    ------
    UnreadableFileError
        Another kind of address, such as ``file://``, or one that holds a password or token: it
        would reach manifests, stores and working folders, which others read.

    Examples
    --------
    >>> check_address("https://me:pass@host/corpus")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: https://***@host/corpus: holds a password or token: ...
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in _SCHEMES:
        raise UnreadableFileError(
            f"{scheme}://", "only http(s)://, s3://, gs:// and hub:// are opened"
        )
    if has_secret(url):
        raise UnreadableFileError(
            url,
            "holds a password or token: put it into ~/.netrc, ~/.aws/credentials or the "
            "environment, not into the address",
        )
    if is_hub(url):
        parse_hub(url)


def file_system(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the path in it.

    Parameters
    ----------
    url : str
        ``s3://``, ``gs://``, ``http://``, ``https://`` or ``hub://``.

    Returns
    -------
    files : fsspec.AbstractFileSystem
        Its requests are not repeated.
    path : str
        The URL as `files` takes it.

    Raises
    ------
    UnreadableFileError
        The library for this scheme is not installed, or `check_address` refuses the address.

    Examples
    --------
    >>> file_system("memory://folder/x")[1]
    '/folder/x'
    """
    check_address(url)
    if is_hub(url):
        return hub_files.file_system(url)
    scheme = urlsplit(url).scheme.lower()
    files = _file_system(scheme, os.getpid(), READ_TIMEOUT_S)
    path: str = import_module("fsspec.core").strip_protocol(url)
    return files, path


@lru_cache(maxsize=16)
def _file_system(scheme: str, process: int, read_timeout: float) -> Any:
    """Return a file system; one per process, since its event loop does not survive a fork."""
    try:
        fsspec: Any = import_module("fsspec")
        known = fsspec.available_protocols()
        if scheme not in known:
            raise UnreadableFileError(f"{scheme}://", "unknown kind of address")
        kind = fsspec.get_filesystem_class(scheme)
        options = _options(scheme, read_timeout)
    except ImportError as error:
        raise UnreadableFileError(
            f"{scheme}://", f"{error.name or error} is missing: pip install 'physioprep[remote]'"
        ) from None
    files = kind(skip_instance_cache=True, **options)
    if scheme in ("s3", "s3a"):
        files.retries = 1  # `physioprep.retry` repeats
    return files


def _options(scheme: str, read_timeout: float) -> dict[str, Any]:
    """Return the arguments of a file system; keys and servers it takes from the environment."""
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
            "max_concurrency": 1,  # else s3fs asks for the size of each object before it reads
        }
    if scheme in ("http", "https"):
        aiohttp: Any = import_module("aiohttp")
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=read_timeout
        )
        client = {
            "timeout": timeout,
            "trust_env": True,  # proxies, and keys from ~/.netrc
            "headers": {"Accept-Encoding": "identity"},
            "auto_decompress": False,  # a small answer stays small
        }
        return {"client_kwargs": client, "use_listings_cache": False}
    return {"use_listings_cache": False}
