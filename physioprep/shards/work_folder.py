"""Where shards are made: a folder beside their place, exchanged with it as the last step.

Beside ``NAME`` is ``.NAME.partial`` with one working folder per plan. A finished working
folder holds ``shards`` and a note of the result. A process that is killed at any moment leaves
the old or the new shards whole at ``NAME``.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from physioprep import outputs, work_folder
from physioprep.atomic import make_folders, sync_tree, write_text
from physioprep.errors import ShardError
from physioprep.exchange import swap, swap_undone
from physioprep.outputs import check_output, claim, discard, partial_of
from physioprep.shards.result import ShardResult

#: The shards in a working folder.
SHARDS: Final = "shards"
#: What marks them as finished: their result, and the number of their folder on the disk.
_FINISHED: Final = "finished.json"


def open_work(target: Path, sha256: str) -> Path:
    """Return the working folder of a plan of shards; give back what a killed exchange took.

    Parameters
    ----------
    target : Path
        The shards folder, held.
    sha256 : str
        Hash of the plan.

    Returns
    -------
    Path
        From `physioprep.work_folder.open_work`, with a folder ``spill`` in it.

    Raises
    ------
    ShardError
        A folder of the name of the working folder is not ours.
    """
    base = claim(partial_of(target), ShardError)
    swap_undone(base, SHARDS, lambda shards, _: _note(shards.parent) is not None, keep=True)
    work = work_folder.open_work(target, sha256, ShardError)
    make_folders(work / "spill")
    return work


def finished(work: Path, target: Path) -> ShardResult | None:
    """Return the result of finished shards that a killed run did not put in their place.

    Parameters
    ----------
    work : Path
        From `open_work`.
    target : Path
        The shards folder.

    Returns
    -------
    ShardResult or None
        None where there is still work to do.
    """
    note = _note(work)
    return None if note is None else ShardResult.from_dict(target, note)


def finish(work: Path, result: ShardResult) -> None:
    """Wait until the new shards are on the disk, and note that they are complete.

    Parameters
    ----------
    work : Path
        From `open_work`.
    result : ShardResult
        What `finished` gives back.
    """
    shards = work / SHARDS
    sync_tree(shards)
    note = {"inode": shards.stat().st_ino, "result": result.to_dict()}
    write_text(work / _FINISHED, json.dumps(note))


def commit(work: Path, target: Path, *, overwrite: bool) -> None:
    """Exchange the finished shards with older ones at the target, and remove those.

    Parameters
    ----------
    work : Path
        After `finish`; removed.
    target : Path
        The shards folder.
    overwrite : bool
        Whether older shards may be replaced.

    Raises
    ------
    ShardError
        Something else, or shards that may not be replaced, appeared there meanwhile.
    OSError
        If the folder cannot be renamed; the target is then as it was.
    """
    check_output(target, outputs.SHARDS, overwrite=overwrite, error=ShardError)
    swap(work, SHARDS, target)
    with suppress(OSError):  # a worker that outlives its run may still write there
        discard(partial_of(target))


def _note(work: Path) -> dict[str, object] | None:
    """Return the result that `finish` noted, if the folder beside it is still the new one.

    After the exchange the old shards are there. They may be of the same plan, so that only the
    number of the folder on the disk tells them apart.
    """
    try:
        note = json.loads((work / _FINISHED).read_bytes())
        if note["inode"] != (work / SHARDS).stat().st_ino:
            return None
        return dict(note["result"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
