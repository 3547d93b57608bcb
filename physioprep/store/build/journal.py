"""The journal of an ingest: one file per finished block, written after the block's shards.

An entry exists only if all shards of its block are on the disk, so a repeated run does only the
blocks without an entry. A file is a CRC-32 of all that follows, the length of a JSON document,
that document, and the bytes of the arrays that it lists.
"""

from __future__ import annotations

import json
import logging
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import write_bytes
from physioprep.hashes import sha256_of

log = logging.getLogger(__name__)
_HEAD = struct.Struct("<IQ")


class Failure(NamedTuple):
    """Why a record is in quarantine.

    Parameters
    ----------
    stage : str
        Step that failed: ``"read"``, ``"harmonise"`` or ``"crash"`` (of the process).
    reason : str
        One line, the same on every machine.
    traceback : str
        Where an unexpected error was raised; "" for errors that readers raise for bad files.
        It distinguishes a fault of the software from a bad file.
    """

    stage: str
    reason: str
    traceback: str = ""


@dataclass(frozen=True, eq=False)
class Entry:
    """The journal's record of a finished block.

    Parameters
    ----------
    block : int
        Number of the block.
    outputs : mapping of str to (str, int)
        Shard file, relative to the store, to its SHA-256 and size in bytes.
    failed : mapping of int to Failure
        Number of a record in quarantine, to the cause.
    sources : mapping of int to list of (str, int)
        Number of a record, to SHA-256 and size in bytes of each of its files, as read.
    flags : mapping of int to list of str
        Number of a record, to the flags that harmonising set.
    arrays : mapping of str to ndarray
        ``"<group>/<name>"``, shape (record of the block, channel), see `PER_CHANNEL`; and the
        columns ``"annotations/<name>"``, texts as the UTF-8 bytes of a JSON list.
    md5 : mapping of str to str
        On an object store, shard to the MD5 of what was uploaded: servers state it for nothing.
    """

    block: int
    outputs: Mapping[str, tuple[str, int]]
    failed: Mapping[int, Failure]
    sources: Mapping[int, list[tuple[str, int]]]
    flags: Mapping[int, list[str]]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    md5: Mapping[str, str] = field(default_factory=dict)


def entry_path(folder: Path, block: int) -> Path:
    """Return the file of a block's entry.

    Parameters
    ----------
    folder : Path
        Folder of the journal.
    block : int
        Number of the block.

    Returns
    -------
    Path
        In `folder`; it need not exist.
    """
    return folder / f"{block:08d}.entry"


def write_entry(folder: Path, entry: Entry) -> None:
    """Write an entry.

    Parameters
    ----------
    folder : Path
        Folder of the journal; it must exist.
    entry : Entry
        Its arrays must not have the dtype object.

    Raises
    ------
    OSError
        The disk is full or read-only.
    """
    arrays = {name: np.ascontiguousarray(values) for name, values in entry.arrays.items()}
    info = {
        "block": entry.block,
        "outputs": entry.outputs,
        "failed": entry.failed,
        "sources": entry.sources,
        "flags": entry.flags,
        **({"md5": entry.md5} if entry.md5 else {}),
        "arrays": [[name, values.dtype.str, values.shape] for name, values in arrays.items()],
    }
    text = json.dumps(info).encode()
    rest = b"".join([text, *(values.tobytes() for values in arrays.values())])
    data = _HEAD.pack(zlib.crc32(rest), len(text)) + rest
    write_bytes(entry_path(folder, entry.block), data)


def read_entry(folder: Path, block: int, store: Path, *, hashed: bool = False) -> Entry | None:
    """Read an entry.

    Parameters
    ----------
    folder : Path
        Folder of the journal.
    block : int
        Number of the block.
    store : Path
        Folder of the store, which the outputs are relative to.
    hashed : bool
        Compare the outputs' hashes, too, not only their sizes: for entries of an earlier run.

    Returns
    -------
    Entry or None
        None if the entry is missing or damaged, or an output is missing or differs: the block
        must be done again.
    """
    try:
        data = entry_path(folder, block).read_bytes()
        crc, n = _HEAD.unpack_from(data)
    except (OSError, struct.error):
        return None
    if zlib.crc32(memoryview(data)[_HEAD.size :]) != crc:
        return None
    info = json.loads(data[_HEAD.size : _HEAD.size + n])
    arrays, at = {}, _HEAD.size + n
    for name, kind, shape in info["arrays"]:
        dtype = np.dtype(kind)
        arrays[name] = np.frombuffer(data, dtype, math.prod(shape), at).reshape(shape)
        at += arrays[name].nbytes
    entry = Entry(
        info["block"],
        {name: (sha, size) for name, (sha, size) in info["outputs"].items()},
        {int(record): Failure(*why) for record, why in info["failed"].items()},
        {int(record): [(s, n) for s, n in files] for record, files in info["sources"].items()},
        {int(record): flags for record, flags in info["flags"].items()},
        arrays,
        info.get("md5", {}),
    )
    for name, (sha256, size) in entry.outputs.items():
        try:
            if (store / name).stat().st_size != size:
                return None
            if hashed and sha256_of(store / name) != sha256:
                log.warning("%s/%s: changed since an earlier run; written again", store, name)
                return None
        except OSError:
            return None
    return entry
