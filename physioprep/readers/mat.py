"""Read recordings from MATLAB files whose structure is known.

The structures are known by the modules that `physioprep.corpora.known.STRUCTURES` lists, and
found from the names of the variables; FieldTrip's data are known by their fields. A Challenge
``.mat`` is a WFDB signal file: the ``.hea`` beside it states its rate, leads and units, and the
WFDB reader reads it. Without the ``.hea`` its samples have no description; give one in a YAML file
(see `physioprep.readers.table`).
"""

from __future__ import annotations

from pathlib import Path

from physioprep.errors import UnreadableFileError
from physioprep.readers.fieldtrip import read_fieldtrip
from physioprep.readers.mat_file import load_mat
from physioprep.readers.parts import split_part
from physioprep.readers.structures import DESCRIBE, Container, read_structure
from physioprep.recording import Recording


def read(path: Path, verify: bool = True) -> Recording:
    """Read one recording of a MATLAB file.

    Parameters
    ----------
    path : Path
        ``file.mat`` or ``file.mat#part``.
    verify : bool
        No effect: these files have no checksums.

    Returns
    -------
    Recording
        Samples as stored, units as the corpus documents them, ``""`` where it does not.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, of an unknown structure, or has no such part.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from scipy.io import savemat
    >>> path = Path(tempfile.mkdtemp()) / "A0001.mat"
    >>> savemat(path, {"ECG": {"sex": "Male", "age": 60, "data": np.ones((12, 500))}})
    >>> read(path).metadata["age"], read(path).duration_s
    (60, 1.0)
    """
    file, part = split_part(path)
    content = load_mat(file)
    recording = read_structure(Container(content, path, file, part, "mat"))
    if recording is None:
        recording = read_fieldtrip(content, path, file, part)
    if recording is not None:
        return recording
    if "val" in content:
        cause = "a Challenge signal file without its .hea: its rate, leads and units are unknown"
        raise UnreadableFileError(path, cause)
    names = ", ".join(sorted(content))[:80]
    raise UnreadableFileError(path, f"MATLAB variables of no known corpus: {names}; {DESCRIBE}")
