"""A scan of some files of a folder instead of all below it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from physioprep.readers.endings import without_ending

_only: Final[ContextVar[frozenset[str] | None]] = ContextVar("_only", default=None)


@contextmanager
def only(names: Collection[str]) -> Iterator[None]:
    """Take only the recordings of some files, and look into no folder below, in the block.

    Parameters
    ----------
    names : collection of str
        Files in the folder that is scanned, any of those that a recording consists of; the
        ending may be left away.

    Yields
    ------
    None
    """
    token = _only.set(frozenset(names))
    try:
        yield
    finally:
        _only.reset(token)


def is_flat() -> bool:
    """Return whether folders below the one that is scanned are not looked into.

    Returns
    -------
    bool
    """
    return _only.get() is not None


def chosen(paths: list[str]) -> set[str]:
    """Return the recordings that are asked for: all outside of `only`.

    Parameters
    ----------
    paths : list of str
        Of recordings, relative to the folder that is scanned.

    Returns
    -------
    set of str

    Examples
    --------
    >>> with only(["1.dat", "2.edf"]):
    ...     sorted(chosen(["1.hea", "2.hea", "2.edf"]))
    ['1.hea', '2.edf']
    """
    names = _only.get()
    if names is None:
        return set(paths)
    return {path for name in names for path in paths_of(name, paths)}


def paths_of(name: str, paths: Collection[str]) -> set[str]:
    """Return which recordings a file is part of.

    Parameters
    ----------
    name : str
        The file, or the name of a record.
    paths : collection of str
        Of recordings; ``file#part`` inside a container file.

    Returns
    -------
    set of str
        Those whose file it is; else those of the same name with another ending.

    Examples
    --------
    >>> paths_of("208.dat", ["208.hea", "209.hea"]), paths_of("208.hea", ["208.hea", "208.edf"])
    ({'208.hea'}, {'208.hea'})
    """
    own = {path for path in paths if path.partition("#")[0] == name}
    stems = {name, without_ending(name)}
    return own or {path for path in paths if without_ending(path.partition("#")[0]) in stems}
