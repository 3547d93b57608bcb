"""Read CODE-15%'s HDF5 parts: ``exams_part0.hdf5#<exam_id>`` is one exam.

A part holds ``tracings`` (exam, 4096, 12) at 400 Hz and ``exam_id``; exams of 7 and 10 s are
padded with zeros on both sides, and the last row is a dummy of the id 0. The files state no
unit; ``""`` stands for it here.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import header_of, numbered, split_part, stamp, unscaled
from physioprep.recording import Header, Recording

LEADS = ("DI", "DII", "DIII", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
RATE_HZ = 400.0
_LARGEST_EXAM_BYTES = 1 << 26


def read_header(path: Path) -> Header:
    """Describe one exam.

    Parameters
    ----------
    path : Path
        ``exams_part0.hdf5#<exam_id>``.

    Returns
    -------
    Header

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, of another structure, or has no such exam.
    """
    return header_of(read(path))


def read(path: Path, verify: bool = True) -> Recording:
    """Read one exam, its padding included.

    Parameters
    ----------
    path : Path
        ``exams_part0.hdf5#<exam_id>``.
    verify : bool
        Without effect: HDF5 checks its own checksums where a file has them.

    Returns
    -------
    Recording
        ``metadata["zero_padding"]`` counts the samples that are zero in all leads at both ends.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, of another structure, or has no such exam.

    Examples
    --------
    >>> import h5py, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "exams_part0.hdf5"
    >>> with h5py.File(path, "w") as file:
    ...     file["exam_id"], file["tracings"] = [77, 0], np.ones((2, 4096, 12), np.float32)
    >>> read(Path(f"{path}#77")).groups[0].digital.shape
    (12, 4096)
    """
    import h5py

    file, part = split_part(path)
    key = stamp(file)
    (exam,) = numbered(part, r"(\d+)", path)
    try:
        row = _rows(*key).get(int(exam))
        if row is None:
            raise UnreadableFileError(path, f"no exam {exam}")
        with h5py.File(file, "r") as opened:
            tracings: Any = opened["tracings"]
            if tracings.ndim != 3 or tracings.shape[2] != len(LEADS):
                raise UnreadableFileError(path, f"tracings of the shape {tracings.shape}")
            if tracings.shape[1] * 12 * 8 > _LARGEST_EXAM_BYTES:
                raise UnreadableFileError(path, f"exams of {tracings.shape[1]} samples")
            samples = np.asarray(tracings[row])
    except (OSError, KeyError, ValueError, RuntimeError, TypeError, IndexError) as error:
        text = " ".join(str(error).split())[:200]
        raise UnreadableFileError(path, f"not a readable CODE-15% part ({text})") from None
    group = unscaled(LEADS, [""] * 12, RATE_HZ, samples.T, path)
    some = np.flatnonzero(samples.any(axis=1))
    padding = [int(some[0]), len(samples) - 1 - int(some[-1])] if len(some) else [len(samples), 0]
    metadata = {"layout": "code15", "exam_id": int(exam), "zero_padding": padding}
    return Recording(path, "hdf5", (group,), (file,), None, metadata)


@lru_cache(maxsize=32)
def _rows(name: str, modified_ns: int, size: int) -> dict[int, int]:
    """Map exam ids to rows; the dummy's id 0 is none."""
    import h5py

    with h5py.File(name, "r") as opened:
        ids: Any = opened["exam_id"]
        if ids.size * ids.dtype.itemsize > max(1 << 24, 4 * size):
            raise ValueError(f"{ids.size} exam ids in {size} bytes")
        return {int(exam): row for row, exam in enumerate(ids[()].ravel()) if exam}
