"""Files of Hugging Face's hub, read through huggingface_hub, where that is installed.

A branch moves when somebody pushes. `pinned` replaces it by the commit that it stands for, so
that what is opened stays one and the same. The server is ``HF_ENDPOINT``, and the token that of
``hf auth login`` or ``HF_TOKEN``, as huggingface_hub has it; neither is written anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.hub_address import HubAddress, parse_hub
from physioprep.retry import is_transient, retrying, status_of

T = TypeVar("T")
MISSING: Final = "hub:// needs huggingface_hub: pip install 'physioprep[hub]'"
_LOG_IN: Final = (
    "no such repository, or you may not see it: log in with `hf auth login`, or set HF_TOKEN"
)
#: huggingface_hub repeats requests itself; a second round is for answers that were cut short.
_ROUNDS: Final = 2


def library(part: str = "") -> Any:
    """Return the module huggingface_hub, or one in it.

    Parameters
    ----------
    part : str
        ``"errors"``, ``"utils"``.

    Returns
    -------
    module

    Raises
    ------
    PhysioprepError
        It is not installed.
    """
    try:
        return import_module(f"huggingface_hub.{part}".rstrip("."))
    except ImportError:
        raise PhysioprepError(MISSING) from None


def hub_api() -> Any:
    """Return the hub's API.

    Returns
    -------
    huggingface_hub.HfApi

    Raises
    ------
    PhysioprepError
        huggingface_hub is not installed.
    """
    return library().HfApi()


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of the hub, and the path in it.

    Parameters
    ----------
    url : str
        ``hub://``.

    Returns
    -------
    files : huggingface_hub.HfFileSystem
    path : str

    Raises
    ------
    PhysioprepError
        huggingface_hub is not installed, or the address is none of the hub.
    """
    address = parse_hub(url)
    return _file_system(os.getpid(), library("constants").ENDPOINT), address.fsspec_path


@lru_cache(maxsize=4)
def _file_system(process: int, endpoint: str) -> Any:
    """Return the file system; one per process, since its connections do not survive a fork."""
    return library().HfFileSystem(endpoint=endpoint, skip_instance_cache=True)


def asking(url: str, do: Callable[[], T], *, rounds: int = 1) -> T:
    """Ask the hub; what fails is one error that names the address.

    Parameters
    ----------
    url : str
        What is asked for.
    do : callable
        ``do()``: the request.
    rounds : int
        How often, beyond what huggingface_hub repeats itself.

    Returns
    -------
    object
        What `do` returns.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    UnreadableFileError
        There is no such repository or revision, or the server refuses or does not answer.
    """
    errors = library("errors")

    def ask() -> T:
        try:
            return do()
        except (FileNotFoundError, errors.EntryNotFoundError) as error:
            causes = (error, error.__cause__)
            if any(isinstance(each, errors.RepositoryNotFoundError) for each in causes):
                raise UnreadableFileError(url, _LOG_IN) from None
            if any(isinstance(each, errors.RevisionNotFoundError) for each in causes):
                raise UnreadableFileError(url, "no such revision") from None
            raise FileNotFoundError(url) from None
        except errors.RevisionNotFoundError:
            raise UnreadableFileError(url, "no such revision") from None
        except (errors.GatedRepoError, errors.RepositoryNotFoundError):
            raise UnreadableFileError(url, _LOG_IN) from None
        except errors.HfHubHTTPError as error:
            if status_of(error) in (401, 403):
                said = " ".join(str(error.server_message or "").split())[:120]
                raise UnreadableFileError(
                    url, f"the hub refuses{said and f' ({said})'}: your token may not do this"
                ) from None
            raise
        except (RuntimeError, ValueError) as error:  # of an upload; also odd answers
            raise UnreadableFileError(url, _first_causes(error)) from error

    try:
        return retrying(url, ask, attempts=rounds)
    except UnreadableFileError as error:
        cause = error.__cause__
        if cause is None or not _is_of_connection(cause):
            raise
        server = library("constants").ENDPOINT
        raise UnreadableFileError(
            url, f"{server} cannot be reached: {_first_causes(cause)}"
        ) from cause


