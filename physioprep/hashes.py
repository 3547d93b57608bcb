"""SHA-256 of files, and of recordings that consist of several files."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from physioprep.atomic import write_text

#: The list of a folder's files and their SHA-256, as ``sha256sum`` writes it.
HASHES: Final = "SHA256SUMS"
#: Up to this size a file is read in one piece: faster than in blocks, bytes.
_SMALL = 1 << 20


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file.

    Parameters
    ----------
    path : path-like
        A file of any size; it is never held in memory whole if it is large.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        The file is missing, cannot be read, or is a pipe, socket or device.

    Examples
    --------
    >>> len(sha256_of(hashlib.__file__))
    64
    >>> sha256_of("/dev/zero")
    Traceback (most recent call last):
        ...
    OSError: [Errno 22] a device, not a file: '/dev/zero'
    """
    with open(path, "rb", buffering=0, opener=_open) as file:
        first = file.read(_SMALL)
        if len(first) < _SMALL:
            return hashlib.sha256(first + file.read()).hexdigest()
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open(path: str, flags: int) -> int:
    """Open a regular file; without O_NONBLOCK, opening a pipe waits for its writer."""
    file = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(file).st_mode
    if not stat.S_ISREG(mode):
        os.close(file)
        raise OSError(errno.EINVAL, f"{kind_of(mode)}, not a file", path)
    return file


def kind_of(mode: int) -> str:
    """Return what something is that is no regular file.

    Parameters
    ----------
    mode : int
        ``st_mode`` of its status.

    Returns
    -------
    str
        With its article.

    Examples
    --------
    >>> kind_of(stat.S_IFIFO)
    'a pipe'
    """
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def write_hashes(folder: Path, names: Iterable[str] | None = None) -> None:
    """Write the list of a folder's files and their SHA-256.

    Parameters
    ----------
    folder : Path
        Complete.
    names : iterable of str, optional
        Files to list; default: all.

    Raises
    ------
    OSError
        A file cannot be read, or the list cannot be written.
    """
    if names is None:
        listing = folder / HASHES
        files = (path for path in folder.rglob("*") if path.is_file() and path != listing)
        names = [path.relative_to(folder).as_posix() for path in files]
    lines = [f"{sha256_of(folder / name)}  {name}\n" for name in sorted(names)]
    write_text(folder / HASHES, "".join(lines))


def combine(files: Iterable[str], hashes: Iterable[str | None]) -> str:
    r"""Return the hash of a recording from the hashes of its files.

    Parameters
    ----------
    files : iterable of str
        Names of the files, relative to the folder of the corpus.
    hashes : iterable of str or None
        SHA-256 of each file, in the same order.

    Returns
    -------
    str
        The hash of the only file; of several files, the SHA-256 of the lines
        ``"hash  name\n"``, as ``sha256sum`` prints them.

    Examples
    --------
    >>> combine(["a"], ["00ff"])
    '00ff'
    >>> combine(["a", "b"], ["00", "ff"])[:8]
    '0d7c2d53'
    """
    lines = [f"{digest}  {name}\n" for digest, name in zip(hashes, files, strict=True)]
    if len(lines) == 1:
        return lines[0].partition(" ")[0]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
