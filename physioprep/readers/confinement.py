"""Which files a recording may consist of: those in its corpus's folder, and no others.

A file of a recording may name another one: a link, a header's data file, a relative path. What
lies outside the folder of the corpus is refused, whatever names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from physioprep.errors import UnreadableFileError


def is_inside(name: str, folder: str) -> bool:
    """Return whether a file lies in a folder when all links are followed.

    Parameters
    ----------
    name : str
        Of the file; need not exist.
    folder : str

    Returns
    -------
    bool

    Examples
    --------
    >>> is_inside("/data/mitdb/100.hea", "/data/mitdb")
    True
    >>> is_inside("/data/mitdb/../passwords", "/data/mitdb")
    False
    """
    parent, _, base = name.rpartition("/")
    if base in ("", ".", "..") or os.path.islink(name):  # noqa: PTH114 (hot path)
        real = os.path.realpath(name)
    elif parent == folder:
        return True
    else:
        real = f"{_real(parent or '/' if name[:1] == '/' else parent)}/{base}"
    top = _real(folder)
    return real == top or real.startswith(top if top.endswith("/") else top + "/")


@lru_cache(maxsize=4096)  # the folders of a corpus are looked at for each of its files
def _real(folder: str) -> str:
    return os.path.realpath(folder or ".")


def check_inside(names: Iterable[str | Path], folder: str | Path) -> None:
    """Refuse files outside a folder.

    Parameters
    ----------
    names : iterable of path-like
        Need not exist.
    folder : path-like

    Raises
    ------
    UnreadableFileError
        One of the files lies outside, when all links are followed.
    """
    top = os.fspath(folder)
    for name in names:
        if not is_inside(os.fspath(name), top):
            raise UnreadableFileError(name, "lies outside the folder of its corpus")


def own_folder(path: str | Path) -> str:
    """Return the folder that holds the files of a recording given alone.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    str

    Examples
    --------
    >>> own_folder("/data/mitdb/100.hea")
    '/data/mitdb'
    """
    return os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120 (hot path)
