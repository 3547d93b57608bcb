"""A folder of a model, replaced whole: an older one stays until the new one is complete."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from physioprep.atomic import make_folders, sync_tree
from physioprep.errors import ModelError
from physioprep.exchange import put_in_place, restore
from physioprep.hashes import HASHES, write_hashes
from physioprep.outputs import MARK, claim_empty, discard, partial_of

_NEW: Final = "new"


@contextmanager
def replaced(out: Path, own: Collection[str]) -> Iterator[Path]:
    """Give an empty folder beside `out`; exchange the two if the block succeeds.

    Parameters
    ----------
    out : Path
        Made where it does not exist.
    own : collection of str
        Names inside `out` that belong to the model. Anything else there is carried over.

    Yields
    ------
    Path
        To be filled.
    """
    new = beside(out)
    restore(out)
    yield new
    exchange(new, out, own)


def beside(out: Path) -> Path:
    """Make the folder that is to replace `out`, empty.

    Parameters
    ----------
    out : Path
        Its parent is made.

    Returns
    -------
    Path
        On the same file system.

    Raises
    ------
    ModelError
        A working folder of that name is not ours.
    """
    make_folders(out.parent)
    new = claim_empty(partial_of(out), ModelError) / _NEW
    new.mkdir()
    return new


def exchange(new: Path, out: Path, own: Collection[str]) -> None:
    """Put a complete folder in the place of another, and remove the working folder.

    Parameters
    ----------
    new, out : Path
        `new` is from ``beside(out)``.
    own : collection of str
        Names inside `out` that are replaced; anything else there is copied into `new` first.
    """
    carry_over(out, new, own)
    sync_tree(new)
    put_in_place(new, out)
    discard(new.parent)


def list_files(folder: Path, names: Collection[str]) -> None:
    """Write the hashes of a model's files, for `physioprep verify`.

    Parameters
    ----------
    folder : Path
        Complete.
    names : collection of str
        Those that exist are listed.
    """
    held = [name for name in names if name != HASHES and (folder / name).is_file()]
    write_hashes(folder, held)


def carry_over(out: Path, new: Path, own: Collection[str]) -> None:
    """Copy what a user put into a model's folder into the folder that replaces it.

    Parameters
    ----------
    out, new : Path
        Old folder, which may be missing, and new one.
    own : collection of str
        Names inside `out` that are replaced.
    """
    for path in out.iterdir() if out.is_dir() else ():
        if path.name in {*own, MARK} or (new / path.name).exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, new / path.name, symlinks=True)
        else:
            shutil.copy2(path, new / path.name, follow_symlinks=False)
