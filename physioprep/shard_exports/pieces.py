"""Windows in files of a size and of one split: which file each goes to, and the writing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.shard_exports.windows import (
    Progress,
    Windows,
    chosen_windows,
    counts_of,
    read_windows,
    splits_of,
)
from physioprep.shards.opened import Shards

#: Of windows that have no split.
NO_SPLIT = "windows"


@dataclass(frozen=True, eq=False)
class Pieces:
    """The files of an export.

    Parameters
    ----------
    names : tuple of str
        Without ending: ``"train-00000-of-00002"``.
    sizes : tuple of int
        Windows of each.
    file_of : ndarray of int64, shape (window,)
        Number of a window's file; -1: it is not exported.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    file_of: NDArray[np.int64]


def write_pieces(
    shards: Shards,
    names: Sequence[str],
    where: str | None,
    per_file: int,
    progress: Progress | None,
    *,
    open_file: Callable[[str], Any],
    prepare: Callable[[Windows], Any],
    add: Callable[[Any, Any, NDArray[np.intp]], None],
) -> dict[str, Any]:
    """Write windows to files of a size and of one split each; few are open at a time.

    Parameters
    ----------
    shards : Shards
    names : sequence of str
        Modalities.
    where : str or None
        Pandas query on the window manifest.
    per_file : int
        Most windows of a file.
    progress : callable or None
        Called with (chunks done, chunks in all).
    open_file : callable
        Takes the name of a file without ending, and gives what is written to: a context manager
        with a ``close``.
    prepare : callable
        Takes the windows of a chunk, and gives what is written of them.
    add : callable
        Takes an open file, what `prepare` gave, and which windows of it to write.

    Returns
    -------
    dict
        ``windows`` by split, ``missing samples``.

    Raises
    ------
    ShardError
        The query does not fit the shards, or they are damaged.
    """
    chosen, splits = chosen_windows(shards, where), splits_of(shards)
    pieces = pieces_of(splits, chosen, per_file)
    left, missing = list(pieces.sizes), 0
    with ExitStack() as stack:
        files: dict[int, Any] = {}
        for windows in read_windows(shards, names, chosen, progress):
            missing += windows.missing()
            prepared = prepare(windows)
            file_of = pieces.file_of[windows.numbers]
            for file in np.unique(file_of).tolist():
                here = np.flatnonzero(file_of == file)
                if file not in files:
                    files[file] = stack.enter_context(open_file(pieces.names[file]))
                add(files[file], prepared, here)
                left[file] -= len(here)
                if not left[file]:
                    files[file].close()
    return {"windows": counts_of(splits[chosen].tolist()), "missing samples": missing}


def pieces_of(splits: NDArray[np.object_], chosen: NDArray[np.bool_], per_file: int) -> Pieces:
    """Share windows out to files.

    Parameters
    ----------
    splits : ndarray of object, shape (window,)
        None: no split.
    chosen : ndarray of bool, shape (window,)
    per_file : int
        Most windows of a file.

    Returns
    -------
    Pieces

    Examples
    --------
    >>> splits = np.array(["train", "val", "train", None], object)
    >>> pieces_of(splits, np.ones(4, bool), 1).names
    ('train-00000-of-00002', 'train-00001-of-00002', 'validation-00000-of-00001',
     'windows-00000-of-00001')
    """
    words = np.array([*(_word(split) for split in splits), None], object)[:-1]
    names: list[str] = []
    sizes: list[int] = []
    file_of = np.full(len(splits), -1, np.int64)
    for word in sorted(set(words[chosen].tolist())):
        here = np.flatnonzero(chosen & (words == word))
        files = -(-len(here) // per_file)
        file_of[here] = len(names) + np.arange(len(here)) // per_file
        for number in range(files):
            names.append(f"{word}-{number:05d}-of-{files:05d}")
            sizes.append(min(per_file, len(here) - number * per_file))
    return Pieces(tuple(names), tuple(sizes), file_of)


def _word(split: str | None) -> str:
    """Return a split as Hugging Face and file systems take it."""
    if split is None:
        return NO_SPLIT
    word = re.sub(r"[^A-Za-z0-9_]+", "_", split)[:64]
    return {"val": "validation", "valid": "validation", "dev": "validation"}.get(word, word)
