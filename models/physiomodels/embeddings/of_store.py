"""Embeddings straight out of a store: one per window or one per record, with their rows."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physiomodels.embeddings.encoders import Encoders, load_encoders, pooled
from physiomodels.embeddings.group import INVALID, NO_WINDOW, new_group, provenance_of, write_group
from physiomodels.embeddings.picture import draw
from physiomodels.embeddings.run import (
    BATCH,
    Progress,
    choose_place,
    encoders_of,
    job_of,
    run_embedding,
)
from physiomodels.model.patches import to_patches
from physiomodels.model.pooling import POOLING, check_pooling
from physioprep.errors import ModelError
from physioprep.parallel.cluster import Announce
from physioprep.samples import MISSING_INT16, to_physical
from physioprep.shards.cut import cut_candidates
from physioprep.shards.plan import Plan, plan_windows
from physioprep.shards.source import open_source
from physioprep.shards.spec import ShardSpec
from physioprep.store import open_store

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)
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
    pooling: str = POOLING,
    picture: str | Path | None = None,
    projection: str = "pca",
    scheduler: str | None = None,
    workers: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Path:
    """Write the embedding of every window, or of every record, of a store into a Zarr group.

    Windows follow each other from each record's start, without gap. One without a whole patch of
    valid samples is left out, and so is a record shorter than a window; the group's attribute
    ``left_out`` counts both.

    Parameters
    ----------
    store : path-like
        Made by `physioprep.ingest`, best harmonised to the encoder's sampling rate.
    model, out
        As for `physiomodels.embed`.
    window_s : float
        Length of a window, s.
    per : {"window", "record"}
        A record's embedding is the mean of its windows'.
    modality : str, optional
        As for `physiomodels.embed`.
    where : str, optional
        Query on the store's records.
    pooling : str
        As for `physiomodels.embed`.
    picture, projection, scheduler, workers, device, overwrite, progress, announce
        As for `physiomodels.embed`.

    Returns
    -------
    Path
        `out`: ``embedding`` and one array per column of the store's records; for windows
        ``window`` (a number) and ``start_s`` too, for records ``n_windows``.

    Raises
    ------
    ModelError
        If model and store do not fit, nothing is left to embed, or `out` exists.
    """
    if per not in ("window", "record"):
        raise ModelError(f'per "{per}": "window" or "record"')
    if not 0 < window_s < math.inf:
        raise ModelError(f"window_s={window_s:g}: no length of a window")
    check_pooling(pooling, fixed=True)
    encoders = dict(load_encoders(model, modality))
    plan = _lay_out(str(store), tuple(encoders), window_s, where)
    _check_patches(store, plan, encoders)
    scheduler, device = choose_place(scheduler, workers, device, len(plan.record))
    with new_group(out, overwrite=overwrite, inputs=[store, model], picture=picture) as folder:
        job = job_of(
            str(Path(model).resolve()), modality, device, store=str(Path(store).resolve()),
            names=list(encoders), window_s=window_s, where=where, pooling=pooling,
        )  # fmt: skip
        starts = range(0, len(plan.record), BATCH)
        items = [(begin, min(begin + BATCH, len(plan.record))) for begin in starts]
        kept, vectors = run_embedding(
            "embed-store", items, job, scheduler=scheduler, workers=workers, progress=progress,
            announce=announce,
        )  # fmt: skip
        if not len(kept):
            raise ModelError(f"{store}: no window has a whole patch of valid samples")
        left = left_out(plan, kept)
        if windows := left.get(INVALID):
            logger.warning("%d windows without a whole valid patch left out", windows)
        table = (
            plan.records.iloc[plan.record[kept]].drop(columns=list(_PLACES)).reset_index(drop=True)
        )
        if per == "record":
            vectors, table = _by_record(vectors, table, plan.record[kept])
        else:
            table.insert(0, "window", kept)
            table["start_s"] = plan.start_s[kept]
        origin = provenance_of(
            "store", store, open_store(store).attrs, model, modality=modality, where=where,
            window_s=window_s, per=per, pooling=pooling,
        )  # fmt: skip
        write_group(folder, vectors, table, list(encoders), model, origin, left_out=left)
    if picture is not None:
        draw(vectors, table, Path(picture), projection)
    return Path(out)


def left_out(plan: Plan, kept: NDArray[np.int64]) -> dict[str, int]:
    """Count what has no embedding.

    Parameters
    ----------
    plan : Plan
        All windows of all chosen records.
    kept : ndarray of int64, shape (window,)
        Windows that have an embedding.

    Returns
    -------
    dict of str to int
        Records without a window and windows without a valid patch; no zeros.
    """
    counts = {
        NO_WINDOW: plan.n_chosen - len(np.unique(plan.record[kept])),
        INVALID: len(plan.record) - len(kept),
    }
    return {what: count for what, count in counts.items() if count}


def _lay_out(store: str, names: tuple[str, ...], window_s: float, where: str | None) -> Plan:
    """Lay windows end to end."""
    spec = ShardSpec(window_s=window_s, modalities=names, pairs="any", where=where)
    return plan_windows([open_source(Path(store))], spec)


def _check_patches(store: str | Path, plan: Plan, encoders: Encoders) -> None:
    """Refuse a rate or a length that an encoder cannot take."""
    for held in plan.modalities:
        size = encoders[held.name].patch_size
        if held.n_samples % size:
            raise ModelError(
                f"{store}: {held.name} windows of {held.n_samples} samples "
                f"({held.rate_hz:g} Hz) cannot be cut into patches of {size}"
            )


def embed_windows(
    job: Mapping[str, Any], item: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Embed a run of windows: the task of `embed_store`.

    Parameters
    ----------
    job : mapping
        From `embed_store`.
    item : (int, int)
        First window, and the one after the last.

    Returns
    -------
    numbers : ndarray of int64, shape (window,)
        Those that have a whole patch of valid samples.
    vectors : ndarray of float32, shape (window, feature)
        Their embeddings.
    """
    encoders = encoders_of(job)
    plan = _planned(job["run"], job["store"], tuple(job["names"]), job["window_s"], job["where"])
    candidates = np.arange(*item)
    batch: dict[str, torch.Tensor] = {"index": torch.from_numpy(candidates)}
    for modality in plan.modalities:
        cut = cut_candidates(plan, modality, plan.record[candidates], plan.start_s[candidates])
        signal = to_physical(cut.signal, cut.scale, invalid=MISSING_INT16)
        batch[modality.name] = torch.from_numpy(signal)
        batch[f"present_{modality.name}"] = torch.from_numpy(cut.present)
    usable = torch.zeros(len(candidates), dtype=torch.bool)
    for name, encoder in encoders.items():
        flags = to_patches(batch, name, encoder.patch_size).present
        usable |= True if flags is None else flags.flatten(1).any(1)
    vectors = pooled(encoders, batch, job["device"], job["pooling"])
    return candidates[usable.numpy()], vectors[usable.numpy()]


@lru_cache(maxsize=1)
def _planned(
    run: str, store: str, names: tuple[str, ...], window_s: float, where: str | None
) -> Plan:
    return _lay_out(store, names, window_s, where)


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
