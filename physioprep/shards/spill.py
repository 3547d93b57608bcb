"""Good windows between the two passes: in memory where all fit into a part of it, else in files.

The first pass cuts windows run by run, the second gathers them in the shuffled order. Files make
that an external shuffle, whose memory does not grow with the number of windows. Windows in memory
are lost with their process and cut again; the blocks that were written of them are kept, since
both ways give the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import TEMPORARY
from physioprep.errors import ShardError
from physioprep.shards.modality import ModalityPlan

#: Part of the machine's memory that windows may take; more are spilled.
SHARE = 0.25
#: Where the kernel says the memory that a group of processes may use (cgroups, versions 2 and 1).
_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_FOLDER: Final = "spill"


@dataclass(frozen=True, eq=False)
class Piece:
    """Some good windows of a run.

    Parameters
    ----------
    candidate : ndarray of int64, shape (window,)
        Their numbers in the plan.
    signal : dict of str to ndarray of int16, shape (window, channel, sample)
        By modality.
    small : dict of str to ndarray, shape (window, ...)
        What else is known of each window: ``<modality>.scale``, ``<modality>.present`` ...
    """

    candidate: NDArray[np.int64]
    signal: dict[str, NDArray[np.int16]]
    small: dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class _Run:
    piece: Piece
    left_out: dict[str, int]


#: Windows in memory, by working folder and run.
_HELD: dict[str, dict[int, _Run]] = {}


def memory_bytes() -> int:
    """Return the memory that this process may use.

    Returns
    -------
    int
        The machine's, or less where the kernel limits this process.
    """
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in _LIMITS:
        try:
            found.append(int(Path(name).read_text()))
        except (OSError, ValueError):  # no such limit: "max"
            continue
    return min(found)


@contextmanager
def windows_in_memory(work: Path, n_bytes: int | None) -> Iterator[bool]:
    """Keep the windows of a working folder in memory, if they fit and none were spilled before.

    Parameters
    ----------
    work : Path
        Working folder.
    n_bytes : int or None
        Most bytes that the windows can take. None: other processes need them, too.

    Yields
    ------
    bool
        Whether they are kept; in this process alone, until the block ends.
    """
    spilled = any(path.suffix != TEMPORARY for path in (work / _FOLDER).iterdir())
    key = str(work.absolute())
    try:
        if n_bytes is not None and n_bytes <= SHARE * memory_bytes() and not spilled:
            _HELD[key] = {}
        yield key in _HELD
    finally:
        _HELD.pop(key, None)


def are_held(work: Path) -> bool:
    """Return whether the windows of a working folder are kept in this process.

    Parameters
    ----------
    work : Path

    Returns
    -------
    bool
    """
    return str(work.absolute()) in _HELD


def hold(
    work: Path, run: int, pieces: Iterator[Piece], most: int, left_out: dict[str, int]
) -> None:
    """Keep the windows of a run in memory.

    Parameters
    ----------
    work : Path
        Of `windows_in_memory`.
    run : int
    pieces : iterator of Piece
    most : int
        Windows that they can be.
    left_out : dict of str to int
        Windows that are in no piece, by reason; read when all pieces are.
    """
    signal: dict[str, NDArray[np.int16]] = {}
    few: list[Piece] = []
    count = 0
    for piece in pieces:
        end = count + len(piece.candidate)
        for name, values in piece.signal.items():
            if name not in signal:  # pages that nothing is written to take no memory
                signal[name] = np.empty((most, *values.shape[1:]), np.int16)
            signal[name][count:end] = values
        few.append(Piece(piece.candidate, {}, piece.small))
        count = end
    whole = _joined(few)
    kept = {name: values[:count] for name, values in signal.items()}
    piece = Piece(whole.candidate, kept, whole.small)
    _HELD[str(work.absolute())][run] = _Run(piece, left_out)


def spill(folder: Path, pieces: Iterator[Piece], left_out: dict[str, int]) -> None:
    """Write the windows of a run to files.

    Parameters
    ----------
    folder : Path
        Empty.
    pieces : iterator of Piece
    left_out : dict of str to int
        Windows that are in no piece, by reason; read when all pieces are.
    """
    few: list[Piece] = []
    with ExitStack() as stack:
        files: dict[str, Any] = {}
        for piece in pieces:
            for name, values in piece.signal.items():
                if name not in files:
                    files[name] = stack.enter_context((folder / f"{name}.int16").open("wb"))
                files[name].write(np.ascontiguousarray(values).data)
            few.append(Piece(piece.candidate, {}, piece.small))
    whole = _joined(few)
    for name, values in whole.small.items():
        np.save(folder / f"{name}.npy", values, allow_pickle=False)
    np.save(folder / "candidate.npy", whole.candidate, allow_pickle=False)
    (folder / "left_out.json").write_text(json.dumps(left_out))


def folder_of(work: Path, run: int) -> Path:
    """Return where the windows of a run are spilled.

    Parameters
    ----------
    work : Path
        Working folder.
    run : int

    Returns
    -------
    Path
    """
    return work / _FOLDER / f"{run:06d}"


def _joined(pieces: list[Piece]) -> Piece:
    if not pieces:
        return Piece(np.empty(0, np.int64), {}, {})
    small = {
        name: np.concatenate([piece.small[name] for piece in pieces]) for name in pieces[0].small
    }
    return Piece(np.concatenate([piece.candidate for piece in pieces]), {}, small)


def candidates_of(work: Path, run: int) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return the good windows of a run, and how many were left out.

    Parameters
    ----------
    work : Path
        Working folder.
    run : int

    Returns
    -------
    candidate : ndarray of int64, shape (window,)
    left_out : dict of str to int
        By reason.
    """
    held = _HELD.get(str(work.absolute()))
    if held is not None:
        return held[run].piece.candidate, held[run].left_out
    folder = folder_of(work, run)
    found = np.load(folder / "candidate.npy", allow_pickle=False)
    return found, json.loads((folder / "left_out.json").read_text())


