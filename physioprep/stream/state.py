"""Checks of a stream's saved state, whoever wrote or changed it."""

from __future__ import annotations

from typing import Any

from physioprep.errors import ShardError
from physioprep.stream.epochs import MOST_EPOCHS


def check_state(
    name: str, state: Any, own: dict[str, Any], n_windows: int
) -> tuple[int, int, list[int] | None]:
    """Check that a state is whole, and of the same batches.

    Parameters
    ----------
    name : str
        Path of the shards, for messages.
    state : dict
        The state.
    own : dict
        What it has to agree with: version, layout, seed, shuffle.
    n_windows : int
        Windows of an epoch.

    Returns
    -------
    epoch, consumed : int
        Epoch, and position in it.
    worker : list of int or None
        Of a loader's worker: its number, the number of workers, the global batch.

    Raises
    ------
    ShardError
        The state is of other shards, other windows or another seed, or is damaged.
    """
    if not isinstance(state, dict):
        raise ShardError(f"{name}: no state of a stream: {str(state)[:40]!r}")
    for key, what in (
        ("version", "stream version"),
        ("layout_sha256", "shards or another choice of windows"),
        ("seed", "seed"),
        ("shuffle", "setting of shuffle"),
        ("view_sha256", "choice of channels or leads"),
        ("beats_sha256", "table or cut of beats"),
    ):
        if state.get(key) != own.get(key):
            raise ShardError(
                f"{name}: the state is of another {what} "
                f"({str(state.get(key))[:12]}, here {str(own.get(key))[:12]})"
            )
    epoch: Any = state.get("epoch")
    consumed: Any = state.get("samples_consumed")
    worker: Any = state.get("worker")
    most = n_windows
    if worker is not None:
        if not _is_worker(worker):
            raise ShardError(
                f"{name}: the state is damaged, or of an earlier version: worker {worker!r}"
            )
        most += worker[1] * worker[2]  # its next batch may be one that the epoch does not have
    if not (_is_count(epoch) and epoch < MOST_EPOCHS and _is_count(consumed) and consumed <= most):
        raise ShardError(
            f"{name}: the state is damaged: epoch {epoch!r}, samples_consumed "
            f"{consumed!r} of {n_windows}"
        )
    return epoch, consumed, None if worker is None else list(worker)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_worker(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return False
    return all(map(_is_count, value)) and value[0] < value[1]
