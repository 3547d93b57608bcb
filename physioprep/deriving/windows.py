"""Windows of shards as recordings, and what is derived from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physioprep import remote
from physioprep.deriving.delineation import method_named
from physioprep.deriving.own_method import version_of
from physioprep.deriving.pieces import Recorded, in_memory
from physioprep.deriving.plan import DEFAULT, TASK_S, DerivePlan, check_unit, modality_of
from physioprep.errors import PhysioprepError
from physioprep.samples import MISSING_INT16, to_physical
from physioprep.shards import open_shards
from physioprep.shards.tables import WINDOWS  # what tells shards from a store

if TYPE_CHECKING:
    from physioprep.shards import Shards


def is_shards(path: str | Path) -> bool:
    """Return whether a folder or URL holds shards.

    Parameters
    ----------
    path : path-like or URL
        Of shards or a store.

    Returns
    -------
    bool
    """
    root = remote.place(path)
    if isinstance(root, Path):
        return (root / WINDOWS).is_file()
    try:
        remote.size(remote.join(root, WINDOWS))
    except FileNotFoundError:
        return False
    return True


def plan_windows(
    shards: Shards, kinds: tuple[str, ...] | None, method: str, where: str | None
) -> DerivePlan:
    """Plan what to derive from windows.

    Parameters
    ----------
    shards : Shards
        Windows, in the units that the kinds need.
    kinds : tuple of str or None
        Of `physioprep.deriving.tables.KINDS`, but pictures; None: all there are signals for.
    method : str
        Of delineation.
    where : str or None
        Query on the windows.

    Returns
    -------
    DerivePlan

    Raises
    ------
    PhysioprepError
        The shards have no signals for a kind, or in another unit; a method or query is wrong.
    """
    from importlib.metadata import version

    method_named(method)
    held = tuple(kind for kind in DEFAULT if modality_of(kind, "") in shards.modalities)
    kinds = held if kinds is None else kinds
    if not kinds:
        raise PhysioprepError(f"{shards.path}: holds neither ecg nor eeg")
    chosen = np.ones(shards.n_windows, bool) if where is None else shards.mask(where)
    if not chosen.any():
        raise PhysioprepError(f"{shards.path}: no window is chosen")
    tasks = []
    for kind in kinds:
        if kind not in DEFAULT:
            raise PhysioprepError(f"{kind} are made of a store's records, not of windows")
        modality = modality_of(kind, "")
        if modality not in shards.modalities:
            raise PhysioprepError(f"{shards.path}: holds no {modality}, of which {kind} are made")
        group = shards.modalities[modality]
        check_unit(shards.path, kind, modality, group.units)
        seconds = group.n_samples / group.rate_hz * len(group.channels)
        step = max(1, round(TASK_S / seconds))
        tasks += [
            (kind, first, min(first + step, shards.n_windows))
            for first in range(0, shards.n_windows, step)
            if chosen[first : first + step].any()
        ]
    return DerivePlan(
        str(shards.attrs["plan_sha256"]), tuple(kinds), method, version_of(method), 0.0, where,
        version("neurokit2"), None, None, None, None, tuple(tasks), of="shards",
    )  # fmt: skip


def windows_of(
    run: str, path: str, modality: str, numbers: Iterable[int], where: str | None
) -> Iterator[Recorded]:
    """Yield windows that have a modality.

    Parameters
    ----------
    run : str
        Names the run: within one, shards are opened once.
    path : str
        Shards.
    modality : str
        Which signal.
    numbers : iterable of int
        Of windows, ascending.
    where : str or None
        Query on the windows.

    Yields
    ------
    Recorded
        Its key has ``window``, the number in the shards, and ``start_s`` in the record.
    """
    shards = _opened(run, path)
    chosen = None if where is None else shards.mask(where)
    group, table = shards.modalities[modality], _keys(run, path)
    for number in numbers:
        if chosen is not None and not chosen[number]:
            continue
        present = shards.rows(f"{modality}/present", number, number + 1)[0].astype(bool)
        if not present.any():
            continue
        chunk, row = divmod(number, shards.windows_per_chunk)
        digital = _chunk(run, path, chunk, modality)[row][present]
        scale = shards.rows(f"{modality}/scale", number, number + 1)[0][present]
        signal: NDArray[np.floating[Any]] = to_physical(digital, scale, invalid=MISSING_INT16)
        names = tuple(
            name for name, is_there in zip(group.channels, present, strict=True) if is_there
        )
        yield in_memory(table[number], signal, names, group.rate_hz)


@lru_cache(maxsize=1)
def _opened(run: str, path: str) -> Shards:
    return open_shards(path)


@lru_cache(maxsize=1)
def _keys(run: str, path: str) -> list[dict[str, Any]]:
    table = _opened(run, path).windows.sort_values("window")
    names = ["corpus", "record_id", "window", "start_s"]
    return [
        {"corpus": str(corpus), "record_id": str(record), "window": window, "start_s": start}
        for corpus, record, window, start in zip(
            *(table[name].tolist() for name in names), strict=True
        )
    ]


@lru_cache(maxsize=1)
def _chunk(run: str, path: str, chunk: int, modality: str) -> NDArray[np.int16]:
    return _opened(run, path).signal(chunk, modality)
