"""Put a finished folder where an older one may be, in one step."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
from pathlib import Path

from physioprep.store.build.block import STORE

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def swap(work: Path, target: Path) -> None:
    """Put ``work/store`` in the place of `target`.

    `work` takes another name first. Should this process die, `swap_undone` can tell by the
    plan's hash whether the store under that name is the new one or the old one.

    Parameters
    ----------
    work : Path
        Working folder, named after the beginning of the plan's hash.
    target : Path
    """
    whole = work.with_suffix(".whole")
    work.rename(whole)
    put_in_place(whole / STORE, target)


def swap_undone(base: Path, *, keep: bool) -> None:
    """Clean up after a process that died in `swap`.

    Parameters
    ----------
    base : Path
        Folder of working folders.
    keep : bool
        Whether a new store that did not come into place goes back to its working folder.
        Otherwise it is removed, like an old one that was to be removed.
    """
    for whole in base.glob("*.whole"):
        try:
            attributes = json.loads((whole / STORE / "zarr.json").read_bytes())["attributes"]
            new = str(attributes["plan_sha256"]).startswith(whole.stem)
        except (OSError, ValueError, KeyError):
            new = False
        if keep and new and not whole.with_suffix("").exists():
            whole.rename(whole.with_suffix(""))
        else:
            _remove(whole)


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
