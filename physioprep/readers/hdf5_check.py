"""Refuse HDF5 files whose samples lie in other files: external links and storage, virtual datasets.

HDF5 opens these itself, so that nothing in Python sees it. No corpus uses them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from physioprep.errors import UnreadableFileError

#: Objects in a file; MATLAB makes one for each cell.
MAX_OBJECTS: Final = 1_000_000


def check_hdf5(opened: Any, file: Path) -> None:
    """Refuse an HDF5 file that refers to another one.

    Parameters
    ----------
    opened : h5py.File
    file : Path
        Named in errors.

    Raises
    ------
    UnreadableFileError
        There is an external link, an external storage or a virtual dataset, or there are more
        objects than `MAX_OBJECTS`.
    """
    import h5py

    seen: set[int] = set()
    waiting = [opened.id]
    while waiting:
        group = waiting.pop()
        for name in group:
            kind = group.links.get_info(name).type
            if kind == h5py.h5l.TYPE_SOFT:  # what it leads to lies in this file
                continue
            if kind != h5py.h5l.TYPE_HARD:
                raise UnreadableFileError(
                    file, f"refers to another file: external link {_text(name)}"
                )
            info = h5py.h5o.get_info(group, name)
            if info.addr in seen:
                continue
            seen.add(info.addr)
            if len(seen) > MAX_OBJECTS:
                raise UnreadableFileError(file, f"more than {MAX_OBJECTS} HDF5 objects")
            if info.type == h5py.h5o.TYPE_GROUP:
                waiting.append(h5py.h5g.open(group, name))
            elif info.type == h5py.h5o.TYPE_DATASET:
                check_dataset(h5py.h5d.open(group, name), _text(name), file)


def check_dataset(dataset: Any, name: str, file: Path) -> None:
    """Refuse a dataset whose values lie in another file.

    Parameters
    ----------
    dataset : h5py.h5d.DatasetID
    name : str
    file : Path
        Named in errors.

    Raises
    ------
    UnreadableFileError
        Its storage is external, or it is virtual.
    """
    import h5py

    made = dataset.get_create_plist()
    if made.get_layout() == h5py.h5d.VIRTUAL:
        raise UnreadableFileError(file, f"refers to another file: virtual dataset {name}")
    if made.get_external_count():
        raise UnreadableFileError(file, f"refers to another file: external storage of {name}")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")[:80]
