"""Which files of a recording hold its samples: the others describe or annotate them."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from physioprep.readers import mne
from physioprep.readers.wfdb_annotations import KNOWN_EXTENSIONS

#: Texts and tables beside a recording, which corpora list among its files.
_BESIDE: Final = frozenset({".txt", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml"})
#: Of formats in several files: headers and markers.
_HEADERS: Final = frozenset(
    {".vhdr", ".ahdr", ".vmrk", ".amrk", ".lay", ".log", ".21e", ".pnt", ".pat", ".hea"}
)


def holds_samples(path: str, file: str) -> bool:
    """Return whether a file of a recording holds its samples, as its reader reads it.

    A WFDB record, and what MNE reads, may have its samples in several files beside a header; in
    every other format they are in the file of the recording itself, whatever is listed with it.

    Parameters
    ----------
    path : str
        Of the recording, as in a manifest: ``file#part`` in a container.
    file : str
        One of its files.

    Returns
    -------
    bool

    Examples
    --------
    >>> holds_samples("a.csv", "a.csv"), holds_samples("a.csv", "physioprep.yaml")
    (True, False)
    >>> holds_samples("100.hea", "100.dat"), holds_samples("100.hea", "100.atr")
    (True, False)
    """
    own = path.partition("#")[0]
    low = own.lower()
    if low.endswith(mne.SUFFIXES):
        suffix = PurePosixPath(file).suffix.lower()
        return suffix not in _BESIDE and suffix not in _HEADERS
    if low.endswith(".hea") or not PurePosixPath(own).suffix:  # a WFDB record
        suffix = PurePosixPath(file).suffix.lower()
        annotates = suffix.removeprefix(".") in KNOWN_EXTENSIONS
        return not annotates and suffix not in _BESIDE and suffix not in _HEADERS
    return file == own
