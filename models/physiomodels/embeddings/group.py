"""The Zarr group that embeddings are kept in, with the manifest's columns beside them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiomodels.embeddings.picture import draw
from physioprep.atomic import put_in_place, remove, restore, sync_tree
from physioprep.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import zarr
    from numpy.typing import NDArray

SCHEMA = "physiomodels.embeddings"


def refuse_existing(out: Path, *, overwrite: bool) -> None:
    """Refuse to replace a group, unless `overwrite` allows it.

    Parameters
    ----------
    out : Path
        Group to make.
    overwrite : bool
        Whether it may be replaced.

    Raises
    ------
    ModelError
        If it exists and may not be replaced.
    """
    if out.exists() and not overwrite:
        raise ModelError(f"{out}: exists; overwrite it (--overwrite) or choose another name")


def finish(
    out: Path,
    vectors: NDArray[np.float32],
    table: pd.DataFrame,
    modalities: list[str],
    picture: str | Path | None,
    projection: str,
) -> None:
    """Write the Zarr group, whole or not at all, and draw it where that is asked for.

    Parameters
    ----------
    out : Path
        Group to make; an older one stays until the new one is complete.
    vectors : ndarray of float32, shape (row, feature)
        Embeddings.
    table : pandas.DataFrame
        Their columns of the manifest.
    modalities : list of str
        Of the encoders, in the order of the features.
    picture : path-like or None
        Picture file to draw.
    projection : {"pca", "umap"}
        Of the picture.
    """
    _write(out, vectors, table, modalities)
    if picture is not None:
        draw(vectors, table, Path(picture), projection)


def _write(
    out: Path, vectors: NDArray[np.float32], table: pd.DataFrame, modalities: list[str]
) -> None:
    import zarr

    target = out.resolve()
    part = target.with_name(f".{target.name}.partial")
    restore(target)
    remove(part)
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
    sync_tree(part)
    put_in_place(part, target)


def _column(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    text = values.dtype.kind in "OTU"
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if text else values.dtype,
        dimension_names=["window", "feature"][: values.ndim],
    )
    array[...] = values
