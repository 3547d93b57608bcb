"""Libraries that only an extra of physioprep installs, and what to run where one is missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from physioprep.errors import UnreadableFileError


def missing(library: str, extra: str) -> str:
    """Return what to run before a library can be used.

    Parameters
    ----------
    library : str
        Name of its module.
    extra : str
        Extra of physioprep that installs it.

    Returns
    -------
    str
        "" if it is there.

    Examples
    --------
    >>> missing("json", "clinical"), missing("no_such_library", "clinical")
    ('', "pip install 'physioprep[clinical]'")
    """
    return "" if find_spec(library) is not None else f"pip install 'physioprep[{extra}]'"


def load_library(path: Path, library: str, what: str, extra: str = "clinical") -> Any:
    """Import a library that a file needs.

    Parameters
    ----------
    path : Path
        Named in the error.
    library : str
        Name of its module.
    what : str
        The format, for the error.
    extra : str
        Extra of physioprep that installs it.

    Returns
    -------
    module

    Raises
    ------
    UnreadableFileError
        It is not installed.

    Examples
    --------
    >>> load_library(Path("a.dcm"), "no_such_library", "DICOM")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: a.dcm: DICOM needs no_such_library: pip install \
'physioprep[clinical]'
    """
    todo = missing(library, extra)
    if todo:
        raise UnreadableFileError(path, f"{what} needs {library}: {todo}")
    return import_module(library)
