"""The journal of an ingest: one file a finished block, written after the block's shards.

An entry exists only if everything it vouches for is on the disk, so a run that starts again
does the blocks without an entry and no others. A file is a CRC-32 of all that follows, the length
of a JSON document, that document, and the bytes of the arrays that it lists.
"""

from __future__ import annotations

import json
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

_HEAD = struct.Struct("<IQ")


class Failure(NamedTuple):
    """Why a record is in quarantine.

    Parameters
    ----------
    stage : str
        ``"read"``, ``"harmonise"`` or ``"crash"``.
    reason : str
        One line, the same on every machine.
    traceback : str
        Where our own code or a library failed in a way that no reader expects; else "". It
        tells a fault of the software from a bad file.
    """

    stage: str
    reason: str
    traceback: str = ""


@dataclass(frozen=True, eq=False)
class Entry:
    """What is known of a finished block.

    Parameters
    ----------
    block : int
    outputs : mapping of str to (str, int)
        Shard file, relative to the store, to its SHA-256 and bytes.
    failed : mapping of int to Failure
        Planned record that went to quarantine.
    sources : mapping of int to list of (str, int)
        Planned record to SHA-256 and bytes of each of its files, as read.
    flags : mapping of int to list of str
        Planned record to what harmonising it showed.
    arrays : mapping of str to ndarray
        ``"<group>/<name>"`` (record of the block, channel) and ``"annotations/<name>"``.
    """

    block: int
    outputs: Mapping[str, tuple[str, int]]
    failed: Mapping[int, Failure]
    sources: Mapping[int, list[tuple[str, int]]]
    flags: Mapping[int, list[str]]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def entry_path(folder: Path, block: int) -> Path:
    """Return the file of a block's entry in the journal `folder`."""
    return folder / f"{block:08d}.entry"


def write_entry(folder: Path, entry: Entry) -> None:
    """Write an entry; its arrays hold no objects.

    Parameters
    ----------
    folder : Path
        Of the journal; it exists.
    entry : Entry

    Raises
    ------
    OSError
        If the target is full or read-only.
    """
    arrays = {name: np.ascontiguousarray(values) for name, values in entry.arrays.items()}
    info = {
        "block": entry.block,
        "outputs": entry.outputs,
        "failed": entry.failed,
        "sources": entry.sources,
        "flags": entry.flags,
        "arrays": [[name, values.dtype.str, values.shape] for name, values in arrays.items()],
    }
    text = json.dumps(info).encode()
    rest = b"".join([text, *(values.tobytes() for values in arrays.values())])
    data = _HEAD.pack(zlib.crc32(rest), len(text)) + rest
    write_bytes(entry_path(folder, entry.block), data)


def read_entry(folder: Path, block: int, store: Path) -> Entry | None:
    """Read an entry.

    Parameters
    ----------
    folder : Path
        Of the journal.
    block : int
    store : Path
        Folder that its outputs are relative to.

    Returns
    -------
    Entry or None
        None where there is none, it is damaged, or an output is missing or of another
        size: the block is to be done again.
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
    )
    for name, (_, size) in entry.outputs.items():
        try:
            if (store / name).stat().st_size != size:
                return None
        except OSError:
            return None
    return entry
