"""Read recordings from HDF5 files whose structure is known.

The structures are known by the modules that `physioprep.corpora.known.STRUCTURES` lists, and
found from the names of the datasets.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from physioprep.errors import UnreadableFileError
from physioprep.readers import nwb
from physioprep.readers.hdf5_check import check_hdf5
from physioprep.readers.parts import split_part, stamp
from physioprep.readers.structures import DESCRIBE, Container, list_structure, read_structure
from physioprep.recording import Recording

T = TypeVar("T")


def read(path: Path, verify: bool = True) -> Recording:
    """Read one recording of an HDF5 file.

    Parameters
    ----------
    path : Path
        ``file.hdf5`` or ``file.hdf5#part``.
    verify : bool
        No effect: HDF5 verifies the checksums that a file has.

    Returns
    -------
    Recording
        Samples as stored, units as the corpus documents them, ``""`` where it does not.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, of an unknown structure, refers to another file, or has no
        such part.

    Examples
    --------
    >>> import h5py, tempfile
    >>> import numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "exams_part0.hdf5"
    >>> with h5py.File(path, "w") as file:
    ...     file["exam_id"], file["tracings"] = [77, 0], np.ones((2, 4096, 12), np.float32)
    >>> read(Path(f"{path}#77")).groups[0].digital.shape
    (12, 4096)
    """
    file, part = split_part(path)
    if not part and nwb.is_nwb(file):
        return nwb.read(file, verify=verify)
    return _of_structure(path, read_structure)


def list_parts(path: Path) -> list[str]:
    """List the recordings of an HDF5 file.

    Parameters
    ----------
    path : Path
        ``file.hdf5``.

    Returns
    -------
    list of str
        Names of the parts, in the order of the file.

    Raises
    ------
    UnreadableFileError
        As `read`.
    """
    return _of_structure(path, list_structure)


def _of_structure(path: Path, act: Callable[[Container], T | None]) -> T:
    import h5py

    file, part = split_part(path)
    stamp(file)
    try:
        with h5py.File(file, "r") as opened:
            check_hdf5(opened, file)
            found = act(Container(opened, path, file, part, "hdf5"))
            names = ", ".join(sorted(opened))[:80] if found is None else ""
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        text = " ".join(str(error).split())[:200]
        raise UnreadableFileError(path, f"not a readable HDF5 file ({text})") from error
    if found is None:
        raise UnreadableFileError(path, f"HDF5 datasets of no known corpus: {names}; {DESCRIBE}")
    return found
