"""Embeddings of windows, with the manifest beside them, and a picture of what they tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from physiomodels.embeddings.encoders import load_encoders, pooled
from physiomodels.embeddings.group import finish, refuse_existing
from physiomodels.training.data import check_fit, open_stream, window_table

if TYPE_CHECKING:
    pass

Progress = Callable[[int, int], None]
_BATCH = 64


def embed(
    shards: str | Path,
    model: str | Path,
    out: str | Path,
    *,
    modality: str | None = None,
    where: str | None = None,
    picture: str | Path | None = None,
    projection: str = "pca",
    device: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the embedding of every window into a Zarr group.

    Parameters
    ----------
    shards : path-like
        Made by `physioprep.shard`.
    model : path-like
        A folder of `physiomodels.pretrain`, a CBraMod weights file, or a folder of
        `physiomodels.finetune`, whose encoders' embeddings then stand side by side.
    out : path-like
        Zarr v3 group to make: ``embedding`` float32 (window, feature), and one array a column of
        the window manifest (``window``, ``corpus``, ``record_id``, ``subject_id``, ``start_s``,
        ``label_*`` ...); unknown texts are "".
    modality : str, optional
        Which signal an encoder takes; by default the one on its card.
    where : str, optional
        Query on the window manifest.
    picture : path-like, optional
        Draw the embeddings in two dimensions into this file, coloured by label, subject and
        corpus: a shortcut by subject or site shows.
    projection : {"pca", "umap"}
        Principal components, or UMAP (arXiv 1802.03426) where umap-learn is installed.
    device : str, optional
        "cuda" where there is one, else "cpu".
    overwrite : bool
        Replace an older ``out``.
    progress : callable, optional
        Called with (windows done, windows in all).

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    ModelError
        Where model and shards do not fit, or ``out`` exists.
    """
    out = Path(out)
    refuse_existing(out, overwrite=overwrite)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    encoders = {name: encoder.to(device).eval() for name, encoder in load_encoders(model, modality)}
    for name, encoder in encoders.items():
        check_fit(shards, name, encoder.patch_size, None)
    table = window_table(shards, where).sort_values("window")
    vectors = np.zeros((len(table), sum(e.d_model for e in encoders.values())), np.float32)
    done = 0
    for batch in open_stream(shards, encoders, _BATCH, where=where, shuffle=False):
        rows = np.searchsorted(table["window"].to_numpy(), batch["index"].numpy())
        vectors[rows] = pooled(encoders, batch, device)
        done += len(rows)
        if progress is not None:
            progress(done, len(table))
    finish(out, vectors, table, list(encoders), picture, projection)
    return out
