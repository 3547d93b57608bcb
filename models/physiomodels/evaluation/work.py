"""The working folder of an evaluation: the input of its tasks, and what they have finished.

```
.OUT.partial/<hash of the plan>/
  tasks/    job.json; windows and folds of each evaluation, as tables
  cache/    encoders pretrained inside the folds, the baseline's features
  folds/    predictions and losses of each finished fold
  out/      the results, complete when results.json is there; exchanged with OUT at the end,
            with evaluation.json, by which a later run knows that it may replace them
```

Every file appears whole, so that a killed run continues from what is done.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from physioprep import outputs
from physioprep.atomic import TEMPORARY, make_folders, move, sync_tree, temporary_file, write_text
from physioprep.errors import ModelError
from physioprep.exchange import restore, swap, swap_undone
from physioprep.hashes import HASHES, write_hashes
from physioprep.lock import Held, hold, lock_of
from physioprep.outputs import check_output, claim, discard, partial_of
from physioprep.trees import paths_below

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

#: Folder of the results inside a working folder.
PART: Final = "out"


@contextmanager
def working_folder(
    target: Path, digest: str, *, overwrite: bool
) -> Iterator[tuple[Path | None, Held]]:
    """Give the working folder of a plan, and put its results in their place at the end.

    Parameters
    ----------
    target : Path
        Folder of the results.
    digest : str
        Hash of the plan, from `physiomodels.evaluation.plan.digest`.
    overwrite : bool
        Whether an older `target` is replaced, at the end.

    Yields
    ------
    work : Path or None
        The folder, whose ``out`` is to be made. None where a run of the same plan was killed when
        its results were in their place already.
    held : Held
        Says whether `target` is still locked.

    Raises
    ------
    ModelError
        If `target` exists and may not be replaced, or is none of our results.
    StoreError
        If another process works on `target`.
    """
    base = partial_of(target)
    make_folders(target.parent)
    with hold(lock_of(target), target) as held:
        restore(target)
        check_output(target, outputs.RESULTS, overwrite=True, replaces=False, error=ModelError)
        claim(base, ModelError)
        name = digest[:16]
        in_place = bool([*base.glob(f"{name}.*")]) and _made_by(target, name)
        swap_undone(base, PART, _made_by, keep=not in_place)
        if in_place:
            yield None, held
        else:
            check_output(target, outputs.RESULTS, overwrite=overwrite, error=ModelError)
            work = base / name
            make_folders(work)
            yield work, held
            mark = {"schema": outputs.RESULTS_SCHEMA, "plan_sha256": digest}
            note = write_text(work / outputs.RESULTS_MARK, json.dumps(mark))
            # a killed write leaves nothing in the results
            move(note, work / PART / note.name)
            for left in (work / PART).glob(f".{HASHES}.*{TEMPORARY}"):  # of a killed write
                left.unlink()
            write_hashes(work / PART)
            sync_tree(work / PART)
            held.check()
            check_output(target, outputs.RESULTS, overwrite=overwrite, error=ModelError)
            swap(work, PART, target)
        discard(base)


def _made_by(folder: Path, work: str) -> bool:
    """Say whether results were made in the working folder `work`, by their plan's hash."""
    for path in sorted(x for x in paths_below(folder) if x.name == "results.json"):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["plan_sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return str(found).startswith(work)
    return False


def fold_file(work: Path, evaluation: int, repeat: int, fold: int) -> Path:
    """Return where the predictions of a fold are kept: the last file that a fold writes.

    Parameters
    ----------
    work : Path
        Working folder.
    evaluation, repeat, fold : int
        Numbers.

    Returns
    -------
    Path
    """
    return work / "folds" / str(evaluation) / f"{repeat}-{fold}.parquet"


def keep_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table, whole or not at all.

    Parameters
    ----------
    path : Path
        Parquet file; its folder is made.
    table : pandas.DataFrame
        Its index is kept.
    """
    make_folders(path.parent)
    with temporary_file(path) as temporary:
        table.to_parquet(temporary, write_page_checksum=True)


def is_kept(path: Path) -> bool:
    """Return whether `keep_table` wrote a table, and it is what was written.

    Parameters
    ----------
    path : Path
        Parquet file.

    Returns
    -------
    bool
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_table(path, page_checksum_verification=True)
    except FileNotFoundError:
        return False
    except (pa.ArrowException, OSError) as error:
        log.warning("%s: damaged, made again: %s", path, error)
        return False
    return True


def kept_losses(work: Path, evaluation: int) -> list[Path]:
    """Return the loss tables that the finished folds of an evaluation left.

    Parameters
    ----------
    work : Path
        Working folder.
    evaluation : int
        Number.

    Returns
    -------
    list of Path
        In order of their names.
    """
    found = (work / "folds" / str(evaluation) / "loss").glob("*.csv")
    return sorted(path for path in found if TEMPORARY not in path.name)
