"""Repeat requests to servers: one policy for object stores, the web and downloads of corpora.

A request is repeated a bounded number of times, with growing pauses, where the server answers
5xx or "slow down", drops the connection, cuts an answer short or does not answer in time. Other
errors are final: a refusal, an absent object, missing keys, a full disk.
"""

from __future__ import annotations

import errno
import logging
import random
import time
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.error import URLError

from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.plain_text import without_secrets

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Attempts per request, and the pause before the second one, s; the pause doubles each time.
ATTEMPTS = 7
FIRST_PAUSE_S = 0.25
#: Errors that a repetition cannot remove.
_FINAL: Final = (
    *(FileNotFoundError, FileExistsError, PermissionError, IsADirectoryError, NotADirectoryError),
    PhysioprepError,
)
#: Errors of the disk of this machine.
_LOCAL_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG)
#: Packages whose errors come from a connection.
_CLIENTS: Final = {
    *("aiohttp", "botocore", "aiobotocore", "gcsfs", "http", "httpx", "httpx2", "huggingface_hub")
}
#: Parts of the names of such errors that are final all the same.
_HOPELESS: Final = ("CredentialsError", "ParamValidation", "InvalidURL", "UnknownEndpoint")


def retrying(
    url: str,
    do: Callable[[], T],
    *,
    attempts: int | None = None,
    first_pause_s: float | None = None,
) -> T:
    """Call `do` until it succeeds, its error is final, or no attempt is left.

    Parameters
    ----------
    url : str
        What is asked for; error messages name it.
    do : callable
        ``do()``: one attempt.
    attempts : int, optional
        Attempts in all, 1 or more; by default `ATTEMPTS`.
    first_pause_s : float, optional
        Pause before the second attempt, s; it doubles each time, and varies by a quarter so
        that many workers do not return all at once. By default `FIRST_PAUSE_S`.

    Returns
    -------
    object
        What `do` returns.

    Raises
    ------
    FileNotFoundError, FileExistsError
        As `do` raises them.
    UnreadableFileError
        The error is final, or the last attempt failed.

    Examples
    --------
    >>> answers = iter([ConnectionError("reset"), b"data"])
    >>> def ask():
    ...     answer = next(answers)
    ...     if isinstance(answer, Exception):
    ...         raise answer
    ...     return answer
    >>> retrying("s3://bucket/x", ask, first_pause_s=0.0)
    b'data'
    """
    limit = ATTEMPTS if attempts is None else attempts
    pause_s = FIRST_PAUSE_S if first_pause_s is None else first_pause_s
    attempt = 1
    while True:
        try:
            return do()
        except Exception as error:
            _check_transient(error, attempt, limit, url)  # raises after the last attempt
        time.sleep(pause_s * (1 << (attempt - 1)) * random.uniform(0.75, 1.25))
        attempt += 1


def _check_transient(error: Exception, attempt: int, limit: int, url: str) -> None:
    """Raise unless another attempt is allowed and can help."""
    if isinstance(error, FileNotFoundError | FileExistsError | PhysioprepError):
        raise error
    if not is_transient(error):
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise error  # a bug of this program
        raise UnreadableFileError(url, _cause(error)) from error
    if attempt >= limit:
        raise UnreadableFileError(url, f"{_cause(error)} ({attempt} attempts)") from error
    log.debug("%s: %s; attempt %d of %d", without_secrets(url), _cause(error), attempt, limit)


def is_transient(error: BaseException) -> bool:
    """Return whether a repetition can remove an error: of the network, or of a busy server.

    Parameters
    ----------
    error : BaseException
        Of fsspec, aiohttp, botocore, urllib or the operating system.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_transient(ConnectionResetError("by peer")), is_transient(PermissionError("no"))
    (True, False)
    """
    if isinstance(error, _FINAL) or getattr(error, "errno", None) in _LOCAL_DISK:
        return False
    if type(error).__name__ == "ClientPayloadError":
        return True  # an answer that was cut short; aiohttp gives it the status 400
    status = status_of(error)
    if status is not None:
        return status >= 500 or status in (408, 425, 429)
    if any(word in type(error).__name__ for word in _HOPELESS):
        return False
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError | EOFError) or bool(packages & _CLIENTS)


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status of an error, or of the error that caused it.

    Parameters
    ----------
    error : BaseException or None
        Of any HTTP or object store library.

    Returns
    -------
    int or None
        None where there is no status.

    Examples
    --------
    >>> import urllib.error
    >>> status_of(urllib.error.HTTPError("https://x", 503, "busy", None, None))
    503
    """
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            # in this order: aiohttp warns who asks for its `code`
            found = getattr(error, "status", None) or getattr(error, "code", None)
            found = found or getattr(response, "status_code", None)
        if isinstance(found, int) and found >= 100:
            return found
        error = error.__cause__
    return None


def _cause(error: BaseException) -> str:
    status = status_of(error)
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "the server does not answer in time"
    said = error.reason if isinstance(error, URLError) else error
    text = " ".join(str(said).split())[:200] or type(error).__name__
    return f"HTTP {status}: {text}" if status is not None else text
