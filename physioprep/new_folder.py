"""Make a folder beside its target, and put it in the target's place when it is complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from physioprep.atomic import make_folders, sync_tree
from physioprep.errors import PhysioprepError
from physioprep.exchange import put_in_place, restore
from physioprep.lock import hold, lock_of
from physioprep.outputs import Kind, check_output, claim_empty, discard, partial_of

_NEW: Final = "new"


@contextmanager
def new_folder(
    target: Path,
    kind: Kind,
    *,
    overwrite: bool,
    inputs: Iterable[str | Path] = (),
    error: type[PhysioprepError] = PhysioprepError,
) -> Iterator[Path]:
    """Give an empty folder; if the block succeeds, it takes the place of `target`.

    The target is locked and checked before, and checked again before anything is replaced.

    Parameters
    ----------
    target : Path
        Folder to make; an older one stays until the new one is complete.
    kind : Kind
        Of what is made.
    overwrite : bool
        Whether an older one of the same kind may be replaced.
    inputs : iterable of path-like
        What is read for it.
    error : type of PhysioprepError
        What to raise.

    Yields
    ------
    Path
        To be filled.

    Raises
    ------
    PhysioprepError
        The target may not be written, another process writes it, or it appeared meanwhile.

    Examples
    --------
    >>> import tempfile
    >>> from physioprep.outputs import STORE
    >>> target = Path(tempfile.mkdtemp()) / "a"
    >>> with new_folder(target, STORE, overwrite=False) as folder:
    ...     _ = (folder / "b").write_text("c")
    >>> [path.name for path in target.parent.iterdir()], [path.name for path in target.iterdir()]
    (['a'], ['b'])
    """
    sources = list(inputs)
    check_output(target, kind, overwrite=overwrite, inputs=sources, error=error)
    make_folders(target.parent)
    with hold(lock_of(target), target) as held:
        restore(target)
        check_output(target, kind, overwrite=overwrite, error=error)
        work = claim_empty(partial_of(target), error)
        try:
            new = work / _NEW
            new.mkdir()
            yield new
            sync_tree(new)
            held.check()
            check_output(target, kind, overwrite=overwrite, error=error)
            put_in_place(new, target)
        finally:
            discard(work)
