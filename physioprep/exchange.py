"""Put a finished folder in its place, or in that of an older one, by one system call.

A folder is made beside its target and exchanged with the old one. A process that is killed, or
a machine that loses its power, at any moment leaves either the old folder or the new, complete.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import uuid4

from physioprep.atomic import move, remove, sync

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
#: Ending of a working folder that is complete and is being moved to its target.
_WHOLE: Final = ".whole"
#: Ending of the old folder while a system that cannot exchange names renames twice.
_OLD: Final = ".old"


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
        move(new, target)
    elif _exchange(new, target):
        sync(target.parent)  # first: the new one is never without a name on the disk
        sync(new.parent)
        remove(new)
    else:  # this system cannot exchange names: `restore` repairs a kill between the two renames
        old = target.with_name(f".{target.name}.{uuid4().hex[:12]}{_OLD}")
        move(target, old)
        move(new, target)
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
                move(old, target)


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
    move(work, whole)  # known to the disk before the exchange, as `swap_undone` judges by it
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
            move(whole, work)
        else:
            remove(whole)


def _exchange(a: Path, b: Path) -> bool:
    """Exchange two names in one step (Linux renameat2); return False if the system cannot."""
    sys.audit("physioprep.exchange", os.fspath(a), os.fspath(b))
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = rename(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    return bool(done == 0)