def _is_of_connection(error: BaseException) -> bool:
    """Return whether no answer came: none that was cut short, and no error of this machine."""
    if not is_transient(error) or status_of(error) is not None:
        return False
    is_builtin = type(error).__module__ == "builtins"
    return not is_builtin or isinstance(error, ConnectionError | TimeoutError)


def _first_causes(error: BaseException) -> str:
    """Return an error and what caused it, in one line; what two of them say, once."""
    texts: list[str] = []
    while error is not None and len(texts) < 3:
        texts.append(" ".join(str(error).split())[:200] or type(error).__name__)
        error = error.__cause__  # type: ignore[assignment]
    return ": ".join(dict.fromkeys(texts))


def pinned(url: str) -> str:
    """Return an address with the commit that its revision stands for now.

    Parameters
    ----------
    url : str
        ``hub://owner/name[@revision][/path]``; without a revision the branch ``main``.

    Returns
    -------
    str
        The same for an address with a commit.

    Raises
    ------
    UnreadableFileError
        There is no such repository or revision, or the hub does not answer.
    """
    address = parse_hub(url)
    kind = address.kind or "dataset"
    if address.is_pinned:
        return str(address)
    return str(address.at(commit_of(address, kind, url), kind))


def commit_of(address: HubAddress, kind: str, url: str) -> str:
    """Return the commit that the revision of an address stands for now.

    Parameters
    ----------
    address : HubAddress
    kind : {'dataset', 'model'}
    url : str
        For errors.

    Returns
    -------
    str

    Raises
    ------
    UnreadableFileError
        There is no such repository or revision, or the hub does not answer.
    """
    api = hub_api()
    found: str = asking(
        url,
        lambda: api.repo_info(address.repo, repo_type=kind, revision=address.revision),
        rounds=_ROUNDS,
    ).sha
    return found


def read(url: str, start: int | None, stop: int | None, limit: int) -> bytes:
    """Return the bytes of a file, or a range of them; nothing more is fetched.

    Parameters
    ----------
    url : str
        ``hub://owner/name@revision/path``.
    start, stop : int or None
        As for `physioprep.remote.fetch`.
    limit : int
        Most bytes to take.

    Returns
    -------
    bytes

    Raises
    ------
    FileNotFoundError
        There is no such file.
    UnreadableFileError
        The server refuses or does not answer, the file is larger, or the answer is not the
        range that was asked for.
    """

    def ask() -> bytes:
        files, path = file_system(url)
        size = _size(url)
        low, high, _ = slice(start, stop).indices(size)
        if high - low > limit:
            raise UnreadableFileError(url, f"{high - low} bytes, over the limit of {limit}")
        if high <= low:
            return b""
        data: bytes = files.cat_file(path, start=low, end=high, cache_type="none")
        if len(data) != high - low:
            raise EOFError(f"{len(data)} bytes came instead of {high - low}")
        return data

    return asking(url, ask, rounds=_ROUNDS)


def _size(url: str) -> int:
    """Return the bytes of a file; of a commit all are listed once, also to know what is absent."""
    files, path = file_system(url)
    address = parse_hub(url)
    if not address.is_pinned:
        return int(files.info(path)["size"])
    size = _sizes(files, replace(address, path="").fsspec_path).get(path)
    if size is None:
        raise FileNotFoundError(url)
    return size


@lru_cache(maxsize=8)
def _sizes(files: Any, root: str) -> dict[str, int]:
    return {name: int(each["size"]) for name, each in files.find(root, detail=True).items()}


def save(url: str, path: Path, limit: int) -> None:
    """Copy a file of the hub, without holding it in memory.

    Parameters
    ----------
    url : str
        ``hub://owner/name@revision/path``.
    path : Path
        To write; what is there is replaced.
    limit : int
        Most bytes to take.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    UnreadableFileError
        The server refuses or does not answer, or the file is larger.
    """

    def copy() -> None:
        files, at = file_system(url)
        size = _size(url)
        if size > limit:
            raise UnreadableFileError(url, f"{size} bytes, over the limit of {limit}")
        files.get_file(at, str(path))
        if path.stat().st_size != size:
            raise EOFError(f"{path.stat().st_size} bytes came instead of {size}")

    asking(url, copy, rounds=_ROUNDS)
