"""Embeddings straight out of a store, by Dask: one a window or one a record, with their rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physiomodels.embeddings.encoders import Encoders, load_encoders, pooled
from physiomodels.embeddings.group import finish, refuse_existing
from physiomodels.embeddings.of_shards import Progress
from physiomodels.model.patches import to_patches
from physioprep.errors import ModelError
from physioprep.samples import MISSING_INT16, to_physical
from physioprep.shards.cut import cut_candidates
from physioprep.shards.plan import Plan, plan_windows
from physioprep.shards.source import open_source
from physioprep.shards.spec import ShardSpec

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)
_TASK = 64  # windows a task: one batch
_PLACES = ("store", "store_record")


def embed_store(
    store: str | Path,
    model: str | Path,
    out: str | Path,
    *,
    window_s: float = 10.0,
    per: str = "window",
    modality: str | None = None,
    where: str | None = None,
    picture: str | Path | None = None,
    projection: str = "pca",
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the embedding of every window, or of every record, of a store into a Zarr group.

    Windows lie end to end from each record's start. One without a whole patch of valid samples is
    left out, and counted in the log. Tasks run on Dask: on the cluster of the current
    `distributed.Client`, which must see the same folders, else in threads.

    Parameters
    ----------
    store : path-like
        Made by `physioprep.ingest`, best harmonised to the encoder's sampling rate.
    model, out, modality, picture, projection, overwrite
        As for `physiomodels.embeddings.of_shards.embed`.
    window_s : float
        Length of a window, s.
    per : {"window", "record"}
        A record's embedding is the mean of its windows'.
    where : str, optional
        Query on the store's records.
    workers : int, optional
        Threads; by default one a core.
    progress : callable, optional
        Called with (tasks done, tasks in all), where Dask runs in threads.

    Returns
    -------
    Path
        ``out``: ``embedding`` and one array a column of the store's records; for windows
        ``window`` (a number) and ``start_s`` too, for records ``n_windows``.

    Raises
    ------
    ModelError
        Where model and store do not fit, nothing is left to embed, or ``out`` exists.
    """
    from dask.base import compute
    from dask.delayed import delayed

    if per not in ("window", "record"):
        raise ModelError(f'per "{per}": "window" or "record"')
    out = Path(out)
    refuse_existing(out, overwrite=overwrite)
    encoders = {name: encoder.eval() for name, encoder in load_encoders(model, modality)}
    plan = _plan(store, encoders, window_s, where)
    shared, networks = delayed(plan), delayed(encoders)
    run = delayed(_embed_run)
    tasks = [run(shared, networks, some) for some in _batches(plan)]
    with _one_thread_a_task(), _reported(progress, len(tasks)):
        found = compute(*tasks, num_workers=workers)  # type: ignore[no-untyped-call]
    kept = np.concatenate([some for some, _ in found])
    vectors = np.concatenate([values for _, values in found])
    if not len(kept):
        raise ModelError(f"{store}: no window has a whole patch of valid samples")
    if len(kept) < len(plan.record):
        left = len(plan.record) - len(kept)
        logger.warning("%d windows without a whole valid patch left out", left)
    table = plan.records.iloc[plan.record[kept]].drop(columns=list(_PLACES)).reset_index(drop=True)
    if per == "record":
        vectors, table = _by_record(vectors, table, plan.record[kept])
    else:
        table.insert(0, "window", kept)
        table["start_s"] = plan.start_s[kept]
    finish(out, vectors, table, list(encoders), picture, projection)
    return out


def _plan(store: str | Path, encoders: Encoders, window_s: float, where: str | None) -> Plan:
    """Lay out the windows; refuse a rate or a length that an encoder cannot take."""
    names = tuple(encoders)
    spec = ShardSpec(window_s=window_s, modalities=names, pairs="any", where=where)
    plan = plan_windows([open_source(Path(store))], spec)
    for held in plan.modalities:
        size = encoders[held.name].patch_size
        if held.n_samples % size:
            raise ModelError(
                f"{store}: {held.name} windows of {held.n_samples} samples "
                f"({held.rate_hz:g} Hz) cannot be cut into patches of {size}"
            )
    return plan


def _batches(plan: Plan) -> Iterator[NDArray[np.int64]]:
    for begin in range(0, len(plan.record), _TASK):
        yield np.arange(begin, min(begin + _TASK, len(plan.record)))


def _embed_run(
    plan: Plan, encoders: Encoders, candidates: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the candidates that have something to embed, and their vectors."""
    batch: dict[str, torch.Tensor] = {"index": torch.from_numpy(candidates)}
    for modality in plan.modalities:
        cut = cut_candidates(plan, modality, plan.record[candidates], plan.start_s[candidates])
        signal = to_physical(cut.signal, cut.scale, invalid=MISSING_INT16)
        batch[modality.name] = torch.from_numpy(signal)
        batch[f"present_{modality.name}"] = torch.from_numpy(cut.present)
    there = torch.zeros(len(candidates), dtype=torch.bool)
    for name, encoder in encoders.items():
        flags = to_patches(batch, name, encoder.patch_size).present
        there |= True if flags is None else flags.flatten(1).any(1)
    vectors = pooled(encoders, batch, "cpu")
    return candidates[there.numpy()], vectors[there.numpy()]


def _by_record(
    vectors: NDArray[np.float32], table: pd.DataFrame, record: NDArray[np.int32]
) -> tuple[NDArray[np.float32], pd.DataFrame]:
    """Average the windows of each record."""
    _, first, which, count = np.unique(
        record, return_index=True, return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(first), vectors.shape[1]), np.float64)
    np.add.at(sums, which, vectors)
    means = (sums / count[:, None]).astype(np.float32)
    return means, table.iloc[first].reset_index(drop=True).assign(n_windows=count)


@contextmanager
def _one_thread_a_task() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _reported(progress: Progress | None, count: int) -> Any:
    """Return a Dask callback that counts finished tasks."""
    from dask.callbacks import Callback

    if progress is None:
        return nullcontext()
    done = 0

    def ended(key: Any, *_: Any) -> None:
        nonlocal done
        if str(key).startswith("_embed_run"):
            done += 1
            progress(done, count)

    return Callback(posttask=ended)  # type: ignore[no-untyped-call]