def gather(work: Path, order: NDArray[Any], name: str) -> NDArray[Any]:
    """Return what is known of some windows.

    Parameters
    ----------
    work : Path
        Working folder.
    order : ndarray
        Fields ``run`` and ``row`` say where each window is.
    name : str
        As in `Piece.small`.

    Returns
    -------
    ndarray, shape (window, ...)
    """
    held = _HELD.get(str(work.absolute()))
    gathered: NDArray[Any] | None = None
    for run, here in _by_run(order):
        if held is not None:
            values = held[run].piece.small[name]
        else:
            values = np.load(folder_of(work, run) / f"{name}.npy", allow_pickle=False)
        if gathered is None:
            gathered = np.empty((len(order), *values.shape[1:]), values.dtype)
        gathered[here] = values[order["row"][here]]
    assert gathered is not None
    return gathered


def gather_signal(work: Path, order: NDArray[Any], modality: ModalityPlan) -> NDArray[np.int16]:
    """Return the samples of some windows.

    Parameters
    ----------
    work : Path
        Working folder.
    order : ndarray
        Fields ``run`` and ``row`` say where each window is.
    modality : ModalityPlan

    Returns
    -------
    ndarray of int16, shape (window, channel, sample)

    Raises
    ------
    ShardError
        A file ends early.
    """
    held = _HELD.get(str(work.absolute()))
    signal = np.empty((len(order), len(modality.channels), modality.n_samples), np.int16)
    for run, here in _by_run(order):
        rows = order["row"][here]
        if held is None:
            _read(work, run, modality.name, signal, here, rows)
            continue
        source = held[run].piece.signal[modality.name]
        for target, row in zip(here.tolist(), rows.tolist(), strict=True):
            signal[target] = source[row]
    return signal


def _read(
    work: Path,
    run: int,
    name: str,
    signal: NDArray[np.int16],
    here: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> None:
    """Read windows out of a file: read, not mapped, so that no page of it stays here."""
    path, size = folder_of(work, run) / f"{name}.int16", signal[0].nbytes
    handle = os.open(path, os.O_RDONLY)
    try:
        for target, row in zip(here.tolist(), rows.tolist(), strict=True):
            if os.preadv(handle, [signal[target]], row * size) != size:
                raise ShardError(f"{path}: ends early; remove {work} and start again")
    finally:
        os.close(handle)


def _by_run(order: NDArray[Any]) -> list[tuple[int, NDArray[np.int64]]]:
    runs = np.unique(order["run"])
    if len(runs) == 1:
        return [(int(runs[0]), np.arange(len(order)))]
    sorted_rows = np.argsort(order["run"], kind="stable")
    bounds = np.searchsorted(order["run"][sorted_rows], runs[1:])
    pieces = np.split(sorted_rows, bounds)
    return [(int(run), rows) for run, rows in zip(runs, pieces, strict=True)]
