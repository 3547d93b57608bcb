"""Write files and folders completely or not at all.

A file is written under a temporary name in the same folder, flushed to the disk, and renamed.
A folder is made beside its target and exchanged with the old one by one system call. A process
that is killed at any moment leaves either the old content or the new, complete.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
#: Ending of a temporary name; files that a killed writer leaves behind have it.
TEMPORARY: Final = ".tmp"
#: Ending of a working folder that is complete and is being moved to its target.
_WHOLE: Final = ".whole"
#: Ending of the old folder while a system that cannot exchange names renames twice.
_OLD: Final = ".old"


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; rename it to `path` if the block succeeds.

    Parameters
    ----------
    path : Path
        File to write, in a folder that exists. An older file stays until the new one is on
        the disk.

    Yields
    ------
    Path
        In the same folder, with the same suffix: some writers choose the format by it.

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
    except BaseException as error:
        _give_up(temporary, path, error)
        raise
    sync(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, completely or not at all.

    Parameters
    ----------
    path : Path
        File to write, in a folder that exists.
    data : bytes
        All of its content.

    Raises
    ------
    OSError
        The disk is full or read-only.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}{TEMPORARY}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        _give_up(temporary, path, error)
        raise


def _give_up(temporary: Path, path: Path, error: BaseException) -> None:
    """Remove a temporary file; raise an OSError about it again as one about its target.

    The user gave the target's name, and does not know the temporary one.

    Raises
    ------
    OSError
        With the same number, naming `path`.
    """
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
    if isinstance(error, OSError) and error.errno and temporary.name in str(error):
        raise OSError(error.errno, os.strerror(error.errno), os.fspath(path)) from error


def write_text(path: Path, text: str) -> Path:
    """Write `text` as UTF-8 to `path`, completely or not at all.

    Parameters
    ----------
    path : Path
        File to write, in a folder that exists.
    text : str
        All of its content.

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
    """Wait until the content of a file, or the list of names in a folder, is on the disk.

    Parameters
    ----------
    path : Path
        File or folder.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Wait until a folder and all files and folders in it are on the disk.

    Parameters
    ----------
    folder : Path
        Top of the tree.
    """
    for parent, _, names in os.walk(folder, topdown=False):
        for path in [*(Path(parent) / name for name in names), Path(parent)]:
            sync(path)


def put_in_place(new: Path, target: Path) -> None:
    """Rename the folder (or file) `new` to `target`, and remove the former `target`.

    If `target` existed before, a complete folder has this name at every moment (on systems that
    can exchange two names in one step; on others see `restore`).

    Parameters
    ----------
    new : Path
        Complete, and on the disk already (`sync_tree`).
    target : Path
        Name to take, on the same file system.

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
    else:  # this system cannot exchange names: `restore` repairs a kill between the two renames
        old = target.with_name(f".{target.name}.{uuid4().hex[:12]}{_OLD}")
        target.rename(old)
        new.rename(target)
        sync(target.parent)
        remove(old)


def restore(target: Path) -> None:
    """Rename the old folder back to `target`, if `put_in_place` was killed between two renames.

    This happens only on systems that cannot exchange two names in one step.

    Parameters
    ----------
    target : Path
        As given to `put_in_place`.
    """
    # Only names that `put_in_place` gives: a folder called .x.old is somebody else's.
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{12}}{re.escape(_OLD)}")
    for old in target.parent.iterdir() if target.parent.is_dir() else ():
        if name.fullmatch(old.name) and not old.is_symlink():
            if target.exists():
                remove(old)
            else:
                old.rename(target)


def swap(work: Path, part: str, target: Path) -> None:
    """Replace `target` by the finished folder ``work/part``, and remove `work`.

    `work` is renamed first, so that no other process continues in it. If this process dies,
    `swap_undone` finds it under that name.

    Parameters
    ----------
    work : Path
        Working folder.
    part : str
        Name of the finished folder in it.
    target : Path
        Name that the finished folder takes, on the same file system.

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
        Folder that contains the working folders.
    part : str
        As given to `swap`.
    is_new : callable
        ``is_new(folder, name)``: whether the folder under ``part`` was made in the working
        folder `name`. If not, it is the old target, already exchanged with the new one.
    keep : bool
        Whether a new folder that was not yet exchanged is kept: its working folder then gets
        its former name back, so that `swap` can be repeated. Otherwise both are removed.
    """
    for whole in base.glob(f"*{_WHOLE}"):
        work = whole.with_name(whole.name.removesuffix(_WHOLE))
        if keep and not work.exists() and is_new(whole / part, work.name):
            whole.rename(work)
        else:
            remove(whole)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content; do nothing if it does not exist.

    Parameters
    ----------
    path : Path
        Of a symbolic link only the link is removed, not its target.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names in one step (Linux renameat2); return False if the system cannot."""
    sys.audit("physioprep.exchange", os.fspath(a), os.fspath(b))
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = rename(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    return bool(done == 0)
