"""The files of a Zarr group, made in memory and written through `physioprep.atomic`.

zarr-python renames what it writes before it is on the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from zarr.core.buffer import Buffer, default_buffer_prototype

from physioprep.atomic import make_folders, name_all, write_aside
from physioprep.trees import paths_below

#: Name of the metadata of a group or an array.
METADATA: Final = "zarr.json"
#: By name relative to the group; for `zarr.storage.MemoryStore`.
Files = dict[str, Buffer]


def read_metadata(folder: Path) -> Files:
    """Read the metadata of a group, and of all in it.

    Parameters
    ----------
    folder : Path
        Of the group.

    Returns
    -------
    dict of str to Buffer
    """
    make = default_buffer_prototype().buffer.from_bytes
    return {
        path.relative_to(folder).as_posix(): make(path.read_bytes())
        for path in paths_below(folder)
        if path.name == METADATA
    }


def write_files(folder: Path, files: Mapping[str, Buffer]) -> None:
    """Write files of a group, each whole or not at all, and wait until they are on the disk.

    Parameters
    ----------
    folder : Path
        Of the group; made where it does not exist.
    files : mapping of str to Buffer
        By their names.
    """
    paths = {name: folder / name for name in files}
    make_folders(folder, *{path.parent for path in paths.values()})
    name_all({write_aside(path, files[name].to_bytes()): path for name, path in paths.items()})
