"""Embeddings of windows, with the manifest beside them, and a picture of what they tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physiomodels.data import check_fit, open_stream, to_patches, window_table
from physiomodels.finetune import Classifier, load_encoder
from physiomodels.fusion import mean_over
from physiomodels.weights import load_folder
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd
    import zarr
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
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
        A folder of `physiomodels.pretrain.pretrain`, a CBraMod weights file, or a folder of
        `physiomodels.finetune.finetune`, whose encoders' embeddings then stand side by side.
    out : path-like
        Zarr v3 group to make: ``embedding`` float32 (window, feature), and one array a column of
        the window manifest (``window``, ``corpus``, ``record_id``, ``subject_id``, ``start_s``,
        ``label_*`` ...); unknown texts are "".
    modality : str, optional
        Which signal an encoder takes; by default the one on its card.
    where : str, optional
        Query on the window manifest.
    picture : path-like, optional
        Draw the first two principal components into this file, coloured by label, subject and
        corpus: a shortcut by subject or site shows.
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
    if out.exists() and not overwrite:
        raise ModelError(f"{out}: exists; overwrite it by overwrite=True")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    encoders = {name: encoder.to(device).eval() for name, encoder in _encoders(model, modality)}
    for name, encoder in encoders.items():
        check_fit(shards, name, encoder.patch_size, None)
    table = window_table(shards, where).sort_values("window")
    vectors = np.zeros((len(table), sum(e.d_model for e in encoders.values())), np.float32)
    done = 0
    with torch.no_grad():
        for batch in open_stream(shards, encoders, _BATCH, where=where, shuffle=False):
            parts = []
            for name, encoder in encoders.items():
                patches = to_patches(batch, name, encoder.patch_size, device)
                full = torch.ones(patches.x.shape[:3], dtype=torch.bool, device=device)
                there = full if patches.present is None else patches.present
                parts.append(mean_over(encoder(patches.x, None, patches.present), there))
            rows = np.searchsorted(table["window"].to_numpy(), batch["index"].numpy())
            vectors[rows] = torch.cat(parts, dim=1).float().cpu().numpy()
            done += len(rows)
            if progress is not None:
                progress(done, len(table))
    _write(out, vectors, table, list(encoders))
    if picture is not None:
        draw(vectors, table, Path(picture))
    return out


def _encoders(model: str | Path, modality: str | None) -> list[tuple[str, Any]]:
    """Return (modality, encoder) of a pretraining or of a fine-tuning folder."""
    import json

    path = Path(model)
    if (path / "config.json").is_file() and "classes" in load_folder(path)[0]:
        return list(Classifier.from_pretrained(path).model.encoders.items())
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
    import warnings

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
    if out.exists():
        shutil.rmtree(out)
    part.replace(out)


def _column(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    text = values.dtype.kind in "OTU"
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if text else values.dtype,
        dimension_names=["window", "feature"][: values.ndim],
    )
    array[...] = values


def draw(vectors: NDArray[np.float32], table: pd.DataFrame, out: Path) -> None:
    """Draw the first two principal components of embeddings, a panel a column of the manifest.

    Parameters
    ----------
    vectors : ndarray of float32, shape (window, feature)
        Standardised a feature before the analysis.
    table : pandas.DataFrame
        Rows as in `vectors`; its text columns ``label_*``, ``subject_id`` and ``corpus`` colour
        the points.
    out : Path
        Picture file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from sklearn.decomposition import PCA

    from physioprep.view.record import is_simulated

    spread = vectors.std(0)
    standard = (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1)
    pca = PCA(2).fit(standard)
    points = pca.transform(standard)
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
        panel.set_xlabel(f"PC 1 ({pca.explained_variance_ratio_[0]:.0%})")
    panels[0].set_ylabel(f"PC 2 ({pca.explained_variance_ratio_[1]:.0%})")
    if any(is_simulated(corpus) for corpus in table["corpus"].dropna().unique()):
        figure.suptitle("SIMULATED", color="#b00020", weight="bold", x=0.01, ha="left")
    figure.savefig(out, dpi=110)
