"""The Zarr group that embeddings are kept in, with the manifest's columns beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physiomodels.training.run_card import unfinished
from physioprep.errors import ModelError
from physioprep.hashes import write_hashes
from physioprep.new_folder import new_folder
from physioprep.outputs import EMBEDDINGS, PICTURE, check_output
from physioprep.zarr_files import Files, write_files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import zarr
    from numpy.typing import NDArray

SCHEMA = "physiomodels.embeddings"


@contextmanager
def new_group(
    out: str | Path, *, overwrite: bool, inputs: list[str | Path], picture: str | Path | None
) -> Iterator[Path]:
    """Give the folder of a group, which takes the place of `out` if the block succeeds.

    Parameters
    ----------
    out : path-like
        Group to make; an older one stays until the new one is complete.
    overwrite : bool
        Whether an older one may be replaced.
    inputs : list of path-like
        What is read for it.
    picture : path-like or None
        Picture file that will be drawn.

    Yields
    ------
    Path
        For `write_group`.

    Raises
    ------
    ModelError
        `out` exists and may not be replaced, or it or `picture` is not ours or overlaps an input.
    """
    if picture is not None:
        check_output(picture, PICTURE, overwrite=True, inputs=[out, *inputs], error=ModelError)
    with new_folder(
        Path(out), EMBEDDINGS, overwrite=overwrite, inputs=inputs, error=ModelError
    ) as folder:
        yield folder


def write_group(
    folder: Path,
    vectors: NDArray[np.float32],
    table: pd.DataFrame,
    modalities: list[str],
    model: str | Path,
) -> None:
    """Write the Zarr group.

    Parameters
    ----------
    folder : Path
        From `new_group`.
    vectors : ndarray of float32, shape (row, feature)
        Embeddings.
    table : pandas.DataFrame
        Their columns of the manifest.
    modalities : list of str
        Of the encoders, in the order of the features.
    model : path-like
        What the encoders were loaded from; if its pretraining is not finished, the attribute
        ``unfinished_pretraining`` says so.
    """
    import zarr
    from zarr.storage import MemoryStore

    files: Files = {}
    attributes = {"schema": SCHEMA, "schema_version": 1, "modalities": modalities}
    if (so_far := unfinished(Path(model))) is not None:
        attributes["unfinished_pretraining"] = so_far
    group = zarr.create_group(MemoryStore(files), attributes=attributes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's, on its string type
        _column(group, "embedding", vectors)
        for name in table.columns:
            values = table[name]
            if values.dtype.kind not in "iufb":
                values = values.astype(object).where(values.notna(), "").astype(str)
            _column(group, name, values.to_numpy())
        # so that listing the arrays does not meet SHA256SUMS, of which zarr warns
        zarr.consolidate_metadata(group.store)
    write_files(folder, files)
    write_hashes(folder)


def _column(group: zarr.Group, name: str, values: NDArray[Any]) -> None:
    text = values.dtype.kind in "OTU"
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if text else values.dtype,
        dimension_names=["window", "feature"][: values.ndim],
    )
    array[...] = values
