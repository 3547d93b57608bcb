"""Put a finished folder where an older one may be, in one step."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def put_in_place(new: Path, target: Path) -> None:
    """Rename `new` to `target`; an older `target` is gone afterwards.

    Parameters
    ----------
    new, target : Path
        On one file system.

    Raises
    ------
    OSError
        If the folder cannot be renamed; `target` is then as it was.
    """
    if not target.exists():
        new.rename(target)
    elif _exchange(new, target):
        _remove(new)
    else:  # no such system call here: two renames, with a moment between them
        old = target.with_name(f".{target.name}.old")
        _remove(old)
        target.rename(old)
        new.rename(target)
        _remove(old)
    folder = os.open(target.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two names in one step (Linux renameat2), where the system can."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    done = rename(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), _RENAME_EXCHANGE)
    return bool(done == 0)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
