"""A folder of a model, replaced whole: an older one stays until the new one is complete."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from physioprep.atomic import put_in_place, remove, restore, sync_tree


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
    out = out.resolve()
    new = beside(out)
    remove(new)
    restore(out)
    new.mkdir(parents=True)
    yield new
    exchange(new, out, own)


def beside(out: Path) -> Path:
    """Return where the folder that is to replace `out` is made.

    Parameters
    ----------
    out : Path
        Absolute.

    Returns
    -------
    Path
        On the same file system.
    """
    return out.with_name(f".{out.name}.partial")


def exchange(new: Path, out: Path, own: Collection[str]) -> None:
    """Put a complete folder in the place of another.

    Parameters
    ----------
    new, out : Path
        Beside each other.
    own : collection of str
        Names inside `out` that are replaced; anything else there is copied into `new` first.
    """
    for path in out.iterdir() if out.is_dir() else ():
        if path.name in own or (new / path.name).exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, new / path.name, symlinks=True)
        else:
            shutil.copy2(path, new / path.name, follow_symlinks=False)
    sync_tree(new)
    put_in_place(new, out)
