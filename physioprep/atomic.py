"""Write files completely or not at all, and have them on the disk before they have a name.

A file is written under a temporary name in the same folder, flushed to the disk, and renamed;
then the list of names in its folder is flushed, too. A process that is killed, or a machine that
loses its power, at any moment leaves either the old content or the new, complete. Folders are
put in their place by `physioprep.exchange`.

No other module flushes or renames (tests/test_power_loss.py). Many files are flushed at once,
which takes hardly longer than one.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from physioprep.trees import levels

#: Ending of a temporary name; files that a killed writer leaves behind have it.
TEMPORARY: Final = ".tmp"
#: Files that are flushed at a time.
_AT_ONCE: Final = 16
#: What a disk answers that takes no more: full, over a limit or a quota, or broken.
OF_THE_DISK: Final = frozenset((errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO))
#: Names that `_temporary` gives.
_LEFTOVER: Final = re.compile(
    rf"\.(?P<name>.*)\.[0-9a-f]{{12}}{re.escape(TEMPORARY)}(?P<suffix>\.[^.]+)?", re.DOTALL
)


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
    temporary = _temporary(path.with_suffix(""), path.suffix)
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
    except BaseException as error:
        _give_up(temporary, path, error)
        raise
    sync(path.parent)


def _temporary(path: Path, suffix: str = "") -> Path:
    """Return a name in the same folder that nobody else gives or can foresee."""
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}{TEMPORARY}{suffix}")


def write_bytes(path: Path, data: bytes, *, wait: bool = True) -> None:
    """Write `data` to `path`, completely or not at all.

    Parameters
    ----------
    path : Path
        File to write, in a folder that exists.
    data : bytes
        All of its content.
    wait : bool
        Whether the name is on the disk, too, at the end. False where the caller flushes the
        folder once for many files (`sync_all`), before anything depends on them.

    Raises
    ------
    OSError
        The disk is full or read-only.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        _give_up(temporary, path, error)
        raise
    if wait:
        sync(path.parent)


def write_aside(path: Path, data: bytes) -> Path:
    """Write a file that `name_all` gives its name: so many files are flushed at once.

    Parameters
    ----------
    path : Path
        Name to be given, in a folder that exists.
    data : bytes
        All of its content.

    Returns
    -------
    Path
        Temporary name.

    Raises
    ------
    OSError
        The disk is full or read-only.
    """
    temporary = _temporary(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
    except BaseException as error:
        _give_up(temporary, path, error)
        raise
    return temporary


def name_all(written: Mapping[Path, Path]) -> None:
    """Flush files, and then give them their names.

    Parameters
    ----------
    written : mapping of Path to Path
        Temporary name, from `write_aside`, to the name to be given.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a"
    >>> name_all({write_aside(path, b"whole"): path})
    >>> path.read_bytes()
    b'whole'
    """
    sync_all(written)
    for temporary, path in written.items():
        temporary.replace(path)
    sync_all({path.parent for path in written.values()})


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist, through no link, and wait until it is on the disk.

    Parameters
    ----------
    path : Path
        File to make, in a folder that exists. A kill may leave it empty.
    data : bytes
        All of its content.

    Raises
    ------
    FileExistsError
        Something of that name is there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o644), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


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
    if not isinstance(error, OSError) or not error.errno:
        return
    # an error of `write` or `fsync` names no file at all
    of_disk = error.filename is None and error.errno in OF_THE_DISK
    if of_disk or temporary.name in str(error):
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


def make_folders(*folders: Path) -> None:
    """Make folders, and those that hold them, and wait until their names are on the disk.

    Parameters
    ----------
    *folders : Path
        They may exist.
    """
    holding: dict[Path, None] = {}
    for folder in folders:
        missing = folder
        while not missing.exists():
            missing = missing.parent
            holding[missing] = None
        folder.mkdir(parents=True, exist_ok=True)
    sync_all(holding)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the list of names in a folder, is on the disk.

    Parameters
    ----------
    path : Path
        File or folder.

    Raises
    ------
    OSError
        The disk fails. Not where a file system cannot flush a folder, or a user may not list it.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES) or not path.is_dir():
            raise


def sync_all(paths: Iterable[Path]) -> None:
    """Wait until files and folders are on the disk, as `sync` does, many at once.

    Parameters
    ----------
    paths : iterable of Path
        In any order: nothing is promised on which comes first.
    """
    some = list(paths)
    if len(some) < 2:
        _sync_each(some)
        return
    n = min(_AT_ONCE, len(some))
    with ThreadPoolExecutor(n) as pool:  # a task for each path would cost more than flushing it
        list(pool.map(_sync_each, [some[first::n] for first in range(n)]))


def _sync_each(paths: Iterable[Path]) -> None:
    for path in paths:
        sync(path)


def sync_tree(folder: Path) -> None:
    """Wait until a folder and all files and folders in it are on the disk.

    Parameters
    ----------
    folder : Path
        Top of the tree.
    """
    files, folders = [], []
    for parent, _, names in levels(folder):
        folders.append(parent)
        for path in (parent / name for name in names):
            if stat.S_ISREG(path.lstat().st_mode):  # not what a link leads to
                files.append(path)
    sync_all(files)
    sync_all(folders)


def give_name(new: Path, path: Path) -> None:
    """Rename a complete file or folder, once it is on the disk.

    Parameters
    ----------
    new : Path
        Under a temporary name.
    path : Path
        Name to take, on the same file system. A file that has it is replaced.

    Raises
    ------
    OSError
        A folder that is not empty has this name, or the disk fails.
    """
    if new.is_dir():
        sync_tree(new)
    else:
        sync(new)
    move(new, path)


def move(path: Path, to: Path) -> None:
    """Rename what needs not be flushed itself, and wait until the disk knows it by the new name.

    Parameters
    ----------
    path : Path
        File or folder.
    to : Path
        Name to take, on the same file system.
    """
    path.replace(to)
    sync(to.parent)  # first, so that a loss of power between the two leaves both names, not none
    if path.parent != to.parent:
        sync(path.parent)


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


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed writers left in a folder, and in those inside it.

    Parameters
    ----------
    folder : Path
        That nobody else writes to now.
    """
    for parent, folders, files in levels(folder):
        for name in (*folders, *files):
            if _LEFTOVER.fullmatch(name):
                remove(parent / name)
        folders[:] = [name for name in folders if not _LEFTOVER.fullmatch(name)]


def remove_leftovers_of(path: Path) -> None:
    """Remove the temporary files that killed writers left of an output: beside it, and right in it.

    Parameters
    ----------
    path : Path
        File or folder that nobody else writes now; it need not exist.
    """
    for each in path.parent.glob(f".*{TEMPORARY}*"):
        found = _LEFTOVER.fullmatch(each.name)
        if found and found["name"] + (found["suffix"] or "") == path.name:
            remove(each)
    if not path.is_symlink():
        for each in path.glob(f".*{TEMPORARY}*"):
            if _LEFTOVER.fullmatch(each.name):
                remove(each)
