"""Read recordings from pickles; `physioprep.readers.unpickle` admits no code from them.

Which recordings a pickle holds is known by the modules that
`physioprep.corpora.known.STRUCTURES` lists.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import split_part, stamp
from physioprep.readers.structures import DESCRIBE, Container, read_structure
from physioprep.readers.unpickle import ForbiddenError, unpickle
from physioprep.recording import Recording

#: Name under which a structure finds the array of a pickle that is nothing but an array.
ARRAY: Final = ""


def read(path: Path, verify: bool = True) -> Recording:
    """Read one recording of a pickle.

    Parameters
    ----------
    path : Path
        ``file.pkl`` or ``file.dat#part``.
    verify : bool
        No effect: these files have no checksums.

    Returns
    -------
    Recording
        Samples as stored, units as the corpus documents them, ``""`` where it does not.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, unsafe, of an unknown structure, or has no such part.

    Examples
    --------
    >>> import pickle, tempfile
    >>> import numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "s01.dat"
    >>> arrays = {"data": np.zeros((2, 40, 8064)), "labels": np.ones((2, 4))}
    >>> _ = path.write_bytes(pickle.dumps(arrays))
    >>> read(Path(f"{path}#v02")).duration_s
    63.0
    """
    file, part = split_part(path)
    content = load_pickle(file)
    if isinstance(content, np.ndarray):
        content = {ARRAY: content}
    if isinstance(content, dict):
        recording = read_structure(Container(content, path, file, part, "pickles"))
        if recording is not None:
            return recording
    raise UnreadableFileError(path, f"a pickle of no known corpus; {DESCRIBE}")


def load_pickle(file: Path) -> Any:
    """Load a pickle of NumPy arrays, text and numbers in dicts, and nothing else.

    Parameters
    ----------
    file : Path
        Written by Python 2 or 3.

    Returns
    -------
    Any
        The pickled object. The last file is cached: do not change its arrays.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, or asks for any other class or function.

    Examples
    --------
    >>> import os, pickle, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "bad.pkl"
    >>> _ = path.write_bytes(pickle.dumps(os.system))
    >>> load_pickle(path)
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: ...bad.pkl: a pickle that asks for posix.system, ...
    """
    return _load(*stamp(file))


@lru_cache(maxsize=1)  # a scan reads all parts of one file before the next file
def _load(name: str, modified_ns: int, size: int) -> Any:
    with open(name, "rb") as opened:  # noqa: PTH123
        try:
            return unpickle(opened, size)
        except ForbiddenError as error:
            cause = f"a pickle that asks for {error}, which arrays do not need"
            raise UnreadableFileError(name, cause) from None
        except MemoryError as error:
            raise UnreadableFileError(name, "its arrays do not fit into memory") from error
        except Exception as error:  # damaged pickles raise nearly anything
            text = " ".join(str(error).split())[:200]
            cause = f"not a readable pickle ({type(error).__name__}: {text})"
            raise UnreadableFileError(name, cause) from error
