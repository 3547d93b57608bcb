"""Which files a recording may consist of: those in its corpus's folder, and no others.

A file of a recording may name another one: a link, a header's data file, a relative path. What
lies outside the folder of the corpus is refused, whatever names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Final

from physioprep.errors import UnreadableFileError

#: Folder that files are opened in, the one file that may lie elsewhere, and the files that were
#: found to be inside; None: anywhere.
_Held = tuple[str, str | None, set[str]]
_confined: Final[ContextVar[_Held | None]] = ContextVar("_confined", default=None)


@contextmanager
def confined_to(folder: str | Path, but: str | None = None) -> Iterator[None]:
    """Refuse, before they are opened, all files outside a folder while the block runs.

    What opens files by `physioprep.readers.regular` is held; libraries are not (see
    `physioprep.readers.watch`).

    Parameters
    ----------
    folder : path-like
        Of the corpus, or of the recording.
    but : str, optional
        A file that may lie elsewhere: the one that was asked for by its name; so may the header
        of this name.

    Yields
    ------
    None
    """
    token = _confined.set((os.fspath(folder), but, set()))
    try:
        yield
    finally:
        _confined.reset(token)


def check_confined(name: str | Path) -> None:
    """Refuse a file outside the folder that this thread is confined to, before it is opened.

    Parameters
    ----------
    name : path-like

    Raises
    ------
    UnreadableFileError
        It lies outside, when all links are followed.
    """
    held = _confined.get()
    if held is None:
        return
    folder, but, seen = held
    text = os.fspath(name)
    if text in seen:
        return
    if is_inside(text, folder):
        seen.add(text)
        return
    if but is not None:
        own = os.path.abspath(but)  # noqa: PTH100
        if os.path.abspath(text) in (own, f"{own}.hea"):  # noqa: PTH100
            return
    which = "its corpus" if but is None else "the recording (root= names a larger one)"
    raise UnreadableFileError(name, f"lies outside the folder of {which}")


def inside_but_for_links(name: str | Path) -> set[str] | None:
    """Return whether a file, if it is no link, may be opened by this thread.

    Parameters
    ----------
    name : path-like

    Returns
    -------
    set of str or None
        Where to add the name of a file that was opened and is no link: `check_confined` does not
        look at it again. None where it must look at it first.
    """
    held = _confined.get()
    text = os.fspath(name)
    if held is None or text[:1] != "/":
        return None
    parent, _, base = text.rpartition("/")
    if base in ("", ".", "..") or not (
        parent == held[0] or _is_below(_real(parent or "/"), held[0])
    ):
        return None
    return held[2]


def _is_below(real: str, folder: str) -> bool:
    """Return whether a real path is a folder, when all its links are followed, or lies in it."""
    top = _real(folder if folder[:1] == "/" else f"{os.getcwd()}/{folder}")  # noqa: PTH109
    return real == top or real.startswith(top if top.endswith("/") else top + "/")


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
    if name[:1] != "/":  # `_real` would remember where a relative name led to
        name = f"{os.getcwd()}/{name}"  # noqa: PTH109
    parent, _, base = name.rpartition("/")
    if base in ("", ".", "..") or os.path.islink(name):  # noqa: PTH114 (hot path)
        real = os.path.realpath(name)
    elif parent == folder:
        return True
    else:
        real = f"{_real(parent or '/').rstrip('/')}/{base}"
    return _is_below(real, folder)


@lru_cache(maxsize=4096)  # the folders of a corpus are looked at for each of its files
def _real(folder: str) -> str:
    return os.path.realpath(folder)


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
