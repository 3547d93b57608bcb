"""Where an error arose that no reader raises on purpose: it may be a fault of the software."""

from __future__ import annotations

import traceback
from pathlib import PurePosixPath
from typing import Any

from physioprep.errors import PhysioprepError

_OURS = "physioprep/"


def unexpected_traceback(error: BaseException) -> str:
    """Return the traceback of an unexpected error, "" for errors of bad files.

    Readers raise a `PhysioprepError` or an `OSError` for a bad file. Any other exception, also
    as the cause of a `PhysioprepError`, may be a fault of the software.

    Parameters
    ----------
    error : BaseException
        Raised while a header or a record was read or harmonised.

    Returns
    -------
    str
        One line per call, innermost last, with paths from the package on, so that it is the
        same on every machine with the same software.

    Examples
    --------
    >>> from physioprep.errors import UnreadableFileError
    >>> unexpected_traceback(UnreadableFileError("a.dat", "cut short"))
    ''
    >>> unexpected_traceback(KeyError("lead")).splitlines()
    ["KeyError: 'lead'"]
    """
    calls, text = _origin(error)
    return "\n".join([*(f"{file}:{line} in {name}" for file, line, name in calls), text])


def unexpected_place(error: BaseException) -> str:
    """Return the innermost place inside physioprep where an unexpected error arose.

    Parameters
    ----------
    error : BaseException
        As for `unexpected_traceback`.

    Returns
    -------
    str
        ``"physioprep/module.py:line"``; "" where no call of physioprep led to it.

    Examples
    --------
    >>> unexpected_place(KeyError("lead"))
    ''
    """
    ours = [f"{file}:{line}" for file, line, _ in _origin(error)[0] if file.startswith(_OURS)]
    return ours[-1] if ours else ""


def _origin(error: BaseException) -> tuple[list[tuple[str, Any, str]], str]:
    """Return the calls (file, line, function) that led to an unexpected error, and its text."""
    from physioprep.readers.guard import ParserError

    origin: BaseException | None = error
    while isinstance(origin, PhysioprepError | OSError):
        origin = origin.__cause__
    if origin is None:
        return [], ""
    if isinstance(origin, ParserError):  # in another process
        calls, text = origin.calls, str(origin)
    else:
        found = traceback.extract_tb(origin.__traceback__)
        calls = [[call.filename, call.lineno, call.name] for call in found]
        text = f"{type(origin).__name__}: {origin}"
    return [(_from_package(file), line, name) for file, line, name in calls], text


def _from_package(path: str) -> str:
    """Return a source file's path without the parts that differ between machines."""
    parts = PurePosixPath(path).parts
    for root in ("site-packages", "physioprep"):
        if root in parts:
            at = len(parts) - 1 - parts[::-1].index(root)
            return "/".join(parts[at + (root == "site-packages") :])
    return parts[-1]
