"""The checksums of shards: one table, ``CRC32CSUMS``, of the CRC-32C and size of every file.

CRC-32C and not SHA-256: it is to be checked while a model is trained, and is seven times faster
(docs/decisions.md has the numbers). It finds decay and exchanged files; it is no signature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from google_crc32c import extend, value
from numpy.typing import NDArray

from physioprep.atomic import write_text
from physioprep.errors import ShardError
from physioprep.hashes import listed_file, open_regular, read_regular
from physioprep.trees import files_below

#: The table in a shards folder; it lists every other file.
TABLE: Final = "CRC32CSUMS"
#: Size in bytes and CRC-32C of each file, by its name relative to the folder.
Sums = Mapping[str, tuple[int, int]]
#: Bytes that are read at a time where a file is only checked.
_PIECE: Final = 4 << 20


def crc_of(content: NDArray[Any]) -> int:
    """Return the CRC-32C of an array's bytes.

    Parameters
    ----------
    content : ndarray
        Contiguous.

    Returns
    -------
    int

    Examples
    --------
    >>> import numpy as np
    >>> f"{crc_of(np.frombuffer(b'123456789', np.uint8)):08x}"
    'e3069283'
    """
    fixed = content.view()
    fixed.setflags(write=False)  # the library takes read-only buffers alone
    return int(value(fixed))


def crc_of_bytes(content: bytes) -> int:
    """Return the CRC-32C of bytes.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    int
    """
    return int(value(content))


def sum_of(path: Path) -> tuple[int, int]:
    """Return the size and CRC-32C of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    (int, int)
        Bytes, and CRC-32C.

    Raises
    ------
    OSError
        The file is missing or cannot be read.
    """
    size, crc = 0, 0
    with open(path, "rb", buffering=0, opener=open_regular) as file:
        while piece := file.read(_PIECE):
            size, crc = size + len(piece), int(extend(crc, piece))
    return size, crc


def sums_of(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the sizes and checksums of those of some files that exist.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Relative to it, with ``/``.

    Returns
    -------
    dict of str to (int, int)
        Zarr writes no file for a chunk of fill values alone: such names are left out.
    """
    return {name: sum_of(folder / name) for name in names if (folder / name).is_file()}


def differing(folder: Path, sums: Sums) -> list[str]:
    """Return one line per file that is missing or not what its checksum says.

    Parameters
    ----------
    folder : Path
    sums : mapping of str to (int, int)
        From `sums_of`.

    Returns
    -------
    list of str
        Empty where all is as it was.
    """
    return [line for name, stated in sums.items() if (line := difference(folder, name, stated))]


def difference(folder: Path, name: str, stated: tuple[int, int]) -> str:
    """Return what is wrong with a file.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file, relative to the folder.
    stated : (int, int)
        Its size and checksum when it was written.

    Returns
    -------
    str
        Begins with the name; "" where the file is as it was.
    """
    try:
        file = listed_file(folder, name)
        other = file.is_file() and file.stat().st_size != stated[0]  # not worth reading
        if not other and sum_of(file) == stated:
            return ""
    except FileNotFoundError:
        return f"{name}: missing"
    except OSError as error:
        return f"{name}: {error.strerror}"
    return f"{name}: changed since it was written (its CRC-32C differs)"


def write_sums(folder: Path, known: Sums) -> None:
    """Write the table of a shards folder.

    Parameters
    ----------
    folder : Path
        Complete but for the table.
    known : mapping of str to (int, int)
        What was summed when it was written; all other files are read.
    """
    rest = (path.relative_to(folder).as_posix() for path in files_below(folder))
    wanted = [name for name in rest if name not in known and name != TABLE]
    write_text(folder / TABLE, format_sums({**known, **sums_of(folder, wanted)}))


def format_sums(sums: Sums) -> str:
    """Return a table as text: one line per file, then the checksum of these lines.

    Parameters
    ----------
    sums : mapping of str to (int, int)

    Returns
    -------
    str

    Examples
    --------
    >>> print(format_sums({"zarr.json": (9, 0xE3069283)}), end="")
    e3069283 9 zarr.json
    # f3e904be
    """
    lines = "".join(f"{crc:08x} {size} {name}\n" for name, (size, crc) in sorted(sums.items()))
    return f"{lines}# {int(value(lines.encode())):08x}\n"


def parse_sums(content: bytes, where: str) -> dict[str, tuple[int, int]]:
    """Return the table in a file.

    Parameters
    ----------
    content : bytes
        As `format_sums` wrote it.
    where : str
        Its place, for messages.

    Returns
    -------
    dict of str to (int, int)

    Raises
    ------
    ShardError
        If the table is damaged.

    Examples
    --------
    >>> parse_sums(format_sums({"a": (9, 7)}).encode(), "")
    {'a': (9, 7)}
    """
    lines, _, end = content.rpartition(b"# ")
    if end != f"{int(value(lines)):08x}\n".encode():
        raise ShardError(f"{where}: damaged: it does not match its own checksum")
    found = re.findall(r"^([0-9a-f]{8}) (\d+) (.+)$", lines.decode(), re.MULTILINE)
    return {name: (int(size), int(crc, 16)) for crc, size, name in found}


def stated_sums(read: Callable[[str], bytes], where: str) -> dict[str, tuple[int, int]] | None:
    """Return the table of shards.

    Parameters
    ----------
    read : callable
        ``read(name)`` returns the bytes of a file of theirs.
    where : str
        The shards, for messages.

    Returns
    -------
    dict of str to (int, int), or None
        None where there is none: shards of an earlier version.

    Raises
    ------
    ShardError
        If the table is damaged.
    """
    try:
        return parse_sums(read(TABLE), f"{where}/{TABLE}")
    except FileNotFoundError:
        return None


def seal(content: Mapping[str, Any]) -> str:
    """Return JSON values as text that shows whether it was damaged.

    Parameters
    ----------
    content : mapping

    Returns
    -------
    str

    Examples
    --------
    >>> unseal(seal({"files": {}}).encode())
    {'files': {}}
    >>> unseal(bytes(40)) is None
    True
    """
    text = json.dumps(dict(content))
    return f"{int(value(text.encode())):08x} {text}"


def unseal(data: bytes) -> dict[str, Any] | None:
    """Return what `seal` wrote.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    dict or None
        None where it is damaged.
    """
    if data[:9] != f"{int(value(data[9:])):08x} ".encode():
        return None
    return dict(json.loads(data[9:]))


def unchanged(folder: Path, note: Path) -> list[str] | None:
    """Compare files with the sums in a sealed note of an earlier run.

    Parameters
    ----------
    folder : Path
        Of the files.
    note : Path
        Holds ``files``, from `sums_of`.

    Returns
    -------
    list of str, or None
        One line per file that differs; None where there is no note, or it is damaged.
    """
    try:
        content = unseal(note.read_bytes())
    except OSError:
        return None
    if content is None:
        return None
    return differing(folder, {name: (size, crc) for name, (size, crc) in content["files"].items()})


def is_intact(folder: Path) -> bool:
    """Return whether shards are complete and what their table says.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
    """
    try:
        sums = stated_sums(lambda name: read_regular(folder / name), str(folder))
    except (ShardError, OSError):
        return False
    return sums is not None and not differing(folder, sums)
