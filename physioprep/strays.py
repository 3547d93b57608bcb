"""Files and folders in an output of ours that we did not put there: replacing loses them."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from physioprep.hashes import kind_of, read_regular
from physioprep.trees import levels, paths_below

#: ``belongs(name)``: whether a file, relative to the output and with ``/``, is of our making; so of
#: an empty folder, whose name ends with ``/``.
Belongs = Callable[[str], bool]
#: Groups, arrays and chunks of our Zarr groups.
_ZARR: Final = r"(?:[^/]+/){0,2}(?:zarr\.json|c(?:[./]\d+)*/?)"
#: A line of ``SHA256SUMS``, or of ``CRC32CSUMS``.
_LINE: Final = re.compile(r"(?:[0-9a-f]{64}  |[0-9a-f]{8} \d+ )(?P<name>.+)")
#: What file managers leave in every folder that somebody looks into.
_OF_SYSTEMS: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
#: Names that a message shows.
_SHOWN: Final = 5


def listed_in(table: str, *others: str) -> Callable[[Path], Belongs]:
    """Return what finds out which files of an output are ours.

    Parameters
    ----------
    table : str
        The output's list of files with their checksums.
    *others : str
        Regular expressions of the names that are ours besides Zarr's, where there is no such
        list (an earlier version), or it is damaged.

    Returns
    -------
    callable
        ``found(path)`` gives ``belongs``.

    Examples
    --------
    >>> belongs = listed_in("SHA256SUMS", "a")(Path("nowhere"))
    >>> belongs("ecg/zarr.json"), belongs("ecg/signal/c/0/1"), belongs("a"), belongs("notes.txt")
    (True, True, True, False)
    """
    pattern = re.compile("|".join((_ZARR, re.escape(table), *others)))

    def found(path: Path) -> Belongs:
        names = _names_in(path / table)
        if names is None:
            return lambda name: pattern.fullmatch(name) is not None
        folders = {f"{parent}/" for name in names for parent in PurePosixPath(name).parents}
        ours = names | folders | {table}
        return lambda name: name in ours or (name[-1:] == "/" and bool(pattern.fullmatch(name)))

    return found


def _names_in(table: Path) -> frozenset[str] | None:
    """Return the names in a list of checksums; None where there is none, or it is damaged."""
    try:
        lines = read_regular(table).decode().splitlines()
    except (OSError, ValueError):
        return None
    found = [_LINE.fullmatch(line) for line in lines if not line.startswith("# ")]
    names = frozenset(match["name"] for match in found if match)
    return names if names and all(found) else None


def strays(folder: Path, belongs: Belongs) -> str:
    """Name what a folder holds besides our files.

    Parameters
    ----------
    folder : Path
    belongs : callable

    Returns
    -------
    str
        For a message; "" where there is nothing else.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "zarr.json").write_text("{}"), (folder / "notes.txt").write_text("mine")
    >>> strays(folder, lambda name: name == "zarr.json")
    'notes.txt'
    """
    names = list(islice(_strays(folder, belongs), _SHOWN + 1))
    return ", ".join([*names[:_SHOWN], "…"] if len(names) > _SHOWN else names)


def uncopied(folder: Path) -> str:
    """Name what a folder holds that cannot be copied into its successor.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    str
        A pipe, or a folder nested too deep, for a message; "" where there is none.
    """
    for path in paths_below(folder):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            odd = "a folder nested too deep" if stat.S_ISDIR(mode) else kind_of(mode)
            return f"{odd} ({path.relative_to(folder).as_posix()[:60]})"
    return ""


def _strays(folder: Path, belongs: Belongs) -> Iterator[str]:
    for parent, folders, files in levels(folder):
        top = parent.relative_to(folder)
        if top.parts and not folders and _OF_SYSTEMS.issuperset(files):
            whole = f"{top.as_posix()}/"
            if not belongs(whole):
                yield whole
        for name in files:
            whole = (top / name).as_posix()
            if name not in _OF_SYSTEMS and not belongs(whole):
                yield whole
