"""Open only regular files of a corpus: reading a pipe may block forever, a device never ends."""

from __future__ import annotations

import errno
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.hashes import kind_of
from physioprep.readers.confinement import check_confined, inside_but_for_links

# Without O_NONBLOCK, opening a pipe waits for its writer.
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def open_file(path: str | Path) -> int:
    """Open a regular file for reading.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    int
        Its descriptor, to be closed by the caller.

    Raises
    ------
    UnreadableFileError
        The file is missing, may not be read, or is a folder, pipe, socket or device; or it lies
        outside the folder that this thread is confined to.

    Examples
    --------
    >>> open_file("/dev/zero")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: /dev/zero: a device, not a file
    """
    try:
        file = _open(path)
    except ValueError as error:  # a NUL in the name
        raise UnreadableFileError(repr(os.fspath(path)), str(error)) from None
    except OSError as error:
        raise UnreadableFileError(path, cause_of(path, error)) from None
    mode = os.fstat(file).st_mode
    if not stat.S_ISREG(mode):
        os.close(file)
        raise UnreadableFileError(path, f"{kind_of(mode)}, not a file")
    return file


def _open(path: str | Path) -> int:
    """Open a file that may be opened; half the time of a file object."""
    seen = inside_but_for_links(path)
    if seen is not None:
        try:
            file = os.open(path, _FLAGS | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        else:
            seen.add(os.fspath(path))
            return file
    check_confined(path)
    return os.open(path, _FLAGS)


def cause_of(path: str | Path, error: OSError) -> str:
    """Return in a few words why a file could not be opened.

    Parameters
    ----------
    path : path-like
    error : OSError

    Returns
    -------
    str

    Examples
    --------
    >>> cause_of("a.hea", FileNotFoundError(2, "No such file or directory"))
    'no such file'
    """
    if isinstance(error, FileNotFoundError):
        return "no such file"
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 (also of text)
    except OSError:
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return f"{kind_of(mode)}, not a file"  # a socket cannot be opened
    return str(error.strerror or error)


@contextmanager
def opened(path: str | Path) -> Iterator[int]:
    """Open a regular file while the block runs.

    Parameters
    ----------
    path : path-like

    Yields
    ------
    int
        Its descriptor.

    Raises
    ------
    UnreadableFileError
        As `open_file`.
    """
    file = open_file(path)
    try:
        yield file
    finally:
        os.close(file)


def check_not_empty(path: str | Path) -> None:
    """Refuse a file without a byte; what is no file is not looked at.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    UnreadableFileError
        It is empty.

    Examples
    --------
    >>> check_not_empty("/dev/null")
    """
    try:
        status = os.stat(path)  # noqa: PTH116 (hot path)
    except (OSError, ValueError):
        return
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise UnreadableFileError(path, "is empty")


def read_bytes(path: str | Path, limit: int, what: str = "bytes") -> NDArray[np.uint8]:
    """Return the bytes of a regular file.

    Parameters
    ----------
    path : path-like
    limit : int
        Most bytes that it may have, one of `physioprep.limits`.
    what : str
        Named in the error: ``"bytes of annotations"``.

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    UnreadableFileError
        As `open_file`, or the file is larger.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "a"
    >>> _ = file.write_bytes(b"abc")
    >>> read_bytes(file, 2)
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: ...: 3 bytes, over the limit of 2 \
(PHYSIOPREP_READ_LIMITS raises it)
    """
    with opened(path) as file:
        size = os.fstat(file).st_size
        limits.check(path, size, limit, what)
        data = np.empty(size, np.uint8)
        n = 0
        while n < size:
            more = os.readv(file, [data[n:].data])
            if not more:
                raise UnreadableFileError(path, "changed while it was read")
            n += more
        return data


def map_bytes(path: str | Path, limit: int) -> mmap.mmap | bytes:
    """Map the bytes of a regular file: only those that are looked at are read.

    A file that shrinks meanwhile ends the process; so this is for processes that parse one file.

    Parameters
    ----------
    path : path-like
    limit : int
        Most bytes that it may have, one of `physioprep.limits`.

    Returns
    -------
    mmap or bytes
        Sliced, both give bytes.

    Raises
    ------
    UnreadableFileError
        As `read_bytes`.
    """
    with opened(path) as file:
        size = os.fstat(file).st_size
        limits.check(path, size, limit, "bytes")
        return mmap.mmap(file, size, access=mmap.ACCESS_READ) if size else b""


def read_text(path: str | Path, limit: int, errors: str = "strict") -> str:
    """Return the text of a regular file.

    Parameters
    ----------
    path : path-like
        UTF-8.
    limit : int
        Most bytes that it may have, one of `physioprep.limits`.
    errors : str
        What becomes of bytes that are not UTF-8, as for `bytes.decode`.

    Returns
    -------
    str

    Raises
    ------
    UnreadableFileError
        As `read_bytes`, or the bytes are not UTF-8.
    """
    try:
        return read_bytes(path, limit).tobytes().decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise UnreadableFileError(path, f"not UTF-8 ({error})") from None
