"""Write files and folders whole or not at all: the one place where something gets its name.

A file is written under a temporary name beside its own, flushed to the disk, and renamed. A
folder is made beside its place and exchanged with what is there by one system call. A process
that is killed at any moment leaves the old or the new, whole.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
#: Ending of a temporary name; what a killed writer leaves ends in it.
TEMPORARY: Final = ".tmp"
#: Ending of a working folder whose content is complete and is being put in its place.
_WHOLE: Final = ".whole"


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; rename it to `path` if the block succeeds.

    Parameters
    ----------
    path : Path
        In a folder that exists. An older file stays until the new one is on the disk.

    Yields
    ------
    Path
        In the same folder, with the same suffix, so that writers that go by it are content.

    Raises
    ------
    OSError
        The disk is full or read-only.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with temporary_file(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    temporary = path.with_name(f".{path.stem}.{uuid4().hex[:12]}{TEMPORARY}{path.suffix}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    data : bytes

    Raises
    ------
    OSError
        The disk is full or read-only.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> Path:
    """Write `text` as UTF-8 to `path`, whole or not at all.

    Parameters
    ----------
    path : Path
        In a folder that exists.
    text : str

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    OSError
        The disk is full or read-only.
    """
    write_bytes(path, text.encode())
    return path


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Parameters
    ----------
    path : Path
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Wait until a folder with all that is in it is on the disk.

    Parameters
    ----------
    folder : Path
    """
    for at, _, names in os.walk(folder, topdown=False):
        for path in [*(Path(at) / name for name in names), Path(at)]:
            sync(path)


def put_in_place(new: Path, target: Path) -> None:
    """Give the folder (or file) `new` the name `target`; what had that name is then removed.

    At any moment there is one whole folder under the name `target`, if there was one before.

    Parameters
    ----------
    new, target : Path
        On one file system; `new` is on the disk already (`sync_tree`).

    Raises
    ------
    OSError
        If it cannot be renamed; `target` is then as it was.
    """
    if not target.exists():
        new.rename(target)
        sync(target.parent)
    elif _exchange(new, target):
        sync(target.parent)
        remove(new)
    else:  # no such system call here: two renames; `restore` heals a kill between them
        old = _old_name(target)
        remove(old)
        target.rename(old)
        new.rename(target)
        sync(target.parent)
        remove(old)


def restore(target: Path) -> None:
    """Give an old folder its name back, where a kill took it away in `put_in_place`.

    Only on systems that cannot exchange two names in one step can there be anything to do.

    Parameters
    ----------
    target : Path
    """
    old = _old_name(target)
    if old.exists():
        if target.exists():
            remove(old)
        else:
            old.rename(target)


def swap(work: Path, part: str, target: Path) -> None:
    """Put the finished folder ``work/part`` in the place of `target`; `work` is gone then.

    `work` takes another name first, so that nobody goes on in it. Should this process die,
    `swap_undone` finds it under that name.

    Parameters
    ----------
    work : Path
        Working folder.
    part : str
        Name of the finished folder in it.
    target : Path
        On the same file system.

    Raises
    ------
    OSError
        If it cannot be renamed; `target` is then as it was.
    """
    whole = work.with_name(work.name + _WHOLE)
    work.rename(whole)
    put_in_place(whole / part, target)
    remove(whole)


def swap_undone(base: Path, part: str, is_new: Callable[[Path, str], bool], *, keep: bool) -> None:
    """Clean up after a process that died in `swap`.

    Parameters
    ----------
    base : Path
        Folder of working folders.
    part : str
        As given to `swap`.
    is_new : callable
        ``is_new(folder, name)``: whether the folder under ``part`` is what the working folder
        `name` made, and not the old one that was exchanged with it.
    keep : bool
        Whether a new folder that did not come into its place is kept, under the name of its
        working folder, to be put there again. Otherwise it is removed like an old one.
    """
    for whole in base.glob(f"*{_WHOLE}"):
        work = whole.with_name(whole.name.removesuffix(_WHOLE))
        if keep and not work.exists() and is_new(whole / part, work.name):
            whole.rename(work)
        else:
            remove(whole)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it; nothing happens where there is none.

    Parameters
    ----------
    path : Path
        A link is removed itself, not what it leads to.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _old_name(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _exchange(a: Path, b: Path) -> bool:
    """Swap two names in one step (Linux renameat2), where the system can."""
    sys.audit("physioprep.exchange", os.fspath(a), os.fspath(b))
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = rename(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    return bool(done == 0)
