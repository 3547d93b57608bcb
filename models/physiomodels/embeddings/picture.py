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
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

#: Ten colours, then the same ten with another marker: so many can be told apart.
_MARKERS = "o^sDvP*X"
_TOLD_APART = 10 * len(_MARKERS)
_ROWS = 20  # of a column of a legend
_COLUMN_IN, _LETTER_IN = 0.35, 0.075
_LONGEST = 24  # characters of a name in a legend


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
    kinds = {n: table[n].fillna("unknown").astype(str).to_numpy() for n in names}
    legends = [_legend_in(sorted(set(values))) for values in kinds.values()]
    widths = [4.2 + legend for legend in legends]
    figure = Figure(figsize=(sum(widths), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(
        1, len(names), sharex=True, sharey=True, squeeze=False, width_ratios=widths
    )[0]
    for panel, (name, values) in zip(panels, kinds.items(), strict=True):
        _scatter(panel, points, str(name), values)
        panel.set_xlabel(axes[0])
    panels[0].set_ylabel(axes[1])
    if any(is_simulated(corpus) for corpus in table["corpus"].dropna().unique()):
        figure.suptitle("SIMULATED", color="#b00020", weight="bold", x=0.01, ha="left")
    save_picture(figure, Path(out), error=ModelError)


def _legend_in(kinds: list[str]) -> float:
    """Return the width of a legend beside its panel, inches; 0 where there is none."""
    if len(kinds) > _TOLD_APART:
        return 0.0
    longest = min(_LONGEST, max(map(len, kinds), default=0))
    return -(-len(kinds) // _ROWS) * (_COLUMN_IN + _LETTER_IN * longest)


def _scatter(
    panel: Axes, points: NDArray[np.floating[Any]], name: str, values: NDArray[Any]
) -> None:
    """Draw points by a column: ten colours, then ten with another marker, named at the right."""
    kinds = sorted(set(values))
    for number, kind in enumerate(kinds):
        marker = _MARKERS[number // 10 % len(_MARKERS)]
        label = kind if len(kind) <= _LONGEST else f"{kind[: _LONGEST - 1]}…"
        x, y = points[values == kind].T
        panel.scatter(
            x, y, s=12, color=f"C{number % 10}", marker=marker, alpha=0.7,
            lw=0, label=label,
        )  # fmt: skip
    told = "" if len(kinds) <= _TOLD_APART else ": too many for a legend, colours repeat"
    panel.set_title(f"by {name} ({len(kinds)}{told})", fontsize=9 if told else None)
    if not told:
        panel.legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=7,
            ncols=-(-len(kinds) // _ROWS), markerscale=1.5, handletextpad=0.1, columnspacing=0.8,
        )  # fmt: skip


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
