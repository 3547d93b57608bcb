"""Where a folder is made: beside its place, one working folder per plan, locked.

Beside ``NAME`` is ``.NAME.partial`` with one working folder per plan, in which an unfinished run
is continued.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from physioprep.atomic import make_folders, move
from physioprep.errors import PhysioprepError
from physioprep.exchange import restore
from physioprep.lock import Held, hold, lock_of
from physioprep.outputs import MARK, claim, partial_of

_log = logging.getLogger(__name__)

#: Name of a working folder that is only to be removed.
_DONE: Final = "done"


@contextmanager
def hold_target(target: Path) -> Iterator[Held]:
    """Keep other runs from a target; give back what a killed exchange took away.

    Parameters
    ----------
    target : Path
        The folder to make; its parent is made.

    Yields
    ------
    Held
        Says whether the target is still held.

    Raises
    ------
    StoreError
        If another process holds it.
    """
    make_folders(target.parent)
    with hold(lock_of(target), target) as held:
        restore(target)
        yield held


def open_work(target: Path, sha256: str, error: type[PhysioprepError] = PhysioprepError) -> Path:
    """Return the working folder of a plan; remove the working folders of other plans.

    Parameters
    ----------
    target : Path
        The folder to make, held.
    sha256 : str
        Hash of the plan.
    error : type of PhysioprepError
        What to raise.

    Returns
    -------
    Path
        What an unfinished run of the same plan made is still in it.

    Raises
    ------
    PhysioprepError
        A folder of the name of the working folder is not ours.
    """
    base = claim(partial_of(target), error)
    work = base / sha256[:16]
    if work.exists():
        _log.info("%s: continuing an unfinished run", work)
    for other in sorted(base.iterdir(), key=lambda path: path.name != _DONE):
        if other != work and other.name != MARK:
            # Renamed first: a later run must never continue a folder that is half removed.
            gone = base / _DONE
            if other != gone:
                move(other, gone)
            if gone.is_dir():
                shutil.rmtree(gone, ignore_errors=True)
            else:
                gone.unlink()
    make_folders(work)
    return work
