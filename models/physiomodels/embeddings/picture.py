"""A picture of embeddings: two dimensions, coloured by the manifest's columns."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.errors import ModelError
from physioprep.pictures import save_picture

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_CLASSES = 12  # a legend has room for so many


def draw(
    vectors: NDArray[np.float32], table: pd.DataFrame, out: Path, projection: str = "pca"
) -> None:
    """Draw embeddings in two dimensions, one panel per column of the manifest.

    Parameters
    ----------
    vectors : ndarray of float32, shape (window, feature)
        Each feature is standardised before the analysis.
    table : pandas.DataFrame
        Rows as in `vectors`; its text columns ``label_*``, ``subject_id`` and ``corpus`` colour
        the points.
    out : Path
        Picture file.
    projection : {"pca", "umap"}
        Principal components, or UMAP.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from physioprep.drawing.signals import is_simulated

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
    save_picture(figure, Path(out), error=ModelError)


def project(
    vectors: NDArray[np.float32], projection: str
) -> tuple[NDArray[np.floating[Any]], tuple[str, str]]:
    """Project embeddings to two dimensions; each feature is standardised before.

    Parameters
    ----------
    vectors : ndarray of float32, shape (row, feature)
        At least three.
    projection : {"pca", "umap"}
        Principal components, or UMAP.

    Returns
    -------
    points : ndarray, shape (row, 2)
        Coordinates.
    axes : (str, str)
        Names of the axes.

    Raises
    ------
    ModelError
        For an unknown projection, for UMAP where umap-learn is not installed, or for too few rows.
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
        warnings.simplefilter("ignore")  # about its own imports, and that a seed means one thread
        try:
            from umap import UMAP
        except ImportError as error:
            raise ModelError("umap-learn is not installed: pip install umap-learn") from error
        reducer = UMAP(n_neighbors=min(15, len(vectors) - 1), random_state=0)
        return np.asarray(reducer.fit_transform(standard)), ("UMAP 1", "UMAP 2")
