"""The journal of an ingest: one file a finished block, written after the block's shards.

An entry exists only if everything it vouches for is on the disk, so a run that starts again
does the blocks without an entry and no others.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.store.codec import write_atomic


@dataclass(frozen=True, eq=False)
class Entry:
    """What is known of a finished block.

    Parameters
    ----------
    block : int
    outputs : mapping of str to (str, int)
        Shard file, relative to the store, to its SHA-256 and bytes.
    failed : mapping of int to (str, str)
        Planned record that went to quarantine, to stage and reason.
    sources : mapping of int to list of (str, int)
        Planned record to SHA-256 and bytes of each of its files, as read.
    flags : mapping of int to list of str
        Planned record to what harmonising it showed.
    arrays : mapping of str to ndarray
        ``"<group>/<name>"`` (record of the block, channel) and ``"annotations/<name>"``.
    """

    block: int
    outputs: Mapping[str, tuple[str, int]]
    failed: Mapping[int, tuple[str, str]]
    sources: Mapping[int, list[tuple[str, int]]]
    flags: Mapping[int, list[str]]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def entry_path(folder: Path, block: int) -> Path:
    """Return the file of a block's entry in the journal `folder`."""
    return folder / f"{block:08d}.npz"


def write_entry(folder: Path, entry: Entry) -> None:
    """Write an entry; texts must be arrays of dtype ``str``.

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
    info = {
        "block": entry.block,
        "outputs": entry.outputs,
        "failed": entry.failed,
        "sources": entry.sources,
        "flags": entry.flags,
    }
    buffer = io.BytesIO()
    packed = np.frombuffer(json.dumps(info).encode(), np.uint8)
    np.savez(buffer, info=packed, **dict(entry.arrays))  # type: ignore[arg-type]
    write_atomic(entry_path(folder, entry.block), buffer.getvalue())


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
        with np.load(entry_path(folder, block), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        info = json.loads(arrays.pop("info").tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    entry = Entry(
        info["block"],
        {name: (sha, size) for name, (sha, size) in info["outputs"].items()},
        {int(record): (stage, reason) for record, (stage, reason) in info["failed"].items()},
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
