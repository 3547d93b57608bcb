"""Walk a folder that anybody may have made: without recursion, to a bounded depth, along no link.

`Path.rglob` and `os.walk` recurse in Python 3.11: in folders 1,000 deep they end in an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from physioprep.limits import MAX_FOLDER_DEPTH

#: Bytes of a path below which every name in the folder can be opened (of Linux's 4,096).
_LONGEST: Final = 4096 - 256


def levels(folder: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder of a tree with what it holds, from the top down.

    Parameters
    ----------
    folder : Path
        Nothing is yielded where there is none.

    Yields
    ------
    parent : Path
    folders, files : list of str
        Sorted names of the folders that come next, and of all else: files, links, pipes, and
        folders that are too deep or may not be read. What is taken out of `folders` is passed over.
    """
    ahead = [(folder, 0)]
    while ahead:
        parent, depth = ahead.pop()
        try:
            with os.scandir(parent) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            if depth:  # it is one more thing that its parent holds
                yield parent.parent, [], [parent.name]
            continue
        folders: list[str] = []
        files: list[str] = []
        for entry in entries:
            near = depth < MAX_FOLDER_DEPTH and len(os.fsencode(entry.path)) < _LONGEST
            opened = near and entry.is_dir(follow_symlinks=False)
            (folders if opened else files).append(entry.name)
        yield parent, folders, files
        ahead += [(parent / name, depth + 1) for name in reversed(folders)]


def paths_below(folder: Path) -> Iterator[Path]:
    """Yield what is below a folder but the folders: files, links, pipes, folders too deep.

    Parameters
    ----------
    folder : Path

    Yields
    ------
    Path

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "a").mkdir()
    >>> (folder / "a" / "b").touch()
    >>> [path.relative_to(folder).as_posix() for path in paths_below(folder)]
    ['a/b']
    """
    for parent, _, files in levels(folder):
        yield from (parent / name for name in files)


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, and links to files.

    Parameters
    ----------
    folder : Path

    Yields
    ------
    Path
    """
    for path in paths_below(folder):
        if path.is_file():
            yield path


def bytes_below(folder: Path) -> int:
    """Return the size of all files below a folder; what links lead to does not count.

    Parameters
    ----------
    folder : Path
        Made by this package, so of no great depth.

    Returns
    -------
    int
        Bytes.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "a").mkdir()
    >>> (folder / "a" / "b").write_bytes(b"123")
    3
    >>> bytes_below(folder)
    3
    """
    total, ahead = 0, [os.fspath(folder)]
    while ahead:
        with os.scandir(ahead.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    ahead.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total
