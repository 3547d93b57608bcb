"""Endings of the files that hold recordings, and what files of other endings hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from physioprep.errors import UnreadableFileError
from physioprep.readers import mne
from physioprep.readers.regular import opened

#: In lower case. Tables (`physioprep.readers.table.SUFFIXES`) are recordings only if described.
RECORDINGS: Final = (
    *(".hea", ".edf", ".bdf", ".rec", ".edf+", ".bdf+", ".h5", ".hdf5", ".mat", ".dat"),
    *(".pkl", ".pickle", *mne.SUFFIXES),
)
_HEAD: Final = 256


def is_edf(path: str | Path) -> bool:
    """Return whether a file of any name begins like an EDF or BDF file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bool
        False, too, for what cannot be opened.

    Examples
    --------
    >>> is_edf("/dev/null")
    False
    """
    try:
        with opened(path) as file:
            head = os.read(file, _HEAD)
    except (OSError, UnreadableFileError):
        return False
    if len(head) < _HEAD or head[:8] not in (b"0       ", b"\xffBIOSEMI"):
        return False
    return head[184:192].strip().isdigit() and head[252:256].strip(b" \0").isdigit()


def without_ending(path: str) -> str:
    """Return a path without the ending of its file; a file without an ending keeps its name.

    Parameters
    ----------
    path : str
        With ``/``. A dot in the name of a folder ends nothing.

    Returns
    -------
    str

    Examples
    --------
    >>> without_ending("site.1/r2.edf"), without_ending("site.1/r2")
    ('site.1/r2', 'site.1/r2')
    """
    folder, slash, name = path.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)
