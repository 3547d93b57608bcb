"""Chosen windows of shards, a chunk at a time, as streams give them: what every export reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ShardError
from physioprep.plain_text import quoted
from physioprep.shards.opened import Shards
from physioprep.shards.target import NOT_STATED, Target, epochs_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Windows:
    """Some windows of a chunk.

    Parameters
    ----------
    numbers : ndarray of int64, shape (window,)
        Their numbers in the shards.
    signals : dict of str to ndarray
        By modality, float32 (window, channel, time), or (window, epoch, channel, time) for
        windows of epochs: physical units, NaN where samples are missing, absent channels 0.
    labels : dict of str to ndarray, shape (window, ...)
        As in a batch of a stream, with ``record``.
    """

    numbers: NDArray[np.int64]
    signals: dict[str, NDArray[np.float32]]
    labels: dict[str, NDArray[Any]]

    def missing(self) -> int:
        """Return how many windows miss samples in a channel that is there.

        Returns
        -------
        int
        """
        found = np.zeros(len(self.numbers), bool)
        for signal in self.signals.values():
            found |= np.isnan(signal).reshape(len(signal), -1).any(axis=1)
        return int(found.sum())


def chosen_windows(shards: Shards, where: str | None) -> NDArray[np.bool_]:
    """Return which windows are to leave.

    Parameters
    ----------
    shards : Shards
    where : str or None
        Pandas query on the window manifest; None: all.

    Returns
    -------
    ndarray of bool, shape (window,)

    Raises
    ------
    ShardError
        The query is wrong, or no window satisfies it.
    """
    if where is None:
        return np.ones(shards.n_windows, bool)
    mask = shards.mask(where)
    if not mask.any():
        raise ShardError(f"{shards.path}: no window satisfies {quoted(where)}")
    return mask


def chosen_modalities(shards: Shards, modalities: Sequence[str] | None) -> tuple[str, ...]:
    """Return the modalities that are to leave.

    Parameters
    ----------
    shards : Shards
    modalities : sequence of str or None
        None: all.

    Returns
    -------
    tuple of str

    Raises
    ------
    ShardError
        The shards lack one.
    """
    for name in modalities or ():
        if name not in shards.modalities:
            held = ", ".join(shards.modalities)
            raise ShardError(f"{shards.path}: no modality {name!r}; it has {held}")
    return tuple(dict.fromkeys(modalities or shards.modalities))


def read_windows(
    shards: Shards,
    modalities: Sequence[str],
    chosen: NDArray[np.bool_],
    progress: Progress | None = None,
) -> Iterator[Windows]:
    """Read chosen windows in the order of their numbers.

    Parameters
    ----------
    shards : Shards
    modalities : sequence of str
    chosen : ndarray of bool, shape (window,)
    progress : callable, optional
        Called with (chunks done, chunks in all).

    Yields
    ------
    Windows
        Of one chunk.

    Raises
    ------
    ShardError
        A chunk is damaged.
    """
    n_epochs = epochs_of(shards.attrs)
    for chunk in range(shards.n_chunks):
        start = chunk * shards.windows_per_chunk
        stop = min(start + shards.windows_per_chunk, shards.n_windows)
        rows = np.flatnonzero(chosen[start:stop])
        if len(rows):
            signals = {}
            for name in modalities:
                signal = shards.read(chunk, name)[rows]
                signal[~shards.rows(f"{name}/present", start, stop)[rows]] = 0
                signals[name] = _by_epochs(signal, n_epochs)
            names = ("record", *shards.labels)
            labels = {name: shards.rows(name, start, stop)[rows] for name in names}
            yield Windows(start + rows, signals, labels)
        if progress:
            progress(chunk + 1, shards.n_chunks)


def _by_epochs(signal: NDArray[np.float32], n_epochs: int | None) -> NDArray[np.float32]:
    if n_epochs is None:
        return signal
    count, channels, time = signal.shape
    return signal.reshape(count, channels, n_epochs, time // n_epochs).swapaxes(1, 2)


def splits_of(shards: Shards) -> NDArray[np.object_]:
    """Return the split of each window, None where it has none.

    Parameters
    ----------
    shards : Shards

    Returns
    -------
    ndarray of object, shape (window,)
    """
    table = shards.windows
    if "split" not in table:
        return np.full(shards.n_windows, None, object)
    held = [text if isinstance(text, str) and text else None for text in table["split"]]
    return np.array([*held, None], object)[:-1]


def is_known(target: Target, values: NDArray[Any]) -> NDArray[np.bool_]:
    """Return of which windows a label is known as a whole.

    Parameters
    ----------
    target : Target
    values : ndarray, shape (window, ...)

    Returns
    -------
    ndarray of bool, shape (window,)
    """
    if target.kind == "number":
        known = ~np.isnan(values)
    else:
        known = values != (NOT_STATED if target.kind == "classes" else -1)
    whole: NDArray[np.bool_] = known.reshape(len(values), -1).all(axis=1)
    return whole


def counts_of(names: Sequence[str | None]) -> Mapping[str, int]:
    """Return how many windows each split has, in the order of their names.

    Parameters
    ----------
    names : sequence of (str or None)

    Returns
    -------
    mapping of str to int
    """
    texts = [name or "without a split" for name in names]
    return {name: texts.count(name) for name in sorted(set(texts))}
