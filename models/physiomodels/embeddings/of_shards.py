"""Embeddings of the windows of shards, with the manifest beside them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physiomodels.embeddings.encoders import load_encoders, pooled
from physiomodels.embeddings.group import new_group, provenance_of, write_group
from physiomodels.embeddings.picture import draw
from physiomodels.embeddings.run import (
    BATCH,
    Progress,
    choose_place,
    encoders_of,
    job_of,
    run_embedding,
)
from physiomodels.model.pooling import POOLING, check_pooling
from physiomodels.training.data import check_fit, window_table
from physioprep.parallel.cluster import Announce
from physioprep.shards import open_shards

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physioprep.shards import Shards


def embed(
    shards: str | Path | Shards,
    model: str | Path,
    out: str | Path,
    *,
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
    """Write the embedding of every window into a Zarr group.

    Parameters
    ----------
    shards : path-like or Shards
        Made by `physioprep.shard`.
    model : path-like
        A folder of `physiomodels.pretrain`, a CBraMod weights file, or a folder of
        `physiomodels.finetune`, whose encoders' embeddings are then side by side.
    out : path-like
        Zarr v3 group to make: ``embedding`` float32 (window, feature), and one array per column of
        the window manifest (``window``, ``corpus``, ``record_id``, ``subject_id``, ``start_s``,
        ``label_*`` ...); unknown texts are "".
    modality : str, optional
        Which signal an encoder takes; by default the one on its card.
    where : str, optional
        Query on the window manifest.
    pooling : {"mean-deviation", "mean", "per-lead"}
        How the features of a window's patches become one vector
        (`physiomodels.model.pooling.pool_features`).
    picture : path-like, optional
        Draw the embeddings in two dimensions into this file, coloured by label, subject and
        corpus: a shortcut by subject or site shows.
    projection : {"pca", "umap"}
        Principal components, or UMAP (arXiv 1802.03426) where umap-learn is installed.
    scheduler : str, optional
        "sync" (this process), "threads", "processes", "cluster" or the address of a Dask
        scheduler, whose workers see the same folders. By default this process for few windows or
        where there is a GPU, else threads. The embeddings do not depend on it.
    workers : int, optional
        How many tasks at once; by default one per processor core.
    device : str, optional
        By default "cuda" where there is a GPU and tasks run one at a time, else "cpu".
    overwrite : bool
        Replace an older `out`, at the end.
    progress : callable, optional
        Called with (windows done, windows in all).
    announce : callable, optional
        Called with the link of a cluster's dashboard.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ModelError
        If model and shards do not fit, or `out` exists.
    """
    check_pooling(pooling, fixed=True)
    opened = open_shards(shards)
    encoders = dict(load_encoders(model, modality))
    for name, encoder in encoders.items():
        check_fit(opened, name, encoder.patch_size, None)
    table = window_table(opened, where).sort_values("window")
    scheduler, device = choose_place(scheduler, workers, device, len(table))
    with new_group(
        out, overwrite=overwrite, inputs=[opened.path, model], picture=picture
    ) as folder:
        job = job_of(
            str(Path(model).resolve()), modality, device, shards=str(opened.home), where=where,
            pooling=pooling,
        )  # fmt: skip
        windows = table["window"].to_numpy()
        starts = np.flatnonzero(np.diff(windows // opened.windows_per_chunk, prepend=-1)).tolist()
        items = list(zip(starts, [*starts[1:], len(windows)], strict=True))  # a chunk each
        numbers, vectors = run_embedding(
            "embed-shards", items, job, scheduler=scheduler, workers=workers, progress=progress,
            announce=announce,
        )  # fmt: skip
        assert np.array_equal(numbers, windows)
        origin = provenance_of(
            "shards", opened.path, opened.attrs, model, modality=modality, where=where,
            pooling=pooling,
        )  # fmt: skip
        write_group(folder, vectors, table, list(encoders), model, origin)
    if picture is not None:
        draw(vectors, table, Path(picture), projection)
    return Path(out)


def embed_chunk(
    job: Mapping[str, Any], item: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Embed the windows of one chunk: the task of `embed`.

    Parameters
    ----------
    job : mapping
        From `embed`.
    item : (int, int)
        First of the chosen windows that the chunk holds, and the one after its last, counted
        among the chosen ones.

    Returns
    -------
    numbers : ndarray of int64, shape (window,)
        Of the windows.
    vectors : ndarray of float32, shape (window, feature)
        Their embeddings.
    """
    shards, encoders = _opened(job["run"], job["shards"]), encoders_of(job)
    kept = np.arange(*item)
    if job["where"] is not None:
        kept = np.flatnonzero(shards.mask(job["where"]))[slice(*item)]
    chunk = int(kept[0]) // shards.windows_per_chunk
    begin = chunk * shards.windows_per_chunk
    end = min(begin + shards.windows_per_chunk, shards.n_windows)
    batch: dict[str, torch.Tensor] = {}
    for name in encoders:
        rows = kept - begin
        signal = shards.read(chunk, name)[rows]
        batch[name] = torch.from_numpy(signal)
        flags = shards.rows(f"{name}/present", begin, end)[rows]
        batch[f"present_{name}"] = torch.from_numpy(flags)
    parts = []
    for at in range(0, len(kept), BATCH):
        some = {key: value[at : at + BATCH] for key, value in batch.items()}
        parts.append(pooled(encoders, some, job["device"], job["pooling"]))
    return kept, np.concatenate(parts)


@lru_cache(maxsize=1)
def _opened(run: str, path: str) -> Shards:
    return open_shards(path)
