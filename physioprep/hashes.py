"""SHA-256 of files, and of recordings that consist of several files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

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
        The file is missing or cannot be read.

    Examples
    --------
    >>> sha256_of("/dev/null")[:8]
    'e3b0c442'
    """
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path as text is faster
        first = file.read(_SMALL)
        if len(first) < _SMALL:
            return hashlib.sha256(first + file.read()).hexdigest()
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


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
