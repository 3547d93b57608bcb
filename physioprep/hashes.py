"""SHA-256 of files, and of recordings that consist of several files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from physioprep.atomic import write_text
from physioprep.limits import MAX_TEXT_BYTES
from physioprep.trees import files_below

#: The list of a folder's files and their SHA-256, as ``sha256sum`` writes it.
HASHES: Final = "SHA256SUMS"
#: Up to this size a file is read in one piece: faster than in blocks, bytes.
_SMALL = 1 << 20
#: The last line of a list: the SHA-256 of the lines before it. `sha256sum -c` passes over it.
_SEAL: Final = re.compile(r"# ([0-9a-f]{64})\n")


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
    with open(path, "rb", buffering=0, opener=open_regular) as file:
        first = file.read(_SMALL)
        if len(first) < _SMALL:
            return hashlib.sha256(first + file.read()).hexdigest()
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_regular(path: str | Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file: reading a pipe may block forever, a device never ends.

    Parameters
    ----------
    path : path-like
    flags : int
        As for `os.open`.

    Returns
    -------
    int
        Its descriptor, to be closed by the caller. Also for the argument ``opener`` of `open`.

    Raises
    ------
    OSError
        The file is missing, cannot be read, or is a folder, pipe, socket or device, which is
        not opened at all.
    """
    _refuse_other(path, os.stat(path).st_mode)  # noqa: PTH116 (also of text)
    # It may be another one by now; without O_NONBLOCK, opening a pipe waits for its writer.
    file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _refuse_other(path, os.fstat(file).st_mode)
    except OSError:
        os.close(file)
        raise
    return file


def _refuse_other(path: str | Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"{kind_of(mode)}, not a file", str(path))


def read_regular(path: str | Path, limit: int = MAX_TEXT_BYTES) -> bytes:
    """Return the bytes of a regular file.

    Parameters
    ----------
    path : path-like
    limit : int
        Most bytes that it may have.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        As `open_regular`, or the file is larger.

    Examples
    --------
    >>> read_regular(hashlib.__file__, 9)
    Traceback (most recent call last):
        ...
    OSError: [Errno 27] more than 9 bytes: ...
    """
    with open(path, "rb", opener=open_regular) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"more than {limit} bytes", str(path))
        return file.read()


def listed_file(folder: Path, name: str) -> Path:
    """Return the place of a file that a list names.

    Parameters
    ----------
    folder : Path
        Of the list.
    name : str
        In the list.

    Returns
    -------
    Path

    Raises
    ------
    OSError
        The name leads out of the folder.

    Examples
    --------
    >>> listed_file(Path("a.zarr"), "../b")
    Traceback (most recent call last):
        ...
    OSError: [Errno 22] outside the folder of the list: '../b'
    """
    parts = PurePosixPath(name).parts
    if not parts or parts[0].startswith("/") or ".." in parts or "\0" in name:
        raise OSError(errno.EINVAL, "outside the folder of the list", name)
    return folder / name


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
        files = (path for path in files_below(folder) if path != listing)
        names = [path.relative_to(folder).as_posix() for path in files]
    write_text(folder / HASHES, format_hashes({name: sha256_of(folder / name) for name in names}))


def format_hashes(hashes: Mapping[str, str]) -> str:
    """Return a list of hashes as text: one line per file, then the hash of these lines.

    Parameters
    ----------
    hashes : mapping of str to str
        File to its SHA-256.

    Returns
    -------
    str

    Examples
    --------
    >>> format_hashes({})[:12]
    '# e3b0c44298'
    """
    lines = "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes))
    return f"{lines}# {hashlib.sha256(lines.encode()).hexdigest()}\n"


def parse_hashes(text: str) -> dict[str, str]:
    """Return what `format_hashes` wrote; also a list of ``sha256sum``, without a last hash.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict of str to str
        File to its SHA-256.

    Raises
    ------
    ValueError
        A line is none of a list, or some were lost or changed.

    Examples
    --------
    >>> parse_hashes(format_hashes({"a": "0" * 64})) == {"a": "0" * 64}
    True
    """
    lines, _, _ = text.rpartition("# ")
    seal = _SEAL.fullmatch(text[len(lines) :])
    if seal and (not lines or lines.endswith("\n")):
        if hashlib.sha256(lines.encode()).hexdigest() != seal[1]:
            raise ValueError("damaged: it does not match its own checksum")
        text = lines
    out = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if not match:
            raise ValueError(f"not a list of hashes: {line[:80]!r}")
        out[match[2]] = match[1]
    return out


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


def canonical_sha256(value: Any) -> str:
    """Hash plain JSON types; the order of keys does not matter.

    Parameters
    ----------
    value : JSON value

    Returns
    -------
    str
        SHA-256 as 64 hexadecimal digits.

    Examples
    --------
    >>> canonical_sha256({"a": 1, "b": 2}) == canonical_sha256({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
