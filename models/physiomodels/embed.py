"""Embeddings of windows, with the manifest beside them, and a picture of what they tell."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.fusion import mean_over
from physiomodels.training.data import check_fit, open_stream, to_patches, window_table
from physiomodels.training.finetune import Classifier, load_encoder
from physiomodels.weights import load_folder
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd
    import zarr
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
Encoders = Mapping[str, CrissCrossEncoder]
_BATCH = 64
_CLASSES = 12  # a legend has room for so many
SCHEMA = "physiomodels.embeddings"


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


def refuse_existing(out: Path, *, overwrite: bool) -> None:
    """Raise a ModelError where `out` exists and may not be replaced."""
    if out.exists() and not overwrite:
        raise ModelError(f"{out}: exists; overwrite it by overwrite=True")


def pooled(
    encoders: Encoders, batch: Mapping[str, torch.Tensor], device: str
) -> NDArray[np.float32]:
    """Return each window's mean features over the patches that it has, encoders side by side."""
    parts = []
    with torch.no_grad():
        for name, encoder in encoders.items():
            patches = to_patches(batch, name, encoder.patch_size, device)
            full = torch.ones(patches.x.shape[:3], dtype=torch.bool, device=device)
            there = full if patches.present is None else patches.present
            parts.append(mean_over(encoder(patches.x, None, patches.present), there))
    vectors: NDArray[np.float32] = torch.cat(parts, dim=1).float().cpu().numpy()
    return vectors


def finish(
    out: Path,
    vectors: NDArray[np.float32],
    table: pd.DataFrame,
    modalities: list[str],
    picture: str | Path | None,
    projection: str,
) -> None:
    """Write the Zarr group by one rename, and draw it where that is asked for."""
    _write(out, vectors, table, modalities)
    if picture is not None:
        draw(vectors, table, Path(picture), projection)


def load_encoders(model: str | Path, modality: str | None) -> list[tuple[str, CrissCrossEncoder]]:
    """Return (modality, encoder) of a pretraining or of a fine-tuning folder."""
    import json

    path = Path(model)
    if (path / "config.json").is_file() and "classes" in load_folder(path)[0]:
        held: Any = Classifier.from_pretrained(path).model.encoders
        return list(held.items())
    encoder = load_encoder(path)
    cards = [path / "card.json", path / "best" / "card.json"]
    for card in cards if modality is None else []:
        if card.is_file():
            modality = json.loads(card.read_text(encoding="utf-8"))["modality"]
            break
    if modality is None:
        raise ModelError(f"{model}: no card says which signal it takes; name the modality")
    return [(modality, encoder)]


def _write(
    out: Path, vectors: NDArray[np.float32], table: pd.DataFrame, modalities: list[str]
) -> None:
    import zarr

    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    attributes = {"schema": SCHEMA, "schema_version": 1, "modalities": modalities}
    group = zarr.create_group(str(part), attributes=attributes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's, on its string type
        _column(group, "embedding", vectors)
        for name in table.columns:
            values = table[name]
            if values.dtype.kind not in "iufb":
                values = values.astype(object).where(values.notna(), "").astype(str)
            _column(group, name, values.to_numpy())
    older = out.with_name(f"{out.name}.old")
    if out.exists():
        out.replace(older)
    part.replace(out)
    shutil.rmtree(older, ignore_errors=True)


def _column(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    text = values.dtype.kind in "OTU"
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if text else values.dtype,
        dimension_names=["window", "feature"][: values.ndim],
    )
    array[...] = values


def draw(
    vectors: NDArray[np.float32], table: pd.DataFrame, out: Path, projection: str = "pca"
) -> None:
    """Draw embeddings in two dimensions, a panel a column of the manifest.

    Parameters
    ----------
    vectors : ndarray of float32, shape (window, feature)
        Standardised a feature before the analysis.
    table : pandas.DataFrame
        Rows as in `vectors`; its text columns ``label_*``, ``subject_id`` and ``corpus`` colour
        the points.
    out : Path
        Picture file.
    projection : {"pca", "umap"}
        How.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from physioprep.viewing.record import is_simulated

    points, axes = project(vectors, projection)
    names = [c for c in table if str(c).startswith("label_") and table[c].dtype.kind not in "iuf"]
    names += ["subject_id", "corpus"]
    figure = Figure(figsize=(4.6 * len(names), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        values = table[name].fillna("unknown").astype(str).to_numpy()
        kinds = sorted(set(values))
        for number, kind in enumerate(kinds):
            chosen = values == kind
            colour = f"C{number % 10}"
            panel.scatter(*points[chosen].T, s=8, color=colour, alpha=0.7, lw=0, label=kind)
        panel.set_title(f"by {name} ({len(kinds)})")
        if len(kinds) <= _CLASSES:
            panel.legend(frameon=False, fontsize="small", markerscale=2)
        panel.set_xlabel(axes[0])
    panels[0].set_ylabel(axes[1])
    if any(is_simulated(corpus) for corpus in table["corpus"].dropna().unique()):
        figure.suptitle("SIMULATED", color="#b00020", weight="bold", x=0.01, ha="left")
    figure.savefig(out, dpi=110)


def project(
    vectors: NDArray[np.float32], projection: str
) -> tuple[NDArray[np.floating[Any]], tuple[str, str]]:
    """Return points (row, 2) and the names of their axes; features are standardised before.

    Raises
    ------
    ModelError
        For an unknown projection, UMAP where umap-learn is not installed, or too few rows.
    """
    from sklearn.decomposition import PCA

    if len(vectors) < 3:
        raise ModelError(f"{len(vectors)} embeddings are too few for a picture")
    spread = vectors.std(0)
    standard = (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1)
    if projection == "pca":
        pca = PCA(2).fit(standard)
        share = pca.explained_variance_ratio_
        return pca.transform(standard), (f"PC 1 ({share[0]:.0%})", f"PC 2 ({share[1]:.0%})")
    if projection != "umap":
        raise ModelError(f'projection "{projection}": "pca" or "umap"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports, and that a seed means one thread
        try:
            from umap import UMAP
        except ImportError as error:
            raise ModelError("umap-learn is not installed: pip install umap-learn") from error
        reducer = UMAP(n_neighbors=min(15, len(vectors) - 1), random_state=0)
        return np.asarray(reducer.fit_transform(standard)), ("UMAP 1", "UMAP 2")
